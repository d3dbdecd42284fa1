//! Which changes of its session the client wants to be told (`session_track_*`). The servers tell the proxy
//! everything; what goes on to the client is chosen here.

use super::Session;
use crate::backend::conn::{BackendConn, BackendError};
use pointsman_planner::{Analysis, Effect, ServerKind};
use pointsman_protocol::reply::{Change, Changes, ChangesBuilder, OkPacket, Status};
use pointsman_protocol::row::text_values;

const STATE_CHANGE: &str = "session_track_state_change";

/// The statement that a server tells the changes of.
#[derive(Clone, Copy, Debug)]
pub struct Changer<'a> {
    pub analysis: &'a Analysis,
    pub server: ServerKind,
}

impl Changer<'_> {
    /// MariaDB tells nobody of `SET @@name = ...`; the proxy writes a scope into it to be told.
    fn keeps_secret(&self, variable: &[u8]) -> bool {
        self.server == ServerKind::MariaDb
            && self
                .analysis
                .effects()
                .any(|e| matches!(e, Effect::ImpliedScope { name } if name.as_bytes() == variable))
    }

    fn sets_more_behind(&self, variable: &str) -> bool {
        let names = self.analysis.effects().filter_map(|e| match e {
            Effect::SetSessionVar { name, .. } => Some(name),
            _ => None,
        });
        names.skip_while(|name| *name != variable).any(|name| name != variable)
    }
}

/// The client's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTracking {
    /// None: the servers' default list.
    variables: Option<Box<Variables>>,
    schema: bool,
    state_change: bool,
    /// MySQL's session_track_gtids, of the session's own transactions.
    gtids: bool,
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
        Self { variables: None, schema: true, state_change: false, gtids: false }
    }
}

impl ClientTracking {
    fn wants(&self, variable: &[u8]) -> bool {
        match self.variables.as_deref() {
            None => DEFAULT_VARIABLES.contains(&variable),
            // Even then servers report GTIDs to nobody who has not named them.
            Some(Variables::All) => variable != b"last_gtid",
            Some(Variables::These(names)) => names.iter().any(|n| n == variable),
        }
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        let on = matches!(value, b"1" | b"on");
        match name {
            "session_track_schema" => self.schema = on,
            STATE_CHANGE => self.state_change = on,
            "session_track_gtids" => self.gtids = value != b"off",
            "session_track_system_variables" if value == b"*" => self.variables = Some(Box::new(Variables::All)),
            "session_track_system_variables" => {
                let names = value.split(|b| *b == b',').map(|n| n.trim_ascii().to_vec()).collect();
                self.variables = Some(Box::new(Variables::These(names)));
            }
            _ => {}
        }
    }

    /// Whether the reply is to tell of a change of state. MariaDB heeds the setting in the very statement that makes it,
    /// MySQL for what the statement sets behind it.
    fn state_change_from(&self, ok: &OkPacket<'_>, of: Changer<'_>) -> bool {
        let (mut wanted, mut secret, mut told) = (self.state_change, false, false);
        for change in Changes::new(ok.changes) {
            let Change::SystemVariable { name, value } = change else { continue };
            if name == STATE_CHANGE.as_bytes() {
                wanted = match of.server {
                    ServerKind::MariaDb => value == b"ON",
                    ServerKind::MySql => wanted || (value == b"ON" && of.sets_more_behind(STATE_CHANGE)),
                };
            }
            let kept = of.keeps_secret(name);
            (secret, told) = (secret || kept, told || !kept);
        }
        wanted && (told || !secret)
    }

    /// The changes that the client would have been told directly, and the status with or without the flag for them.
    #[must_use]
    pub fn filter(&self, ok: &OkPacket<'_>, of: Changer<'_>) -> (ChangesBuilder, Status) {
        let mut builder = ChangesBuilder::default();
        let state_change = self.state_change_from(ok, of);
        for change in Changes::new(ok.changes) {
            let wanted = match change {
                Change::SystemVariable { name, .. } => self.wants(name) && !of.keeps_secret(name),
                Change::Schema(_) => self.schema,
                Change::StateChanged => state_change,
                // Its setting travels with the session, so the server tells what the client wants.
                Change::Transaction { .. } => true,
                Change::Gtids(_) => self.gtids,
                Change::Other => false,
            };
            if wanted {
                builder.push(change);
            }
        }
        let mut status = ok.status;
        if builder.as_bytes().is_empty() && !ok.changes.is_empty() && !begins_behind_commit(ok) {
            status.remove(Status::SESSION_STATE_CHANGED);
        }
        (builder, status)
    }
}

/// A transaction with writes was committed, as the GTID tells, and in the same breath another one begun: BEGIN in an open
/// transaction, COMMIT AND CHAIN. MySQL sets the flag for that although no change comes with it.
fn begins_behind_commit(ok: &OkPacket<'_>) -> bool {
    ok.status.contains(Status::IN_TRANS | Status::AUTOCOMMIT)
        && Changes::new(ok.changes).any(|change| matches!(change, Change::Gtids(_)))
}

/// A setting that moves with the session like any other: the proxy does not need this tracker itself.
const TRANSACTION_INFO: &str = "session_track_transaction_info";

/// Whether a statement changed what its server reports.
#[must_use]
pub fn changes_trackers(analysis: &Analysis) -> bool {
    tracker_settings(analysis).next().is_some()
}

/// The `session_track_*` variables that a statement sets and that the proxy sets otherwise.
fn tracker_settings(analysis: &Analysis) -> impl Iterator<Item = &str> {
    analysis.effects().filter_map(|e| match e {
        Effect::SetSessionVar { name, .. } if name == TRANSACTION_INFO => None,
        Effect::SetSessionVar { name, .. } if name.starts_with("session_track_") => Some(name.as_str()),
        _ => None,
    })
}

impl Session {
    /// The client has set its trackers: notes them, and sets the proxy's own again on the connection.
    pub(super) async fn take_over_trackers(
        &mut self,
        conn: &mut BackendConn,
        analysis: &Analysis,
    ) -> Result<(), BackendError> {
        for name in tracker_settings(analysis) {
            let reply = conn.query(format!("SELECT @@{name}").as_bytes(), &self.core.buffers).await?;
            let first = reply.rows.first().and_then(|row| text_values(row).next()?.ok()?).unwrap_or(b"");
            self.client.tracking.set(name, &first.to_ascii_lowercase());
        }
        let own = self.core.tracker_statement(conn).await?;
        conn.query(&own, &self.core.buffers).await?;
        Ok(())
    }
}
