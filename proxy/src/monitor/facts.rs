//! Reads what a server is: version, limits, and the defaults that its sessions begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pointsman_planner::ServerKind;

use crate::control::{ControlConn, ControlError};
use crate::monitor::statements;
use crate::servers::{Moment, ServerInfo};

/// utf8mb4_general_ci: what a server most likely means when it does not say.
const FALLBACK_COLLATION: u16 = 45;

/// Globals that a new session's state follows from. When one of them changes, or any other of which sessions get a copy,
/// connections opened before must not be used for sessions that begin after.
pub const SESSION_DEFAULTS: &[&str] = &[
    "auto_increment_increment",
    "auto_increment_offset",
    "autocommit",
    "character_set_client",
    "character_set_server",
    "collation_server",
    "completion_type",
    "default_storage_engine",
    "default_week_format",
    "div_precision_increment",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "group_concat_max_len",
    "init_connect",
    "innodb_lock_wait_timeout",
    "interactive_timeout",
    "lc_time_names",
    "lock_wait_timeout",
    "max_allowed_packet",
    "max_execution_time",
    "max_join_size",
    "max_statement_time",
    "net_read_timeout",
    "net_write_timeout",
    "optimizer_switch",
    "session_track_transaction_info",
    "sql_auto_is_null",
    "sql_big_selects",
    "sql_mode",
    "sql_safe_updates",
    "sql_select_limit",
    "time_zone",
    "transaction_isolation",
    "transaction_read_only",
    "tx_isolation",
    "tx_read_only",
    "unique_checks",
    "wait_timeout",
];

/// Globals of MySQL that change by themselves or when the writer does, and of which sessions have no copy. (MySQL tells
/// nowhere in all its versions of which they have one.)
const NO_DEFAULTS: &[&str] =
    &["gtid_executed", "gtid_owned", "gtid_purged", "offline_mode", "read_only", "super_read_only"];

/// A server's globals by name.
pub type Variables = BTreeMap<String, String>;

/// What was read, and when the server was started.
#[derive(Debug)]
pub struct Facts {
    pub info: ServerInfo,
    pub started: Moment,
    pub variables: Variables,
}

/// Asks for everything; a few short statements.
pub async fn read(conn: &mut ControlConn, timeout: Duration) -> Result<Facts, ControlError> {
    let variables = conn.query::<(String, String)>("SHOW GLOBAL VARIABLES", timeout).await?;
    let variables: Variables = variables.into_iter().collect();
    let asked = Moment::now();
    let uptime: Vec<(String, u64)> = conn.query("SHOW GLOBAL STATUS LIKE 'Uptime'", timeout).await?;
    let uptime = Duration::from_secs(uptime.first().map_or(0, |(_, seconds)| *seconds));
    // A server older than this machine's own boot can't be said apart from one as old.
    let started = Moment::from_micros(asked.as_micros().saturating_sub(u64::try_from(uptime.as_micros()).unwrap_or(0)));
    let (kind, number) = ServerInfo::parse_version(text(&variables, "version"));
    let collation: Vec<Option<u16>> = conn.query(statements::default_collation(kind, number), timeout).await?;
    let collation = collation.into_iter().flatten().next().unwrap_or(FALLBACK_COLLATION);
    let copied: Option<BTreeSet<String>> = match kind {
        ServerKind::MariaDb => Some(conn.query(statements::COPIED_GLOBALS, timeout).await?.into_iter().collect()),
        ServerKind::MySql => None,
    };
    let mut info = info(&variables, copied.as_ref(), collation);
    let collations: Vec<Option<u16>> = conn.query(statements::collations(kind, number), timeout).await?;
    info.collations = collations.into_iter().flatten().collect();
    info.collations.sort_unstable();
    Ok(Facts { info, started, variables })
}

fn text<'a>(variables: &'a Variables, name: &str) -> &'a str {
    variables.get(name).map_or("", String::as_str)
}

fn number(variables: &Variables, name: &str) -> u32 {
    text(variables, name).parse::<u64>().map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// MariaDB's server_uid where no network interface has an address to make it of.
const NO_UID: &str = "unknown";

/// `copied`: the globals of which sessions get a copy, where the server says so.
fn info(variables: &Variables, copied: Option<&BTreeSet<String>>, default_collation: u16) -> ServerInfo {
    let version = text(variables, "version").to_owned();
    let (kind, version_number) = ServerInfo::parse_version(&version);
    let uuid = variables.get("server_uuid").or_else(|| variables.get("server_uid"));
    let is_copied = |name: &str| copied.map_or_else(|| !NO_DEFAULTS.contains(&name), |names| names.contains(name));
    let defaults = variables.iter().filter(|(n, _)| SESSION_DEFAULTS.contains(&n.as_str()) || is_copied(n));
    ServerInfo {
        kind,
        version,
        version_number,
        server_id: number(variables, "server_id"),
        server_uuid: uuid.filter(|uuid| *uuid != NO_UID).cloned(),
        default_collation,
        collations: Vec::new(),
        // MariaDB 12 has more values than ON and OFF; all but OFF refuse something.
        read_only: !matches!(text(variables, "read_only"), "OFF" | "0" | ""),
        gtid_mode: variables.get("gtid_mode").is_none_or(|mode| mode == "ON"),
        skip_name_resolve: text(variables, "skip_name_resolve") == "ON",
        max_connections: number(variables, "max_connections"),
        max_prepared_stmt_count: number(variables, "max_prepared_stmt_count"),
        wait_timeout: number(variables, "wait_timeout"),
        interactive_timeout: number(variables, "interactive_timeout"),
        max_allowed_packet: number(variables, "max_allowed_packet"),
        lower_case_table_names: u8::try_from(number(variables, "lower_case_table_names")).unwrap_or(u8::MAX),
        sql_mode: text(variables, "sql_mode").to_owned(),
        session_defaults: defaults.map(|(k, v)| (k.clone(), v.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> ServerInfo {
        let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        info(&variables, Some(&BTreeSet::from(["sort_buffer_size".to_owned()])), FALLBACK_COLLATION)
    }

    #[test]
    fn reads_what_servers_say() {
        let mariadb = of(&[
            ("version", "10.11.14-MariaDB"),
            ("read_only", "ON"),
            ("server_id", "4294967295"),
            ("max_allowed_packet", "18446744073709551615"),
            ("sql_mode", "STRICT_TRANS_TABLES"),
        ]);
        assert_eq!((mariadb.kind, mariadb.version_number), (ServerKind::MariaDb, 101_114));
        assert!(mariadb.read_only && mariadb.gtid_mode);
        assert_eq!((mariadb.server_id, mariadb.max_allowed_packet), (u32::MAX, u32::MAX));
        assert_eq!(mariadb.session_defaults.len(), 2);
        assert_eq!(mariadb.session_default("sql_mode"), Some("STRICT_TRANS_TABLES"));
        let more = of(&[("max_connections", "9"), ("sort_buffer_size", "8"), ("version", "10.11.14-MariaDB")]);
        assert_eq!(more.session_defaults, [("sort_buffer_size".to_owned(), "8".to_owned())]);
        let mysql = of(&[("version", "9.7.0"), ("read_only", "OFF"), ("gtid_mode", "OFF_PERMISSIVE")]);
        assert!(!mysql.read_only && !mysql.gtid_mode);
        assert!(of(&[("read_only", "NO_LOCK_NO_ADMIN")]).read_only);
    }
}
