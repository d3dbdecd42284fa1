//! Health over HTTP: `GET /healthz` (the process lives), `GET /readyz` (it can do its work, and if not, what lacks).

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::runtime::{Phase, Runtime};
use crate::servers::{Lag, Server, Servers, Shard};

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// What lacks, in words; empty when ready.
    missing: Vec<String>,
    shards: Vec<ShardState>,
}

#[derive(Debug, Serialize)]
struct ShardState {
    name: String,
    writer: Option<String>,
    servers: Vec<ServerState>,
}

#[derive(Debug, Serialize)]
struct ServerState {
    address: String,
    role: String,
    up: bool,
    /// Why it is not; null while it is up or was not asked yet.
    error: Option<String>,
    takes_reads: bool,
    /// Milliseconds; null when unknown or broken.
    lag_ms: Option<u64>,
    replication_broken: bool,
    version: Option<String>,
}

/// Answers until the process ends.
pub async fn serve(listener: TcpListener, runtime: Runtime) -> std::io::Result<()> {
    let mut shutdown = runtime.shutdown.clone();
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Arc::new(runtime));
    // Health is asked for until the very end: a draining proxy answers "not ready".
    let end = async move { shutdown.reached(Phase::Ending).await };
    axum::serve(listener, app).with_graceful_shutdown(end).await
}

async fn readyz(State(runtime): State<Arc<Runtime>>) -> (StatusCode, Json<Readiness>) {
    let readiness = judge(&runtime.servers, runtime.shutdown.phase());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

fn judge(servers: &Servers, phase: Phase) -> Readiness {
    let mut missing = vec![];
    if phase > Phase::Serving {
        missing.push("the proxy is shutting down".to_owned());
    }
    let shards = servers.shards().iter().map(|s| shard_state(s, servers, &mut missing)).collect();
    Readiness { ready: missing.is_empty(), missing, shards }
}

fn shard_state(shard: &Shard, servers: &Servers, missing: &mut Vec<String>) -> ShardState {
    let writer = shard.confirmed_writer().map(|id| servers.server(id).addr.to_string());
    if writer.is_none() {
        missing.push(format!("shard '{}' has no confirmed writer: {}", shard.name, shard.no_writer_reason()));
        let down = shard.servers.iter().filter_map(|s| Some(format!("{}: {}", s.addr, s.down_reason()?)));
        missing.extend(down);
    }
    let servers = shard.servers.iter().map(|s| server_state(s)).collect();
    ShardState { name: shard.name.clone(), writer, servers }
}

fn server_state(server: &Server) -> ServerState {
    let lag = server.lag();
    ServerState {
        address: server.addr.to_string(),
        role: server.role.to_string(),
        up: server.is_up(),
        error: server.down_reason().map(|why| (*why).clone()),
        takes_reads: server.takes_reads(),
        lag_ms: match lag {
            Lag::Known(lag) => u64::try_from(lag.as_millis()).ok(),
            Lag::Unknown | Lag::Broken => None,
        },
        replication_broken: lag == Lag::Broken,
        version: server.info().map(|i| i.version.clone()),
    }
}

#[cfg(test)]
mod tests {
    use pointsman_shard_map::ServerId;

    use super::*;
    use crate::config::Config;
    use crate::servers::Moment;

    #[test]
    fn says_what_lacks() {
        let text = "[backend]\nuser='p'\npassword=''\n[[user]]\nname='a'\n[[shard]]\nname='main'\nmasters=['m1']";
        let servers = Servers::new(&Config::parse(text).unwrap());
        let readiness = judge(&servers, Phase::Draining);
        assert!(!readiness.ready);
        assert_eq!(readiness.missing.len(), 2);
        assert!(readiness.missing[1].contains("'main'"));
        let now = Moment::now();
        servers.shards()[0].confirm(ServerId(0), now, now.plus(std::time::Duration::from_secs(9)));
        let readiness = judge(&servers, Phase::Serving);
        assert!(readiness.ready);
        assert_eq!(readiness.shards[0].writer.as_deref(), Some("m1:3306"));
    }
}
