//! Waiting for something to become true, with a limit and a message that says what it was.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Lab, LabError};

/// How often a condition is looked at: short against everything that is waited for, long against one look.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `is_so` answers true, at most `limit`; `what` completes the sentence "no answer within ...".
pub fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Lab<()> {
    let end = Instant::now() + limit;
    loop {
        if is_so() {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(LabError::Timeout { what: what.to_owned(), seconds: limit.as_secs() });
        }
        thread::sleep(LOOK_EVERY);
    }
}
