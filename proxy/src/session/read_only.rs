//! A read-only transaction at a replica: what ends it there so that the writer can go on, and what it can't run.

use super::Session;
use super::execute::Request;
use crate::error::ClientError;
use pointsman_planner::{Access, Analysis, Effect, Statement, StatementKind};
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;

impl Session {
    /// Commits a read-only transaction at a replica before a statement that commits it implicitly (BEGIN, DDL, LOCK
    /// TABLES ...), because what comes after that commit belongs to the writer.
    pub(super) async fn leave_read_only(&mut self, analysis: &Analysis) {
        if !self.is_reading_at_replica() || !goes_on_outside(analysis) {
            return;
        }
        self.pins.apply(&Effect::ImplicitCommit);
        if self.pins.is_pinned() {
            return;
        }
        let Some(mut conn) = self.lease.take() else { return };
        let committed = conn.query(b"COMMIT AND NO CHAIN NO RELEASE", &self.core.buffers).await;
        if committed.is_ok_and(|reply| reply.error.is_none()) {
            self.status.remove(Status::IN_TRANS | Status::IN_TRANS_READONLY);
            self.lease = Some(conn);
        } else {
            // With the connection the transaction is over as well, and it has written nothing.
            drop(conn);
            self.lose_lease();
        }
    }

    /// What the client is told of a statement that a read-only transaction at a replica can't run. At the writer
    /// the server says it.
    pub(super) fn refusal_in_read_only(&self, request: &Request<'_>) -> Option<ClientError> {
        if request.kind != ReplyKind::Results || !self.is_reading_at_replica() {
            return None;
        }
        let statements = &request.analysis.statements;
        // The replica would refuse a write for being read-only itself; the client is to see what the writer would say.
        if statements.iter().any(writes) && !self.pins.has_temporary_tables() {
            return Some(ClientError::read_only_transaction(self.state.reading.server));
        }
        let server = self.lease.as_ref()?.server.addr.to_string();
        statements.iter().any(locks).then(|| ClientError::needs_writer_in_read_only(&server))
    }

    fn is_reading_at_replica(&self) -> bool {
        let elsewhere = |server| self.shard().confirmed_writer() != Some(server);
        self.status.contains(Status::IN_TRANS_READONLY) && self.lease.as_ref().is_some_and(|c| elsewhere(c.server.id))
    }
}

/// Whether the text ends the transaction and has more to do, so that COMMIT alone, with or without CHAIN, does not count.
fn goes_on_outside(analysis: &Analysis) -> bool {
    let first_end = analysis.effects().find(|e| {
        matches!(e, Effect::Begin { .. } | Effect::ImplicitCommit | Effect::XaBegin | Effect::EndTransaction { .. })
    });
    match first_end {
        None | Some(Effect::XaBegin) => false,
        Some(Effect::EndTransaction { .. }) => analysis.statements.len() > 1 && analysis.access() == Access::Write,
        Some(_) => true,
    }
}

fn writes(statement: &Statement) -> bool {
    use StatementKind::{Delete, Insert, LoadData, Replace, Update};
    matches!(statement.kind, Insert | Replace | Update | Delete | LoadData)
}

/// Locks that would keep nobody off at a replica. A routine may be harmless, and an error of the server's tells if not.
fn locks(statement: &Statement) -> bool {
    let locking_read = statement.kind == StatementKind::Select
        && statement.access == Access::Write
        && !statement.effects.iter().any(|e| matches!(e, Effect::Unknown));
    locking_read || statement.effects.iter().any(|e| matches!(e, Effect::GetLock { .. } | Effect::GlobalLock))
}
