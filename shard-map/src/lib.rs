//! Which servers there are and what they hold. No sockets, no clock, no tokio: values in, values out.
//!
//! Reading order: [`ids`] (the newtypes), [`address`] (where a server listens), [`topology`] (shards and their
//! servers), [`gtid`] (what a server has executed, and what a session must see).

pub mod address;
pub mod gtid;
pub mod ids;
pub mod topology;

pub use address::{AddressError, ServerAddr};
pub use gtid::{GtidError, GtidSet};
pub use ids::{ServerId, ShardId};
pub use topology::{NewServer, Role, ServerSpec, ShardSpec, Topology, TopologyError, Weight};
