//! Which changes of its session the client wants to be told (`session_track_*`). The servers tell the proxy
//! everything; what goes on to the client is chosen here.

use super::Session;
use crate::backend::conn::{BackendConn, BackendError};
use pointsman_planner::{Analysis, Effect};
use pointsman_protocol::reply::{Change, Changes, ChangesBuilder, OkPacket};
use pointsman_protocol::row::text_values;

/// The client's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTracking {
    /// None: the servers' default list.
    variables: Option<Box<Variables>>,
    schema: bool,
    state_change: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variables {
    All,
    These(Vec<Vec<u8>>),
}

/// session_track_system_variables' default.
const DEFAULT_VARIABLES: &[&[u8]] =
    &[b"autocommit", b"character_set_client", b"character_set_connection", b"character_set_results", b"time_zone"];

impl Default for ClientTracking {
    fn default() -> Self {
        Self { variables: None, schema: true, state_change: false }
    }
}

impl ClientTracking {
    fn wants(&self, variable: &[u8]) -> bool {
        match self.variables.as_deref() {
            None => DEFAULT_VARIABLES.contains(&variable),
            Some(Variables::All) => true,
            Some(Variables::These(names)) => names.iter().any(|n| n == variable),
        }
    }

    /// The changes that the client would have been told directly.
    #[must_use]
    pub fn filter(&self, ok: &OkPacket<'_>) -> ChangesBuilder {
        let mut builder = ChangesBuilder::default();
        for change in Changes::new(ok.changes) {
            let wanted = match change {
                Change::SystemVariable { name, .. } => self.wants(name),
                Change::Schema(_) => self.schema,
                Change::StateChanged => self.state_change,
                Change::Gtids(_) | Change::Other => false,
            };
            if wanted {
                builder.push(change);
            }
        }
        builder
    }
}

/// Whether a statement changed what its server reports.
#[must_use]
pub fn changes_trackers(analysis: &Analysis) -> bool {
    analysis.effects().any(|e| matches!(e, Effect::SetSessionVar { name, .. } if name.starts_with("session_track_")))
}

impl Session {
    /// The client has set its trackers: notes them, and sets the proxy's own again on the connection.
    pub(super) async fn take_over_trackers(&mut self, conn: &mut BackendConn) -> Result<(), BackendError> {
        const ASK: &[u8] =
            b"SELECT @@session_track_system_variables,@@session_track_schema,@@session_track_state_change";
        let pool = &self.core.buffers;
        let reply = conn.query(ASK, pool).await?;
        if let Some(row) = reply.rows.first() {
            let mut values = text_values(row).map(|v| v.ok().flatten().unwrap_or(b""));
            let mut next = || values.next().unwrap_or(b"").to_ascii_lowercase();
            let list = next();
            let names = list.split(|b| *b == b',').map(|n| n.trim_ascii().to_vec()).collect();
            let variables = if list == b"*" { Variables::All } else { Variables::These(names) };
            let schema = next() == b"1";
            let state_change = next() == b"1";
            self.client.tracking = ClientTracking { variables: Some(Box::new(variables)), schema, state_change };
        }
        let own = self.core.tracker_statement(conn).await?;
        conn.query(&own, &self.core.buffers).await?;
        Ok(())
    }
}
