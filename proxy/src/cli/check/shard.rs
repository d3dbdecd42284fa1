//! The servers of one shard against each other: one writer, no ids twice, the same globals.

use std::collections::BTreeMap;

use pointsman_shard_map::Role;
use tokio::time::Instant;

use super::server::Inspected;
use crate::cli::report::Report;
use crate::config::Config;
use crate::monitor::facts::SESSION_DEFAULTS;
use crate::servers::Shard;

/// Besides what sessions inherit: what changes the meaning of a statement.
const MUST_AGREE: &[&str] = &["lower_case_table_names"];

/// Notes what does not fit together.
pub async fn compare(shard: &Shard, seen: &[Inspected], config: &Config, report: &mut Report) {
    let about = format!("shard '{}'", shard.name);
    let deadline = Instant::now() + config.monitor.writer_confirm + config.monitor.probe_timeout;
    match tokio::time::timeout_at(deadline, shard.wait_for_writer()).await {
        Ok(Some(id)) => {
            let writer = shard.servers.iter().find(|s| s.id == id).map(|s| s.addr.to_string()).unwrap_or_default();
            report.fine(&about, format!("writer is {writer}"));
        }
        Ok(None) | Err(_) => report.problem(&about, format!("no confirmed writer: {}", shard.no_writer_reason())),
    }
    for (what, groups) in doubles(seen) {
        report.problem(&about, format!("{what} is the same on {}", groups.join(" and ")));
    }
    for (name, values) in differences(seen) {
        let message = format!("{name} differs: {}", values.join(", "));
        if MUST_AGREE.contains(&name) { report.problem(&about, message) } else { report.warning(&about, message) }
    }
    if seen.iter().filter(|s| s.role == Role::Master && !s.facts.info.read_only).count() > 1 {
        report.problem(&about, "both masters are writable: set read_only = 1 on the standby");
    }
}

/// Ids that must be unique, with those that share one.
fn doubles(seen: &[Inspected]) -> Vec<(String, Vec<String>)> {
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for s in seen {
        by_id.entry(format!("server_id {}", s.facts.info.server_id)).or_default().push(s.server.clone());
        if let Some(uuid) = &s.facts.info.server_uuid {
            by_id.entry(format!("server_uuid {uuid}")).or_default().push(s.server.clone());
        }
    }
    by_id.into_iter().filter(|(_, servers)| servers.len() > 1).collect()
}

/// Globals whose values are not the same everywhere, as `value on server, server`.
fn differences(seen: &[Inspected]) -> Vec<(&'static str, Vec<String>)> {
    let mut found = vec![];
    for name in SESSION_DEFAULTS.iter().chain(MUST_AGREE) {
        let mut by_value: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for s in seen {
            if let Some(value) = s.facts.variables.get(*name) {
                by_value.entry(value).or_default().push(&s.server);
            }
        }
        if by_value.len() > 1 {
            let values = by_value.iter().map(|(v, servers)| format!("'{v}' on {}", servers.join(", ")));
            found.push((*name, values.collect()));
        }
    }
    found
}
