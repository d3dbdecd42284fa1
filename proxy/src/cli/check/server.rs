//! One server by itself: can it be reached, what is it, does it replicate, which settings will hurt.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mysql_async::Row;
use pointsman_planner::ServerKind;
use pointsman_shard_map::Role;

use crate::cli::report::Report;
use crate::config::{Config, Consistency, HeartbeatMode};
use crate::control::{ControlConn, ControlError, ControlPool};
use crate::monitor::facts::{self, Facts};
use crate::monitor::{Channel, Receiver, channel, statements};
use crate::servers::{Server, Shard};

/// Clocks further apart than this make NOW() differ visibly between servers.
const CLOCK_WARNING: Duration = Duration::from_millis(500);

/// ... and further than this make dates, certificates and logs wrong.
const CLOCK_PROBLEM: Duration = Duration::from_secs(5);

/// A partner that froze is noticed by the other master only after its slave_net_timeout; until then writes wait.
const SLAVE_NET_TIMEOUT: u64 = 10;

/// Connections of a server that are not the proxies': replication, administrators, backups.
const SPARE_CONNECTIONS: u64 = 10;

/// What was found, for the comparison across the shard.
#[derive(Debug)]
pub struct Inspected {
    pub server: String,
    pub role: Role,
    pub facts: Facts,
}

/// Asks one server and notes what it says. None when it can't be asked.
pub async fn inspect(
    server: &Server,
    shard: &Shard,
    pool: &ControlPool,
    config: &Config,
    report: &mut Report,
) -> Option<Inspected> {
    let seen = async {
        let mut conn = pool.get().await?;
        let facts = facts::read(&mut conn, config.monitor.probe_timeout).await?;
        Ok::<_, ControlError>((conn, facts))
    };
    let (mut conn, facts) = match seen.await {
        Ok(seen) => seen,
        Err(e) => {
            report.problem(&server.addr, format!("can't be asked as '{}': {e}", config.backend.user));
            return None;
        }
    };
    let read_only = if facts.info.read_only { "read-only" } else { "writable" };
    report.fine(&server.addr, format!("{} of '{}', {}, {read_only}", server.role, shard.name, facts.info.version));
    clock(server, &mut conn, config, report).await;
    if shard.servers.len() > 1 {
        heartbeat(server, shard, &mut conn, config, report).await;
        replication(server, shard, &facts, &mut conn, config, report).await;
    }
    settings(server, shard, &facts, config, report);
    Some(Inspected { server: server.addr.to_string(), role: server.role, facts })
}

async fn clock(server: &Server, conn: &mut ControlConn, config: &Config, report: &mut Report) {
    let before = SystemTime::now();
    let sql = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";
    let Ok(rows) = conn.query::<i64>(sql, config.monitor.probe_timeout).await else { return };
    let round_trip = before.elapsed().unwrap_or_default();
    let here = before.duration_since(UNIX_EPOCH).unwrap_or_default() + round_trip / 2;
    let there = Duration::from_micros(rows.first().and_then(|t| u64::try_from(*t).ok()).unwrap_or(0));
    // Half a round trip can't be told from a difference.
    let apart = here.abs_diff(there).saturating_sub(round_trip / 2);
    let message = format!("its clock differs from this machine's by {} ms", apart.as_millis());
    if apart > CLOCK_PROBLEM {
        report.problem(&server.addr, message);
    } else if apart > CLOCK_WARNING {
        report.warning(&server.addr, message);
    }
}

async fn heartbeat(server: &Server, shard: &Shard, conn: &mut ControlConn, config: &Config, report: &mut Report) {
    if config.monitor.heartbeat == HeartbeatMode::Status {
        return;
    }
    let schema = &config.monitor.heartbeat_schema;
    let sql = format!("SELECT COUNT(*) FROM `{schema}`.heartbeat WHERE shard = '{}'", shard.name);
    match conn.query::<u32>(&sql, config.monitor.probe_timeout).await {
        Ok(rows) if rows.first() == Some(&1) => {}
        Ok(_) => report
            .problem(&server.addr, format!("{schema}.heartbeat has no row for '{}': run `pointsman init`", shard.name)),
        Err(e) => report.problem(&server.addr, format!("{schema}.heartbeat can't be read ({e}): run `pointsman init`")),
    }
    if server.role == Role::Master {
        // Matches no row, so it changes nothing, yet needs the right.
        let sql = format!("UPDATE `{schema}`.heartbeat SET ts = ts WHERE shard = '{}' AND 1 = 0", shard.name);
        if let Err(ControlError::Server { code: code @ (1142 | 1143 | 1044), message, .. }) =
            conn.execute(&sql, config.monitor.probe_timeout).await
        {
            report.problem(&server.addr, format!("a grant lacks for the heartbeat (error {code}: {message})"));
        }
    }
}

async fn replication(
    server: &Server,
    shard: &Shard,
    facts: &Facts,
    conn: &mut ControlConn,
    config: &Config,
    report: &mut Report,
) {
    let sql = statements::replication(facts.info.kind, facts.info.version_number);
    let rows = match conn.query::<Row>(sql, config.monitor.probe_timeout).await {
        Ok(rows) => rows,
        Err(e) => {
            return report.problem(&server.addr, format!("replication status can't be read ({e}): a grant lacks"));
        }
    };
    let channels: Vec<Channel> = rows.iter().map(channel).collect();
    // The writer of a pair may do without, although then the standby can't take over and hand back.
    let pair = shard.masters.len() == 2;
    match (channels.is_empty(), server.role) {
        (true, Role::Replica) => report.problem(&server.addr, "is a replica, but replicates from nobody"),
        (true, Role::Master) if pair => report.warning(&server.addr, "does not replicate from the other master"),
        _ => {}
    }
    for c in &channels {
        if c.receiver != Receiver::Connected {
            report.problem(&server.addr, format!("its replication IO thread is not connected (error {})", c.error));
        }
        if !c.applier_runs {
            report.problem(&server.addr, format!("its replication SQL thread does not run (error {})", c.error));
        }
    }
    let uses_gtids =
        rows.iter().all(|r| r.get_opt::<String, _>("Using_Gtid").and_then(Result::ok).is_none_or(|u| u != "No"));
    if !uses_gtids {
        report.warning(
            &server.addr,
            "replicates by binlog position, not by GTID: it can't be told what it has applied of other servers",
        );
    }
}

fn settings(server: &Server, shard: &Shard, facts: &Facts, config: &Config, report: &mut Report) {
    let variable = |name: &str| facts.variables.get(name).map_or("", String::as_str);
    let number = |name: &str| variable(name).parse::<u64>().ok();
    let any = |a: &str, b: &str| number(a).or_else(|| number(b));
    let proxies = u64::from(config.proxy.count);
    let wanted = proxies
        * (u64::from(config.pool.max_connections_per_server) + u64::from(crate::control::MAX_CONNECTIONS))
        + SPARE_CONNECTIONS;
    let have = u64::from(facts.info.max_connections);
    if have < wanted {
        report.problem(&server.addr, format!("max_connections = {have}, but {wanted} may be needed (proxy.count = {proxies}, times pool.max_connections_per_server and monitoring)"));
    }
    if facts.info.max_allowed_packet < config.session.max_allowed_packet {
        report.warning(
            &server.addr,
            format!(
                "max_allowed_packet = {} is less than session.max_allowed_packet = {}",
                facts.info.max_allowed_packet, config.session.max_allowed_packet
            ),
        );
    }
    if u64::from(facts.info.wait_timeout) <= config.pool.max_idle.as_secs() {
        report.warning(
            &server.addr,
            format!("wait_timeout = {} closes pooled connections before pool.max_idle_s does", facts.info.wait_timeout),
        );
    }
    if shard.servers.len() == 1 {
        return;
    }
    if server.role == Role::Replica && !facts.info.read_only {
        report.problem(&server.addr, "is a replica, but read_only = 0: a stray write would make it differ for good");
    }
    let sessions = config.session.consistency == Consistency::Session;
    if sessions && facts.info.kind == ServerKind::MySql && !facts.info.gtid_mode {
        report.warning(&server.addr, "gtid_mode is not ON: after a write, reads stay on the writer for max_lag_ms instead of until a replica has it");
    }
    if variable("log_bin") == "OFF" && server.role == Role::Master {
        report.problem(&server.addr, "log_bin = OFF: nobody can replicate from it");
    }
    if variable("binlog_format") == "STATEMENT" {
        report.warning(&server.addr, "binlog_format = STATEMENT: replicas may compute other values than the writer");
    }
    let logs_replicated = [variable("log_slave_updates"), variable("log_replica_updates")];
    if server.role == Role::Master && logs_replicated.contains(&"OFF") {
        report.warning(&server.addr, "log_slave_updates = OFF: replicas of this master miss what the other one wrote");
    }
    let patience = any("slave_net_timeout", "replica_net_timeout").unwrap_or(0);
    if server.role == Role::Master && shard.masters.len() == 2 && patience > SLAVE_NET_TIMEOUT {
        report.warning(
            &server.addr,
            format!("slave_net_timeout = {patience}: when the other master freezes, writes wait this many seconds"),
        );
    }
}
