//! The configuration that is in force: a reload swaps it whole, readers keep the one they have.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::config::Config;

/// A handle to the configuration in force; clones see the same one.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    current: Arc<ArcSwap<Config>>,
    reloads: watch::Sender<u64>,
}

impl LiveConfig {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(config)), reloads: watch::Sender::new(0) }
    }

    /// The configuration of this moment.
    #[must_use]
    pub fn load(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Puts another one in force.
    pub fn store(&self, config: Config) {
        self.current.store(Arc::new(config));
        self.reloads.send_modify(|n| *n += 1);
    }

    /// Changes with each reload, also with one that changes no setting: files that the settings name may have
    /// other content (certificates).
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }
}
