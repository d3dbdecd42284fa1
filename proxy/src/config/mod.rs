//! The configuration: a TOML file in, a checked and complete [`Config`] out, or all that is wrong with it.
//!
//! Reading order: [`settings`] (every setting), `keys` (the file held against them), `form` (the file's shape),
//! then one file for each section that turns the form into what the rest of the proxy uses.

mod backend;
mod diff;
mod form;
mod keys;
mod listen;
mod manual;
mod monitoring;
mod pool;
mod problem;
mod secret;
mod session;
pub mod settings;
mod shard;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pointsman_shard_map::Topology;

pub use backend::{Backend, BackendTls, TlsIdentity};
pub use diff::ConfigDiff;
pub use form::{BackendTlsMode, Compression, Consistency, HeartbeatMode};
pub use listen::{Listen, ListenAddr, ListenTls};
pub use manual::page as settings_manual;
pub use monitoring::Monitoring;
pub use pool::Pool;
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use session::Session;
pub use shard::ShardSettings;
pub use user::{HashBytes, User, UserPassword};

use form::{Form, ProxyForm};
use keys::Shape;

/// A configuration without mistakes. Immutable; a reload makes another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub listen: Listen,
    pub backend: Backend,
    pub users: Vec<User>,
    pub topology: Topology,
    /// In the order of the shards' ids.
    pub shards: Vec<ShardSettings>,
    pub pool: Pool,
    pub session: Session,
    pub monitor: Monitoring,
    pub proxy: Proxy,
    /// `debug.always_switch`.
    pub always_switch: bool,
}

/// Section `[proxy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub id: u8,
    pub count: u16,
    pub zone: Option<String>,
    /// None: see the setting's description.
    pub state_dir: Option<PathBuf>,
}

impl Proxy {
    /// Where lock files and long data lie: as configured, else where systemd or the login session says, else in a
    /// directory of this user's under the temporary one.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        let of = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let of_user = || {
            let user = rustix::process::geteuid().as_raw();
            of("XDG_RUNTIME_DIR")
                .map_or_else(|| std::env::temp_dir().join(format!("pointsman-{user}")), |d| d.join("pointsman"))
        };
        self.state_dir.clone().or_else(|| of("RUNTIME_DIRECTORY")).unwrap_or_else(of_user)
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let message = format!("{} can't be read: {e}", path.display());
            Problems(vec![Problem { path: String::new(), message }])
        })?;
        Self::parse(&text)
    }

    /// Checks a file's text.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let form = read_form(text, &mut problems).ok_or_else(|| problems.clone())?;
        let config = check(form, &mut problems);
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|u| u.name == name)
    }

    /// How long a session without GTIDs reads only from the writer after a write, for a shard.
    #[must_use]
    pub fn settle_time(&self, shard: &ShardSettings) -> Duration {
        shard.max_lag + self.monitor.poll
    }
}

/// None when the text is no TOML or has keys or types that the settings do not know.
fn read_form(text: &str, problems: &mut Problems) -> Option<Form> {
    let parsed = text.parse::<toml::Table>();
    let mut file = match parsed {
        Ok(file) => file,
        // The parser's own message quotes the line, which may be a password's.
        Err(e) => {
            let line = e.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            problems.add("", format!("line {line}: {}", e.message()));
            return None;
        }
    };
    if keys::complete(&mut file, problems) == Shape::Broken {
        return None;
    }
    // Everything that could fail here was found above, with a better message.
    file.try_into().map_err(|e: toml::de::Error| problems.add("", e.message())).ok()
}

fn check(form: Form, problems: &mut Problems) -> Option<Config> {
    let listen = listen::check(form.listen, problems);
    let backend = backend::check(form.backend, problems);
    let pool = pool::check(&form.pool, problems);
    let session = session::check(form.session, problems);
    let users = check_users(form.user, session.consistency, problems);
    let monitor = monitoring::check(form.monitor, form.proxy.count, problems);
    let spill_default = pool.max_connections_per_server / 2;
    let (topology, shards) = shard::check(form.shard, spill_default, monitor.least_lag(), problems);
    let proxy = check_proxy(form.proxy, problems);
    Some(Config {
        listen: listen?,
        backend: backend?,
        users,
        topology,
        shards,
        pool,
        session,
        monitor,
        proxy,
        always_switch: form.debug.always_switch,
    })
}

fn check_users(forms: Vec<form::UserForm>, consistency: Consistency, problems: &mut Problems) -> Vec<User> {
    let mut users: Vec<User> = vec![];
    for (i, form) in forms.into_iter().enumerate() {
        let path = format!("user[{i}]");
        if users.iter().any(|u| u.name == form.name) {
            problems.add(format!("{path}.name"), format!("user '{}' is there already", form.name));
            continue;
        }
        users.extend(user::check(form, &path, consistency, problems));
    }
    users
}

fn check_proxy(form: ProxyForm, problems: &mut Problems) -> Proxy {
    if u16::from(form.id) >= form.count.max(1) && form.count > 1 {
        problems.add("proxy.id", format!("ids run from 0 to proxy.count - 1, here {}", form.count - 1));
    }
    if form.state_dir.as_ref().is_some_and(|d| !d.starts_with('/')) {
        problems.add("proxy.state_dir", "must be an absolute path");
    }
    Proxy { id: form.id, count: form.count, zone: form.zone, state_dir: form.state_dir.map(PathBuf::from) }
}

#[cfg(test)]
mod tests;
