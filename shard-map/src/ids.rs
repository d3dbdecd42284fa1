//! Numbers that name things, each with a type of its own so that they cannot be mixed up.

use std::fmt;

/// One server of the topology: its place in [`Topology::servers`](crate::Topology::servers). Not MySQL's `server_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u16);

/// One shard of the topology: its place in [`Topology::shards`](crate::Topology::shards).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ServerId {
    /// The index in the topology's list of servers.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl ShardId {
    /// The index in the topology's list of shards.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {}", self.0)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}
