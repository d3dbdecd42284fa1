//! The application accounts: can the proxy log in with them, and do they respect read_only.

use std::sync::Arc;

use pointsman_planner::ServerKind;

use crate::cli::report::Report;
use crate::config::{Backend, Config, User, UserPassword};
use crate::control::{ControlError, ControlPool};
use crate::servers::{Server, ServerInfo};

/// First MariaDB in which SUPER no longer includes READ_ONLY ADMIN (MDEV-29596).
const MARIADB_SUPER_OBEYS: u32 = 101_100;

/// With those of the roles that are active, and of the roles within them.
const SHOW_GRANTS: &str = "SHOW GRANTS";

/// Of MariaDB, quoted; a session has one at a time. Roles within roles come with those that hold them.
const APPLICABLE_ROLES: &str = "SELECT DISTINCT CONCAT('`', REPLACE(ROLE_NAME, '`', '``'), '`') \
     FROM information_schema.APPLICABLE_ROLES ORDER BY 1 LIMIT 256";

/// Logs in to each server of a shard as the user would be, and reads its grants.
pub async fn check(user: &User, servers: &[Arc<Server>], config: &Config, report: &mut Report) {
    let about = format!("user '{}'", user.name);
    let Some(password) = &user.backend_password else {
        return only_hashes(user, servers, &about, report);
    };
    let login = Backend { user: user.backend_user.clone(), password: password.clone(), ..config.backend.clone() };
    let mut dangerous: Vec<String> = vec![];
    let (mut logins, mut refusals) = (0, 0);
    for server in servers {
        // Servers that are down have been reported already.
        let Some(info) = server.info() else { continue };
        match grants(server, &login, config).await {
            Ok(grants) => {
                logins += 1;
                let found = grants.iter().find_map(|g| Some((bypasses_read_only(&g.rights, &info)?, &g.role)));
                dangerous.extend(found.map(|(right, role)| match role {
                    None => format!("{right} on {}", server.addr),
                    Some(role) => format!("{right} on {} after SET ROLE {role}", server.addr),
                }));
            }
            Err(e) => {
                refusals += 1;
                report.problem(&about, format!("can't log in to {} as '{}': {e}", server.addr, login.user));
            }
        }
    }
    if dangerous.is_empty() && logins > 0 && refusals == 0 {
        report.fine(&about, format!("logs in to {logins} of {} servers and respects read_only", servers.len()));
    } else if !dangerous.is_empty() {
        let rights = dangerous.join(", ");
        report.problem(&about, format!("ignores read_only, so that a write could reach a standby: {rights}"));
    }
}

fn only_hashes(user: &User, servers: &[Arc<Server>], about: &str, report: &mut Report) {
    let native = user.passwords.iter().any(|p| matches!(p, UserPassword::NativeHash(_)));
    let all_mariadb = servers.iter().all(|s| s.info().is_none_or(|i| i.kind == ServerKind::MariaDb));
    if native && all_mariadb {
        report.warning(about, "only a hash is known: connections can be opened only while a client with mysql_native_password logs in (set backend_password)");
    } else {
        report.problem(about, "only a hash is known, with which nobody can log in to these servers: it can't be pooled (set backend_password)");
    }
}

/// What the account may do, as one of its sessions sees it.
struct Grants {
    /// What the session gave to SET ROLE; None: as it logged in, with the account's default role.
    role: Option<String>,
    rights: Vec<String>,
}

/// An account may take any of its roles at any time, so those that are not its default count too.
async fn grants(server: &Server, login: &Backend, config: &Config) -> Result<Vec<Grants>, ControlError> {
    let timeout = config.monitor.probe_timeout;
    let mut conn = ControlPool::new(&server.addr, login).get().await?;
    let mut all = vec![Grants { role: None, rights: conn.query(SHOW_GRANTS, timeout).await? }];
    let roles: Vec<String> = match server.info().map(|info| info.kind) {
        // All of them at a time. MySQL 5.7 knows no roles and refuses the word.
        Some(ServerKind::MySql) => vec!["ALL".to_owned()],
        _ => conn.query(APPLICABLE_ROLES, timeout).await?,
    };
    for role in roles {
        match conn.execute(&format!("SET ROLE {role}"), timeout).await {
            Ok(_) => all.push(Grants { role: Some(role), rights: conn.query(SHOW_GRANTS, timeout).await? }),
            Err(ControlError::Server { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// The right in global grants that lets the account write where read_only = 1.
fn bypasses_read_only(grants: &[String], info: &ServerInfo) -> Option<&'static str> {
    let global = grants.iter().filter_map(|g| g.split_once(" ON *.* TO ")).map(|(rights, _)| rights);
    let rights: Vec<&str> = global.flat_map(|r| r.trim_start_matches("GRANT ").split(',')).map(str::trim).collect();
    let has = |right: &str| rights.iter().any(|r| r.eq_ignore_ascii_case(right));
    let super_bypasses = info.kind == ServerKind::MySql || info.version_number < MARIADB_SUPER_OBEYS;
    let all = has("ALL PRIVILEGES").then_some("ALL PRIVILEGES");
    let super_right = (super_bypasses && has("SUPER")).then_some("SUPER");
    let read_only_admin = has("READ_ONLY ADMIN").then_some("READ_ONLY ADMIN");
    // MySQL's word for the same (reference manual, "read_only").
    let connection_admin = (info.kind == ServerKind::MySql && has("CONNECTION_ADMIN")).then_some("CONNECTION_ADMIN");
    all.or(super_right).or(read_only_admin).or(connection_admin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(grant: &str, version: &str) -> Option<&'static str> {
        let (kind, version_number) = ServerInfo::parse_version(version);
        let info = ServerInfo {
            kind,
            version: version.to_owned(),
            version_number,
            server_id: 1,
            server_uuid: None,
            default_collation: 45,
            collations: vec![],
            read_only: false,
            gtid_mode: true,
            skip_name_resolve: false,
            max_connections: 1,
            max_prepared_stmt_count: 1,
            wait_timeout: 1,
            interactive_timeout: 1,
            max_allowed_packet: 1,
            lower_case_table_names: 0,
            sql_mode: String::new(),
            session_defaults: vec![],
        };
        bypasses_read_only(&[grant.to_owned()], &info)
    }

    #[test]
    fn knows_which_rights_ignore_read_only() {
        for (grant, version, expected) in [
            ("GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION", "10.11.14-MariaDB", Some("ALL PRIVILEGES")),
            ("GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`", "10.11.14-MariaDB", None),
            ("GRANT SELECT, SUPER ON *.* TO `a`@`%`", "10.11.14-MariaDB", None),
            ("GRANT SELECT, SUPER ON *.* TO `a`@`%`", "10.6.1-MariaDB", Some("SUPER")),
            ("GRANT SELECT, SUPER ON *.* TO `a`@`%`", "9.7.0", Some("SUPER")),
            ("GRANT SELECT, READ_ONLY ADMIN ON *.* TO `a`@`%`", "11.4.2-MariaDB", Some("READ_ONLY ADMIN")),
            ("GRANT BACKUP_ADMIN,CONNECTION_ADMIN ON *.* TO `a`@`%`", "9.7.0", Some("CONNECTION_ADMIN")),
            ("GRANT USAGE ON *.* TO `a`@`%`", "9.7.0", None),
        ] {
            assert_eq!(found(grant, version), expected, "{grant} {version}");
        }
    }
}
