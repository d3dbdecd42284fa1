//! Opens a connection to a server as an account's user and makes it tell what changes in its session.

use super::conn::{Actual, BackendConn, BackendError, PoolKey, Readiness, SmallError};
use super::limits::Slot;
use super::prepared::PreparedStatements;
use crate::core::Core;
use crate::error::{ClientError, is_connection_limit};
use crate::login::backend::{BackendAddress, BackendLogin, BackendTarget, Compression, ConnectError, connect};
use crate::net::tls::BackendTls;
use crate::servers::Server;
use pointsman_planner::ServerKind;
use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::{AuthError, Secret};
use pointsman_protocol::reply::Status;
use pointsman_protocol::row::text_values;
use pointsman_shard_map::ServerAddr;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

/// Who a session is at the servers.
#[derive(Clone, Debug)]
pub struct Identity {
    pub number: u32,
    pub user: String,
    pub secret: Secret,
}

/// Why no connection could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Setup(#[from] BackendError),
    #[error("address: {0}")]
    Resolve(io::Error),
    #[error("server refused session tracking: {0}")]
    Refused(String),
}

impl OpenError {
    /// In a client's words. Nothing has run, so a repetition is safe.
    #[must_use]
    pub fn to_client(&self, server: &Server, user: &str) -> ClientError {
        let name = server.addr.to_string();
        match self {
            Self::Connect(ConnectError::Refused(f)) if is_connection_limit(f.code) => {
                ClientError::backend_full(&name, f.code, f.sqlstate, &f.message)
            }
            Self::Connect(ConnectError::Refused(f)) if f.code != ER_SERVER_SHUTDOWN => {
                ClientError::backend_login(&name, user, &format!("{} {}", f.code, f.message))
            }
            // MySQL goes through a whole login for an account that it does not have, with a plugin of its choice, and
            // asks for the password itself where the hash that it knows is another.
            Self::Connect(ConnectError::Auth(e @ (AuthError::UnusableFromHash(_) | AuthError::Unsupported(_)))) => {
                ClientError::backend_login(&name, user, &e.to_string())
            }
            other => ClientError::unreachable(&name, &other.to_string()),
        }
    }
}

/// The server is on its way down.
const ER_SERVER_SHUTDOWN: u16 = 1053;

impl Core {
    /// Opens and prepares a connection. Cancel safe: a dropped attempt frees its place.
    pub async fn open(
        &self,
        server: &Arc<Server>,
        key: PoolKey,
        identity: &Identity,
        charset: u16,
        slot: Slot,
    ) -> Result<Box<BackendConn>, OpenError> {
        let limit = self.config().backend.connect_timeout;
        let open = self.open_patiently(server, key, identity, charset, slot);
        let opened =
            self.shared.timers.timeout(limit, pin!(open)).await.unwrap_or(Err(ConnectError::TimedOut(limit).into()));
        if opened.is_ok() {
            self.shared.warm.note(key, identity, charset);
        }
        opened
    }

    /// Without a limit for the whole of it: a name server and the first statement take their time too.
    async fn open_patiently(
        &self,
        server: &Arc<Server>,
        key: PoolKey,
        identity: &Identity,
        charset: u16,
        slot: Slot,
    ) -> Result<Box<BackendConn>, OpenError> {
        let generation = server.pool_generation();
        let target = self.target(server).await?;
        // The server reads the name in the handshake's character set.
        let charset = if identity.user.is_ascii() { charset } else { u16::from(DEFAULT_CHARSET) };
        let login = BackendLogin {
            user: identity.user.clone(),
            secret: identity.secret.clone(),
            schema: None,
            charset: u8::try_from(charset).unwrap_or(DEFAULT_CHARSET),
            capabilities: Capabilities::from_bits_retain(key.class) | Capabilities::MULTI_STATEMENTS,
            attributes: ATTRIBUTES.to_vec(),
        };
        let ready = connect(&target, &login, &self.shared.timers).await?;
        let now = self.clock.now_ms();
        let mut conn = Box::new(BackendConn {
            io: ready.stream,
            capabilities: ready.capabilities,
            server: server.clone(),
            thread_id: ready.thread_id,
            key,
            readiness: Readiness::Ready,
            status: Status::from_bits_retain(ready.status),
            actual: self.fresh(u8::try_from(charset).ok().map(u16::from)),
            prepared: PreparedStatements::none(server),
            uses: 0,
            opened_ms: now,
            idle_since_ms: now,
            generation,
            slot,
            late_gtids: None,
        });
        self.set_up(&mut conn).await?;
        Ok(conn)
    }

    /// The state of a connection that has just logged in or been reset.
    #[must_use]
    pub fn fresh(&self, charset: Option<u16>) -> Actual {
        Actual {
            schema: None,
            vars: self.interner.intern(Default::default()),
            charset,
            multi_statements: true,
            user_vars: Vec::new(),
            last_insert_id: Some(0),
            diagnostics_empty: true,
        }
    }

    /// Switches the session trackers on.
    async fn set_up(&self, conn: &mut BackendConn) -> Result<(), OpenError> {
        match self.track(conn).await? {
            None => Ok(()),
            Some(e) => Err(OpenError::Refused(String::from_utf8_lossy(&e.message).into_owned())),
        }
    }

    /// The same after a reset, which switches them off; gives the server's refusal.
    pub async fn track(&self, conn: &mut BackendConn) -> Result<Option<SmallError>, BackendError> {
        let text = self.tracker_statement(conn).await?;
        Ok(conn.query(&text, &self.buffers).await?.error)
    }

    /// What a connection is told right after login or reset: to report every change of its session.
    pub async fn tracker_statement(&self, conn: &mut BackendConn) -> Result<Arc<[u8]>, BackendError> {
        let info = conn.server.info();
        let version = info.as_ref().map_or(0, |i| i.version_number);
        if info.is_none_or(|i| i.kind == ServerKind::MariaDb) {
            return Ok(Arc::from(MARIADB_TRACKERS));
        }
        if let Some(known) = self.shared.mysql_trackers.get(&version) {
            return Ok(known.clone());
        }
        // With '*' MySQL reports statement_id with every statement, so the others are named.
        let all = conn.query(b"SHOW SESSION VARIABLES", &self.buffers).await?;
        let names = all.rows.iter().filter_map(|row| text_values(row).next()?.ok()?.map(<[u8]>::to_vec));
        let names: Vec<_> = names.filter(|n| n != b"statement_id").collect();
        let text = [MYSQL_TRACKERS, &names.join(&b','), b"'"].concat();
        let text: Arc<[u8]> = text.into();
        self.shared.mysql_trackers.insert(version, text.clone());
        Ok(text)
    }

    /// Where and how the server is reached.
    pub async fn target(&self, server: &Server) -> Result<BackendTarget, OpenError> {
        let config = self.config();
        let (address, host) = match &server.addr {
            ServerAddr::Unix { path } => (BackendAddress::Unix(path.into()), String::new()),
            ServerAddr::Tcp { host, port } => {
                let found = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(OpenError::Resolve)?;
                (BackendAddress::Tcp(found.collect()), host.clone())
            }
        };
        let compression = match config.backend.compression {
            crate::config::Compression::Off => Compression::None,
            crate::config::Compression::Zlib => Compression::Zlib,
            crate::config::Compression::Zstd => Compression::Zstd(ZSTD_LEVEL),
        };
        let tls = match address {
            // There is nobody to listen in, and no name to verify.
            BackendAddress::Unix(_) => BackendTls::disabled(),
            BackendAddress::Tcp(_) => (**self.shared.backend_tls.load()).clone(),
        };
        let backend = &config.backend;
        Ok(BackendTarget {
            address,
            host,
            tls,
            compression,
            connect_timeout: backend.connect_timeout,
            user_timeout: backend.tcp_user_timeout,
        })
    }
}

/// latin1_swedish_ci's successor in all servers that speak this protocol: utf8mb4_general_ci.
const DEFAULT_CHARSET: u8 = 45;
/// MySQL's default for --zstd-compression-level.
const ZSTD_LEVEL: u8 = 3;
/// Connection attributes: a length, then name and value.
const ATTRIBUTES: &[u8] = b"\x0cprogram_name\x09pointsman";

const MARIADB_TRACKERS: &[u8] =
    b"SET session_track_schema=ON,session_track_state_change=ON,session_track_system_variables='*'";
const MYSQL_TRACKERS: &[u8] = b"SET session_track_schema=ON,session_track_state_change=ON,\
    session_track_gtids=OWN_GTID,session_track_system_variables='";

/// One allocation for a schema name that many connections share.
#[must_use]
pub fn schema_name(bytes: &[u8]) -> Option<Rc<str>> {
    (!bytes.is_empty()).then(|| Rc::from(String::from_utf8_lossy(bytes)))
}
