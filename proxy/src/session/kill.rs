//! KILL: ending another session or its statement, and stopping a statement on its server.

use super::execute::Request;
use super::lease::NoLease;
use super::sync::Needs;
use super::{Session, Step};
use crate::backend::conn::{BackendConn, BackendError, Readiness, SmallReply};
use crate::backend::limits::Slot;
use crate::error::ClientError;
use crate::login::backend::{BackendLogin, connect};
use pointsman_planner::{
    Access, Effect, FunctionName, Reads, Role, RoutePlan, RouteReason, ServerKind, StatementKind, Value, replace_calls,
};
use pointsman_protocol::Capabilities;
use pointsman_protocol::command::put_query;
use pointsman_protocol::frame::{begin_packet, end_packet};
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::row::text_values;
use pointsman_shard_map::ServerId;
use std::pin::pin;
use std::time::Duration;

/// A KILL goes over a connection of its own; it must not wait for the pool that the victim may be filling.
const KILL_LIMIT: Duration = Duration::from_secs(3);

/// Counts the account's own global rights. The grantee is `'user'@'host'`; CHAR(39) is the quote, in any sql_mode.
const OWN_PRIVILEGES: &str = "SELECT COUNT(*) FROM information_schema.user_privileges WHERE grantee = \
    CONCAT(CHAR(39), REPLACE(CURRENT_USER(), '@', CONCAT(CHAR(39), '@', CHAR(39))), CHAR(39))";

/// What a KILL ends, and the text of its id.
fn kill_parts(text: &[u8]) -> (KillWhat, &[u8]) {
    let mut rest = text.trim_ascii();
    rest = rest.strip_suffix(b";").unwrap_or(rest).trim_ascii();
    let mut what = KillWhat::Connection;
    loop {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        match &word.to_ascii_lowercase()[..] {
            b"query" => what = KillWhat::Query,
            b"kill" | b"hard" | b"soft" | b"connection" => {}
            _ => return (what, rest),
        }
        rest = tail.trim_ascii_start();
    }
}

/// The number that the first row begins with.
fn number_in(reply: &SmallReply) -> u64 {
    let value = reply.rows.first().and_then(|row| text_values(row).next()?.ok()?).unwrap_or(b"");
    let digits = value.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0, |n: u64, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
}

/// How long the end of a write is waited for whose client has gone; the server finishes it in any case.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Reads on until the server has nothing more to say for a moment or closes.
async fn drain(conn: &mut BackendConn) {
    let mut sink = vec![0; 16 * 1024];
    // One answer is the end of an autocommit write: it is done then, whatever it says.
    let _ = conn.io.read(&mut sink).await;
}

/// What of the victim is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KillWhat {
    Connection,
    Query,
}

/// ER_BAD_FIELD_ERROR.
const ER_BAD_FIELD: u16 = 1054;

impl Session {
    /// KILL [CONNECTION | QUERY] id, with the ids that clients of this proxy see.
    pub(super) async fn kill(&mut self, id: u64, what: KillWhat, sequence: u8) -> Step {
        let registry = &self.core.shared.registry;
        let number = u32::try_from(id).ok();
        // An id from SHOW PROCESSLIST is the server's; it means the session that runs there.
        let victim = number.and_then(|n| registry.get(n).or_else(|| registry.by_server_thread(n)));
        let Some(victim) = victim else {
            return self.raise(sequence, &ClientError::no_such_thread(id)).await;
        };
        if !victim.is_of(self.account.name()) && !self.may_kill_others().await {
            return self.raise(sequence, &ClientError::kill_denied(id)).await;
        }
        if what == KillWhat::Connection {
            self.core.shared.registry.kill(&victim);
            if victim.id == self.client.cell.handle.id {
                return self.fail(sequence, &self.killed_itself()).await;
            }
        } else if victim.id == self.client.cell.handle.id {
            return self.answer_error(sequence, &ClientError::interrupted()).await;
        } else {
            victim.interrupt();
        }
        let (_aimed, lease) = victim.aim();
        if let Some((server, thread)) = lease {
            self.kill_thread(server, thread).await;
        }
        self.client.send_ok(sequence, self.status).await?;
        Ok(super::Next::Command)
    }

    /// Whether the servers let this account end the sessions of others. Any doubt is a no.
    async fn may_kill_others(&mut self) -> bool {
        let rights = match self.state.reading.server {
            ServerKind::MariaDb => "'CONNECTION ADMIN'",
            ServerKind::MySql => "'CONNECTION_ADMIN', 'SUPER'",
        };
        let query = format!("{OWN_PRIVILEGES} AND privilege_type IN ({rights})");
        let asked = Box::pin(self.ask_outside(query.as_bytes()));
        matches!(self.core.shared.timers.timeout(KILL_LIMIT, pin!(asked)).await, Ok(Some(1..)))
    }

    /// The number that a query gives to this account, over a connection of its own.
    async fn ask_outside(&self, query: &[u8]) -> Option<u64> {
        let shard = self.shard();
        let server = shard.confirmed_writer().or(shard.masters.first().copied())?;
        let (key, server) = (self.key(server), self.core.shared.servers.server(server).clone());
        let charset = self.state.wanted.charset;
        let mut conn = self.core.open(&server, key, &self.identity, charset, Slot::outside()).await.ok()?;
        let reply = conn.query(query, &self.core.buffers).await.ok()?;
        conn.quit();
        reply.error.is_none().then(|| number_in(&reply))
    }

    /// What a session is told that kills its own connection.
    fn killed_itself(&self) -> ClientError {
        match self.state.reading.server {
            ServerKind::MariaDb => ClientError::killed(),
            ServerKind::MySql => ClientError::interrupted(),
        }
    }

    /// KILL of an expression: its value is asked of a server, with the session's own ids filled in.
    pub(super) async fn kill_computed(&mut self, text: &[u8], sequence: u8) -> Step {
        let (what, expression) = kill_parts(text);
        let query = [b"SELECT ", expression].concat();
        let own = Value::Unsigned(u64::from(self.client.cell.handle.id));
        let query = replace_calls(&query, &self.state.reading, &[(FunctionName::ConnectionId, own)]).unwrap_or(query);
        match self.ask(&query).await {
            Ok(id) => self.kill(id, what, sequence).await,
            // The server kills nobody by a name that it does not know, and has its own list of errors for it.
            Err(e) if e.code == ER_BAD_FIELD => {
                self.forward_query(text, StatementKind::Signal, Reads::default(), sequence).await
            }
            Err(e) => self.raise(sequence, &e.in_kill()).await,
        }
    }

    /// The number that a query gives in this session's state.
    async fn ask(&mut self, query: &[u8]) -> Result<u64, ClientError> {
        let role = if self.lease.is_some() { Role::Held } else { Role::Writer };
        let plan = RoutePlan::without_data(role, RouteReason::NeedsWriter);
        let mut conn = self.lease(&plan, Reads::USER_VARS, None).await.map_err(NoLease::into_error)?.conn;
        let needs = self.needs(Reads::USER_VARS);
        let reply = self.ask_on(&mut conn, query, needs).await;
        let server = conn.server.addr.to_string();
        self.keep_or_release(conn, false).await;
        let reply = reply.map_err(|_| ClientError::server_lost(&server, false))?;
        if let Some(e) = reply.error {
            return Err(ClientError::from_server(e.code, e.sqlstate, &e.message));
        }
        Ok(number_in(&reply))
    }

    async fn ask_on(&self, conn: &mut BackendConn, query: &[u8], needs: Needs) -> Result<SmallReply, BackendError> {
        let mut prefix = Vec::new();
        // It looks at no table.
        let needs = Needs { changes_schema: true, ..needs };
        let commands = self.state.wanted.put_prefix(&mut prefix, conn, needs).commands;
        if commands > 0 {
            conn.send(&prefix).await?;
            let mut buf = self.core.buffers.take();
            for _ in 0..commands {
                conn.small_reply(&mut buf, ReplyKind::Single).await?;
            }
            self.core.buffers.give(buf);
            self.state.wanted.adopt(conn, needs);
        }
        conn.query(query, &self.core.buffers).await
    }

    /// The client has gone in the middle of a statement: a read, or a wait for a lock, is stopped on its
    /// server, a write goes to its end as it would directly.
    pub(super) async fn client_gone(&mut self, mut conn: Box<BackendConn>, request: &Request<'_>) {
        if conn.readiness == Readiness::Broken {
            // It waits for the rest of a file.
            drop(conn);
            return self.lose_lease();
        }
        let waits = request.analysis.effects().any(|e| matches!(e, Effect::GetLock { .. }));
        if request.analysis.access() <= Access::Read || waits {
            self.stop_server_statement(&conn).await;
        } else if self.core.shared.timers.timeout(DRAIN_LIMIT, pin!(drain(&mut conn))).await.is_err() {
            tracing::warn!(server = %conn.server.addr, "a statement whose client has gone still runs");
        }
        drop(conn);
        self.lose_lease();
    }

    /// Stops what runs on a connection whose client is gone or was killed.
    pub(super) async fn stop_server_statement(&self, conn: &BackendConn) {
        self.kill_thread(conn.server.id, conn.thread_id).await;
    }

    /// KILL QUERY with the session's own account, which may always stop its own threads.
    async fn kill_thread(&self, server: ServerId, thread: u32) {
        let attempt = pin!(self.try_kill_thread(server, thread));
        let attempt = self.core.shared.timers.timeout(KILL_LIMIT, attempt).await;
        if !matches!(attempt, Ok(Ok(()))) {
            tracing::warn!(%server, thread, "could not stop a statement on its server");
        }
    }

    async fn try_kill_thread(&self, server: ServerId, thread: u32) -> Result<(), String> {
        let server = self.core.shared.servers.server(server).clone();
        let target = self.core.target(&server).await.map_err(|e| e.to_string())?;
        let login = BackendLogin {
            user: self.identity.user.clone(),
            secret: self.identity.secret.clone(),
            schema: None,
            charset: 45,
            capabilities: Capabilities::default(),
            attributes: Vec::new(),
        };
        let mut ready = connect(&target, &login, &self.core.shared.timers).await.map_err(|e| e.to_string())?;
        let mut wire = Vec::new();
        let start = begin_packet(&mut wire, 0);
        put_query(&mut wire, format!("KILL QUERY {thread}").as_bytes(), ready.capabilities);
        end_packet(&mut wire, start);
        ready.stream.write_all(&wire).await.map_err(|e| e.to_string())?;
        let mut answer = [0; 512];
        // Any answer will do: either it is stopped, or it had ended by itself (1094).
        ready.stream.read(&mut answer).await.map_err(|e| e.to_string())?;
        Ok(())
    }
}
