//! `pointsman check`: connects to every server and says everything that is wrong or will hurt, all at once.

mod server;
mod shard;
mod user;

use std::path::Path;

use super::control_runtime;
use super::report::Report;
use crate::config::{Config, ListenTls};
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

/// Files that the configuration names must be readable now rather than at the first connection.
fn check_files(config: &Config, report: &mut Report) {
    let mut files: Vec<(&str, &Path)> = vec![];
    if let ListenTls::On { cert, key, client_ca, .. } = &config.listen.tls {
        files.push(("listen.tls_cert", cert));
        files.push(("listen.tls_key", key));
        files.extend(client_ca.iter().map(|p| ("listen.tls_client_ca", p.as_path())));
    }
    let tls = &config.backend.tls;
    files.extend(tls.ca.iter().map(|p| ("backend.tls_ca", p.as_path())));
    if let Some(identity) = &tls.identity {
        files.push(("backend.tls_cert", &identity.cert));
        files.push(("backend.tls_key", &identity.key));
    }
    for (setting, path) in files {
        if let Err(e) = std::fs::File::open(path) {
            report.problem(setting, format!("{} can't be read: {e}", path.display()));
        }
    }
}
