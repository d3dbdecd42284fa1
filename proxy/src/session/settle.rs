//! Parting with a connection: what only it knows is read from it, what it must forget is reset.

use super::results::{CapturedDiagnostics, Diagnostics, Kept};
use super::{Next, Session, Step};
use crate::backend::conn::{BackendConn, BackendError, Readiness};
use crate::error::ClientError;
use pointsman_planner::{Reads, ServerKind};
use pointsman_protocol::command::{COM_PING, COM_RESET_CONNECTION};
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::row::text_values;
use std::pin::pin;
use std::time::Duration;

/// A connection that does not answer a clean-up by then is closed.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(2);
/// What TLS and compression still have to say at the end is not waited for longer.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

impl Session {
    /// After a statement: keeps the connection where a transaction, a pin or results bind it, else gives it back.
    pub(super) async fn keep_or_release(&mut self, conn: Box<BackendConn>, failed: bool) {
        let config = self.core.config();
        if self.is_bound() {
            self.hold_until = u64::MAX;
            self.lease = Some(conn);
        } else if self.results.on_connection() || failed {
            let contended = self.core.shared.limits.of(conn.server.id).has_waiters();
            if contended || config.always_switch {
                Box::pin(self.settle(conn, Reads::all())).await;
            } else {
                let hold = config.pool.result_state_hold.as_millis() as u64;
                self.hold_until = self.hold_until.min(self.core.clock.now_ms() + hold);
                self.lease = Some(conn);
            }
        } else {
            self.let_go(conn);
        }
    }

    /// To the pool; closed where a KILL for this session may still arrive at it.
    pub(super) fn let_go(&mut self, conn: Box<BackendConn>) {
        let handle = &self.client.cell.handle;
        handle.lease_ended();
        self.hold_until = u64::MAX;
        if !handle.is_aimed_at() {
            self.core.release(conn);
        }
    }

    /// Reads what the session may still ask and gives the connection back. `reads`: what the statement at hand
    /// asks for; diagnostics that nobody asks for any more are not fetched.
    pub(super) async fn settle(&mut self, mut conn: Box<BackendConn>, reads: Reads) {
        let shared = self.core.shared.clone();
        let captured = shared.timers.timeout(CLEAN_UP_LIMIT, pin!(self.capture(&mut conn, reads))).await;
        if !matches!(captured, Ok(Ok(()))) {
            tracing::warn!(server = %conn.server.addr, "lost a connection while reading its last results");
            conn.readiness = Readiness::Broken;
            self.results.connection_lost();
        }
        // An ERR carries no status: a transaction may turn out to be open only now.
        if conn.status.contains(Status::IN_TRANS) && conn.readiness == Readiness::Ready {
            self.status.insert(Status::IN_TRANS);
            self.lease = Some(conn);
            return;
        }
        self.let_go(conn);
    }

    async fn capture(&mut self, conn: &mut BackendConn, reads: Reads) -> Result<(), BackendError> {
        let mut conditions = 0;
        if self.results.diagnostics == Diagnostics::OnConnection {
            // A statement at hand that uses tables will have cleared them.
            let outlast = self.state.reading.server == ServerKind::MariaDb && !reads.contains(Reads::TABLES);
            if outlast || reads.intersects(Reads::DIAGNOSTICS | Reads::ANYTHING) {
                conditions = Box::pin(self.copy_list(conn)).await?;
            } else {
                // The next statement would have cleared them; only the status is still to be learned.
                conn.query(b"DO 0", &self.core.buffers).await?;
                self.results.diagnostics = Diagnostics::Empty;
            }
            conn.actual.diagnostics_empty = false;
        }
        if self.results.found_rows == Kept::OnConnection {
            let n = number(conn, b"SELECT FOUND_ROWS()", &self.core.buffers).await?;
            self.results.found_rows = Kept::Known(n);
        }
        if self.results.last_insert_id == Kept::OnConnection {
            self.learn_insert_id(conn).await?;
        }
        if self.freshness.is_unclear() {
            Box::pin(self.clear_up(conn)).await?;
        }
        if conditions > 0 {
            Box::pin(self.copy_conditions(conn, conditions)).await?;
        }
        Ok(())
    }

    /// Copies the list of warnings where no other results are to be read.
    pub(super) async fn copy_diagnostics(&mut self, conn: &mut BackendConn) -> Result<(), BackendError> {
        let conditions = self.copy_list(conn).await?;
        self.copy_conditions(conn, conditions).await
    }

    /// Gives how many conditions the connection has stored for [`Self::copy_conditions`].
    async fn copy_list(&mut self, conn: &mut BackendConn) -> Result<usize, BackendError> {
        let told = self.told_by(conn).await?;
        let lists = conn.query_all(&["SHOW WARNINGS", "SHOW ERRORS"], &self.core.buffers).await?;
        let mut lists = lists.into_iter();
        let (warnings, errors) = (lists.next().unwrap_or_default(), lists.next().unwrap_or_default());
        if warnings.rows.is_empty() && errors.rows.is_empty() && told == 0 {
            // Any server can tell of an empty list, with columns in the character set of that moment.
            self.results.diagnostics = Diagnostics::Empty;
            return Ok(0);
        }
        let stored = self.store_conditions(conn, warnings.rows.len()).await?;
        self.results.diagnostics = Diagnostics::Captured(Box::new(CapturedDiagnostics {
            warning_count: warnings.rows.len() as u64,
            error_count: errors.rows.len() as u64,
            warnings: warnings.wire,
            errors: errors.wire,
            conditions: Vec::new(),
            told,
        }));
        Ok(stored)
    }

    async fn copy_conditions(&mut self, conn: &mut BackendConn, stored: usize) -> Result<(), BackendError> {
        let conditions = self.stored_conditions(conn, stored).await?;
        if let Diagnostics::Captured(copy) = &mut self.results.diagnostics {
            copy.conditions = conditions;
        }
        Ok(())
    }

    /// The warnings that MySQL counts again in the reply to a command that is no statement; MariaDB never does.
    pub(super) async fn told_by(&self, conn: &mut BackendConn) -> Result<u16, BackendError> {
        if self.state.reading.server == ServerKind::MariaDb {
            return Ok(0);
        }
        let mut ping = Vec::with_capacity(8);
        BackendConn::put_command(&mut ping, COM_PING, &[]);
        Ok(conn.roundtrip(&ping, ReplyKind::Single, &self.core.buffers).await?.warnings)
    }

    /// Asks the connection for the session's LAST_INSERT_ID().
    pub(super) async fn learn_insert_id(&mut self, conn: &mut BackendConn) -> Result<(), BackendError> {
        let there = number(conn, b"SELECT LAST_INSERT_ID()", &self.core.buffers).await?;
        self.results.learn_insert_id(there);
        conn.actual.last_insert_id = Some(there);
        Ok(())
    }

    /// Woken while waiting for a command: killed, shutting down, or a deadline.
    pub(super) async fn alarm(&mut self) -> Step {
        if self.client.cell.handle.is_killed() || self.core.is_shutting_down() && !self.is_bound() {
            // Servers close without a word then.
            return Ok(Next::Close);
        }
        let now = self.core.clock.now_ms();
        if now >= self.hold_until && !self.is_bound() {
            self.hold_until = u64::MAX;
            if let Some(conn) = self.lease.take() {
                self.settle(conn, Reads::all()).await;
            }
            return Ok(Next::Command);
        }
        if now < self.client.cell.deadline() {
            return Ok(Next::Command);
        }
        if self.state.reading.server == ServerKind::MariaDb {
            return Ok(Next::Close);
        }
        // MySQL leaves an error (4031, packet number 0) that the client finds when it next reads. PHP prints a warning
        // about the number, so nobody gets one from whose servers it would not come.
        let idle_transaction = self.core.config().session.idle_transaction_timeout;
        let in_transaction = self.status.contains(Status::IN_TRANS) && idle_transaction.is_some();
        let error = if in_transaction { ClientError::idle_transaction() } else { ClientError::idle_timeout() };
        self.client.send_error(0, &error).await?;
        Ok(Next::Close)
    }

    /// When the session wants to be woken while its client is silent.
    pub(super) fn set_idle_deadline(&mut self) {
        let config = self.core.config();
        let now = self.core.clock.now_ms();
        let idle_s = self.state.idle_limit_s(config.session.client_idle_timeout.as_secs());
        let mut deadline = now.saturating_add(idle_s.saturating_mul(1000));
        if let (true, Some(limit)) = (self.status.contains(Status::IN_TRANS), config.session.idle_transaction_timeout) {
            deadline = deadline.min(now + limit.as_millis() as u64);
        }
        self.client.cell.set_deadline(deadline.min(self.hold_until));
        self.client.cell.set_bound(self.is_bound());
    }

    /// The session is over: its connection is cleaned for others, or closed.
    pub async fn end(&mut self) {
        if let Some(conn) = self.lease.take() {
            self.clean_up(conn).await;
        }
        // Who has said goodbye waits for no answer: closing is enough.
        if !(self.client.has_quit && self.client.stream.is_plain()) {
            // A client that takes nothing does not take this either.
            let shutdown = self.client.stream.shutdown();
            if self.core.shared.timers.timeout(GOODBYE_LIMIT, pin!(shutdown)).await.is_err() {
                tracing::debug!(id = self.client.cell.handle.id, "a client takes no goodbye");
            }
        }
    }

    /// Gives back a connection that may carry a transaction or state of this session.
    pub(super) async fn clean_up(&mut self, mut conn: Box<BackendConn>) {
        if conn.readiness == Readiness::Ready && self.is_bound() {
            let shared = self.core.shared.clone();
            let reset = shared.timers.timeout(CLEAN_UP_LIMIT, pin!(self.reset(&mut conn))).await;
            if !self.pins.reset_clears() || !matches!(reset, Ok(Ok(()))) {
                conn.readiness = Readiness::Broken;
            }
        }
        self.pins.clear();
        self.let_go(conn);
    }

    /// COM_RESET_CONNECTION rolls back, drops temporary tables, releases locks, clears variables; and with them
    /// the trackers, which are switched on again.
    pub(super) async fn reset(&self, conn: &mut BackendConn) -> Result<(), BackendError> {
        let mut wire = Vec::new();
        BackendConn::put_command(&mut wire, COM_RESET_CONNECTION, &[]);
        let reply = conn.roundtrip(&wire, ReplyKind::Single, &self.core.buffers).await?;
        let refused = self.core.track(conn).await?;
        if reply.error.is_some() || refused.is_some() {
            conn.readiness = Readiness::Broken;
            return Ok(());
        }
        let schema = conn.actual.schema.take();
        let multi_statements = conn.actual.multi_statements;
        conn.actual = self.core.fresh(None);
        conn.actual.schema = schema;
        // A reset leaves the last statement's warnings where they are.
        conn.actual.diagnostics_empty = false;
        conn.actual.multi_statements = multi_statements;
        conn.prepared.clear();
        Ok(())
    }
}

/// The single number that a query gives.
async fn number(
    conn: &mut BackendConn,
    text: &[u8],
    pool: &crate::core::buffers::BufPool,
) -> Result<u64, BackendError> {
    let reply = conn.query(text, pool).await?;
    let first = reply.rows.first().and_then(|row| text_values(row).next()?.ok()?);
    Ok(first.and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()).unwrap_or(0))
}
