//! Keeps one shard's heartbeat row beating on its confirmed writer. Leaderless: every proxy tries, the row's own
//! age lets only one of them through in each interval.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use super::statements;
use crate::config::{HeartbeatMode, Monitoring};
use crate::control::{ControlError, ControlPools};
use crate::live::LiveConfig;
use crate::servers::Shard;

/// Part of the interval after which the row is renewed; a whole interval would skip every second beat.
const RENEW_AFTER_PERCENT: u128 = 90;

/// A beat may wait for a lock or for a semi-synchronous standby; giving up sooner would only pile up connections.
const TIMEOUT: Duration = Duration::from_secs(5);

/// After the server has refused (no table, no right), how long until the next attempt.
const RETRY_REFUSED: Duration = Duration::from_secs(10);

/// ER_OPTION_PREVENTS_STATEMENT (--read-only), ER_READ_ONLY_MODE.
const READ_ONLY_ERRORS: [u16; 2] = [1290, 1836];

/// One shard's heartbeat.
pub struct Pulse {
    pub shard: Arc<Shard>,
    pub pools: ControlPools,
    pub config: LiveConfig,
}

impl Pulse {
    /// Until `stop` says true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        // What was said last: the same failure comes with each beat.
        let mut told: Option<String> = None;
        loop {
            let config = self.config.load();
            let began = Instant::now();
            let beat = async {
                match config.monitor.heartbeat {
                    HeartbeatMode::Write => self.beat(&config.monitor).await,
                    HeartbeatMode::Status => Ok(()),
                }
            };
            let outcome = tokio::select! {
                outcome = beat => outcome,
                () = super::stopped(&mut stop) => return,
            };
            let refused = matches!(outcome, Err(ControlError::Server { .. }));
            let why = outcome.err().map(|e| e.to_string());
            if let Some(why) = why.as_ref().filter(|why| told.as_ref() != Some(why)) {
                warn!(shard = %self.shard.name, why, "heartbeat can't be written");
            }
            told = why;
            let pause = if refused { RETRY_REFUSED } else { config.monitor.heartbeat_interval };
            tokio::select! {
                () = tokio::time::sleep_until(began + pause) => {}
                () = super::stopped(&mut stop) => return,
            }
        }
    }

    async fn beat(&self, config: &Monitoring) -> Result<(), ControlError> {
        let Some(writer) = self.shard.confirmed_writer() else { return Ok(()) };
        let renew_after = config.heartbeat_interval.as_micros() * RENEW_AFTER_PERCENT / 100;
        let due = statements::pulse_due(&config.heartbeat_schema, &self.shard.name, renew_after);
        let sql = statements::pulse(&config.heartbeat_schema, &self.shard.name, renew_after);
        let mut conn = self.pools.of(writer).get().await?;
        if conn.query::<u8>(&due, config.probe_timeout).await?.is_empty() {
            return Ok(());
        }
        // Asked again: all this may have taken longer than the confirmation holds.
        if self.shard.confirmed_writer() != Some(writer) {
            return Ok(());
        }
        match conn.execute(&sql, TIMEOUT).await {
            Err(e) if e.code().is_some_and(|c| READ_ONLY_ERRORS.contains(&c)) => {
                self.shard.distrust(writer);
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }
}
