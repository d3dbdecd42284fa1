//! Control connections: how the monitor, `init` and `check` talk to the servers. One small bb8 pool for each server,
//! apart from the data path's own pools, so that a busy data path never keeps a server from being watched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, DriverError, Opts, OptsBuilder, SslOpts};
use pointsman_shard_map::{ServerAddr, ServerId};
use tokio::sync::watch;

use crate::config::{Backend, BackendTls, BackendTlsMode, Config};

/// Probe, heartbeat and one to spare for a KILL or an administrator; more would only queue on an ailing server.
pub const MAX_CONNECTIONS: u32 = 4;

/// Longer than any poll interval, so that idle control connections end only when nobody uses them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// What an attempt may take beyond its limit until it has told so.
const GRACE: Duration = Duration::from_millis(100);

/// Told to the driver so that it need not ask; control statements and their answers are small.
const MAX_PACKET: usize = 16 * 1024 * 1024;

/// The name asked for where only the authority is verified. The driver (mysql_async 0.37) forgives a wrong name only
/// if the error's text has the word `NotValidForName`, which newer rustls no longer prints; but it prints the name.
/// The chain is verified before the name, and its errors never print this. RFC 2606 reserves `.invalid`.
const ANY_NAME: &str = "NotValidForName.invalid";

/// A control statement that waits for a lock ends by itself, even when nobody waits for its answer any more.
const SESSION_SETUP: &str = "SET autocommit = 1, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1";

/// Why a control statement has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The server or the network is at fault; the statement may have been run. Asking again is safe for reads.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The server has answered with an error; the statement has done nothing.
    #[error("error {code} ({state}): {message}")]
    Server { code: u16, state: String, message: String },
    /// No connection, or it broke; the server, the network or the configuration is at fault.
    #[error("{0}")]
    Connection(String),
}

impl ControlError {
    /// The server's error number.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Server { code, .. } => Some(*code),
            Self::Timeout(_) | Self::Connection(_) => None,
        }
    }
}

impl From<mysql_async::Error> for ControlError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(e) => Self::Server { code: e.code, state: e.state, message: e.message },
            other => Self::Connection(other.to_string()),
        }
    }
}

/// The pools of all servers, in the order of their ids.
#[derive(Clone, Debug)]
pub struct ControlPools(Arc<[ControlPool]>);

/// Connections to one server.
#[derive(Clone, Debug)]
pub struct ControlPool {
    pool: bb8::Pool<Manager>,
    login: Arc<ArcSwap<Login>>,
    failed: watch::Receiver<Option<ControlError>>,
}

/// A connection on loan from its pool.
pub type ControlLease = bb8::PooledConnection<'static, Manager>;

/// A connection that is not given back while a statement's answer is outstanding.
#[derive(Debug)]
pub struct ControlConn {
    conn: Conn,
    answers: Answers,
    /// Nobody has used it yet; the server may have been restarted before it.
    fresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Complete,
    Outstanding,
}

/// How one server is logged in to. A reload replaces it.
#[derive(Debug)]
struct Login {
    opts: Opts,
    /// For `preferred`: what to do with a server that has no TLS.
    without_tls: Option<Opts>,
    timeout: Duration,
}

/// Opens the connections of one pool.
#[derive(Debug)]
pub struct Manager {
    login: Arc<ArcSwap<Login>>,
    /// The last failed attempt. bb8 itself would let its callers wait until their time is over.
    failed: watch::Sender<Option<ControlError>>,
}

impl ControlPools {
    /// Opens nothing yet. Must be called on a tokio runtime, which runs the pools' clean-up.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let servers = config.topology.servers().iter();
        Self(servers.map(|s| ControlPool::new(&s.addr, &config.backend)).collect())
    }

    /// Ids come from the same configuration, so the pool is there.
    #[must_use]
    pub fn of(&self, server: ServerId) -> &ControlPool {
        &self.0[server.index()]
    }

    /// New connections log in as a reloaded configuration says.
    pub fn apply(&self, config: &Config) {
        for (pool, spec) in self.0.iter().zip(config.topology.servers()) {
            pool.login.store(Arc::new(Login::new(&spec.addr, &config.backend)));
        }
    }
}

impl ControlPool {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(addr: &ServerAddr, backend: &Backend) -> Self {
        let login = Arc::new(ArcSwap::from_pointee(Login::new(addr, backend)));
        let (failed, failures) = watch::channel(None);
        let pool = bb8::Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .test_on_check_out(false)
            .retry_connection(false)
            .idle_timeout(IDLE_TIMEOUT)
            .max_lifetime(None)
            // The limit in force is that of `get`: this one could not follow a reload.
            .connection_timeout(IDLE_TIMEOUT)
            .build_unchecked(Manager { login: Arc::clone(&login), failed });
        Self { pool, login, failed: failures }
    }

    /// A connection, opened if none is idle.
    pub async fn get(&self) -> Result<ControlLease, ControlError> {
        let mut failed = self.failed.clone();
        // Only failures from now on concern this caller.
        failed.mark_unchanged();
        let limit = self.login.load().timeout;
        tokio::select! {
            biased;
            lease = self.pool.get_owned() => lease.map_err(|e| match e {
                bb8::RunError::User(e) => e,
                bb8::RunError::TimedOut => ControlError::Timeout(limit),
            }),
            // A login that fails in its own time says why; only a wait behind others ends here.
            () = tokio::time::sleep(limit + GRACE) => Err(ControlError::Timeout(limit)),
            Ok(()) = failed.changed() => {
                let why = failed.borrow().clone();
                Err(why.unwrap_or_else(|| ControlError::Connection("no connection".to_owned())))
            }
        }
    }
}

impl ControlConn {
    /// True once, for a connection that has just been opened.
    pub fn take_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// All rows of one statement. When the answer is late the connection is given up.
    pub async fn query<T>(&mut self, sql: &str, timeout: Duration) -> Result<Vec<T>, ControlError>
    where
        T: FromRow + Send + 'static,
    {
        self.answers = Answers::Outstanding;
        let rows = tokio::time::timeout(timeout, self.conn.query(sql)).await;
        self.settle(rows, timeout)
    }

    /// Runs one statement; the number of rows it has changed.
    pub async fn execute(&mut self, sql: &str, timeout: Duration) -> Result<u64, ControlError> {
        self.answers = Answers::Outstanding;
        let done = tokio::time::timeout(timeout, self.conn.query_drop(sql)).await;
        self.settle(done, timeout)?;
        Ok(self.conn.affected_rows())
    }

    fn settle<T>(
        &mut self,
        outcome: Result<mysql_async::Result<T>, tokio::time::error::Elapsed>,
        timeout: Duration,
    ) -> Result<T, ControlError> {
        let answer = outcome.map_err(|_| ControlError::Timeout(timeout))?.map_err(ControlError::from);
        // An error packet is a complete answer; anything else leaves the stream in an unknown place.
        if matches!(answer, Ok(_) | Err(ControlError::Server { .. })) {
            self.answers = Answers::Complete;
        }
        answer
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = ControlConn;
    type Error = ControlError;

    async fn connect(&self) -> Result<ControlConn, ControlError> {
        let login = self.login.load_full();
        let conn = match open(&login.opts, login.timeout).await {
            Err(ConnectError::NoTls) if login.without_tls.is_some() => {
                let opts = login.without_tls.as_ref().unwrap_or(&login.opts);
                open(opts, login.timeout).await
            }
            outcome => outcome,
        };
        let conn = conn.map_err(|e| {
            let e = ControlError::from(e);
            self.failed.send_replace(Some(e.clone()));
            e
        })?;
        Ok(ControlConn { conn, answers: Answers::Complete, fresh: true })
    }

    async fn is_valid(&self, conn: &mut ControlConn) -> Result<(), ControlError> {
        Ok(conn.conn.ping().await?)
    }

    fn has_broken(&self, conn: &mut ControlConn) -> bool {
        conn.answers == Answers::Outstanding
    }
}

/// A failed attempt, with the one cause that `preferred` forgives.
enum ConnectError {
    NoTls,
    Other(ControlError),
}

impl From<ConnectError> for ControlError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::NoTls => Self::Connection("the server offers no TLS".to_owned()),
            ConnectError::Other(e) => e,
        }
    }
}

async fn open(opts: &Opts, timeout: Duration) -> Result<Conn, ConnectError> {
    match tokio::time::timeout(timeout, Conn::new(opts.clone())).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))) => Err(ConnectError::NoTls),
        Ok(Err(e)) => Err(ConnectError::Other(e.into())),
        Err(_) => Err(ConnectError::Other(ControlError::Timeout(timeout))),
    }
}

impl Login {
    fn new(addr: &ServerAddr, backend: &Backend) -> Self {
        let plain = plain_opts(addr, backend);
        let over_socket = matches!(addr, ServerAddr::Unix { .. });
        if over_socket || backend.tls.mode == BackendTlsMode::Disabled {
            return Self { opts: plain.into(), without_tls: None, timeout: backend.connect_timeout };
        }
        let without_tls = (backend.tls.mode == BackendTlsMode::Preferred).then(|| plain.clone().into());
        let opts = plain.ssl_opts(Some(ssl_opts(&backend.tls))).into();
        Self { opts, without_tls, timeout: backend.connect_timeout }
    }
}

fn plain_opts(addr: &ServerAddr, backend: &Backend) -> OptsBuilder {
    let password = backend.password.expose();
    let attributes = HashMap::from([("program_name".to_owned(), "pointsman".to_owned())]);
    let opts = OptsBuilder::default()
        .user(Some(&backend.user))
        .pass((!password.is_empty()).then_some(password))
        // Over TCP the driver would otherwise move to a Unix socket that it is told of.
        .prefer_socket(false)
        .tcp_nodelay(true)
        .stmt_cache_size(0)
        // Given values save the driver two questions for each connection.
        .max_allowed_packet(Some(MAX_PACKET))
        .wait_timeout(Some(usize::MAX))
        .setup(vec![SESSION_SETUP])
        .connect_attributes(attributes);
    match addr {
        ServerAddr::Tcp { host, port } => opts.ip_or_hostname(host).tcp_port(*port),
        ServerAddr::Unix { path } => opts.socket(Some(path)),
    }
}

fn ssl_opts(tls: &BackendTls) -> SslOpts {
    let mut opts = SslOpts::default();
    if tls.mode < BackendTlsMode::VerifyCa {
        opts = opts.with_danger_accept_invalid_certs(true);
    } else if let Some(ca) = &tls.ca {
        opts = opts.with_disable_built_in_roots(true).with_root_certs(vec![ca.clone().into()]);
    }
    if tls.mode == BackendTlsMode::VerifyCa {
        opts = opts.with_danger_skip_domain_validation(true).with_danger_tls_hostname_override(Some(ANY_NAME));
    }
    let identity = tls.identity.as_ref();
    opts.with_client_identity(
        identity.map(|i| mysql_async::ClientIdentity::new(i.cert.clone().into(), i.key.clone().into())),
    )
}
