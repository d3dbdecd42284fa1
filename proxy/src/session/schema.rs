//! A session whose schema is gone: another session dropped it, or took the right to it away.
//!
//! Directly such a session goes on, and finds its tables again when the schema comes back. Here its connections can't be
//! brought into that schema: its statements run on one that has none, and each tries the schema again first.

use super::Session;
use super::failure::Failure;
use super::state::SessionState;
use super::sync::Needs;
use crate::backend::conn::{BackendConn, Readiness};
use crate::error::ClientError;
use pointsman_planner::{Analysis, StatementKind};

/// ER_DBACCESS_DENIED_ERROR and ER_BAD_DB_ERROR.
pub(super) fn is_missing_schema(code: u16) -> bool {
    matches!(code, 1044 | 1049)
}

/// Whether the schema before the statement means nothing to it.
pub(super) fn begins_with_use(analysis: &Analysis) -> bool {
    analysis.statements.first().is_some_and(|s| s.kind == StatementKind::Use)
}

impl SessionState {
    pub(super) fn is_schema_missing(&self) -> bool {
        self.missing_schema.is_some()
    }

    /// From now on without the schema.
    fn do_without_schema(&mut self) {
        if let Some(schema) = self.wanted.schema.take() {
            self.missing_schema = Some(schema);
        }
    }

    /// It may be there again.
    pub(super) fn try_schema_again(&mut self) {
        if self.wanted.schema.is_none() {
            self.wanted.schema.clone_from(&self.missing_schema);
        }
    }

    pub(super) fn schema_is_back(&mut self) {
        self.missing_schema = None;
    }
}

impl Session {
    /// A server has refused the schema in front of a statement, and nothing else. The statement may run where no schema
    /// stands in for the missing one, and where replication can't be what it waits for. `sent`: it runs already.
    pub(super) fn without_schema(
        &mut self,
        conn: &mut BackendConn,
        needs: Needs,
        sent: bool,
        missing: ClientError,
    ) -> Result<(), Failure> {
        if conn.actual.schema.is_none() && (self.is_bound() || self.is_at_writer(conn)) {
            self.state.do_without_schema();
            return Ok(());
        }
        if sent {
            // Its reply, in the wrong schema, is not read.
            conn.readiness = Readiness::Broken;
        } else {
            self.state.wanted.adopt(conn, Needs { changes_schema: true, ..needs });
        }
        Err(Failure::NoSchema(missing))
    }

    /// The connection is of no use to a session without a schema. What the writer has not is missing.
    pub(super) fn leave_schema(&mut self, conn: Box<BackendConn>) {
        if self.is_at_writer(&conn) {
            self.state.do_without_schema();
        } else {
            self.stay_on_writer();
        }
        self.let_go(conn);
    }
}
