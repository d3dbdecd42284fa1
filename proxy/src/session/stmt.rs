//! COM_STMT_*: statements that the client prepares once and that run on whichever connection is at hand.
//!
//! The client's statement ids are the session's own. A connection that has not seen a statement is made to
//! prepare it first; it keeps it for the next session that uses the same text in the same state.

use super::diagnostics::RowFormat;
use super::execute::{Failure, Request, read_prefix};
use super::results::Diagnostics;
use super::sync::{Needs, Wanted};
use super::{Next, Session, Step};
use crate::backend::conn::{BackendConn, Prepared, StatementKey};
use crate::core::buffers::Buf;
use crate::error::ClientError;
use pointsman_planner::{Analysis, Hint, Reads, Role, RoutePlan, RouteReason, ServerKind, leading_hint};
use pointsman_protocol::command::COM_STMT_PREPARE;
use pointsman_protocol::frame::{HEADER_LEN, put_packet};
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::stmt::{Execute, LongData, PrepareOk, set_statement_id, statement_id};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// A statement that the client has prepared.
struct ClientStatement {
    text: Rc<[u8]>,
    analysis: Rc<Analysis>,
    key: StatementKey,
    /// The state it was prepared in; it is prepared again in the same.
    prepared_in: Wanted,
    parameters: u16,
    types: Option<Rc<[u8]>>,
    /// COM_STMT_SEND_LONG_DATA payloads in order, for the next execution.
    long_data: Vec<Vec<u8>>,
    long_data_len: usize,
    /// More long data came than may be kept: the next execution fails.
    too_long: bool,
}

/// The session's prepared statements.
#[derive(Default)]
pub(super) struct StatementTable {
    statements: FxHashMap<u32, ClientStatement>,
    next_id: u32,
    /// Open on the lease.
    cursors: Vec<OpenCursor>,
}

/// A cursor has its statement on the connection for itself: the same text, prepared or executed once more, would close
/// it or be taken for it.
struct OpenCursor {
    /// The client's id of the statement.
    statement: u32,
    key: StatementKey,
    prepared: Prepared,
}

impl StatementTable {
    pub fn close_cursors(&mut self) {
        self.cursors.clear();
    }
}

/// One execution, as [`Session::execute`] sends it.
pub(super) struct Execution<'a> {
    text: Rc<[u8]>,
    key: StatementKey,
    prepared_in: Wanted,
    types: Option<Rc<[u8]>>,
    parsed: Execute<'a>,
    body: &'a [u8],
    long_data: Vec<Vec<u8>>,
}

impl Execution<'_> {
    /// Appends the execution, and the long data before it, as the connection of `prepared` reads them.
    fn put(&self, wire: &mut Vec<u8>, prepared: &mut Prepared) {
        for data in &self.long_data {
            let mut data = data.clone();
            set_statement_id(&mut data, prepared.id);
            put_packet(wire, 0, &data);
        }
        let splice = self.parsed.has_parameters()
            && self.parsed.types.is_none()
            && prepared.types.as_deref() != self.types.as_deref();
        match self.types.as_deref().filter(|_| splice) {
            Some(types) => {
                let mut body = Vec::with_capacity(self.body.len() + types.len());
                self.parsed.put_with_types(&mut body, prepared.id, types);
                put_packet(wire, 0, &body);
            }
            None => {
                let start = wire.len() + HEADER_LEN;
                put_packet(wire, 0, self.body);
                set_statement_id(&mut wire[start..], prepared.id);
            }
        }
        prepared.types.clone_from(&self.types);
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

impl Session {
    fn table(&mut self) -> &mut StatementTable {
        self.statements.get_or_insert_default()
    }

    fn statement(&mut self, id: u32) -> Option<&mut ClientStatement> {
        self.statements.as_mut()?.statements.get_mut(&id)
    }

    /// The error of the server that the client believes to talk to.
    fn unknown_statement(&self, id: u32, mariadb: &str) -> ClientError {
        let command = if self.state.reading.server == ServerKind::MySql { "mysql_stmt_precheck" } else { mariadb };
        ClientError::unknown_statement(id, command)
    }

    pub(super) async fn stmt_prepare(&mut self, wire: &[u8], body: &[u8], sequence: u8) -> Step {
        let limit = self.core.config().session.max_prepared_statements as usize;
        if self.table().statements.len() >= limit {
            return self.answer_error(sequence, &ClientError::too_many_statements(limit)).await;
        }
        let text = &body[1..];
        let analysis = self.core.analyze(text, &self.state.reading);
        // The client's id is fixed for the session, so it can be part of the text.
        let rewritten = self.rewrite(text, analysis.reads() & Reads::CONNECTION_ID);
        let text: Rc<[u8]> = rewritten.as_deref().unwrap_or(text).into();
        let sent = rewritten.as_ref().map(|t| frame_prepare(t));
        let plan = self.plan_prepared(&analysis, &text);
        let id = self.table().next_id.wrapping_add(1).max(1);
        self.table().next_id = id;
        let request = Request {
            wire: sent.as_deref().unwrap_or(wire),
            kind: ReplyKind::Prepare,
            client_sequence: sequence,
            server_sequence: if sent.is_some() { 1 } else { sequence },
            cursor: None,
            statement_id: Some(id),
            analysis: &analysis,
            plan: RoutePlan { writes: false, ..plan },
            // The metadata of a user variable depends on its value.
            reads: analysis.reads() & Reads::USER_VARS,
            execute: None,
        };
        // A server keeps the types that the variables had.
        let user_vars = request.reads.contains(Reads::USER_VARS).then(|| self.state.wanted.user_vars.clone());
        let key = self.core.shared.statement_keys.key((&*text, self.state.wanted.hash_parts(), user_vars));
        let (next, outcome) = self.execute_prepare(&request, key).await?;
        if let Some(ok) = outcome {
            let prepared_in = self.state.wanted.clone();
            let statement = ClientStatement {
                text,
                analysis,
                key,
                prepared_in,
                parameters: ok.parameters,
                types: None,
                long_data: Vec::new(),
                long_data_len: 0,
                too_long: false,
            };
            self.table().statements.insert(id, statement);
        }
        Ok(next)
    }

    async fn execute_prepare(
        &mut self,
        request: &Request<'_>,
        key: StatementKey,
    ) -> std::io::Result<(Next, Option<PrepareOk>)> {
        self.preparing = Some(key);
        let (next, outcome) = self.execute(request).await?;
        self.preparing = None;
        Ok((next, outcome.filter(|o| o.error.is_none()).and_then(|o| o.prepared)))
    }

    /// Where a prepared statement is planned to run. Hints in its text count as in a plain one.
    fn plan_prepared(&self, analysis: &Analysis, text: &[u8]) -> RoutePlan {
        let hint: Hint = leading_hint(text);
        self.plan(analysis, &hint)
    }

    pub(super) async fn stmt_execute(&mut self, body: &[u8], sequence: u8) -> Step {
        let Ok(id) = statement_id(body) else { return self.fail(sequence, &ClientError::malformed()).await };
        let capabilities = self.client.capabilities;
        let max_long_data = self.core.config().session.max_long_data as usize;
        let Some(statement) = self.statement(id) else {
            return self.answer_error(sequence, &self.unknown_statement(id, "mysqld_stmt_execute")).await;
        };
        let Ok(parsed) = Execute::parse(body, statement.parameters, capabilities) else {
            return self.fail(sequence, &ClientError::malformed()).await;
        };
        if std::mem::take(&mut statement.too_long) {
            statement.clear_long_data();
            return self.answer_error(sequence, &ClientError::long_data_too_large(max_long_data)).await;
        }
        if let Some(types) = parsed.types.filter(|t| statement.types.as_deref() != Some(t)) {
            statement.types = Some(types.into());
        }
        let execution = Execution {
            text: statement.text.clone(),
            key: statement.key,
            prepared_in: statement.prepared_in.clone(),
            types: statement.types.clone(),
            parsed,
            body,
            long_data: statement.clear_long_data(),
        };
        let analysis = statement.analysis.clone();
        self.close_cursor(id).await;
        if matches!(self.results.diagnostics, Diagnostics::Captured(_)) {
            let answer = self.captured_diagnostics(&analysis, &execution.text, RowFormat::Binary, sequence);
            if let Some(step) = Box::pin(answer).await {
                return step;
            }
        }
        self.run_execution(id, &execution, &analysis, sequence).await
    }

    async fn run_execution(
        &mut self,
        id: u32,
        execution: &Execution<'_>,
        analysis: &Rc<Analysis>,
        sequence: u8,
    ) -> Step {
        let reads = analysis.reads();
        // Values that only the session knows stand in for the calls: such a text is prepared for one execution.
        let replaced = self.rewrite(&execution.text, reads);
        let own = replaced.map(|text| Execution {
            key: self.core.shared.statement_keys.key((&*text, self.state.wanted.hash_parts())),
            text: text.into(),
            prepared_in: execution.prepared_in.clone(),
            types: execution.types.clone(),
            parsed: execution.parsed,
            body: execution.body,
            long_data: execution.long_data.clone(),
        });
        let execution = own.as_ref().unwrap_or(execution);
        let mut plan = self.plan_prepared(analysis, &execution.text);
        let cursor = execution.parsed.wants_cursor().then_some(id);
        if cursor.is_some() && plan.reason == RouteReason::Read {
            // The session's writes while the cursor is open go over the same connection.
            plan = RoutePlan { role: Role::Writer, reason: RouteReason::NeedsWriter, ..plan };
        }
        let request = Request {
            wire: &[],
            kind: ReplyKind::Results,
            client_sequence: sequence,
            server_sequence: 1,
            cursor,
            statement_id: None,
            analysis,
            plan,
            reads,
            execute: Some(execution),
        };
        let (next, outcome) = self.execute(&request).await?;
        let open = outcome.is_some_and(|o| o.status.contains(Status::CURSOR_EXISTS));
        if open {
            self.cursor_opened(id, execution.key);
        }
        Ok(next)
    }

    fn cursor_opened(&mut self, statement: u32, key: StatementKey) {
        let prepared = self.lease.as_mut().and_then(|conn| conn.prepared.take(&key));
        if let Some(prepared) = prepared {
            self.table().cursors.push(OpenCursor { statement, key, prepared });
        }
    }

    /// Sends an execution on a connection, which is made to prepare the statement first where it has not.
    pub(super) async fn send_execute(
        &mut self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        request: &Request<'_>,
        execution: &Execution<'_>,
        needs: Needs,
    ) -> Result<(), Failure> {
        if !conn.prepared.contains(&execution.key) {
            let user_vars = Needs { user_vars: needs.user_vars, ..Needs::default() };
            Box::pin(self.prepare_on(conn, buf, execution, user_vars)).await?;
        }
        conn.uses += 1;
        let uses = conn.uses;
        let Some(prepared) = conn.prepared.get_mut(&execution.key) else { return Ok(()) };
        prepared.used = uses;
        let mut wire = self.core.buffers.take_vec();
        execution.put(&mut wire, prepared);
        let sent = self.send(conn, buf, request, &wire, needs).await;
        self.core.buffers.give_vec(wire);
        sent
    }

    /// Prepares the statement on a connection, in the state in which the client prepared it.
    async fn prepare_on(
        &mut self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        execution: &Execution<'_>,
        needs: Needs,
    ) -> Result<(), Failure> {
        let mut prefix = Vec::new();
        let commands = execution.prepared_in.put_prefix(&mut prefix, conn, needs);
        if commands > 0 {
            conn.send(&prefix).await.map_err(Failure::Send)?;
            read_prefix(conn, buf, commands).await?;
        }
        execution.prepared_in.adopt(conn, needs);
        conn.send(&frame_prepare(&execution.text)).await.map_err(Failure::Send)?;
        let reply = conn.small_reply(buf, ReplyKind::Prepare).await.map_err(Failure::Send)?;
        if let Some(e) = reply.error {
            // The connection is fine; the statement no longer is (its table was dropped, say).
            conn.readiness = crate::backend::conn::Readiness::Ready;
            return Err(Failure::Prefix(ClientError::from_server(e.code, e.sqlstate, &e.message)));
        }
        let ok = PrepareOk::parse(super::client::payload(&reply.wire)).map_err(|e| Failure::Send(e.into()))?;
        self.keep_prepared(conn, execution.key, ok.statement_id).await;
        Ok(())
    }

    /// Keeps a statement for later executions. What it replaces, or one that has to make room, is closed.
    pub(super) async fn keep_prepared(&self, conn: &mut BackendConn, key: StatementKey, id: u32) {
        let budget = conn.server.prepared_budget(self.core.config().proxy.count);
        if let Some(unused) = conn.prepared.make_room(budget) {
            conn.close_statement(&unused).await;
        }
        let prepared = Prepared { id, types: None, used: conn.uses };
        if let Some(replaced) = conn.prepared.insert(key, prepared) {
            conn.close_statement(&replaced).await;
        }
    }

    pub(super) async fn stmt_fetch(&mut self, wire: &[u8], body: &[u8], sequence: u8) -> Step {
        let Ok(id) = statement_id(body) else { return self.fail(sequence, &ClientError::malformed()).await };
        let Some(analysis) = self.statement(id).map(|s| s.analysis.clone()) else {
            return self.answer_error(sequence, &self.unknown_statement(id, "mysqld_stmt_fetch")).await;
        };
        let Some(cursor) = self.table().cursors.iter().find(|c| c.statement == id) else {
            return self.answer_error(sequence, &ClientError::no_open_cursor(id, self.state.reading.server)).await;
        };
        let mut wire = wire.to_vec();
        set_statement_id(&mut wire[HEADER_LEN..], cursor.prepared.id);
        let plan = RoutePlan { role: Role::Held, writes: false, ..self.plan(&analysis, &Hint::default()) };
        let request = Request {
            wire: &wire,
            kind: ReplyKind::Rows,
            client_sequence: sequence,
            server_sequence: sequence,
            cursor: None,
            statement_id: None,
            analysis: &analysis,
            plan,
            reads: Reads::default(),
            execute: None,
        };
        let had_warnings = self.results.diagnostics == Diagnostics::OnConnection;
        let (next, outcome) = self.execute(&request).await?;
        if had_warnings && outcome.as_ref().is_some_and(|o| o.error.is_none()) {
            // MySQL counts none in a reply to a fetch, and keeps them.
            self.results.diagnostics = Diagnostics::OnConnection;
        }
        if outcome.is_none_or(|o| o.error.is_some() || o.status.contains(Status::LAST_ROW_SENT)) {
            self.cursor_ended(id).await;
            self.give_back_if_free().await;
        }
        Ok(next)
    }

    /// The server has sent the cursor's last row, and closed it: the statement may be used by all again.
    async fn cursor_ended(&mut self, id: u32) {
        let ended = self.remove_cursor(id);
        if let (Some(cursor), Some(mut conn)) = (ended, self.lease.take()) {
            if conn.prepared.contains(&cursor.key) {
                conn.close_statement(&cursor.prepared).await;
            } else {
                conn.prepared.insert(cursor.key, cursor.prepared);
            }
            self.lease = Some(conn);
        }
    }

    fn remove_cursor(&mut self, id: u32) -> Option<OpenCursor> {
        let cursors = &mut self.statements.as_mut()?.cursors;
        let place = cursors.iter().position(|c| c.statement == id)?;
        self.pins.cursor_closed(id);
        Some(cursors.swap_remove(place))
    }

    /// Closes the cursor of a statement that is executed again, reset or closed.
    async fn close_cursor(&mut self, id: u32) {
        if let (Some(cursor), Some(conn)) = (self.remove_cursor(id), &mut self.lease) {
            conn.close_statement(&cursor.prepared).await;
        }
    }

    pub(super) async fn stmt_close(&mut self, body: &[u8]) -> Step {
        if let Ok(id) = statement_id(body) {
            self.close_cursor(id).await;
            self.table().statements.remove(&id);
            self.give_back_if_free().await;
        }
        Ok(Next::Command)
    }

    pub(super) async fn stmt_reset(&mut self, body: &[u8], sequence: u8) -> Step {
        let Ok(id) = statement_id(body) else { return self.fail(sequence, &ClientError::malformed()).await };
        let Some(statement) = self.statement(id) else {
            return self.answer_error(sequence, &self.unknown_statement(id, "mysqld_stmt_reset")).await;
        };
        statement.clear_long_data();
        statement.too_long = false;
        self.close_cursor(id).await;
        self.give_back_if_free().await;
        self.client.send_ok(sequence, self.status).await?;
        Ok(Next::Command)
    }

    /// A cursor was the last thing that kept the connection.
    async fn give_back_if_free(&mut self) {
        if !self.is_bound() {
            if let Some(conn) = self.lease.take() {
                self.keep_or_release(conn, false).await;
            }
        }
    }

    /// COM_STMT_SEND_LONG_DATA has no reply; what is wrong with it shows at the execution.
    pub(super) fn stmt_long_data(&mut self, body: &[u8]) -> Step {
        let limit = self.core.config().session.max_long_data as usize;
        if let Ok(data) = LongData::parse(body) {
            if let Some(statement) = self.statement(data.statement) {
                if statement.long_data_len + data.data.len() > limit {
                    statement.too_long = true;
                } else {
                    statement.long_data_len += data.data.len();
                    statement.long_data.push(body.to_vec());
                }
            }
        }
        Ok(Next::Command)
    }
}

impl ClientStatement {
    fn clear_long_data(&mut self) -> Vec<Vec<u8>> {
        self.long_data_len = 0;
        std::mem::take(&mut self.long_data)
    }
}

fn frame_prepare(text: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(text.len() + 1);
    payload.push(COM_STMT_PREPARE);
    payload.extend_from_slice(text);
    let mut wire = Vec::with_capacity(payload.len() + 8);
    put_packet(&mut wire, 0, &payload);
    wire
}
