//! Runs one statement: a connection, its state, the statement, its reply, and what the session learns from it.
//!
//! The only place where anything is tried a second time, and then only what no server can have run.

use super::definitions::{alters_schema, changes_schema};
use super::failure::Failure;
use super::lease::{Lease, NoLease};
use super::names::hides_collation;
use super::outcome::Outcome;
use super::pins::ends_a_pin;
use super::refused::{lasting, may_move_the_transaction};
use super::relay::{Cursors, Relay, RelayError, RelayMode};
use super::results::{Leaves, LeavesDiagnostics, ResultState};
use super::schema::{begins_with_use, is_missing_schema};
use super::sync::{COMPUTED, Needs, Prefix};
use super::text_statements::{qualified, refuted, takes_one_lock};
use super::tracking::{Changer, changes_trackers};
use super::watch::{Heard, Hope};
use super::{Next, Session};
use crate::backend::conn::{BackendConn, Readiness};
use crate::core::buffers::Buf;
use crate::error::ClientError;
use crate::servers::Server;
use pointsman_planner::{
    Access, Analysis, Effect, FoundRows, Reads, Role, RoutePlan, ServerKind, Statement, StatementKind, skipped_rows,
};
use pointsman_protocol::frame::HEADER_LEN;
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;
use pointsman_shard_map::ServerId;
use std::io;
use std::rc::Rc;
use std::time::Instant;

/// A read is tried on this many servers in all.
const READ_ATTEMPTS: u32 = 2;
/// The most for one whose schema is gone: a replica, the writer, the writer without the schema; and a change of writers.
const WRITER_ATTEMPTS: u32 = 4;
/// The socket of a server that has answered all before takes so much at once, whatever becomes of the server.
const SENT_AT_ONCE: usize = 4 * 1024;
/// One in so many statements is timed, at random, for the moving average of its server.
const LATENCY_SAMPLE: u64 = 8;

/// A statement ready to be sent.
pub(super) struct Request<'a> {
    /// Whole frames.
    pub wire: &'a [u8],
    pub kind: ReplyKind,
    /// The number that the client expects on the reply, and the one that the server will use.
    pub client_sequence: u8,
    pub server_sequence: u8,
    /// The client's statement that asked for a cursor.
    pub cursor: Option<u32>,
    pub statement_id: Option<u32>,
    pub analysis: &'a Rc<Analysis>,
    pub plan: RoutePlan,
    pub reads: Reads,
    /// The prepared statement that is executed, for its id on the connection.
    pub execute: Option<&'a super::execution::Execution<'a>>,
}

/// How one attempt ended.
pub(super) enum Attempt {
    Done,
    /// To be told to the client; the session goes on.
    Failed(ClientError),
    /// Nothing has run and the client has seen nothing: another server may be tried.
    TryElsewhere(ClientError),
    /// The same, but the writer alone will do: it knows which schemas there are, and takes writes.
    TryWriter(ClientError),
    /// The client or the session is at its end.
    Over(Next),
}

impl Session {
    /// Runs a statement and relays its reply. Whether `outcome` is what the reply told: otherwise the client got an error.
    pub(super) async fn execute(&mut self, request: &Request<'_>, outcome: &mut Outcome) -> io::Result<(Next, bool)> {
        let changes = request.kind == ReplyKind::Results && changes_schema(request.analysis);
        let _until_told = changes.then(|| self.core.shared.schema_changes.begin());
        let mut plan = request.plan;
        let mut exclude: Option<ServerId> = None;
        let mut attempts = 0;
        if self.state.is_schema_missing() && !self.results.needs_connection(request.reads) {
            self.state.try_schema_again();
        }
        if let Some(refusal) = self.refusal_in_read_only(request) {
            return self.told(request.client_sequence, &refusal).await;
        }
        let reads = request.reads | assigned(request.analysis);
        let error = loop {
            attempts += 1;
            let lease = match self.lease(&plan, reads, exclude).await {
                Ok(lease) => lease,
                Err(NoLease::Refused { server: Some(server), .. })
                    if plan.role == Role::Replica && attempts < READ_ATTEMPTS =>
                {
                    exclude = Some(server);
                    continue;
                }
                Err(NoLease::Refused { error, .. }) => break error,
                Err(NoLease::Over) => return Ok((Next::Close, false)),
            };
            let server = lease.conn.server.id;
            match self.attempt(lease, request, outcome).await? {
                Attempt::Done => return Ok((Next::Command, true)),
                Attempt::Failed(e) => break e,
                Attempt::Over(next) => return Ok((next, false)),
                Attempt::TryWriter(e) if attempts >= WRITER_ATTEMPTS => break e,
                Attempt::TryWriter(_) => plan.role = Role::Writer,
                Attempt::TryElsewhere(e) if attempts >= READ_ATTEMPTS || self.is_bound() => break e,
                Attempt::TryElsewhere(_) => {
                    exclude = Some(server);
                    if plan.role == Role::Any {
                        plan.role = Role::Writer;
                    }
                }
            }
        };
        // Not within the match: what it looks at would lie in each idle session's task beside the statement's future.
        self.told(request.client_sequence, &error).await
    }

    async fn told(&mut self, sequence: u8, e: &ClientError) -> io::Result<(Next, bool)> {
        self.client.send_error(sequence, e).await?;
        Ok((Next::Command, false))
    }

    async fn attempt(&mut self, lease: Lease, request: &Request<'_>, outcome: &mut Outcome) -> io::Result<Attempt> {
        let Lease { mut conn, spill } = lease;
        let bound = self.is_bound();
        let mut buf = self.core.buffers.take();
        // Reading the clock costs as much as choosing the server does.
        let started = self.core.random().is_multiple_of(LATENCY_SAMPLE).then(Instant::now);
        conn.server.in_flight.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let ended = self.exchange(&mut conn, &mut buf, request, outcome).await;
        conn.server.in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        self.core.buffers.give(buf);
        drop(spill);
        if let (Ok(()), Some(started)) = (&ended, started) {
            conn.server.record_latency(started.elapsed().as_micros() as u32);
        }
        match ended {
            Ok(()) => {
                self.after(conn, request, outcome).await;
                outcome.gtids.take().into_iter().for_each(|gtids| self.core.buffers.give_vec(gtids));
                Ok(Attempt::Done)
            }
            Err(failure) => Box::pin(self.failed(conn, request, failure, bound)).await,
        }
    }

    /// Brings the connection into the session's state, sends the statement, relays the reply.
    async fn exchange(
        &mut self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        request: &Request<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let mut needs = self.needs(request.reads);
        // A trigger may read them.
        needs.user_vars |= request.plan.writes;
        needs.last_insert_id = needs.last_insert_id.or_else(|| self.insert_id_to_bring(conn, request));
        if request.kind == ReplyKind::Prepare {
            self.before_prepare(&conn.server);
        }
        let server_sequence = match request.execute {
            None => {
                self.send(conn, buf, request, request.wire, needs).await?;
                request.server_sequence
            }
            Some(execution) => self.send_execute(conn, buf, request, execution, needs).await?,
        };
        let mode = RelayMode {
            kind: request.kind,
            client_sequence: request.client_sequence,
            server_sequence,
            cursor: cursors(request),
            statement_id: request.statement_id,
            columns: request.execute.map(|e| e.columns).filter(|n| *n > 0),
            copies: self.copies_reply() || takes_one_lock(request.analysis),
            // To prepare a statement begins no transaction.
            status: if request.kind == ReplyKind::Prepare { self.status } else { self.reply_status() },
            warnings: self.warnings_told_again(request),
            changer: Changer { analysis: request.analysis, server: self.state.reading.server },
            intercept_read_only: !self.is_bound() && self.may_repeat_refused(request, conn),
            intercept_no_schema: request.plan.role == Role::Any && !self.is_bound(),
            hope: self.hope(request),
        };
        let mut relay = Relay::new(&mut self.client, conn, &self.core, &self.state.wanted.vars, mode, outcome);
        let ended = relay.run(buf).await;
        relay.finish();
        ended.map_err(Failure::Relay)
    }

    /// What may be hoped for of the server while it does not answer.
    pub(super) fn hope(&self, request: &Request<'_>) -> Hope {
        let may_write = self.status.contains(Status::IN_TRANS) && !self.status.contains(Status::IN_TRANS_READONLY);
        if request.plan.writes || may_write {
            Hope::AsWriter
        } else if request.plan.role == Role::Replica && !self.is_bound() {
            Hope::Elsewhere
        } else {
            Hope::Here
        }
    }

    /// What the server has to do before the statement's reply, unless it is given up meanwhile.
    pub(super) async fn heed_server<T>(
        &self,
        server: &Server,
        request: &Request<'_>,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.client.heed_server(server, self.hope(request), future).await.map_err(|heard| match heard {
            Heard::Killed => Failure::Relay(RelayError::Killed),
            Heard::ClientGone => Failure::Relay(RelayError::ClientGone),
            Heard::Interrupted | Heard::ServerGone => Failure::Send(io::Error::from(io::ErrorKind::TimedOut).into()),
        })
    }

    /// LAST_INSERT_ID() for a statement that may change it: else nobody could tell afterwards whether what is there is
    /// this session's.
    fn insert_id_to_bring(&self, conn: &BackendConn, request: &Request<'_>) -> Option<u64> {
        let changes = |e: &Effect| matches!(e, Effect::MayChangeLastInsertId);
        if request.kind != ReplyKind::Results || !request.analysis.effects().any(changes) {
            return None;
        }
        let leaves = Leaves::of(&request.analysis.statements, self.state.reading.server);
        let doubtful = conn.actual.last_insert_id.is_none() || leaves.insert_id_untold;
        doubtful.then(|| self.results.last_insert_id.known()).flatten()
    }

    /// MySQL's reply to COM_INIT_DB counts the last statement's warnings again; on a connection that another session
    /// has used they would be that session's.
    fn warnings_told_again(&self, request: &Request<'_>) -> Option<u16> {
        if request.kind != ReplyKind::Single || self.state.reading.server != ServerKind::MySql {
            return None;
        }
        self.results.diagnostics.told()
    }

    /// Whether the writer may be given what this server refuses as read-only. A read may turn out to write (a view whose
    /// function does): nothing of that is left behind where nothing can be written.
    fn may_repeat_refused(&self, request: &Request<'_>, conn: &BackendConn) -> bool {
        match request.plan.role {
            // A writer was confirmed when it was chosen, so that the clock need not be asked for each read.
            Role::Replica => self.core.shared.servers.shard(self.shard).last_confirmed() != Some(conn.server.id),
            Role::WriterIfAny => !self.is_at_writer(conn),
            _ => is_refused_whole(request.analysis),
        }
    }

    /// The status that the server would have put into an EOF behind the definitions.
    fn reply_status(&self) -> Status {
        let mut status = self.status;
        if !status.contains(Status::AUTOCOMMIT) {
            status.insert(Status::IN_TRANS);
        }
        status
    }

    /// Sends the statement behind what its state needs. Only in front of a read may both go out at once: a
    /// server runs a statement even after the SET before it failed.
    pub(super) async fn send(
        &mut self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        request: &Request<'_>,
        wire: &[u8],
        needs: Needs,
    ) -> Result<(), Failure> {
        if self.state.wanted.matches(&conn.actual) && self.state.wanted.has(&conn.actual, needs) {
            return self.send_alone(conn, request, wire).await;
        }
        Box::pin(self.send_prefixed(conn, buf, request, wire, needs)).await
    }

    async fn send_alone(&self, conn: &mut BackendConn, request: &Request<'_>, wire: &[u8]) -> Result<(), Failure> {
        if wire.len() <= SENT_AT_ONCE {
            return conn.send(wire).await.map_err(Failure::Send);
        }
        Box::pin(self.send_long(conn, request, wire)).await
    }

    async fn send_long(&self, conn: &mut BackendConn, request: &Request<'_>, wire: &[u8]) -> Result<(), Failure> {
        let server = self.core.shared.servers.server(conn.server.id);
        self.heed_server(server, request, conn.send(wire)).await?.map_err(Failure::Send)
    }

    async fn send_prefixed(
        &mut self,
        conn: &mut BackendConn,
        buf: &mut Buf,
        request: &Request<'_>,
        wire: &[u8],
        needs: Needs,
    ) -> Result<(), Failure> {
        let mut prefix = self.core.buffers.take_vec();
        let needs = Needs { changes_schema: begins_with_use(request.analysis), ..needs };
        let expected = self.state.wanted.put_prefix(&mut prefix, conn, needs);
        if expected.commands == 0 {
            self.core.buffers.give_vec(prefix);
            self.state.wanted.adopt(conn, needs);
            return self.send_alone(conn, request, wire).await;
        }
        let together = request.analysis.access() <= Access::Read && !self.is_bound() && !self.state.is_schema_missing();
        if together {
            prefix.extend_from_slice(wire);
        }
        let server = conn.server.clone();
        let sent = async {
            conn.send(&prefix).await.map_err(Failure::Send)?;
            read_prefix(conn, buf, expected).await
        };
        let answered = self.heed_server(&server, request, sent).await;
        self.core.buffers.give_vec(prefix);
        if let Some(missing) = answered?? {
            self.without_schema(conn, needs, together, missing)?;
        } else if expected.schema.is_some() {
            self.state.schema_is_back();
        }
        self.state.wanted.adopt(conn, needs);
        if together { Ok(()) } else { self.send_alone(conn, request, wire).await }
    }

    /// What follows from a reply that was relayed to its end.
    async fn after(&mut self, mut conn: Box<BackendConn>, request: &Request<'_>, outcome: &mut Outcome) {
        if outcome.read_only {
            self.shard().distrust(conn.server.id);
        }
        let before = self.status;
        if outcome.error.is_none() {
            self.status = lasting(outcome.status);
        } else if may_move_the_transaction(request, before) {
            Box::pin(self.learn_status(&mut conn, outcome)).await;
        }
        self.learn(&mut conn, request, outcome, before);
        if let (Some(key), Some(ok)) = (self.preparing_key(), &outcome.prepared) {
            Box::pin(self.keep_prepared(&mut conn, key, ok.statement_id)).await;
        }
        match request.execute {
            Some(execution) if outcome.error.is_some() => {
                Box::pin(self.after_refusal(&mut conn, execution)).await;
            }
            Some(execution) if outcome.warnings > 0 => self.after_warnings(&mut conn, execution),
            _ => {}
        }
        let text = request.execute.map_or(request.wire, |e| e.text());
        if outcome.error.is_none() && hides_collation(outcome, text) {
            if let Err(error) = Box::pin(self.learn_collation(&mut conn, outcome, text)).await {
                tracing::warn!(server = %conn.server.addr, %error, "lost a connection while asking its collation");
            }
        }
        let ddl = request.analysis.statements.iter().any(|s| s.kind == StatementKind::Ddl);
        if ddl && outcome.error.is_none() && alters_schema(text) {
            // Each connection remembers the default character set that its schema had when it was USEd.
            conn.server.recycle_pools();
        }
        if changes_trackers(request.analysis) {
            if let Err(error) = Box::pin(self.take_over_trackers(&mut conn, request.analysis)).await {
                tracing::warn!(server = %conn.server.addr, %error, "lost a connection while setting its trackers");
            }
        }
        if self.pins.gave_role_up() {
            Box::pin(self.learn_role(&mut conn, request.analysis)).await;
        }
        self.note_writes(request, outcome, before, &conn);
        // Reads that could go elsewhere don't prolong a hold: a busy client would keep the writer for ever.
        if request.plan.role != Role::Replica {
            self.hold_until = u64::MAX;
        }
        self.keep_or_release(conn, outcome.error.is_some()).await;
    }

    /// Takes the reply's news into the session and onto the connection.
    fn learn(&mut self, conn: &mut BackendConn, request: &Request<'_>, outcome: &Outcome, before: Status) {
        let ran = request.kind == ReplyKind::Results;
        let leaves = self.leaves(request);
        self.state.note_changes(&self.core, outcome, request.analysis);
        if !outcome.variables.is_empty() {
            self.pins.auto_is_null(self.state.wanted.vars.get("sql_auto_is_null") == Some(b"ON"));
        }
        let autocommit = self.status.contains(Status::AUTOCOMMIT);
        if ran && autocommit != before.contains(Status::AUTOCOMMIT) {
            self.state.note_autocommit(&self.core, autocommit);
        }
        if ran {
            self.apply_effects(conn, request, outcome);
            self.learn_transaction(request, before);
        }
        if let Some(statement) = request.cursor.filter(|_| outcome.status.contains(Status::CURSOR_EXISTS)) {
            self.pins.cursor_opened(statement);
        }
        if outcome.schema.is_some() {
            conn.actual.schema.clone_from(&self.state.wanted.schema);
        }
        conn.actual.vars.clone_from(&self.state.wanted.vars);
        self.results.note_insert_id_before(outcome.last_insert_id, conn.actual.last_insert_id);
        if !ResultState::leaves_insert_id_alone(outcome, leaves, ran) {
            conn.actual.last_insert_id = None;
        }
        conn.actual.diagnostics_empty = outcome.error.is_none()
            && outcome.warnings == 0
            && match leaves.diagnostics {
                LeavesDiagnostics::Cleared => ran || conn.actual.diagnostics_empty,
                LeavesDiagnostics::Grown => false,
                _ => conn.actual.diagnostics_empty,
            };
        self.results.note(outcome, leaves, ran);
    }

    /// What the end of a transaction leaves set for the next one.
    fn learn_transaction(&mut self, request: &Request<'_>, before: Status) {
        let ends = request.analysis.effects().any(|e| matches!(e, Effect::EndTransaction { .. }));
        let sets = request.analysis.effects().any(|e| matches!(e, Effect::OneShotVar { .. }));
        if ends && !sets && !self.status.contains(Status::IN_TRANS) {
            self.pins.transaction_ended();
        }
        let switched_on = !before.contains(Status::AUTOCOMMIT) && self.status.contains(Status::AUTOCOMMIT);
        if switched_on && before.contains(Status::IN_TRANS_READONLY) {
            self.pins.ended_by_autocommit();
        }
    }

    /// The results that the statement leaves on its connection.
    fn leaves(&self, request: &Request<'_>) -> Leaves {
        let mut leaves = match request.kind {
            ReplyKind::Results | ReplyKind::Prepare => {
                Leaves::of(&request.analysis.statements, self.state.reading.server)
            }
            ReplyKind::Rows => Leaves::of_command(true),
            ReplyKind::Single | ReplyKind::Text => Leaves::of_command(false),
        };
        if leaves.found_rows == FoundRows::BehindOffset {
            let text = request.execute.map_or(request.wire.get(HEADER_LEN + 1..).unwrap_or_default(), |e| e.text());
            leaves.skipped_rows = skipped_rows(text, &self.state.reading);
        }
        leaves
    }

    fn apply_effects(&mut self, conn: &mut BackendConn, request: &Request<'_>, outcome: &Outcome) {
        let is_plain = |s: &Statement| s.effects.is_empty() && s.kind != StatementKind::Savepoint;
        if !outcome.state_changed && request.analysis.statements.iter().all(is_plain) {
            return;
        }
        // After an error nobody knows how far stacked statements or a routine came: what may pin, pins.
        let partial = request.analysis.statements.len() > 1 || request.reads.contains(Reads::ANYTHING);
        let analysis = request.analysis.clone();
        let schema = self.schema_before_effects(&analysis);
        for effect in analysis.effects() {
            // A statement that fails has assigned as far as it came.
            let assigns = matches!(effect, Effect::UserVarComputed { .. });
            let applies = outcome.error.is_none() || assigns || (partial && !ends_a_pin(effect));
            if applies && !refuted(effect, outcome) {
                self.apply_effect(conn, &qualified(effect, schema.as_deref()));
            }
        }
        let savepoint = analysis.statements.iter().any(|s| s.kind == StatementKind::Savepoint);
        if savepoint && outcome.error.is_none() && !self.status.contains(Status::AUTOCOMMIT) {
            self.pins.savepoint_set();
        }
        let explained =
            analysis.effects().any(Effect::is_reported) || !outcome.variables.is_empty() || outcome.schema.is_some();
        if outcome.state_changed && !explained {
            self.pins.unexplained_change();
        }
    }

    fn apply_effect(&mut self, conn: &mut BackendConn, effect: &Effect) {
        self.pins.apply(effect);
        match effect {
            Effect::UserVarLiteral { name, value } => {
                self.state.set_user_var(name, value);
                conn.note_user_var(name, value);
            }
            Effect::UserVarComputed { name } => {
                self.state.set_user_var(name, COMPUTED);
                conn.note_user_var(name, COMPUTED);
            }
            Effect::SetSessionVar { name, to_default: true } if name == "timestamp" => {
                self.state.forget_var(&self.core.clone(), name);
            }
            Effect::SetGlobalVar { .. } => {
                conn.server.globals_changed();
                self.shard().reprobe();
            }
            Effect::PrepareText { name, text } => self.note_prepared_text(name, text),
            _ => {}
        }
    }
}

/// A variable that a statement means to assign, but then does not (no row, an error), is as it was. So it has to be the
/// session's own, and not one that another session has left behind.
fn assigned(analysis: &Analysis) -> Reads {
    let computes = analysis.effects().any(|e| matches!(e, Effect::UserVarComputed { .. }));
    if computes { Reads::USER_VARS } else { Reads::empty() }
}

/// What becomes of the cursor that the client asked for.
fn cursors(request: &Request<'_>) -> Cursors {
    use StatementKind::{Call, Delete, Explain, Select};
    match request.analysis.statements.first() {
        Some(statement) if request.cursor.is_some() => match statement.kind {
            Call => Cursors::None,
            Select | Delete | Explain => Cursors::Opened,
            _ => Cursors::MayBePassedBy,
        },
        _ => Cursors::None,
    }
}

/// Whether a server that refuses the statement as read-only has run nothing of it. A routine may have written before the
/// statement within it that was refused.
fn is_refused_whole(analysis: &Analysis) -> bool {
    use StatementKind::{Ddl, Delete, Insert, LoadData, Replace, Update};
    let [statement] = &analysis.statements[..] else { return false };
    matches!(statement.kind, Insert | Replace | Update | Delete | LoadData | Ddl)
        && !analysis.effects().any(|e| matches!(e, Effect::Unknown))
}

/// Reads the replies to a prefix; gives the refusal of the schema, in spite of which all the rest is done. After
/// another refusal the connection is broken: its state is not known.
pub(super) async fn read_prefix(
    conn: &mut BackendConn,
    buf: &mut Buf,
    prefix: Prefix,
) -> Result<Option<ClientError>, Failure> {
    let mut missing = None;
    for command in 0..prefix.commands {
        let reply = conn.small_reply(buf, ReplyKind::Single).await.map_err(Failure::Send)?;
        let Some(e) = reply.error else { continue };
        let error = ClientError::from_server(e.code, e.sqlstate, &e.message);
        if prefix.schema != Some(command) || !is_missing_schema(e.code) {
            conn.readiness = Readiness::Broken;
            return Err(Failure::Prefix(error));
        }
        missing = Some(error);
    }
    Ok(missing)
}
