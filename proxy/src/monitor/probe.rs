//! Watches one server: asks for its state at each poll and tells the shard's board.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mysql_async::{Row, Value};
use pointsman_planner::ServerKind;
use pointsman_shard_map::GtidSet;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::board::Board;
use super::channels::channel;
use super::facts;
use super::sight::{Heartbeat, Replication, Sight};
use super::statements;
use crate::config::{Config, HeartbeatMode, Monitoring};
use crate::control::{ControlConn, ControlError, ControlPool};
use crate::live::LiveConfig;
use crate::servers::{Moment, Server, Shard};

/// How often a server's variables are read again, for SET GLOBAL by others.
const FACTS_EVERY: Duration = Duration::from_secs(10);

/// After "no such table" or "no right", how long until the next attempt.
const RETRY_REFUSED: Duration = Duration::from_secs(10);

/// Questions asked out of turn (after error 1290) keep this distance, so that a storm of errors makes no storm of probes.
const MIN_GAP: Duration = Duration::from_millis(10);

/// The server does not let the proxy in: asking ten times a second would only fill its log.
/// ER_DBACCESS_DENIED, ER_ACCESS_DENIED, ER_HOST_IS_BLOCKED, ER_HOST_NOT_PRIVILEGED, ER_PLUGIN_IS_NOT_LOADED,
/// ER_ACCESS_DENIED_NO_PASSWORD.
const DENIED: [u16; 6] = [1044, 1045, 1129, 1130, 1524, 1698];

/// Pause after such a refusal.
const RETRY_DENIED: Duration = Duration::from_secs(2);

/// The uptime is told in whole seconds; a later start by more than this is another start.
const START_TOLERANCE: Duration = Duration::from_secs(3);

/// One server's watch.
pub struct Probe {
    pub server: Arc<Server>,
    pub shard: Arc<Shard>,
    pub board: Arc<Mutex<Board>>,
    pub pool: ControlPool,
    pub config: LiveConfig,
    known: Known,
}

/// What earlier probes have found out.
#[derive(Default)]
struct Known {
    facts_at: Option<Instant>,
    started: Option<Moment>,
    no_heartbeat_until: Option<Instant>,
    no_replication_until: Option<Instant>,
    heartbeat_refused: bool,
    replication_refused: bool,
}

impl Probe {
    #[must_use]
    pub fn new(
        server: Arc<Server>,
        shard: Arc<Shard>,
        board: Arc<Mutex<Board>>,
        pool: ControlPool,
        config: LiveConfig,
    ) -> Self {
        Self { server, shard, board, pool, config, known: Known::default() }
    }

    /// Until `stop` says true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let shard = Arc::clone(&self.shard);
        loop {
            // Registered before the probe, so that a distrust during it is not missed.
            let wanted = shard.reprobe_wanted();
            tokio::pin!(wanted);
            wanted.as_mut().enable();
            let began = Instant::now();
            let config = self.config.load();
            let pause = tokio::select! {
                pause = self.probe(&config) => pause,
                () = super::stopped(&mut stop) => return,
            };
            tokio::select! {
                () = tokio::time::sleep_until(began + pause) => {}
                () = wanted => tokio::time::sleep(MIN_GAP).await,
                () = super::stopped(&mut stop) => return,
            }
        }
    }

    /// Gives the pause until the next one.
    async fn probe(&mut self, config: &Config) -> Duration {
        let outcome = self.look(config).await;
        let mut board = self.board.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match outcome {
            Ok(sight) => {
                board.answered(&self.server, sight, &config.monitor);
                config.monitor.poll
            }
            Err(e) => {
                board.failed(&self.server, &e.to_string(), &config.monitor);
                let denied = e.code().is_some_and(|code| DENIED.contains(&code));
                if denied { RETRY_DENIED } else { config.monitor.poll }
            }
        }
    }

    async fn look(&mut self, config: &Config) -> Result<Sight, ControlError> {
        let monitor = &config.monitor;
        let mut conn = self.pool.get().await?;
        let facts_due = self.known.facts_at.is_none_or(|at| at.elapsed() >= FACTS_EVERY);
        let changed = self.server.take_globals_changed();
        if conn.take_fresh() || facts_due || changed {
            self.read_facts(&mut conn, monitor.probe_timeout).await?;
        }
        let asked = Moment::now();
        let row = self.vitals(&mut conn, monitor).await?;
        let mut sight = self.sight(asked, &row, monitor);
        if self.shard.servers.len() > 1 {
            sight.replication = self.replication(&mut conn, monitor.probe_timeout).await;
        }
        Ok(sight)
    }

    async fn read_facts(&mut self, conn: &mut ControlConn, timeout: Duration) -> Result<(), ControlError> {
        let facts = facts::read(conn, timeout).await?;
        let before = self.server.info();
        let restarted = self.known.started.is_some_and(|s| facts.started > s.plus(START_TOLERANCE));
        let other = before.as_ref().is_some_and(|b| b.server_uuid != facts.info.server_uuid);
        let changed = before.as_ref().is_some_and(|b| b.session_defaults != facts.info.session_defaults);
        let reason = match (restarted, other, changed) {
            (true, ..) => Some("it was restarted"),
            (_, true, _) => Some("another server answers at its address"),
            (.., true) => Some("its global variables have changed"),
            _ => None,
        };
        if let Some(reason) = reason {
            info!(shard = %self.shard.name, server = %self.server.addr, reason, "pools of the server are recycled");
            self.server.recycle_pools();
        }
        self.known.started = Some(facts.started);
        self.known.facts_at = Some(Instant::now());
        self.server.set_info(Arc::new(facts.info));
        Ok(())
    }

    fn kind(&self) -> (ServerKind, u32) {
        self.server.info().map_or((ServerKind::MySql, 0), |i| (i.kind, i.version_number))
    }

    /// Without the heartbeat where it can't be read; a refused SELECT must not make the server look dead.
    async fn vitals(&mut self, conn: &mut ControlConn, monitor: &Monitoring) -> Result<Row, ControlError> {
        let (kind, _) = self.kind();
        let due = self.known.no_heartbeat_until.is_none_or(|t| Instant::now() >= t);
        if due && monitor.heartbeat == HeartbeatMode::Write && self.shard.servers.len() > 1 {
            let sql = statements::vitals(kind, Some((&monitor.heartbeat_schema, &self.shard.name)));
            match one_row(conn, &sql, monitor.probe_timeout).await {
                Ok(row) if integer(&row, 4).is_some() => {
                    self.known.heartbeat_refused = false;
                    return Ok(row);
                }
                Ok(row) => {
                    self.heartbeat_refused(0, "the table has no row for this shard");
                    return Ok(row);
                }
                Err(ControlError::Server { code, message, .. }) => self.heartbeat_refused(code, &message),
                Err(e) => return Err(e),
            }
        }
        one_row(conn, &statements::vitals(kind, None), monitor.probe_timeout).await
    }

    fn heartbeat_refused(&mut self, code: u16, message: &str) {
        self.known.no_heartbeat_until = Some(Instant::now() + RETRY_REFUSED);
        if !self.known.heartbeat_refused {
            let (shard, server) = (&self.shard.name, &self.server.addr);
            warn!(%shard, %server, code, message, "heartbeat can't be read; lag is taken from the replication status (see `pointsman init`)");
        }
        self.known.heartbeat_refused = true;
    }

    fn sight(&self, asked: Moment, row: &Row, monitor: &Monitoring) -> Sight {
        let (kind, _) = self.kind();
        let uses_gtids = self.server.info().is_some_and(|i| i.gtid_mode);
        let parse = match kind {
            ServerKind::MariaDb => GtidSet::parse_mariadb,
            ServerKind::MySql => GtidSet::parse_mysql,
        };
        let gtid = row.get_opt::<String, _>(2).and_then(Result::ok).filter(|_| uses_gtids);
        let heartbeat = match (monitor.heartbeat, integer(row, 4)) {
            (HeartbeatMode::Status, _) => Heartbeat::Off,
            (HeartbeatMode::Write, Some(written)) => Heartbeat::At(written),
            (HeartbeatMode::Write, None) => Heartbeat::Missing,
        };
        Sight {
            asked,
            read_only: is_on(row.as_ref(0)),
            server_id: integer(row, 1).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            applied: gtid.and_then(|g| parse(&g).ok()).map(Arc::new),
            clock: integer(row, 3).unwrap_or(0),
            heartbeat,
            replication: Replication::Unknown,
        }
    }

    async fn replication(&mut self, conn: &mut ControlConn, timeout: Duration) -> Replication {
        if self.known.no_replication_until.is_some_and(|t| Instant::now() < t) {
            return Replication::Unknown;
        }
        let (kind, version) = self.kind();
        match conn.query::<Row>(statements::replication(kind, version), timeout).await {
            Ok(rows) => {
                self.known.replication_refused = false;
                Replication::Channels(rows.iter().map(channel).collect())
            }
            Err(e) => {
                if let ControlError::Server { code, message, .. } = &e {
                    self.known.no_replication_until = Some(Instant::now() + RETRY_REFUSED);
                    if !self.known.replication_refused {
                        let (shard, server) = (&self.shard.name, &self.server.addr);
                        warn!(%shard, %server, code, message, "replication status can't be read (see `pointsman check`)");
                    }
                    self.known.replication_refused = true;
                }
                Replication::Unknown
            }
        }
    }
}

async fn one_row(conn: &mut ControlConn, sql: &str, timeout: Duration) -> Result<Row, ControlError> {
    let rows: Vec<Row> = conn.query(sql, timeout).await?;
    rows.into_iter().next().ok_or_else(|| ControlError::Connection("an empty answer to a probe".to_owned()))
}

fn integer(row: &Row, index: usize) -> Option<i64> {
    row.get_opt::<i64, _>(index).and_then(Result::ok)
}

/// Servers answer 0 and 1, or (MariaDB 12) words of which only OFF means off. What can't be read is on: the safe side.
fn is_on(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bytes(bytes)) => !matches!(bytes.as_slice(), b"0" | b"OFF"),
        Some(Value::Int(n)) => *n != 0,
        Some(Value::UInt(n)) => *n != 0,
        _ => true,
    }
}
