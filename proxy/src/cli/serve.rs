//! `pointsman serve`: limits, locks, control tasks, signals; then the data path until the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::control_runtime;
use super::lock::Locks;
use crate::config::{Config, ConfigDiff};
use crate::core::setup;
use crate::http;
use crate::live::LiveConfig;
use crate::monitor::Monitor;
use crate::runtime::{Phase, Runtime, Shutdown};
use crate::servers::Servers;
use crate::timers::Timers;

/// Descriptors for control connections, listeners, HTTP, files.
const SPARE_FILES: u64 = 256;

/// Clients are let in once all servers have been asked, or after this time in any case.
const FIRST_ROUND: Duration = Duration::from_secs(3);
/// What an HTTP request that is being answered at the end may still take.
const HTTP_END: Duration = Duration::from_secs(1);

/// Serves until the workers return.
pub fn run(path: &Path, config: Config, workers: impl FnOnce(Runtime) -> std::io::Result<()>) -> Result<(), String> {
    let _locks = Locks::take(&config).map_err(|e| e.to_string())?;
    raise_file_limit(&config);
    let control = control_runtime()?;
    let servers = Arc::new(Servers::new(&config));
    let config = LiveConfig::new(config);
    let (phase, shutdown) = Shutdown::channel();
    let timers = control.block_on(async { Timers::here() });
    let runtime = Runtime { config, servers, shutdown, timers };
    let stop = control.block_on(start_control(path.to_owned(), &runtime, phase))?;
    info!(version = env!("CARGO_PKG_VERSION"), "pointsman serves");
    let served = workers(runtime);
    info!("pointsman ends");
    control.block_on(stop.end());
    served.map_err(|e| format!("the workers failed: {e}"))
}

/// The control tasks, so that they can be ended in order.
struct Control {
    phase: watch::Sender<Phase>,
    signals: tokio::task::JoinHandle<()>,
    http: Option<tokio::task::JoinHandle<()>>,
}

impl Control {
    async fn end(self) {
        self.phase.send_replace(Phase::Ending);
        let http = async {
            if let Some(mut http) = self.http {
                // A request that is never finished would keep the process.
                if tokio::time::timeout(HTTP_END, &mut http).await.is_err() {
                    http.abort();
                }
            }
        };
        // The signal task owns the monitor and ends it; both tasks end by the phase.
        let _ = tokio::join!(self.signals, http).0.is_ok();
    }
}

async fn start_control(path: PathBuf, runtime: &Runtime, phase: watch::Sender<Phase>) -> Result<Control, String> {
    let config = runtime.config.load();
    let http = match config.listen.http {
        None => None,
        Some(addr) => {
            let listener = TcpListener::bind(addr).await.map_err(|e| format!("listen.http: {addr}: {e}"))?;
            let serving = http::serve(listener, runtime.clone());
            Some(tokio::spawn(async move {
                if let Err(e) = serving.await {
                    error!(why = %e, "HTTP ended");
                }
            }))
        }
    };
    let signals = Signals::new().map_err(|e| format!("signals can't be received: {e}"))?;
    let monitor = Monitor::start(&runtime.config, &runtime.servers);
    monitor.first_round(Instant::now() + FIRST_ROUND).await;
    let signals = tokio::spawn(signals.handle(path, runtime.clone(), monitor, phase.clone()));
    Ok(Control { phase, signals, http })
}

struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGHUP reloads; SIGTERM and SIGINT drain, the second one ends. Stops the monitor at the very end.
    async fn handle(mut self, path: PathBuf, runtime: Runtime, monitor: Monitor, phase: watch::Sender<Phase>) {
        let mut shutdown = runtime.shutdown.clone();
        loop {
            let ends = tokio::select! {
                _ = self.term.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hangup.recv() => false,
                () = shutdown.reached(Phase::Ending) => break,
            };
            if !ends {
                reload(&path, &runtime, &monitor);
                continue;
            }
            let next = if shutdown.phase() == Phase::Serving { Phase::Draining } else { Phase::Ending };
            match next {
                Phase::Ending => warn!("second signal: ending at once"),
                Phase::Serving | Phase::Draining => info!("draining: no new clients; a second signal ends at once"),
            }
            phase.send_replace(next);
        }
        monitor.stop().await;
    }
}

/// Puts the file in force as far as possible; a file with mistakes changes nothing.
fn reload(path: &Path, runtime: &Runtime, monitor: &Monitor) {
    let old = runtime.config.load();
    let (new, diff) = match old.reload(path) {
        Ok(outcome) => outcome,
        Err(problems) => {
            for p in problems.0 {
                error!(key = %p.path, why = %p.message, "reload refused; the running configuration stays");
            }
            return;
        }
    };
    let unusable = [setup::server_tls(&new).err(), setup::backend_tls(&new).err()];
    if unusable.iter().any(Option::is_some) {
        for why in unusable.iter().flatten() {
            error!(%why, "reload refused; the running configuration stays, and so do the certificates");
        }
        return;
    }
    runtime.servers.apply(&new);
    monitor.apply(&new);
    // The data path follows: accounts, certificates, limits.
    runtime.config.store(new);
    log_diff(&diff);
}

fn log_diff(diff: &ConfigDiff) {
    if diff.is_empty() {
        info!("reloaded; nothing has changed");
    }
    for key in &diff.live {
        info!(%key, "reloaded");
    }
    for key in &diff.restart {
        warn!(%key, "changed in the file, but takes effect only after a restart");
    }
}

/// Raises the soft limit of open files as far as the hard one allows, and says when that is too little.
fn raise_file_limit(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(e) = setrlimit(Resource::Nofile, raised) {
        warn!(why = %e, "the limit of open files can't be raised");
    }
    let servers = config.topology.servers().len() as u64;
    let connections = servers * u64::from(config.pool.max_connections_per_server);
    let needed = u64::from(config.listen.max_client_connections) + connections + SPARE_FILES;
    // None means no limit.
    if let Some(have) = getrlimit(Resource::Nofile).current.filter(|have| *have < needed) {
        warn!(have, needed, "too few open files are allowed for the configured limits (ulimit -n, LimitNOFILE)");
    }
}
