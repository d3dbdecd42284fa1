//! A statement that its server refused: an ERR packet carries no status, so what became of the transaction is asked.

use super::Session;
use super::execute::Request;
use super::outcome::Outcome;
use crate::backend::conn::{BackendConn, BackendError, Readiness, end_of};
use pointsman_planner::{Effect, StatementKind};
use pointsman_protocol::command::COM_SET_OPTION;
use pointsman_protocol::frame::HEADER_LEN;
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;
use std::time::Duration;

/// A connection that does not answer by then is closed.
const STATUS_LIMIT: Duration = Duration::from_secs(2);

/// Flags that tell of one statement, not of the session.
const PER_STATEMENT: Status = Status::MORE_RESULTS
    .union(Status::NO_GOOD_INDEX_USED)
    .union(Status::NO_INDEX_USED)
    .union(Status::CURSOR_EXISTS)
    .union(Status::LAST_ROW_SENT)
    .union(Status::DB_DROPPED)
    .union(Status::METADATA_CHANGED)
    .union(Status::QUERY_WAS_SLOW)
    .union(Status::PS_OUT_PARAMS);

/// What a reply's status tells of the session.
pub(super) fn lasting(status: Status) -> Status {
    status.difference(Status::SESSION_STATE_CHANGED | PER_STATEMENT)
}

/// Whether a transaction may have begun or ended in what was refused: an ERR carries no status. One statement that
/// reads or writes rows, and is a transaction of its own, is undone as a whole.
pub(super) fn may_move_the_transaction(request: &Request<'_>, before: Status) -> bool {
    use StatementKind::{Delete, Insert, Replace, Select, Update};
    if request.kind != ReplyKind::Results {
        return false;
    }
    let [statement] = &request.analysis.statements[..] else { return true };
    let is_plain = matches!(statement.kind, Select | Insert | Replace | Update | Delete)
        && !statement.effects.iter().any(|e| matches!(e, Effect::Unknown));
    !is_plain || !before.contains(Status::AUTOCOMMIT) || before.contains(Status::IN_TRANS)
}

impl Session {
    /// Learns how the transaction stands behind a refusal, and what else the refused statement has changed.
    pub(super) async fn learn_status(&mut self, conn: &mut BackendConn, outcome: &mut Outcome) {
        let shared = self.core.shared.clone();
        let told = shared.timers.timeout(STATUS_LIMIT, Box::pin(self.ask_status(conn, outcome))).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::warn!(server = %conn.server.addr, "lost a connection after an error");
            conn.readiness = Readiness::Broken;
        }
    }

    /// COM_SET_OPTION changes nothing here, and is the one command that tells the status and leaves the list of warnings
    /// and ROW_COUNT() as they are after an error.
    async fn ask_status(&mut self, conn: &mut BackendConn, outcome: &mut Outcome) -> Result<(), BackendError> {
        let option: u16 = if conn.actual.multi_statements { 0 } else { 1 };
        let mut wire = Vec::with_capacity(8);
        BackendConn::put_command(&mut wire, COM_SET_OPTION, &option.to_le_bytes());
        let reply = conn.roundtrip(&wire, ReplyKind::Single, &self.core.buffers).await?;
        let payload = reply.wire.get(HEADER_LEN..).unwrap_or_default();
        let warnings = outcome.warnings;
        outcome.note_end(&end_of(payload, conn.capabilities)?, &self.core.buffers);
        outcome.warnings = warnings;
        // They are in the outcome now.
        conn.late_gtids = None;
        self.status = lasting(outcome.status);
        Ok(())
    }
}
