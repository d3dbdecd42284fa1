//! What all cores share: immutable values, atomics, and registries that are rarely touched.

use crate::backend::conn::StatementKey;
use crate::backend::limits::Limits;
use crate::backend::warm::WarmLogins;
use crate::live::LiveConfig;
use crate::login::client::LoginShared;
use crate::net::tls::BackendTls;
use crate::registry::Registry;
use crate::servers::Servers;
use crate::session::definitions::SchemaChanges;
use crate::timers::Timers;
use arc_swap::ArcSwap;
use dashmap::DashMap;
use pointsman_protocol::auth::Secret;
use rustc_hash::FxBuildHasher;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

pub struct Shared {
    pub config: LiveConfig,
    pub timers: Timers,
    pub servers: Arc<Servers>,
    pub limits: Limits,
    pub registry: Registry,
    pub login: LoginShared,
    pub backend_tls: ArcSwap<BackendTls>,
    pub identities: Identities,
    /// Logins at the servers for which connections are kept ready.
    pub warm: WarmLogins,
    pub statement_keys: StatementKeys,
    pub schema_changes: Arc<SchemaChanges>,
    /// Bytes of long data in files, all clients together.
    pub spooled: Arc<AtomicU64>,
    /// Bytes of long data in memory.
    pub long_data_held: Arc<AtomicU64>,
    /// The statement that switches trackers on, by MySQL version.
    pub mysql_trackers: DashMap<u32, Arc<[u8]>>,
    /// Clients that the limit of open files leaves room for.
    pub room_for_clients: usize,
    /// Sessions on each core.
    pub loads: Vec<AtomicUsize>,
}

impl Shared {
    #[must_use]
    pub fn clients(&self) -> usize {
        self.loads.iter().map(|l| l.load(Ordering::Relaxed)).sum()
    }
}

/// Numbers the distinct logins at the servers, so that pools compare a number.
#[derive(Debug, Default)]
pub struct Identities {
    /// By keyed hashes: what is chosen so that it meets here would have to know the keys.
    numbers: DashMap<(u64, u64), u32, FxBuildHasher>,
    next: AtomicU32,
    keys: (RandomState, RandomState),
}

impl Identities {
    /// The number of this user with this secret. The secret itself is not kept here, only its keyed hash.
    pub fn number(&self, user: &str, secret: &Secret) -> u32 {
        let bytes: &[u8] = match secret {
            Secret::Password(p) => p.bytes(),
            Secret::NativeStage1(stage1) => stage1,
            Secret::Sha2Stage1(stage1) => stage1,
        };
        let kind = std::mem::discriminant(secret);
        let key = (self.keys.0.hash_one((user, kind, bytes)), self.keys.1.hash_one((user, kind, bytes)));
        *self.numbers.entry(key).or_insert_with(|| self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Makes keys of prepared statements; the hash keys are drawn at start.
#[derive(Debug, Default)]
pub struct StatementKeys(RandomState, RandomState);

impl StatementKeys {
    #[must_use]
    pub fn key(&self, of: impl Hash) -> StatementKey {
        (self.0.hash_one(&of), self.1.hash_one(&of))
    }
}
