//! The shards: their servers become the topology, their limits stay beside it.

use std::time::Duration;

use pointsman_shard_map::{NewServer, ServerAddr, ShardId, Topology, Weight};

use super::form::{ServerForm, ShardForm};
use super::problem::Problems;

/// Longest shard name; the key of the heartbeat table holds as much.
const MAX_NAME_LEN: usize = 64;

/// What one `[[shard]]` says besides its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSettings {
    pub id: ShardId,
    pub name: String,
    pub max_lag: Duration,
    pub standby_reads: bool,
    pub stale_reads: bool,
    /// Reads at one time that the writer takes over.
    pub spill_limit: u32,
}

/// Checks all shards together. `spill_default` is what holds when a shard sets no limit, `least_lag` what can be
/// measured at all.
pub fn check(
    forms: Vec<ShardForm>,
    spill_default: u32,
    least_lag: Duration,
    problems: &mut Problems,
) -> (Topology, Vec<ShardSettings>) {
    let mut topology = Topology::default();
    let mut settings = vec![];
    for (i, form) in forms.into_iter().enumerate() {
        let path = format!("shard[{i}]");
        check_name(&form.name, &path, problems);
        let max_lag = Duration::from_millis(form.max_lag_ms);
        if max_lag < least_lag {
            let message = format!(
                "{} ms can't be measured: heartbeat_ms + poll_ms is {}",
                form.max_lag_ms,
                least_lag.as_millis()
            );
            problems.add(format!("{path}.max_lag_ms"), message);
        }
        let masters = check_servers(form.masters, &format!("{path}.masters"), problems);
        let replicas = check_servers(form.replicas, &format!("{path}.replicas"), problems);
        // A list that lost a bad address would be reported again as too short.
        let (Some(masters), Some(replicas)) = (masters, replicas) else { continue };
        let Some(id) = problems.take(&path, topology.add_shard(&form.name, masters, replicas)) else { continue };
        settings.push(ShardSettings {
            id,
            name: form.name,
            max_lag,
            standby_reads: form.standby_reads,
            stale_reads: form.stale_reads,
            spill_limit: form.spill_limit.unwrap_or(spill_default),
        });
    }
    (topology, settings)
}

fn check_name(name: &str, path: &str, problems: &mut Problems) {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if name.is_empty() || name.len() > MAX_NAME_LEN || !plain {
        problems.add(format!("{path}.name"), "must have 1 to 64 characters of A-Z a-z 0-9 _ - .");
    }
}

fn check_servers(forms: Vec<ServerForm>, path: &str, problems: &mut Problems) -> Option<Vec<NewServer>> {
    let mut complete = true;
    let mut servers = vec![];
    for (i, form) in forms.into_iter().enumerate() {
        let (address, weight, zone) = match form {
            ServerForm::Address(address) => (address, None, None),
            ServerForm::Table(t) => (t.address, t.weight, t.zone),
        };
        match problems.take(&format!("{path}[{i}]"), address.parse::<ServerAddr>()) {
            Some(addr) => servers.push(NewServer { addr, weight: weight.map_or(Weight::DEFAULT, Weight), zone }),
            None => complete = false,
        }
    }
    complete.then_some(servers)
}
