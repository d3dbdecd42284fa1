//! The execution of a prepared statement: on a connection that has not seen the statement it is prepared first.

use super::Session;
use super::client::payload;
use super::execute::{Request, read_prefix};
use super::failure::Failure;
use super::long_data::LongDataStore;
use super::sync::{Needs, Wanted};
use crate::backend::conn::{BackendConn, Prepared, Readiness, StatementKey};
use crate::core::buffers::Buf;
use crate::error::ClientError;
use pointsman_planner::ServerKind;
use pointsman_protocol::command::COM_STMT_PREPARE;
use pointsman_protocol::frame::{HEADER_LEN, put_packet};
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::stmt::{Execute, PrepareOk, set_statement_id};
use std::cell::Cell;
use std::rc::Rc;

/// What a connection that has not seen a statement needs to prepare it.
pub(super) struct Source {
    pub text: Rc<[u8]>,
    pub key: StatementKey,
    /// The state it was prepared in; it is prepared again in the same.
    pub prepared_in: Wanted,
    /// What a connection keeps it as: MySQL's statement is another one after each change of its parameters' types.
    pub kept_as: Cell<StatementKey>,
}

impl Source {
    pub fn new(text: Rc<[u8]>, key: StatementKey, prepared_in: Wanted) -> Self {
        Self { text, key, prepared_in, kept_as: Cell::new(key) }
    }
}

/// One execution, as [`Session::execute`] sends it.
pub(super) struct Execution<'a> {
    pub source: Rc<Source>,
    pub types: Option<Rc<[u8]>>,
    /// What the statement was kept as before this execution, and whether its types are others now.
    pub kept_before: StatementKey,
    pub retyped: bool,
    pub parsed: Execute<'a>,
    pub body: &'a [u8],
    /// None where there is none: most executions would pay an allocation for nothing.
    pub long_data: Option<Rc<LongDataStore>>,
    /// Columns that the client was told last.
    pub columns: u16,
    /// The client has not executed its statement before.
    pub first: bool,
}

impl Execution<'_> {
    /// Appends the execution as the connection of `prepared` reads it; gives the packet number of its reply.
    fn put(&self, wire: &mut Vec<u8>, prepared: &mut Prepared) -> u8 {
        let splice = self.parsed.has_parameters()
            && self.parsed.types.is_none()
            && prepared.types.as_deref() != self.types.as_deref();
        let next = match self.types.as_deref().filter(|_| splice) {
            Some(types) => {
                let mut body = Vec::with_capacity(self.body.len() + types.len());
                self.parsed.put_with_types(&mut body, prepared.id, types);
                put_packet(wire, 0, &body)
            }
            None => {
                let start = wire.len() + HEADER_LEN;
                let next = put_packet(wire, 0, self.body);
                set_statement_id(&mut wire[start..], prepared.id);
                next
            }
        };
        prepared.types.clone_from(&self.types);
        next
    }

    pub fn text(&self) -> &[u8] {
        &self.source.text
    }

    /// The client has never told the types of its parameters. Servers refuse it, unless all are NULL; but not where the
    /// statement has types of another session's.
    fn is_untyped(&self) -> bool {
        self.types.is_none() && self.parsed.has_parameters()
    }
}

impl Session {
    /// Sends an execution on a connection, which is made to prepare the statement first where it has not. Gives the
    /// packet number of the reply.
    pub(super) async fn send_execute(
        &mut self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        request: &Request<'_>,
        execution: &Execution<'_>,
        needs: Needs,
    ) -> Result<u8, Failure> {
        let key = self.kept_as(conn, execution);
        // MariaDB notes some things (keys that can't be used) at the first run of a statement only. So one that the client
        // runs for the first time is prepared again where its first run here had something to tell.
        let again = |p: &Prepared| (execution.first && p.first_warned) || p.lacks_schema || execution.is_untyped();
        let usable = conn.prepared.get(&key).is_some_and(|p| !again(p));
        if !usable {
            let user_vars = Needs { user_vars: needs.user_vars, ..Needs::default() };
            let server = conn.server.clone();
            let prepared =
                self.heed_server(&server, request, Box::pin(self.prepare_on(conn, buf, execution, user_vars)));
            prepared.await??;
        }
        conn.uses += 1;
        let uses = conn.uses;
        if let Some(long_data) = &execution.long_data {
            let Some(id) = conn.prepared.get_mut(&key).map(|p| p.id) else { return Ok(1) };
            Box::pin(long_data.send(conn, id)).await.map_err(Failure::Send)?;
        }
        let Some(prepared) = conn.prepared.get_mut(&key) else { return Ok(1) };
        prepared.used = uses;
        prepared.runs = prepared.runs.saturating_add(1);
        let mut wire = self.core.buffers.take_vec();
        let next = execution.put(&mut wire, prepared);
        let sent = self.send(conn, buf, request, &wire, needs).await;
        self.core.buffers.give_vec(wire);
        sent.map(|()| next)
    }

    /// As what the connection keeps the statement that is to be executed. MySQL decides by the types of an execution what
    /// the statement's expressions are, and keeps to that. So those executed with other types are other statements, and
    /// one whose types change is no longer what it was for anybody else.
    fn kept_as(&self, conn: &mut BackendConn, execution: &Execution<'_>) -> StatementKey {
        let source = &execution.source;
        if self.state.reading.server != ServerKind::MySql || !execution.parsed.has_parameters() {
            return source.key;
        }
        let executed_before = execution.kept_before != source.key;
        if executed_before && !execution.retyped && conn.prepared.contains(&execution.kept_before) {
            source.kept_as.set(execution.kept_before);
            return execution.kept_before;
        }
        let types = execution.types.as_deref();
        let keys = &self.core.shared.statement_keys;
        let fresh = keys.key((source.key, types));
        let retyped = keys.key((execution.kept_before, types));
        let (key, from) = if !executed_before || !execution.retyped {
            (fresh, source.key)
        } else if conn.prepared.contains(&retyped) || conn.prepared.contains(&execution.kept_before) {
            (retyped, execution.kept_before)
        } else {
            (fresh, source.key)
        };
        if !conn.prepared.contains(&key) {
            if let Some(prepared) = conn.prepared.take(&from) {
                conn.prepared.insert(key, prepared);
            }
        }
        source.kept_as.set(key);
        key
    }

    /// Prepares the statement on a connection, read as it was when the client prepared it.
    async fn prepare_on(
        &self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        execution: &Execution<'_>,
        needs: Needs,
    ) -> Result<(), Failure> {
        let source = &execution.source;
        let mut wanted = self.state.wanted.as_prepared_in(&source.prepared_in, &self.core.interner);
        let missing = put_state(conn, buf, &wanted, needs).await?;
        if missing.is_some() {
            // Names without a schema find nothing there. Those with one need no other.
            wanted.schema = Some(NO_SCHEMA.into());
            if let Some(error) = put_state(conn, buf, &wanted, needs).await? {
                return Err(Failure::Prefix(error));
            }
        }
        let (wire, _) = frame_prepare(&source.text);
        conn.send(&wire).await.map_err(Failure::Send)?;
        let reply = conn.small_reply(buf, ReplyKind::Prepare).await.map_err(Failure::Send)?;
        if let Some(e) = reply.error {
            // The connection is fine; the statement no longer is (its table was dropped, say).
            conn.readiness = Readiness::Ready;
            let told = missing.unwrap_or_else(|| ClientError::from_server(e.code, e.sqlstate, &e.message));
            return Err(Failure::Prefix(told));
        }
        let ok = PrepareOk::parse(payload(&reply.wire)).map_err(|e| Failure::Send(e.into()))?;
        let key = source.kept_as.get();
        self.keep_prepared(conn, key, ok.statement_id).await;
        if let Some(prepared) = conn.prepared.get_mut(&key) {
            prepared.lacks_schema = missing.is_some();
        }
        Ok(())
    }

    /// Takes note of a run that raised warnings.
    pub(super) fn after_warnings(&self, conn: &mut BackendConn, execution: &Execution<'_>) {
        if self.state.reading.server == ServerKind::MariaDb {
            let first = conn.prepared.get_mut(&execution.source.kept_as.get()).filter(|p| p.runs == 1);
            first.into_iter().for_each(|p| p.first_warned = true);
        }
    }

    /// A server refused an execution. What of it stays in the server's statement (types, long data) is not known, and
    /// must not meet the next session's.
    pub(super) async fn after_refusal(&self, conn: &mut BackendConn, execution: &Execution<'_>) {
        if execution.long_data.is_none() {
            if let Some(prepared) = conn.prepared.get_mut(&execution.source.kept_as.get()) {
                prepared.types = None;
            }
        } else if let Some(prepared) = conn.prepared.take(&execution.source.kept_as.get()) {
            conn.close_statement(&prepared).await;
        }
    }

    /// Keeps a statement for later executions. What it replaces, or one that has to make room, is closed.
    pub(super) async fn keep_prepared(&self, conn: &mut BackendConn, key: StatementKey, id: u32) {
        let budget = conn.server.prepared_budget(self.core.config().proxy.count);
        if let Some(unused) = conn.prepared.make_room(budget) {
            conn.close_statement(&unused).await;
        }
        let prepared = Prepared::new(id, conn.uses);
        if let Some(replaced) = conn.prepared.insert(key, prepared) {
            conn.close_statement(&replaced).await;
        }
    }
}

/// A schema that every server has and every account may stand in.
const NO_SCHEMA: &str = "information_schema";

/// Brings a connection into a state to prepare a statement in; gives the refusal of its schema, in spite of which all the
/// rest is done.
async fn put_state(
    conn: &mut BackendConn,
    buf: &mut Buf,
    wanted: &Wanted,
    needs: Needs,
) -> Result<Option<ClientError>, Failure> {
    let mut prefix = Vec::new();
    let commands = wanted.put_prefix(&mut prefix, conn, needs);
    let mut missing = None;
    if commands.commands > 0 {
        conn.send(&prefix).await.map_err(Failure::Send)?;
        missing = read_prefix(conn, buf, commands).await?;
    }
    wanted.adopt(conn, Needs { changes_schema: missing.is_some(), ..needs });
    Ok(missing)
}

/// A COM_STMT_PREPARE of the session's own making, and the packet number of its reply.
pub(super) fn frame_prepare(text: &[u8]) -> (Vec<u8>, u8) {
    let mut payload = Vec::with_capacity(text.len() + 1);
    payload.push(COM_STMT_PREPARE);
    payload.extend_from_slice(text);
    let mut wire = Vec::with_capacity(payload.len() + 8);
    let next = put_packet(&mut wire, 0, &payload);
    (wire, next)
}
