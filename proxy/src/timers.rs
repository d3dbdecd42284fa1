//! Deadlines of the data path. The runtimes of its cores have no timers: one that has looks at the clock four times
//! for each query. What is seldom waited for is timed by the control runtime, and wakes its task from there.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Sleep, Timeout};

/// The timers of another runtime.
#[derive(Clone, Debug)]
pub struct Timers(Handle);

impl Timers {
    /// Those of the runtime that the caller runs on.
    #[must_use]
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// An error when the future has not come to its end by then.
    pub fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F> {
        let _on_their_runtime = self.0.enter();
        tokio::time::timeout(limit, future)
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        let _on_their_runtime = self.0.enter();
        tokio::time::sleep(duration)
    }
}
