//! `pool.min_idle`: connections that are kept ready at each server for each user who was seen.

use super::conn::PoolKey;
use super::open::Identity;
use crate::core::Core;
use crate::servers::Server;
use dashmap::DashMap;
use std::sync::Arc;

/// Logins that are remembered: users, times the few kinds of login that split pools, times passwords of a rotation.
/// Those beyond have no connections waiting for them, which costs their statements a login.
const MAX_LOGINS: usize = 1024;

/// One login at the servers that clients have needed.
#[derive(Clone, Debug)]
struct WarmLogin {
    identity: Identity,
    charset: u16,
}

/// The logins that were used since the start, by account number and login class. Shared by all cores.
#[derive(Debug, Default)]
pub struct WarmLogins(DashMap<(u32, u64), WarmLogin>);

impl WarmLogins {
    /// A session has logged in at a server like this.
    pub fn note(&self, key: PoolKey, identity: &Identity, charset: u16) {
        let at = (key.account, key.class);
        if self.0.len() < MAX_LOGINS && !self.0.contains_key(&at) {
            self.0.insert(at, WarmLogin { identity: identity.clone(), charset });
        }
    }

    fn forget(&self, account: u32, class: u64) {
        self.0.remove(&(account, class));
    }

    /// A copy, so that nothing is locked while connections are opened.
    fn all(&self) -> Vec<((u32, u64), WarmLogin)> {
        self.0.iter().map(|entry| (*entry.key(), entry.value().clone())).collect()
    }
}

impl Core {
    /// This core's part of `pool.min_idle`; together the cores have all of it.
    #[must_use]
    pub fn min_idle(&self) -> usize {
        let all = self.config().pool.min_idle as usize;
        let cores = self.shared.loads.len().max(1);
        all / cores + usize::from(self.index < all % cores)
    }

    /// Opens what lacks, one after the other: readiness is worth no storm of logins.
    pub async fn warm_up(&self) {
        if self.min_idle() == 0 {
            return;
        }
        for ((account, class), login) in self.shared.warm.all() {
            let key = |server: &Server| PoolKey { server: server.id, account, class };
            if !self.is_configured(&login.identity.user) {
                self.shared.warm.forget(account, class);
                continue;
            }
            for server in self.shared.servers.all() {
                self.warm_up_at(server, key(server), &login).await;
            }
        }
    }

    async fn warm_up_at(&self, server: &Arc<Server>, key: PoolKey, login: &WarmLogin) {
        let limit = self.shared.limits.of(server.id);
        while server.is_up() && !limit.has_waiters() && self.idle_count(key) < self.min_idle() {
            let Some(slot) = limit.try_open(key.account) else { return };
            match self.open(server, key, &login.identity, login.charset, slot).await {
                Ok(conn) => self.release(conn),
                Err(why) => {
                    // The next session of this user says so too, to its client, and is remembered if it gets in.
                    tracing::warn!(server = %server.addr, error = %why, "no connection for pool.min_idle");
                    return self.shared.warm.forget(key.account, key.class);
                }
            }
        }
    }

    /// Whether a reload has left anybody who logs in at the servers under this name.
    fn is_configured(&self, backend_user: &str) -> bool {
        self.config().users.iter().any(|user| user.backend_user == backend_user)
    }
}
