//! What holds for every client session.

use std::time::Duration;

use super::form::{Consistency, SessionForm};
use super::problem::Problems;

/// Section `[session]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub consistency: Consistency,
    /// None: never.
    pub idle_transaction_timeout: Option<Duration>,
    pub client_idle_timeout: Duration,
    pub max_allowed_packet: u32,
    pub max_long_data: u32,
    pub max_spool: u32,
    pub max_prepared_statements: u32,
    /// Zero: each COM_STMT_PREPARE is asked of a server.
    pub metadata_cache: Duration,
    /// `schema.function`, in lower case.
    pub safe_functions: Vec<String>,
}

/// Checks the section.
pub fn check(form: SessionForm, problems: &mut Problems) -> Session {
    for name in &form.safe_functions {
        let qualified =
            name.split_once('.').is_some_and(|(schema, function)| !schema.is_empty() && !function.is_empty());
        if !qualified {
            problems.add("session.safe_functions", format!("'{name}' must be written as schema.function"));
        }
    }
    let idle_ms = form.idle_transaction_timeout_ms;
    Session {
        consistency: form.consistency,
        idle_transaction_timeout: (idle_ms > 0).then(|| Duration::from_millis(idle_ms)),
        client_idle_timeout: Duration::from_secs(form.client_idle_timeout_s),
        max_allowed_packet: form.max_allowed_packet,
        max_long_data: form.max_long_data,
        max_spool: form.max_spool,
        metadata_cache: Duration::from_millis(form.metadata_cache_ms),
        max_prepared_statements: form.max_prepared_statements,
        safe_functions: form.safe_functions.iter().map(|f| f.to_lowercase()).collect(),
    }
}
