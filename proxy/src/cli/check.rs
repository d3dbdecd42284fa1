//! `pointsman check`: connects to every server and says everything that is wrong or will hurt, all at once.

mod server;
mod shard;
mod user;

use super::control_runtime;
use super::report::Report;
use crate::config::Config;
use crate::core::setup;
use crate::live::LiveConfig;
use crate::monitor::Monitor;
use crate::servers::Servers;
use server::Inspected;

/// Runs the command on a file that has passed its own checks.
pub fn run(config: Config) -> Result<(), String> {
    control_runtime()?.block_on(check(config)).conclude()
}

async fn check(config: Config) -> Report {
    let mut report = Report::default();
    check_files(&config, &mut report);
    let servers = Servers::new(&config);
    let live = LiveConfig::new(config);
    let config = live.load();
    let monitor = Monitor::start(&live, &servers);
    for shard in servers.shards() {
        let mut seen: Vec<Inspected> = vec![];
        for server in &shard.servers {
            let pool = monitor.pools().of(server.id);
            seen.extend(server::inspect(server, shard, pool, &config, &mut report).await);
        }
        shard::compare(shard, &seen, &config, &mut report).await;
        for user in &config.users {
            user::check(user, &shard.servers, &config, &mut report).await;
        }
    }
    monitor.stop().await;
    report
}

/// Certificates and keys must be usable now rather than at the first connection.
fn check_files(config: &Config, report: &mut Report) {
    if let Err(e) = setup::server_tls(config) {
        report.problem("listen.tls_*", e.to_string());
    }
    if let Err(e) = setup::backend_tls(config) {
        report.problem("backend.tls_*", e.to_string());
    }
}
