//! Deadlines of the data path. The runtimes of its cores have no timers: one that has looks at the clock four times
//! for each query. What is seldom waited for is timed by the control runtime, and wakes its task from there.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::Sleep;

/// The time was up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// The timers of another runtime.
#[derive(Clone, Debug)]
pub struct Timers(Handle);

impl Timers {
    /// Those of the runtime that the caller runs on.
    #[must_use]
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// An error when the future has not come to its end by then. Most have at once, and need no timer.
    pub async fn timeout<F: Future + Unpin>(&self, limit: Duration, mut future: F) -> Result<F::Output, TimedOut> {
        let mut alarm = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = Pin::new(&mut future).poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // Also rings when the future has used up the task's budget of this turn.
            let alarm = alarm.get_or_insert_with(|| Box::pin(unconstrained(self.sleep(limit))));
            alarm.as_mut().poll(cx).map(|()| Err(TimedOut))
        })
        .await
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        let _on_their_runtime = self.0.enter();
        tokio::time::sleep(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::pin::pin;

    #[test]
    fn what_is_there_at_once_is_in_time_and_what_never_comes_is_not() {
        let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let timers = control.block_on(async { Timers::here() });
        // As on a core: no timers of its own.
        let core = tokio::runtime::Builder::new_current_thread().build().unwrap();
        core.block_on(async {
            assert_eq!(timers.timeout(Duration::ZERO, ready(7)).await, Ok(7));
            assert_eq!(timers.timeout(Duration::from_millis(1), pending::<()>()).await, Err(TimedOut));
            let late = pin!(timers.sleep(Duration::from_millis(1)));
            assert_eq!(timers.timeout(Duration::from_secs(60), late).await, Ok(()));
        });
    }
}
