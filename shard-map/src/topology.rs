//! The shards and the servers of each: a master pair and replicas. Immutable once built.

use std::fmt;

use crate::{ServerAddr, ServerId, ShardId};

/// What a server is configured as. Which of two masters is the writer is the monitor's finding, not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// One of the pair that may take writes.
    Master,
    /// Takes reads only.
    Replica,
}

/// A server's share of reads relative to its peers; 0 takes reads only when no other can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(pub u16);

impl Weight {
    /// What a server without a configured weight has; a round number leaves room below for smaller machines.
    pub const DEFAULT: Self = Self(100);
}

/// One server as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    pub id: ServerId,
    pub shard: ShardId,
    pub addr: ServerAddr,
    pub role: Role,
    pub weight: Weight,
    /// Where it stands; reads prefer the proxy's own zone.
    pub zone: Option<String>,
}

/// One shard as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSpec {
    pub id: ShardId,
    pub name: String,
    /// One or two.
    pub masters: Vec<ServerId>,
    pub replicas: Vec<ServerId>,
}

/// All shards and servers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Topology {
    shards: Vec<ShardSpec>,
    servers: Vec<ServerSpec>,
}

/// Why a shard does not fit into the topology. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    #[error("shard '{0}' is named twice")]
    DuplicateShard(String),
    #[error("shard '{shard}' has {count} masters; it needs one, or two that replicate from each other")]
    MasterCount { shard: String, count: usize },
    #[error("{0} is listed twice; a server belongs to one place only")]
    DuplicateServer(ServerAddr),
    #[error("more than {} servers or shards", u16::MAX)]
    TooMany,
}

/// A server that is to be added, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    pub addr: ServerAddr,
    pub weight: Weight,
    pub zone: Option<String>,
}

impl Topology {
    /// Adds a shard, or says why it cannot be; a refused shard leaves the topology as it was.
    pub fn add_shard(
        &mut self,
        name: &str,
        masters: Vec<NewServer>,
        replicas: Vec<NewServer>,
    ) -> Result<ShardId, TopologyError> {
        self.admissible(name, &masters, &replicas)?;
        let shard = ShardId(u16::try_from(self.shards.len()).map_err(|_| TopologyError::TooMany)?);
        let masters = masters.into_iter().map(|s| self.push(shard, Role::Master, s)).collect();
        let replicas = replicas.into_iter().map(|s| self.push(shard, Role::Replica, s)).collect();
        self.shards.push(ShardSpec { id: shard, name: name.to_owned(), masters, replicas });
        Ok(shard)
    }

    fn admissible(&self, name: &str, masters: &[NewServer], replicas: &[NewServer]) -> Result<(), TopologyError> {
        if self.shards.iter().any(|s| s.name == name) {
            return Err(TopologyError::DuplicateShard(name.to_owned()));
        }
        if !(1..=2).contains(&masters.len()) {
            return Err(TopologyError::MasterCount { shard: name.to_owned(), count: masters.len() });
        }
        if self.servers.len() + masters.len() + replicas.len() > usize::from(u16::MAX) {
            return Err(TopologyError::TooMany);
        }
        let mut seen: Vec<&ServerAddr> = self.servers.iter().map(|s| &s.addr).collect();
        for server in masters.iter().chain(replicas) {
            if seen.contains(&&server.addr) {
                return Err(TopologyError::DuplicateServer(server.addr.clone()));
            }
            seen.push(&server.addr);
        }
        Ok(())
    }

    fn push(&mut self, shard: ShardId, role: Role, new: NewServer) -> ServerId {
        let id = ServerId(u16::try_from(self.servers.len()).expect("admissible() counted the servers"));
        self.servers.push(ServerSpec { id, shard, addr: new.addr, role, weight: new.weight, zone: new.zone });
        id
    }

    /// In the order of their ids.
    #[must_use]
    pub fn shards(&self) -> &[ShardSpec] {
        &self.shards
    }

    /// In the order of their ids.
    #[must_use]
    pub fn servers(&self) -> &[ServerSpec] {
        &self.servers
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Replica => "replica",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(list: &[&str]) -> Vec<NewServer> {
        list.iter().map(|a| NewServer { addr: a.parse().unwrap(), weight: Weight::DEFAULT, zone: None }).collect()
    }

    #[test]
    fn ids_are_places_in_the_lists() {
        let mut t = Topology::default();
        t.add_shard("a", servers(&["m1", "m2"]), servers(&["r1"])).unwrap();
        let b = t.add_shard("b", servers(&["m3"]), vec![]).unwrap();
        assert_eq!(b, ShardId(1));
        assert_eq!(t.shards()[0].replicas, [ServerId(2)]);
        assert_eq!(t.servers()[3].shard, b);
        assert!(t.servers().iter().enumerate().all(|(i, s)| s.id.index() == i));
    }

    #[test]
    fn refuses_what_makes_no_sense_and_stays_as_it_was() {
        let mut t = Topology::default();
        t.add_shard("a", servers(&["m1"]), servers(&["r1"])).unwrap();
        let before = t.clone();
        for (name, masters, replicas) in [
            ("a", &["m2"][..], &[][..]),
            ("b", &[], &["r2"]),
            ("b", &["m2", "m3", "m4"], &[]),
            ("b", &["m2"], &["r1"]),
            ("b", &["m2", "m2:3306"], &[]),
        ] {
            assert!(t.add_shard(name, servers(masters), servers(replicas)).is_err(), "{name} {masters:?}");
            assert_eq!(t, before);
        }
    }
}
