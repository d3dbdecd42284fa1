//! What the data path knows of the servers: immutable lists of [`Server`] and [`Shard`], whose facts are atomics
//! that the monitor sets. Every read here is lock-free. Facts carry the moment until which they hold, so that a
//! monitor that has stopped is soon believed no more.

mod clock;
mod info;
mod server;
mod shard;

use std::sync::Arc;

use pointsman_shard_map::{ServerId, ShardId};

use crate::config::Config;

pub use clock::Moment;
pub use info::ServerInfo;
pub use server::{Lag, Server, Verdict};
pub(crate) use shard::Confirmation;
pub use shard::{Shard, SpillPermit};

/// All servers and shards, in the order of their ids.
#[derive(Debug)]
pub struct Servers {
    servers: Vec<Arc<Server>>,
    shards: Vec<Arc<Shard>>,
}

impl Servers {
    /// Nothing is known of any server yet: none is up, no writer is confirmed.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let zone = config.proxy.zone.as_deref();
        let servers: Vec<_> = config.topology.servers().iter().map(|s| Arc::new(Server::new(s, zone))).collect();
        let shards = config.topology.shards().iter().zip(&config.shards);
        let shards = shards.map(|(spec, settings)| Arc::new(Shard::new(spec, settings.clone(), &servers))).collect();
        Self { servers, shards }
    }

    #[must_use]
    pub fn all(&self) -> &[Arc<Server>] {
        &self.servers
    }

    #[must_use]
    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// Ids come from the same configuration, so the server is there.
    #[must_use]
    pub fn server(&self, id: ServerId) -> &Arc<Server> {
        &self.servers[id.index()]
    }

    /// Ids come from the same configuration, so the shard is there.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> &Arc<Shard> {
        &self.shards[id.index()]
    }

    /// Applies the limits of a reloaded configuration of the same topology.
    pub fn apply(&self, config: &Config) {
        for (shard, settings) in self.shards.iter().zip(&config.shards) {
            shard.set_settings(settings.clone());
        }
    }
}
