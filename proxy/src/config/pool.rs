//! How many connections to the servers there may be, and how long they live.

use std::time::Duration;

use super::form::PoolForm;
use super::problem::Problems;

/// Section `[pool]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub max_connections_per_server: u32,
    /// None: only the server's limit holds.
    pub max_connections_per_user: Option<u32>,
    pub wait_timeout: Duration,
    pub min_idle: u32,
    pub max_age: Duration,
    pub max_idle: Duration,
    pub result_state_hold: Duration,
}

/// Checks the section.
pub fn check(form: &PoolForm, problems: &mut Problems) -> Pool {
    if form.min_idle > form.max_connections_per_server {
        problems.add("pool.min_idle", "is more than pool.max_connections_per_server");
    }
    if form.max_connections_per_user > form.max_connections_per_server {
        problems.add("pool.max_connections_per_user", "is more than pool.max_connections_per_server");
    }
    Pool {
        max_connections_per_server: form.max_connections_per_server,
        max_connections_per_user: (form.max_connections_per_user > 0).then_some(form.max_connections_per_user),
        wait_timeout: Duration::from_millis(form.wait_timeout_ms),
        min_idle: form.min_idle,
        max_age: Duration::from_secs(form.max_age_s),
        max_idle: Duration::from_secs(form.max_idle_s),
        result_state_hold: Duration::from_millis(form.result_state_hold_ms),
    }
}
