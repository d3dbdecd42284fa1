//! What a server is: facts that change only with a restart or SET GLOBAL.

use pointsman_planner::ServerKind;

/// Read when a server is first reached, after each reconnect, and every few seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    pub kind: ServerKind,
    /// `@@version`, as in the greeting.
    pub version: String,
    /// As in a versioned comment: 101114 for MariaDB 10.11.14, 90700 for MySQL 9.7.0.
    pub version_number: u32,
    /// `@@server_id`.
    pub server_id: u32,
    /// MySQL's `@@server_uuid`, MariaDB's `@@server_uid` where there is one.
    pub server_uuid: Option<String>,
    /// The id of `@@collation_server`.
    pub default_collation: u16,
    /// The ids of the collations that it knows, sorted; a handshake with another one gets its default.
    pub collations: Vec<u16>,
    pub read_only: bool,
    /// GTIDs are in use: `@@gtid_mode` is ON; always so on MariaDB.
    pub gtid_mode: bool,
    pub skip_name_resolve: bool,
    pub max_connections: u32,
    pub max_prepared_stmt_count: u32,
    pub wait_timeout: u32,
    pub interactive_timeout: u32,
    pub max_allowed_packet: u32,
    pub lower_case_table_names: u8,
    /// `@@sql_mode`, as new sessions get it.
    pub sql_mode: String,
    /// All global variables that new sessions inherit, sorted by name.
    pub session_defaults: Vec<(String, String)>,
}

impl ServerInfo {
    /// The global value of a variable of which sessions get a copy.
    #[must_use]
    pub fn session_default(&self, name: &str) -> Option<&str> {
        let at = self.session_defaults.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
        Some(&self.session_defaults[at].1)
    }

    /// 101114 from `10.11.14-MariaDB-0+deb12u2`. Parts that are missing count as 0.
    #[must_use]
    pub fn parse_version(text: &str) -> (ServerKind, u32) {
        let kind = if text.contains("MariaDB") { ServerKind::MariaDb } else { ServerKind::MySql };
        // MariaDB up to 10 announces itself to old clients as 5.5.5-10.x.
        let text = text.strip_prefix("5.5.5-").unwrap_or(text);
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse::<u32>().unwrap_or(0).min(999));
        let mut next = || parts.next().unwrap_or(0);
        (kind, next() * 10_000 + next() * 100 + next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_of_both() {
        for (text, kind, number) in [
            ("10.11.14-MariaDB-0+deb12u2-log", ServerKind::MariaDb, 101_114),
            ("5.5.5-10.11.14-MariaDB", ServerKind::MariaDb, 101_114),
            ("11.8.3-MariaDB", ServerKind::MariaDb, 110_803),
            ("9.7.0", ServerKind::MySql, 90_700),
            ("8.0.36-28", ServerKind::MySql, 80_036),
            ("8", ServerKind::MySql, 80_000),
        ] {
            assert_eq!(ServerInfo::parse_version(text), (kind, number), "{text}");
        }
    }
}
