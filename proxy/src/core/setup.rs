//! What the data path makes of the configuration: at start, and again at each reload.

use super::shared::Shared;
use crate::backend::limits::PoolLimit;
use crate::config::{BackendTlsMode, Config, ListenTls, Pool, User, UserPassword};
use crate::login::{AccountSpec, Accounts};
use crate::net::tls::{BackendTls, Identity, ServerTls, ServerTlsFiles, TlsMode, TlsSetupError};
use pointsman_protocol::auth::{AccountSecret, Password, StoredHash};
use rustix::process::{Resource, getrlimit};
use std::sync::Arc;

/// Descriptors for control connections, listeners, HTTP, long data.
const SPARE_FILES: usize = 256;

impl Shared {
    /// Puts a reloaded configuration in force where it is not simply looked up when needed. Certificates are read
    /// again even if no setting has changed; where that fails the old ones stay.
    pub fn apply(&self, old: &Config, new: &Config) {
        // Unchanged ones keep what full logins have taught, or every client would have to log in slowly once more.
        if old.users != new.users {
            let accounts = Accounts::new(account_specs(new), Some(&self.login.accounts.load()));
            self.login.accounts.store(Arc::new(accounts));
        }
        match server_tls(new) {
            Ok(tls) => self.login.tls.store(tls),
            Err(why) => tracing::error!(%why, "reload: listen.tls_* not applied; the old certificate stays"),
        }
        match backend_tls(new) {
            Ok(tls) => self.backend_tls.store(Arc::new(tls)),
            Err(why) => tracing::error!(%why, "reload: backend.tls_* not applied; the old ones stay"),
        }
        self.limits.set(pool_limit(&new.pool));
        let fewer = pool_limit(&new.pool).is_below(pool_limit(&old.pool));
        if fewer || old.backend != new.backend || old.users != new.users {
            // Last, so that connections of the new generation are opened in the new way.
            self.servers.all().iter().for_each(|s| s.recycle_pools());
        }
    }
}

/// How many connections there may be at each server.
#[must_use]
pub fn pool_limit(pool: &Pool) -> PoolLimit {
    let per_server = pool.max_connections_per_server as usize;
    PoolLimit { per_server, per_account: pool.max_connections_per_user.map_or(per_server, |n| n as usize) }
}

/// How many clients may come in so that, within the limit of open files, servers can still be reached: they get up to
/// half of it, and a part is spare. A client beyond is told so, where otherwise it would wait to be accepted.
#[must_use]
pub fn room_for_clients(config: &Config) -> usize {
    let files = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let servers = config.topology.servers().len() * config.pool.max_connections_per_server as usize;
    files - servers.min(files / 2) - SPARE_FILES.min(files / 4)
}

/// The account list as the login sees it.
#[must_use]
pub fn account_specs(config: &Config) -> Vec<AccountSpec> {
    let spec = |user: &User| AccountSpec {
        name: user.name.clone(),
        secrets: user.passwords.iter().map(account_secret).collect(),
        hosts: user.hosts.clone(),
        require_tls: user.require_tls,
        max_connections: user.max_connections,
        backend_user: Some(user.backend_user.clone()),
        backend_password: user.backend_password.as_ref().map(|p| Password::new(p.expose().as_bytes())),
        default_schema: user.default_schema.clone(),
    };
    config.users.iter().map(spec).collect()
}

fn account_secret(password: &UserPassword) -> AccountSecret {
    match password {
        UserPassword::Clear(secret) => AccountSecret::from_password(Password::new(secret.expose().as_bytes())),
        UserPassword::NativeHash(hash) => AccountSecret::NativeHash(*hash),
        UserPassword::CachingSha2Hash(stored) => match StoredHash::parse(&stored.0) {
            Some(hash) => AccountSecret::CachingSha2Hash(hash),
            // The configuration has checked its form; an empty native hash matches nothing.
            None => AccountSecret::NativeHash([0; 20]),
        },
    }
}

/// TLS towards clients; None where it is off.
pub fn server_tls(config: &Config) -> Result<Option<Arc<ServerTls>>, TlsSetupError> {
    let ListenTls::On { cert, key, client_ca, .. } = &config.listen.tls else { return Ok(None) };
    let identity = Identity { certificate: cert.clone(), key: key.clone() };
    ServerTls::load(&ServerTlsFiles { identity, client_ca: client_ca.clone() }).map(|tls| Some(Arc::new(tls)))
}

/// TLS towards the servers.
pub fn backend_tls(config: &Config) -> Result<BackendTls, TlsSetupError> {
    let tls = &config.backend.tls;
    let mode = match tls.mode {
        BackendTlsMode::Disabled => TlsMode::Disabled,
        BackendTlsMode::Preferred => TlsMode::Preferred,
        BackendTlsMode::Required => TlsMode::Required,
        BackendTlsMode::VerifyCa => TlsMode::VerifyCa,
        BackendTlsMode::VerifyIdentity => TlsMode::VerifyIdentity,
    };
    let identity = tls.identity.as_ref().map(|i| Identity { certificate: i.cert.clone(), key: i.key.clone() });
    BackendTls::load(mode, tls.ca.as_ref(), identity.as_ref())
}
