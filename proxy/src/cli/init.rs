//! `pointsman init`: makes the heartbeat's schema, table and row on the writer of each shard, and prints the rights
//! that the proxy's account needs. May be run again at any time.

use std::time::Duration;

use tokio::time::Instant;

use super::report::Report;
use super::{control_runtime, print};
use crate::config::{Config, Secret};
use crate::control::{ControlError, ControlPool};
use crate::live::LiveConfig;
use crate::monitor::{Monitor, statements};
use crate::servers::{Servers, Shard};

/// Environment variable with the password of `--admin-user`.
const PASSWORD_VARIABLE: &str = "POINTSMAN_ADMIN_PASSWORD";

/// How long to look for the writers.
const FIND_WRITER: Duration = Duration::from_secs(5);

/// DDL may wait for locks a little.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the command.
pub fn run(mut config: Config, admin_user: Option<String>) -> Result<(), String> {
    let account = config.backend.user.clone();
    if let Some(user) = admin_user {
        let password = std::env::var(PASSWORD_VARIABLE).map_err(|_| format!("{PASSWORD_VARIABLE} is not set"))?;
        config.backend.user = user;
        config.backend.password = Secret::new(password);
    }
    print_grants(&account, &config.monitor.heartbeat_schema);
    control_runtime()?.block_on(init(config)).conclude()
}

fn print_grants(account: &str, schema: &str) {
    print("-- The proxy's account needs these rights on each writer (replication carries them on).");
    print("-- Narrow '%' to the proxies' addresses, and choose the password of [backend]:");
    print(&format!("CREATE USER IF NOT EXISTS '{account}'@'%' IDENTIFIED BY '...';"));
    print(&format!("GRANT SELECT, INSERT, UPDATE, CREATE ON `{schema}`.* TO '{account}'@'%';"));
    print("-- MariaDB 10.5 and later:");
    print(&format!("GRANT REPLICA MONITOR ON *.* TO '{account}'@'%';"));
    print("-- MySQL, and MariaDB before 10.5:");
    print(&format!("GRANT REPLICATION CLIENT ON *.* TO '{account}'@'%';"));
    print("");
}

async fn init(config: Config) -> Report {
    let servers = Servers::new(&config);
    let config = LiveConfig::new(config);
    let monitor = Monitor::start(&config, &servers);
    let mut report = Report::default();
    let deadline = Instant::now() + FIND_WRITER;
    for shard in servers.shards() {
        let about = format!("shard '{}'", shard.name);
        let Ok(Some(writer)) = tokio::time::timeout_at(deadline, shard.wait_for_writer()).await else {
            report.problem(&about, format!("no confirmed writer: {}", shard.no_writer_reason()));
            for master in &shard.masters {
                if let Some(why) = servers.server(*master).down_reason() {
                    report.problem(&servers.server(*master).addr, (*why).clone());
                }
            }
            continue;
        };
        let addr = &servers.server(writer).addr;
        let schema = &config.load().monitor.heartbeat_schema;
        match create(monitor.pools().of(writer), schema, shard).await {
            Ok(()) => report.fine(&about, format!("heartbeat table {schema}.heartbeat is ready on {addr}")),
            Err(e) => report.problem(&about, format!("{addr}: {e}")),
        }
    }
    monitor.stop().await;
    report
}

async fn create(pool: &ControlPool, schema: &str, shard: &Shard) -> Result<(), ControlError> {
    let mut conn = pool.get().await?;
    let row: Result<Vec<i64>, _> =
        conn.query(&format!("SELECT 1 FROM `{schema}`.heartbeat WHERE shard = '{}'", shard.name), TIMEOUT).await;
    // Asked first, because CREATE needs a right even when everything is there.
    if row.is_ok_and(|r| !r.is_empty()) {
        return Ok(());
    }
    for sql in statements::create_heartbeat(schema, &shard.name) {
        conn.execute(&sql, TIMEOUT).await?;
    }
    Ok(())
}
