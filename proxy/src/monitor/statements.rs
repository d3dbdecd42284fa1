//! The statements that the monitor sends, for both server families.

use pointsman_planner::ServerKind;

/// Start of the monitor's own count of time on the servers' clocks; any fixed moment would do.
const EPOCH: &str = "'2000-01-01'";

/// First MySQL that knows SHOW REPLICA STATUS; 8.4 removed the older word.
const MYSQL_REPLICA_WORD: u32 = 80_022;

/// First MariaDB whose collations are named apart from their character sets.
const MARIADB_FULL_COLLATION_NAME: u32 = 101_001;

/// The globals of MariaDB of which each session gets a copy.
pub const COPIED_GLOBALS: &str =
    "SELECT LOWER(VARIABLE_NAME) FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_SCOPE = 'SESSION'";

/// The state of a server, in one row of five columns: read_only, server id, GTID position, clock, heartbeat.
///
/// `heartbeat` is the schema and the shard, or None where no heartbeat is to be read. Neither holds a quote
/// (the configuration allows letters, digits and `_-.` only).
#[must_use]
pub fn vitals(kind: ServerKind, heartbeat: Option<(&str, &str)>) -> String {
    let (read_only, gtid) = match kind {
        // gtid_current_pos knows both what was applied and what the server has written itself.
        ServerKind::MariaDb => ("@@GLOBAL.read_only", "@@GLOBAL.gtid_current_pos"),
        ServerKind::MySql => ("@@GLOBAL.read_only OR @@GLOBAL.super_read_only", "@@GLOBAL.gtid_executed"),
    };
    let row = heartbeat.map_or_else(
        || "NULL".to_owned(),
        |(schema, shard)| {
            format!(
                "(SELECT TIMESTAMPDIFF(MICROSECOND, {EPOCH}, ts) FROM `{schema}`.heartbeat WHERE shard = '{shard}')"
            )
        },
    );
    let clock = format!("TIMESTAMPDIFF(MICROSECOND, {EPOCH}, UTC_TIMESTAMP(6))");
    format!("SELECT {read_only}, @@GLOBAL.server_id, {gtid}, {clock}, {row}")
}

/// All replication channels of a server.
#[must_use]
pub fn replication(kind: ServerKind, version: u32) -> &'static str {
    match kind {
        ServerKind::MariaDb => "SHOW ALL SLAVES STATUS",
        ServerKind::MySql if version >= MYSQL_REPLICA_WORD => "SHOW REPLICA STATUS",
        ServerKind::MySql => "SHOW SLAVE STATUS",
    }
}

/// One row if the heartbeat is due, none if another proxy has just renewed it. Asked before [`pulse`], because a
/// server that logs statements (binlog_format STATEMENT or MIXED) logs an UPDATE also when it changes no row.
#[must_use]
pub fn pulse_due(schema: &str, shard: &str, renew_after_micros: u128) -> String {
    format!("SELECT 1 FROM `{schema}`.heartbeat WHERE {}", due(shard, renew_after_micros))
}

/// Renews the heartbeat unless another proxy has just done so.
#[must_use]
pub fn pulse(schema: &str, shard: &str, renew_after_micros: u128) -> String {
    format!("UPDATE `{schema}`.heartbeat SET ts = UTC_TIMESTAMP(6) WHERE {}", due(shard, renew_after_micros))
}

/// A row from the future (the clock was set back) is due too, else it would stand until that future.
fn due(shard: &str, renew_after_micros: u128) -> String {
    format!(
        "shard = '{shard}' AND (ts < UTC_TIMESTAMP(6) - INTERVAL {renew_after_micros} MICROSECOND \
         OR ts > UTC_TIMESTAMP(6) + INTERVAL 1 SECOND)"
    )
}

/// Makes the heartbeat's schema, table and row; each of them only if it is not there.
#[must_use]
pub fn create_heartbeat(schema: &str, shard: &str) -> [String; 3] {
    [
        format!("CREATE DATABASE IF NOT EXISTS `{schema}`"),
        format!(
            "CREATE TABLE IF NOT EXISTS `{schema}`.heartbeat (\
             shard VARCHAR(64) CHARACTER SET ascii NOT NULL PRIMARY KEY, ts DATETIME(6) NOT NULL) ENGINE = InnoDB"
        ),
        format!("INSERT IGNORE INTO `{schema}`.heartbeat (shard, ts) VALUES ('{shard}', UTC_TIMESTAMP(6))"),
    ]
}

/// The ids of all collations that the server knows.
#[must_use]
pub fn collations(kind: ServerKind, version: u32) -> &'static str {
    match kind {
        ServerKind::MariaDb if version >= MARIADB_FULL_COLLATION_NAME => {
            "SELECT ID FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
        }
        _ => "SELECT ID FROM information_schema.COLLATIONS",
    }
}

/// The id of the server's default collation.
#[must_use]
pub fn default_collation(kind: ServerKind, version: u32) -> &'static str {
    match kind {
        ServerKind::MariaDb if version >= MARIADB_FULL_COLLATION_NAME => {
            "SELECT ID FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY \
             WHERE FULL_COLLATION_NAME = @@GLOBAL.collation_server"
        }
        _ => "SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@GLOBAL.collation_server",
    }
}
