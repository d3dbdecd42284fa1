//! One thread for each core: its runtime, its listener, its clock; and the start and end of all of them.

use crate::backend::limits::Limits;
use crate::config::Config;
use crate::core::Core;
use crate::core::alarm::TICK;
use crate::core::setup;
use crate::core::shared::Shared;
use crate::core::ticks::Ticks;
use crate::listener::{self, CoreListeners};
use crate::login::client::LoginShared;
use crate::login::{Accounts, RsaKeySource};
use crate::registry::Registry;
use crate::runtime::{Phase, Runtime, Shutdown};
use arc_swap::ArcSwap;
use pointsman_protocol::auth::Plugin;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Idle connections are looked over this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// What still hashes a password or makes a key when all sessions are gone is not waited for longer.
const BLOCKING_END: Duration = Duration::from_millis(100);
/// After the last session of a drain, or at once when the process must end.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// What the data path knows of reloads.
struct Reloads {
    news: watch::Receiver<u64>,
    applied: Arc<Config>,
}

/// Serves clients until the shutdown has come to its end.
pub fn run(runtime: Runtime) -> io::Result<()> {
    // Before the configuration is read, so that no reload falls between the two.
    let reloads = runtime.config.reloads();
    let config = runtime.config.load();
    let cores = match config.listen.cores {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let listeners = listener::bind(&config, cores)?;
    let shared = Arc::new(shared(&runtime, &config, cores)?);
    let mut first = Some(Reloads { news: reloads, applied: config.clone() });
    let threads = listeners.into_iter().enumerate().map(|(index, listeners)| {
        let (shared, shutdown, reloads) = (shared.clone(), runtime.shutdown.clone(), first.take());
        let name = format!("core-{index}");
        std::thread::Builder::new().name(name).spawn(move || core_thread(index, shared, listeners, shutdown, reloads))
    });
    let threads = threads.collect::<io::Result<Vec<_>>>()?;
    let mut outcome = Ok(());
    for thread in threads {
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a core's thread panicked")));
        outcome = outcome.and(ended);
    }
    listener::remove_sockets(&config);
    outcome
}

fn core_thread(
    index: usize,
    shared: Arc<Shared>,
    listeners: CoreListeners,
    shutdown: Shutdown,
    reloads: Option<Reloads>,
) -> io::Result<()> {
    // Its tasks need not be Send, and are queued by the scheduler itself: a LocalSet would be a second one within.
    // Without timers of its own, each of which every query would pay for; see `Timers`.
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    let served = runtime.block_on(serve_core(index, shared, listeners, shutdown, reloads));
    runtime.shutdown_timeout(BLOCKING_END);
    served
}

async fn serve_core(
    index: usize,
    shared: Arc<Shared>,
    listeners: CoreListeners,
    mut shutdown: Shutdown,
    reloads: Option<Reloads>,
) -> io::Result<()> {
    let core = Core::new(index, shared);
    let mut tasks = vec![
        tokio::task::spawn_local(keep_time(core.clone(), Ticks::every(TICK)?)),
        tokio::task::spawn_local(answer_bell(core.clone())),
        tokio::task::spawn_local(keep_warm(core.clone())),
    ];
    // The first core does what is done once for all of them.
    if let Some(reloads) = reloads {
        tasks.push(tokio::task::spawn_local(follow_reloads(core.clone(), reloads)));
        tasks.push(tokio::task::spawn_local(make_rsa_key(core.clone())));
    }
    let accepting = listener::serve(&core, listeners)?;
    shutdown.reached(Phase::Draining).await;
    accepting.stop();
    core.shut_down();
    while !core.cells.is_empty() && shutdown.phase() < Phase::Ending {
        core.shared.timers.sleep(DRAIN_POLL).await;
    }
    core.close_idle();
    tasks.iter().for_each(JoinHandle::abort);
    Ok(())
}

/// The tick: sessions' deadlines, a fresh configuration, idle connections.
async fn keep_time(core: Rc<Core>, ticks: Ticks) {
    let started = Instant::now();
    let mut swept = Duration::ZERO;
    while let Ok(()) = ticks.tick().await {
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

/// Keeps `pool.min_idle` connections ready.
async fn keep_warm(core: Rc<Core>) {
    loop {
        core.warm_up().await;
        core.shared.timers.sleep(SWEEP_EVERY).await;
    }
}

/// Applies each reload to what all cores share.
async fn follow_reloads(core: Rc<Core>, mut reloads: Reloads) {
    while reloads.news.changed().await.is_ok() {
        let new = core.shared.config.load();
        core.shared.apply(&reloads.applied, &new);
        reloads.applied = new;
    }
}

/// Makes the key of caching_sha2_password before the first client needs it; that takes up to seconds. Where clients are
/// greeted with another plugin, hardly one ever will.
async fn make_rsa_key(core: Rc<Core>) {
    if core.login_settings().auth_plugin != Plugin::CachingSha2 {
        return;
    }
    // Its absence is logged where it is made, and it is tried again for the first client.
    let _ = core.shared.login.rsa_key.get().await;
}

fn shared(runtime: &Runtime, config: &Config, cores: usize) -> io::Result<Shared> {
    let limits = Limits::new(config.topology.servers().len(), cores, setup::pool_limit(&config.pool));
    let accounts = Arc::new(Accounts::new(setup::account_specs(config), None));
    let tls = setup::server_tls(config).map_err(io::Error::other)?;
    Ok(Shared {
        config: runtime.config.clone(),
        timers: runtime.timers.clone(),
        servers: runtime.servers.clone(),
        limits,
        registry: Registry::new(config.proxy.id),
        login: LoginShared::new(accounts, tls, RsaKeySource::generated(), runtime.timers.clone()),
        backend_tls: ArcSwap::from_pointee(setup::backend_tls(config).map_err(io::Error::other)?),
        identities: Default::default(),
        warm: Default::default(),
        statement_keys: Default::default(),
        schema_changes: Default::default(),
        spooled: Default::default(),
        long_data_held: Default::default(),
        mysql_trackers: Default::default(),
        room_for_clients: setup::room_for_clients(config),
        loads: (0..cores).map(|_| AtomicUsize::new(0)).collect(),
    })
}
