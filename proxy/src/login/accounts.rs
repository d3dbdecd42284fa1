//! The user list: who may log in, from where, with what. Immutable; a reload builds a new one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pointsman_protocol::auth::{AccountSecret, Password, Remembered, Secret};

use super::hosts::{HostPattern, Peer};

/// One user as the configuration has it. By default from anywhere, without limits.
#[derive(Clone, Debug, Default)]
pub struct AccountSpec {
    pub name: String,
    /// Any of them lets the client in: several during a rotation.
    pub secrets: Vec<AccountSecret>,
    /// Empty: from anywhere.
    pub hosts: Vec<HostPattern>,
    pub require_tls: bool,
    pub max_connections: Option<u32>,
    pub backend_user: Option<String>,
    pub backend_password: Option<Password>,
    pub default_schema: Option<String>,
}

/// A user, its live connections and the passwords its full logins have shown.
#[derive(Debug)]
pub struct Account {
    spec: AccountSpec,
    /// Those of `spec`, as each login takes them.
    secrets: Arc<[AccountSecret]>,
    live: Arc<AtomicU32>,
    /// Never longer than `spec.secrets`: a password gets here only by fitting one of them.
    remembered: Mutex<Vec<Remembered>>,
}

impl Account {
    #[must_use]
    pub fn spec(&self) -> &AccountSpec {
        &self.spec
    }

    pub(super) fn secrets(&self) -> Arc<[AccountSecret]> {
        Arc::clone(&self.secrets)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The user name at the servers.
    #[must_use]
    pub fn backend_user(&self) -> &str {
        self.spec.backend_user.as_deref().unwrap_or(&self.spec.name)
    }

    /// What logs in at the servers: the configured password, else what this client's login taught.
    #[must_use]
    pub fn backend_secret(&self, learned: Secret) -> Secret {
        match &self.spec.backend_password {
            Some(password) => Secret::Password(password.clone()),
            None => learned,
        }
    }

    #[must_use]
    pub fn live_connections(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn allows(&self, peer: &Peer) -> bool {
        self.spec.hosts.is_empty() || self.spec.hosts.iter().any(|pattern| pattern.matches(peer))
    }

    /// Counts a connection, unless the limit (given back) is reached.
    pub(super) fn take_slot(self: &Arc<Self>) -> Result<AccountSlot, u32> {
        let limit = self.spec.max_connections.unwrap_or(u32::MAX);
        self.live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1))
            .map_err(|_| limit)?;
        Ok(AccountSlot { live: Arc::clone(&self.live) })
    }

    pub(super) fn remembered(&self) -> Vec<Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn remember(&self, new: Remembered) {
        let mut known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&new) && known.len() < self.spec.secrets.len() {
            known.push(new);
        }
    }
}

/// One live connection of an account; the count falls when it is dropped.
#[derive(Debug)]
pub struct AccountSlot {
    live: Arc<AtomicU32>,
}

impl Drop for AccountSlot {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All users by name.
#[derive(Debug, Default)]
pub struct Accounts {
    by_name: HashMap<String, Arc<Account>>,
    /// Chooses the same disguise for the same unknown name each time; random per process.
    disguise: RandomState,
    /// One secret list per account, from which unknown users get their disguise.
    shapes: Vec<Vec<AccountSecret>>,
}

impl Accounts {
    /// Builds the list. Counts of live connections go on from the list that it replaces. Of two entries with
    /// one name the last counts; the configuration refuses such.
    #[must_use]
    pub fn new(specs: Vec<AccountSpec>, replaces: Option<&Self>) -> Self {
        let shapes = specs.iter().map(|spec| spec.secrets.clone()).collect();
        let by_name = specs.into_iter().map(|spec| {
            let old = replaces.and_then(|list| list.by_name.get(&spec.name));
            let live = old.map(|account| Arc::clone(&account.live)).unwrap_or_default();
            let secrets = spec.secrets.clone().into();
            (spec.name.clone(), Arc::new(Account { spec, secrets, live, remembered: Mutex::default() }))
        });
        Self {
            by_name: by_name.collect(),
            disguise: replaces.map(|list| list.disguise.clone()).unwrap_or_default(),
            shapes,
        }
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Account>> {
        self.by_name.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.by_name.values()
    }

    /// Secrets that nobody can know, of the kinds that some real account has: an unknown user then sees
    /// what that account's users see after a wrong password.
    pub(super) fn decoy(&self, name: &str) -> Vec<AccountSecret> {
        let random: [u8; 20] = super::salt();
        if self.shapes.is_empty() {
            return vec![AccountSecret::from_password(Password::new(random))];
        }
        let pick = self.disguise.hash_one(name) as usize % self.shapes.len();
        self.shapes[pick].iter().map(|secret| secret.decoy(random)).collect()
    }
}
