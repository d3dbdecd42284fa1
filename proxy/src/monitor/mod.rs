//! Watches the servers: who is up, who is the writer, who is fresh enough to be read from. Publishes into
//! [`Servers`](crate::servers::Servers); the data path never waits for it.
//!
//! Reading order: [`sight`] (what one probe sees), [`writer`], [`lag`] and [`freshness`] (pure judgements),
//! [`board`] (applies them), [`probe`] and [`pulse`] (the tasks).

mod board;
mod channels;
pub mod facts;
mod freshness;
mod lag;
mod probe;
mod pulse;
mod sight;
pub mod statements;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;

use crate::config::{Config, HeartbeatMode};
use crate::control::ControlPools;
use crate::live::LiveConfig;
use crate::servers::Servers;

pub use channels::channel;
pub use sight::{Channel, Receiver};

use board::Board;
use probe::Probe;
use pulse::Pulse;

/// How often [`Monitor::first_round`] looks whether it is over.
const ROUND_CHECK: Duration = Duration::from_millis(5);

/// Owns the tasks that watch the servers; they end with it.
#[derive(Debug)]
pub struct Monitor {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    boards: Vec<Arc<Mutex<Board>>>,
    pools: ControlPools,
}

impl Monitor {
    /// Starts one task for each server and one for each shard, on the current tokio runtime.
    #[must_use]
    pub fn start(config: &LiveConfig, servers: &Servers) -> Self {
        let (stop, stopped) = watch::channel(false);
        let pools = ControlPools::new(&config.load());
        if config.load().monitor.heartbeat == HeartbeatMode::Status {
            info!(
                "monitor.heartbeat = \"status\": lag is taken from the servers' replication status, in whole seconds"
            );
        }
        let mut monitor = Self { tasks: JoinSet::new(), stop, boards: vec![], pools };
        for shard in servers.shards() {
            let board = Arc::new(Mutex::new(Board::new(Arc::clone(shard))));
            for server in &shard.servers {
                let pool = monitor.pools.of(server.id).clone();
                let probe = Probe::new(Arc::clone(server), Arc::clone(shard), Arc::clone(&board), pool, config.clone());
                monitor.tasks.spawn(probe.run(stopped.clone()));
            }
            // Alone, a server has nobody who could lag behind it.
            if shard.servers.len() > 1 {
                let pools = monitor.pools.clone();
                let pulse = Pulse { shard: Arc::clone(shard), pools, config: config.clone() };
                monitor.tasks.spawn(pulse.run(stopped.clone()));
            }
            monitor.boards.push(board);
        }
        monitor
    }

    /// Waits until every server was asked once, or until the deadline.
    pub async fn first_round(&self, deadline: Instant) {
        let complete = || {
            let lock =
                |b: &Arc<Mutex<Board>>| b.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_complete();
            self.boards.iter().all(lock)
        };
        while !complete() && Instant::now() < deadline {
            tokio::time::sleep(ROUND_CHECK).await;
        }
    }

    /// Control connections, for others on the control runtime.
    #[must_use]
    pub fn pools(&self) -> &ControlPools {
        &self.pools
    }

    /// New control connections log in as a reloaded configuration says; limits are read from the live one anyway.
    pub fn apply(&self, config: &Config) {
        self.pools.apply(config);
    }

    /// Ends the tasks and waits for them.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Resolves when the tasks are to end; also when their owner is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` gives must not live across another await.
    let _ = stop.wait_for(|stop| *stop).await.is_ok();
}
