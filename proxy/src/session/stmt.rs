//! COM_STMT_*: statements that the client prepares once and that run on whichever connection is at hand.
//!
//! The client's statement ids are the session's own. A connection that has not seen a statement is made to
//! prepare it first; it keeps it for the next session that uses the same text in the same state.

use super::definitions::{Asker, Definition, DefinitionKey, Origin, is_definable};
use super::diagnostics::RowFormat;
use super::execute::Request;
use super::execution::{Execution, Source, frame_prepare};
use super::long_data::LongDataStore;
use super::outcome::Outcome;
use super::query::hint_of;
use super::results::{Diagnostics, Leaves};
use super::{Next, Session, Step};
use crate::backend::conn::{Prepared, StatementKey};
use crate::error::ClientError;
use crate::servers::Server;
use pointsman_planner::{
    Analysis, Effect, Hint, Reads, Role, RoutePlan, RouteReason, ServerKind, StatementKind, leading_hint,
};
use pointsman_protocol::Capabilities;
use pointsman_protocol::frame::HEADER_LEN;
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::stmt::{Execute, LongData, PrepareOk, set_statement_id, statement_id};
use rustc_hash::FxHashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A statement that the client has prepared.
struct ClientStatement {
    source: Rc<Source>,
    analysis: Rc<Analysis>,
    parameters: u16,
    /// Columns that the client was told last.
    columns: u16,
    executed: bool,
    types: Option<Rc<[u8]>>,
    /// For the next execution.
    long_data: LongDataStore,
}

/// A COM_STMT_PREPARE under way.
pub(super) struct Preparing {
    key: StatementKey,
    /// Under which its answer is kept, if it is one to keep.
    definition: Option<DefinitionKey>,
    /// None until a server is chosen, or when its answer may not be kept.
    origin: Option<Origin>,
}

/// The session's prepared statements.
#[derive(Default)]
pub(super) struct StatementTable {
    statements: FxHashMap<u32, ClientStatement>,
    next_id: u32,
    /// The last one, unless to prepare it failed: MariaDB's clients may call it by [`LAST_PREPARED`].
    last: Option<u32>,
    /// Open on the lease.
    cursors: Vec<OpenCursor>,
}

/// The id by which MariaDB knows the statement that was prepared last, so that its execution may follow at once.
const LAST_PREPARED: u32 = u32::MAX;

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

impl Session {
    fn table(&mut self) -> &mut StatementTable {
        self.statements.get_or_insert_default()
    }

    fn statement(&mut self, id: u32) -> Option<&mut ClientStatement> {
        self.statements.as_mut()?.statements.get_mut(&id)
    }

    /// The statement that a client's id stands for.
    fn meant(&self, id: u32) -> u32 {
        if id != LAST_PREPARED || self.state.reading.server != ServerKind::MariaDb {
            return id;
        }
        self.statements.as_ref().and_then(|table| table.last).unwrap_or(id)
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
        let analysis = self.with_literals(self.core.analyze(text, &self.state.reading));
        // The client's id is fixed for the session, so it can be part of the text.
        let rewritten = self.rewrite(text, &analysis, analysis.reads() & Reads::CONNECTION_ID);
        let sent = rewritten.as_ref().map(|t| frame_prepare(t));
        let text = rewritten.as_deref().unwrap_or(text);
        // The metadata of a user variable depends on its value: a server keeps the types that the variables had.
        let reads = analysis.reads() & Reads::USER_VARS;
        let user_vars = reads.contains(Reads::USER_VARS).then(|| self.state.wanted.user_vars.clone());
        let key = self.core.shared.statement_keys.key((text, self.state.wanted.hash_parts(), user_vars));
        let definition = self.definition_key(&analysis, key, sequence);
        if let Some(known) = definition.and_then(|d| self.core.definition(&d, text, self.asker())) {
            return self.answer_prepare(known, analysis, key).await;
        }
        let plan = self.plan(&analysis, &leading_hint(text));
        let id = self.next_statement_id();
        let request = Request {
            wire: sent.as_ref().map_or(wire, |(bytes, _)| bytes),
            kind: ReplyKind::Prepare,
            client_sequence: sequence,
            server_sequence: sent.as_ref().map_or(sequence, |(_, next)| *next),
            cursor: None,
            statement_id: Some(id),
            analysis: &analysis,
            plan: RoutePlan { writes: false, commits: false, ..plan },
            // What asks for the last statement's warnings is prepared where they are.
            reads: reads | (analysis.reads() & Reads::DIAGNOSTICS),
            execute: None,
        };
        self.table().last = None;
        let text: Rc<[u8]> = text.into();
        self.preparing = Some(Box::new(Preparing { key, definition, origin: None }));
        let mut outcome = Outcome::default();
        let (next, replied) = self.execute(&request, &mut outcome).await?;
        let preparing = self.preparing.take();
        if let Some(ok) = outcome.prepared.filter(|_| replied && outcome.error.is_none()) {
            self.keep_definition(preparing.map(|p| *p), &text, ok, outcome);
            self.add_statement(id, text, analysis, key, ok);
        }
        Ok(next)
    }

    fn next_statement_id(&mut self) -> u32 {
        let id = self.table().next_id.wrapping_add(1).max(1);
        self.table().next_id = id;
        id
    }

    fn add_statement(&mut self, id: u32, text: Rc<[u8]>, analysis: Rc<Analysis>, key: StatementKey, ok: PrepareOk) {
        let source = Source::new(text, key, self.state.wanted.clone());
        let statement = ClientStatement {
            source: Rc::new(source),
            analysis,
            parameters: ok.parameters,
            columns: ok.columns,
            executed: false,
            types: None,
            long_data: LongDataStore::default(),
        };
        let table = self.table();
        table.statements.insert(id, statement);
        table.last = Some(id);
    }

    /// None where what the statement looks like depends on this very connection.
    fn definition_key(&self, analysis: &Analysis, statement: StatementKey, sequence: u8) -> Option<DefinitionKey> {
        let usual = sequence == 1 && !self.pins.is_pinned() && is_definable(analysis);
        usual.then(|| DefinitionKey {
            statement,
            account: self.identity.number,
            class: (self.client.capabilities & Capabilities::LOGIN_CLASS).bits(),
            deprecate_eof: self.client.capabilities.contains(Capabilities::DEPRECATE_EOF),
            status: self.status.bits(),
        })
    }

    fn asker(&self) -> Asker<'_> {
        let writer_only = self.core.clock.now_ms() < self.freshness.writer_until_ms;
        Asker { token: self.freshness.token.as_deref(), writer_only }
    }

    /// Tells the client what a server has said lately; the statement is prepared where it will run.
    async fn answer_prepare(&mut self, known: Definition, analysis: Rc<Analysis>, key: StatementKey) -> Step {
        let id = self.next_statement_id();
        let mut wire = self.core.buffers.take_vec();
        wire.extend_from_slice(&known.wire);
        set_statement_id(&mut wire[HEADER_LEN..], id);
        let sent = self.client.send(&wire).await;
        self.core.buffers.give_vec(wire);
        sent?;
        // As after a reply that was relayed: no warnings, and the results of the last statement as they were.
        self.results.note(&Outcome::default(), Leaves::of(&analysis.statements, self.state.reading.server), false);
        self.add_statement(id, known.text, analysis, key, known.ok);
        Ok(Next::Command)
    }

    fn keep_definition(&mut self, preparing: Option<Preparing>, text: &Rc<[u8]>, ok: PrepareOk, outcome: Outcome) {
        let Some(Preparing { definition: Some(key), origin: Some(origin), .. }) = preparing else { return };
        if let Some(wire) = outcome.copy.filter(|_| ok.warnings == 0) {
            self.core.keep_definition(key, Definition { text: text.clone(), wire: wire.into(), ok }, origin);
        }
    }

    /// Before a COM_STMT_PREPARE goes to a server.
    pub(super) fn before_prepare(&mut self, server: &Arc<Server>) {
        let writer = self.shard().confirmed_writer() == Some(server.id);
        if let Some(preparing) = self.preparing.as_mut().filter(|p| p.definition.is_some()) {
            preparing.origin = self.core.definition_origin(server, writer);
        }
    }

    pub(super) fn preparing_key(&self) -> Option<StatementKey> {
        self.preparing.as_ref().map(|p| p.key)
    }

    /// Whether the reply at hand is to be copied for others.
    pub(super) fn copies_reply(&self) -> bool {
        self.preparing.as_ref().is_some_and(|p| p.origin.is_some())
    }

    /// Hints in the text of a prepared statement count as in a plain one, and so do an execution's query attributes.
    fn hint_of_execution(&self, execution: &Execution<'_>) -> Hint {
        match execution.long_data {
            None => hint_of(execution.text(), execution.parsed.attributes(self.client.capabilities)),
            Some(_) => leading_hint(execution.text()),
        }
    }

    pub(super) async fn stmt_execute(&mut self, body: &[u8], sequence: u8) -> Step {
        let Ok(id) = statement_id(body) else { return self.fail(sequence, &ClientError::malformed()).await };
        let id = self.meant(id);
        let capabilities = self.client.capabilities;
        let Some(statement) = self.statement(id) else {
            return self.answer_error(sequence, &self.unknown_statement(id, "mysqld_stmt_execute")).await;
        };
        let Ok(parsed) = Execute::parse(body, statement.parameters, capabilities) else {
            return self.answer_error(sequence, &ClientError::malformed()).await;
        };
        if let Some(refusal) = statement.long_data.refusal() {
            statement.long_data.forget_unless_wrong();
            return self.answer_error(sequence, &refusal).await;
        }
        let has_long_data = !statement.long_data.is_empty();
        let long_data = has_long_data.then(|| Rc::new(std::mem::take(&mut statement.long_data)));
        let kept_before = statement.source.kept_as.get();
        let new_types = parsed.types.filter(|t| statement.types.as_deref() != Some(t));
        if let Some(types) = new_types {
            statement.types = Some(types.into());
        }
        let execution = Execution {
            source: statement.source.clone(),
            types: statement.types.clone(),
            kept_before,
            retyped: new_types.is_some(),
            parsed,
            body,
            long_data,
            columns: statement.columns,
            first: !std::mem::replace(&mut statement.executed, true),
        };
        let analysis = statement.analysis.clone();
        self.close_cursor(id).await;
        if analysis.effects().any(|e| matches!(e, Effect::Kill { .. })) {
            if let Some(step) = Box::pin(self.kill_statement(&analysis, execution.text(), sequence)).await {
                return step;
            }
        }
        if gets_diagnostics(&analysis) {
            let answer = self.get_diagnostics(execution.text(), analysis.reads(), sequence);
            if let Some(step) = Box::pin(answer).await {
                return step;
            }
        } else if matches!(self.results.diagnostics, Diagnostics::Captured(_)) {
            let answer = self.captured_diagnostics(&analysis, execution.text(), RowFormat::Binary, sequence);
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
        let replaced = self.rewrite(execution.text(), analysis, reads);
        let own = replaced.map(|text| {
            let prepared_in = execution.source.prepared_in.clone();
            let key = self.core.shared.statement_keys.key((&*text, prepared_in.hash_parts()));
            Box::new(Execution {
                source: Rc::new(Source::new(text.into(), key, prepared_in)),
                types: execution.types.clone(),
                kept_before: key,
                retyped: execution.types.is_some(),
                parsed: execution.parsed,
                body: execution.body,
                long_data: execution.long_data.clone(),
                columns: execution.columns,
                first: execution.first,
            })
        });
        let execution = own.as_deref().unwrap_or(execution);
        if self.status.contains(Status::IN_TRANS_READONLY) {
            Box::pin(self.leave_read_only(analysis)).await;
        }
        let mut plan = self.plan(analysis, &self.hint_of_execution(execution));
        let cursor = execution.parsed.wants_cursor().then_some(id);
        if cursor.is_some() && plan.reason == RouteReason::Read {
            // The session's writes while the cursor is open go over the same connection.
            plan = RoutePlan { role: Role::WriterIfAny, reason: RouteReason::NeedsWriter, ..plan };
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
        let mut outcome = Outcome::default();
        let (next, replied) = self.execute(&request, &mut outcome).await?;
        if !replied {
            return Ok(next);
        }
        if let (Some(told), Some(statement)) = (outcome.columns, self.statement(id)) {
            statement.columns = told;
        }
        if outcome.status.contains(Status::CURSOR_EXISTS) {
            self.cursor_opened(id, execution.source.kept_as.get());
        }
        Ok(next)
    }

    fn cursor_opened(&mut self, statement: u32, key: StatementKey) {
        let prepared = self.lease.as_mut().and_then(|conn| conn.prepared.take(&key));
        if let Some(prepared) = prepared {
            self.table().cursors.push(OpenCursor { statement, key, prepared });
        }
    }

    pub(super) async fn stmt_fetch(&mut self, wire: &[u8], body: &[u8], sequence: u8) -> Step {
        let Ok(id) = statement_id(body) else { return self.fail(sequence, &ClientError::malformed()).await };
        let id = self.meant(id);
        let Some(analysis) = self.statement(id).map(|s| s.analysis.clone()) else {
            return self.answer_error(sequence, &self.unknown_statement(id, "mysqld_stmt_fetch")).await;
        };
        let Some(cursor) = self.table().cursors.iter().find(|c| c.statement == id) else {
            return self.answer_error(sequence, &ClientError::no_open_cursor(id, self.state.reading.server)).await;
        };
        let mut wire = wire.to_vec();
        set_statement_id(&mut wire[HEADER_LEN..], cursor.prepared.id);
        let plan =
            RoutePlan { role: Role::Held, writes: false, commits: false, ..self.plan(&analysis, &Hint::default()) };
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
        let mut outcome = Outcome::default();
        let (next, replied) = self.execute(&request, &mut outcome).await?;
        if had_warnings && replied && outcome.error.is_none() {
            // MySQL counts none in a reply to a fetch, and keeps them.
            self.results.diagnostics = Diagnostics::OnConnection;
        }
        if !replied || outcome.error.is_some() || outcome.status.contains(Status::LAST_ROW_SENT) {
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
        if let Ok(id) = statement_id(body).map(|id| self.meant(id)) {
            self.table().last.take_if(|last| *last == id);
            self.close_cursor(id).await;
            self.table().statements.remove(&id);
            self.give_back_if_free().await;
        }
        Ok(Next::Command)
    }

    pub(super) async fn stmt_reset(&mut self, body: &[u8], sequence: u8) -> Step {
        let Ok(id) = statement_id(body) else { return self.fail(sequence, &ClientError::malformed()).await };
        let id = self.meant(id);
        let Some(statement) = self.statement(id) else {
            return self.answer_error(sequence, &self.unknown_statement(id, "mysqld_stmt_reset")).await;
        };
        statement.long_data = LongDataStore::default();
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
    pub(super) async fn stmt_long_data(&mut self, body: &[u8]) -> Step {
        let core = self.core.clone();
        if let Ok(data) = LongData::parse(body) {
            if let Some(statement) = self.statement(self.meant(data.statement)) {
                statement.long_data.append(&core, &data, statement.parameters).await;
            }
        }
        Ok(Next::Command)
    }
}

fn gets_diagnostics(analysis: &Analysis) -> bool {
    matches!(&analysis.statements[..], [s] if s.kind == StatementKind::GetDiagnostics)
}
