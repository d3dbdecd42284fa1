//! The configuration that is in force: a reload swaps it whole, readers keep the one they have.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Config;

/// A handle to the configuration in force; clones see the same one.
#[derive(Clone, Debug)]
pub struct LiveConfig(Arc<ArcSwap<Config>>);

impl LiveConfig {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// The configuration of this moment.
    #[must_use]
    pub fn load(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// Puts another one in force.
    pub fn store(&self, config: Config) {
        self.0.store(Arc::new(config));
    }
}
