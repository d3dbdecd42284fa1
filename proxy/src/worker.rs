//! One thread for each core: its runtime, its listener, its clock; and the start and end of all of them.

use crate::backend::limits::Limits;
use crate::config::{self, BackendTlsMode, Config, ListenTls, UserPassword};
use crate::core::Core;
use crate::core::alarm::TICK;
use crate::core::shared::Shared;
use crate::listener::{self, CoreListeners};
use crate::login::client::LoginShared;
use crate::login::{AccountSpec, Accounts, HostPattern, RsaKeySource};
use crate::net::tls::{BackendTls, Identity, ServerTls, ServerTlsFiles, TlsMode};
use crate::registry::Registry;
use crate::runtime::{Phase, Runtime, Shutdown};
use arc_swap::ArcSwap;
use pointsman_planner::Routines;
use pointsman_protocol::auth::{AccountSecret, Password, StoredHash};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Idle connections are looked over this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// After the last session of a drain, or at once when the process must end.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// Serves clients until the shutdown has come to its end.
pub fn run(runtime: Runtime) -> io::Result<()> {
    let config = runtime.config.load();
    let cores = match config.listen.cores {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let listeners = listener::bind(&config, cores)?;
    let shared = Arc::new(shared(&runtime, &config, cores)?);
    let threads = listeners.into_iter().enumerate().map(|(index, listeners)| {
        let (shared, shutdown) = (shared.clone(), runtime.shutdown.clone());
        let name = format!("core-{index}");
        std::thread::Builder::new().name(name).spawn(move || core_thread(index, shared, listeners, shutdown))
    });
    let threads = threads.collect::<io::Result<Vec<_>>>()?;
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a core's thread panicked"))??;
    }
    Ok(())
}

fn core_thread(index: usize, shared: Arc<Shared>, listeners: CoreListeners, shutdown: Shutdown) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, serve_core(index, shared, listeners, shutdown))
}

async fn serve_core(
    index: usize,
    shared: Arc<Shared>,
    listeners: CoreListeners,
    mut shutdown: Shutdown,
) -> io::Result<()> {
    let core = Core::new(index, shared);
    let clock = tokio::task::spawn_local(keep_time(core.clone()));
    let bell = tokio::task::spawn_local(answer_bell(core.clone()));
    let accepting = listener::serve(&core, listeners)?;
    shutdown.reached(Phase::Draining).await;
    accepting.stop();
    core.shut_down();
    while !core.cells.is_empty() && shutdown.phase() < Phase::Ending {
        tokio::time::sleep(DRAIN_POLL).await;
    }
    core.close_idle();
    clock.abort();
    bell.abort();
    Ok(())
}

/// The tick: sessions' deadlines, a fresh configuration, idle connections.
async fn keep_time(core: Rc<Core>) {
    let started = Instant::now();
    let mut swept = Duration::ZERO;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let now = started.elapsed();
        core.tick(now.as_millis() as u64);
        if now - swept >= SWEEP_EVERY {
            swept = now;
            core.sweep_idle();
        }
    }
}

/// Rung when a session anywhere waits for a connection.
async fn answer_bell(core: Rc<Core>) {
    let bells = core.shared.limits.bells.clone();
    loop {
        bells[core.index].notified().await;
        core.serve_waiters();
    }
}

fn shared(runtime: &Runtime, config: &Config, cores: usize) -> io::Result<Shared> {
    let pool = &config.pool;
    let limits = Limits::new(
        config.topology.servers().len(),
        cores,
        pool.max_connections_per_server as usize,
        pool.max_connections_per_user.map_or(0, |n| n as usize),
    );
    let accounts = Arc::new(Accounts::new(account_specs(config), None));
    let tls = server_tls(config).map_err(io::Error::other)?;
    Ok(Shared {
        config: runtime.config.clone(),
        servers: runtime.servers.clone(),
        limits,
        registry: Registry::new(config.proxy.id),
        login: LoginShared::new(accounts, tls, RsaKeySource::generated()),
        backend_tls: ArcSwap::from_pointee(backend_tls(config).map_err(io::Error::other)?),
        identities: Default::default(),
        routines: Routines::new(config.session.safe_functions.iter().map(String::as_str)),
        statement_keys: Default::default(),
        mysql_trackers: Default::default(),
        loads: (0..cores).map(|_| AtomicUsize::new(0)).collect(),
    })
}

/// The account list as the login sees it.
#[must_use]
pub fn account_specs(config: &Config) -> Vec<AccountSpec> {
    let users = config.users.iter();
    let spec = |user: &config::User| AccountSpec {
        name: user.name.clone(),
        secrets: user.passwords.iter().map(account_secret).collect(),
        hosts: user.hosts.iter().filter_map(host_pattern).collect(),
        require_tls: user.require_tls,
        max_connections: user.max_connections,
        backend_user: Some(user.backend_user.clone()),
        backend_password: user.backend_password.as_ref().map(|p| Password::new(p.expose().as_bytes())),
        default_schema: user.default_schema.clone(),
    };
    users.map(spec).collect()
}

fn host_pattern(pattern: &config::HostPattern) -> Option<HostPattern> {
    match pattern {
        config::HostPattern::Any => Some(HostPattern::Wildcard("%".to_owned())),
        config::HostPattern::Local => Some(HostPattern::Localhost),
        config::HostPattern::Network(network) => network.to_string().parse().ok().map(HostPattern::Network),
    }
}

fn account_secret(password: &UserPassword) -> AccountSecret {
    match password {
        UserPassword::Clear(secret) => AccountSecret::Password(Password::new(secret.expose().as_bytes())),
        UserPassword::NativeHash(hash) => AccountSecret::NativeHash(*hash),
        UserPassword::CachingSha2Hash(stored) => match StoredHash::parse(&stored.0) {
            Some(hash) => AccountSecret::CachingSha2Hash(hash),
            // The configuration has checked its form; an empty native hash matches nothing.
            None => AccountSecret::NativeHash([0; 20]),
        },
    }
}

fn server_tls(config: &Config) -> Result<Option<Arc<ServerTls>>, crate::net::tls::TlsSetupError> {
    let ListenTls::On { cert, key, client_ca, .. } = &config.listen.tls else { return Ok(None) };
    let identity = Identity { certificate: cert.clone(), key: key.clone() };
    ServerTls::load(ServerTlsFiles { identity, client_ca: client_ca.clone() }).map(|tls| Some(Arc::new(tls)))
}

fn backend_tls(config: &Config) -> Result<BackendTls, crate::net::tls::TlsSetupError> {
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
