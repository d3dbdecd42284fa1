//! What the control side hands to the data path: the configuration in force, the servers, and when to end.

use std::sync::Arc;

use tokio::sync::watch;

use crate::live::LiveConfig;
use crate::servers::Servers;
use crate::timers::Timers;

/// Everything the data path needs of the control side. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub config: LiveConfig,
    pub servers: Arc<Servers>,
    pub shutdown: Shutdown,
    /// Of the control runtime.
    pub timers: Timers,
}

/// How far the end of the process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// SIGTERM: no new clients; sessions end when they hold no transaction and no pin.
    Draining,
    /// A second SIGTERM: everything ends now.
    Ending,
}

/// The receiving end of the process's phase.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

impl Shutdown {
    /// The sender moves the phase on; dropping it counts as [`Phase::Ending`].
    #[must_use]
    pub fn channel() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (sender, Self(receiver))
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.0.has_changed().is_err() { Phase::Ending } else { *self.0.borrow() }
    }

    /// Resolves once the phase is at least this one.
    pub async fn reached(&mut self, phase: Phase) {
        // An error means that the sender is gone, which ends everything.
        let _ = self.0.wait_for(|p| *p >= phase).await.is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_go_on() {
        let (sender, mut shutdown) = Shutdown::channel();
        assert_eq!(shutdown.phase(), Phase::Serving);
        sender.send_replace(Phase::Draining);
        shutdown.reached(Phase::Draining).await;
        assert_eq!(shutdown.phase(), Phase::Draining);
        drop(sender);
        shutdown.reached(Phase::Ending).await;
        assert_eq!(shutdown.phase(), Phase::Ending);
    }
}
