//! How the servers are watched.

use std::time::Duration;

use super::form::{HeartbeatMode, MonitorForm};
use super::problem::Problems;

/// Longest schema name of either server.
const MAX_SCHEMA_LEN: usize = 64;

/// Proxies that may poll at the configured interval; more of them stretch it, so that together they ask a server
/// no more often than eight would.
const PROXIES_UNSTRETCHED: u32 = 8;

/// A confirmation must survive the loss of two probes in a row.
const POLLS_PER_CONFIRMATION: u32 = 3;

/// Section `[monitor]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// Already stretched for the number of proxies.
    pub poll: Duration,
    pub probe_timeout: Duration,
    pub heartbeat: HeartbeatMode,
    pub heartbeat_interval: Duration,
    pub heartbeat_schema: String,
    pub writer_confirm: Duration,
    pub no_writer_wait: Duration,
    pub slow_start: Duration,
}

impl Monitoring {
    /// The least lag that can be told from none.
    #[must_use]
    pub fn least_lag(&self) -> Duration {
        self.heartbeat_interval + self.poll
    }
}

/// Checks the section.
pub fn check(form: MonitorForm, proxies: u16, problems: &mut Problems) -> Monitoring {
    let plain = form.heartbeat_schema.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if form.heartbeat_schema.is_empty() || form.heartbeat_schema.len() > MAX_SCHEMA_LEN || !plain {
        problems.add("monitor.heartbeat_schema", "must have 1 to 64 characters of A-Z a-z 0-9 _");
    }
    let writer_confirm = Duration::from_millis(form.writer_confirm_ms);
    let longest_poll = writer_confirm / POLLS_PER_CONFIRMATION;
    let configured = Duration::from_millis(form.poll_ms);
    if configured > longest_poll {
        let message = format!("{} ms is too long: three polls must fit into writer_confirm_ms", form.poll_ms);
        problems.add("monitor.poll_ms", message);
    }
    let stretch = u32::from(proxies).div_ceil(PROXIES_UNSTRETCHED).max(1);
    Monitoring {
        poll: (configured * stretch).min(longest_poll),
        probe_timeout: Duration::from_millis(form.probe_timeout_ms),
        heartbeat: form.heartbeat,
        heartbeat_interval: Duration::from_millis(form.heartbeat_ms),
        heartbeat_schema: form.heartbeat_schema,
        writer_confirm,
        no_writer_wait: Duration::from_millis(form.no_writer_wait_ms),
        slow_start: Duration::from_secs(form.slow_start_s),
    }
}
