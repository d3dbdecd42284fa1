//! SET ROLE NONE: whether the session has the role of its login again, so that any connection will do.

use super::Session;
use crate::backend::conn::{BackendConn, Readiness};
use pointsman_planner::{Analysis, ServerKind};
use pointsman_protocol::row::text_values;

/// How MariaDB's SHOW GRANTS tells of a role that each login gets.
const DEFAULT_ROLE: &[u8] = b"SET DEFAULT ROLE ";

impl Session {
    /// Asks the connection, on which a statement has just given the role up.
    pub(super) async fn learn_role(&mut self, conn: &mut BackendConn, analysis: &Analysis) {
        let same = match (self.state.reading.server, self.results.on_connection() || analysis.statements.len() > 1) {
            // What MySQL gives to a login depends on more than its accounts; and results that are still to be read
            // would be those of the question. The session keeps its connection.
            (ServerKind::MySql, _) | (_, true) => false,
            (ServerKind::MariaDb, false) => self.has_no_default_role(conn).await,
        };
        self.pins.role_is_the_logins(same);
    }

    async fn has_no_default_role(&self, conn: &mut BackendConn) -> bool {
        let Ok(reply) = conn.query(b"SHOW GRANTS", &self.core.buffers).await else {
            conn.readiness = Readiness::Broken;
            return false;
        };
        let is_default =
            |row: &Vec<u8>| matches!(text_values(row).next(), Some(Ok(Some(v))) if v.starts_with(DEFAULT_ROLE));
        reply.error.is_none() && !reply.rows.iter().any(is_default)
    }
}
