//! What the last statement left behind for the next one to ask: LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(),
//! warnings. While the session holds the connection the server knows it; before the connection goes to another
//! session it is read and kept here.

use super::conditions::Condition;
use super::outcome::Outcome;
use pointsman_planner::{Effect, FoundRows, Reads, ServerKind, Statement, StatementKind};
use pointsman_protocol::reply::Status;

/// A value that either the proxy knows or only the held connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept<T> {
    Known(T),
    OnConnection,
}

impl<T: Copy> Kept<T> {
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::OnConnection => None,
        }
    }
}

/// SHOW WARNINGS of the last statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnostics {
    Empty,
    OnConnection,
    /// The packets of SHOW WARNINGS and of SHOW ERRORS as the server sent them, and their counts.
    Captured(Box<CapturedDiagnostics>),
}

impl Diagnostics {
    /// How many MySQL tells of in its replies to commands that are no statements, where the proxy knows.
    #[must_use]
    pub fn told(&self) -> Option<u16> {
        match self {
            Self::Empty => Some(0),
            Self::OnConnection => None,
            Self::Captured(captured) => Some(captured.told),
        }
    }

    /// A statement has run that raised nothing and left the list as it is (SHOW WARNINGS).
    pub fn told_none(&mut self) {
        if let Self::Captured(captured) = self {
            captured.told = 0;
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedDiagnostics {
    pub warnings: Vec<u8>,
    pub errors: Vec<u8>,
    pub warning_count: u64,
    pub error_count: u64,
    /// For GET DIAGNOSTICS, the first of them.
    pub conditions: Vec<Condition>,
    /// What MySQL's replies to commands that are no statements count: only what the last statement itself raised.
    pub told: u16,
}

#[derive(Clone, Debug)]
pub struct ResultState {
    pub last_insert_id: Kept<u64>,
    /// While the connection has it: what the session and the connection had before, where that was not the same.
    /// An INSERT with an explicit value leaves LAST_INSERT_ID() as it was, which is then another session's.
    insert_id_before: Option<InsertIdBefore>,
    pub found_rows: Kept<u64>,
    pub row_count: i64,
    pub diagnostics: Diagnostics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InsertIdBefore {
    session: u64,
    connection: u64,
}

impl Default for ResultState {
    fn default() -> Self {
        Self {
            last_insert_id: Kept::Known(0),
            insert_id_before: None,
            found_rows: Kept::Known(0),
            row_count: 0,
            diagnostics: Diagnostics::Empty,
        }
    }
}

/// What becomes of the list of warnings in a statement that succeeds without any of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeavesDiagnostics {
    /// It is empty: on MySQL after every statement, on MariaDB after one that uses tables.
    Cleared,
    /// It stays as it was: on MariaDB after what uses no table (SELECT 1, SET).
    Kept,
    /// It stays whatever the reply says: SHOW WARNINGS, and commands, whose replies count it again on MySQL.
    Untouched,
    /// It may have grown without a word: MySQL's GET DIAGNOSTICS puts its own failure there and says OK.
    Grown,
    /// MariaDB, and whether a table is used is not known (CALL).
    #[default]
    Unknown,
}

impl LeavesDiagnostics {
    fn of(statement: &Statement, server: ServerKind) -> Self {
        use StatementKind::{Begin, Commit, Delete, Insert, LoadData, Replace, Rollback, Select, Set, Update, Use};
        match statement.kind {
            StatementKind::ShowWarnings | StatementKind::ShowErrors => Self::Untouched,
            StatementKind::GetDiagnostics => Self::Grown,
            _ if server == ServerKind::MySql => Self::Cleared,
            Insert | Replace | Update | Delete | LoadData => Self::Cleared,
            Select if statement.reads.contains(Reads::TABLES) => Self::Cleared,
            Select | Begin | Commit | Rollback | Set | Use => Self::Kept,
            _ => Self::Unknown,
        }
    }
}

/// Whether stacked statements begin with ones that read the list of warnings as it was before all of them.
#[must_use]
pub fn reads_earlier_diagnostics(statements: &[Statement], server: ServerKind) -> bool {
    use StatementKind::{GetDiagnostics, ShowErrors, ShowWarnings};
    let clears = |s: &&Statement| LeavesDiagnostics::of(s, server) != LeavesDiagnostics::Kept;
    let first = statements.iter().find(clears);
    first.is_some_and(|s| matches!(s.kind, GetDiagnostics | ShowErrors | ShowWarnings))
}

/// Which results a statement leaves on its connection, told before it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaves {
    pub calc_found_rows: bool,
    pub insert_id: bool,
    /// LAST_INSERT_ID(expr) where no reply tells of it: in a SELECT, a DO, a DELETE.
    pub insert_id_untold: bool,
    /// A routine or an unknown statement: anything.
    pub unknown: bool,
    pub diagnostics: LeavesDiagnostics,
    /// Of the last statement.
    pub found_rows: FoundRows,
    /// What [`FoundRows::BehindOffset`] speaks of, where the text tells.
    pub skipped_rows: Option<u64>,
}

impl Leaves {
    #[must_use]
    pub fn of(statements: &[Statement], server: ServerKind) -> Self {
        let mut leaves = Self::default();
        for statement in statements {
            leaves.diagnostics = LeavesDiagnostics::of(statement, server);
            leaves.found_rows = statement.found_rows;
            for effect in &statement.effects {
                match effect {
                    Effect::CalcFoundRows => leaves.calc_found_rows = true,
                    Effect::MayChangeLastInsertId => {
                        use StatementKind::{Insert, LoadData, Replace};
                        leaves.insert_id = true;
                        leaves.insert_id_untold |= !matches!(statement.kind, Insert | Replace | LoadData);
                    }
                    Effect::Unknown => leaves.unknown = true,
                    _ => {}
                }
            }
        }
        leaves
    }

    /// Whether LAST_INSERT_ID() may have changed without this reply telling of it, as one with rows never does
    /// (INSERT ... RETURNING).
    fn insert_id_untold_by(self, outcome: &Outcome) -> bool {
        self.insert_id_untold || (self.insert_id && outcome.rows.is_some())
    }

    /// FOUND_ROWS() after a result of so many rows, where that is certain.
    fn found(&self, rows: u64) -> Option<u64> {
        match self.found_rows {
            FoundRows::Sent => Some(rows),
            // Behind an offset beyond the end there is nothing to count from.
            FoundRows::BehindOffset if rows == 0 => None,
            FoundRows::BehindOffset => self.skipped_rows.and_then(|skipped| skipped.checked_add(rows)),
            FoundRows::Kept | FoundRows::Unclear => None,
        }
    }

    /// A command that is no statement. What has rows (COM_FIELD_LIST, which MySQL calls deprecated) may warn.
    #[must_use]
    pub fn of_command(rows: bool) -> Self {
        let diagnostics = if rows { LeavesDiagnostics::Grown } else { LeavesDiagnostics::Untouched };
        Self { diagnostics, ..Self::default() }
    }
}

impl ResultState {
    /// Takes in the reply of a statement that ran on the held connection, or was only prepared there.
    pub fn note(&mut self, outcome: &Outcome, leaves: Leaves, ran: bool) {
        if outcome.error.is_some() {
            self.row_count = -1;
            self.diagnostics = Diagnostics::OnConnection;
            if ran && (leaves.insert_id || leaves.unknown) {
                self.last_insert_id = Kept::OnConnection;
            }
            if ran && leaves.unknown {
                self.found_rows = Kept::OnConnection;
            }
            return;
        }
        self.note_diagnostics(outcome.warnings, leaves.diagnostics);
        if !ran {
            return;
        }
        self.diagnostics.told_none();
        match outcome.rows {
            Some(rows) => {
                self.row_count = -1;
                if leaves.found_rows != FoundRows::Kept {
                    self.found_rows = leaves.found(rows).map_or(Kept::OnConnection, Kept::Known);
                }
            }
            // Only GET DIAGNOSTICS leaves it alone.
            None if leaves.diagnostics == LeavesDiagnostics::Grown => {}
            None => {
                self.row_count = i64::try_from(outcome.affected_rows).unwrap_or(i64::MAX);
                if leaves.found_rows == FoundRows::Unclear {
                    self.found_rows = Kept::OnConnection;
                }
            }
        }
        // The rows of a cursor are still to come.
        let cursor = outcome.status.contains(Status::CURSOR_EXISTS);
        if leaves.calc_found_rows || leaves.unknown || outcome.results > 1 || cursor {
            self.found_rows = Kept::OnConnection;
        }
        // An explicit value for an AUTO_INCREMENT column comes back in the OK packet without being
        // LAST_INSERT_ID(): only the server knows.
        if outcome.last_insert_id != 0 || leaves.unknown || leaves.insert_id_untold_by(outcome) {
            self.last_insert_id = Kept::OnConnection;
        }
    }

    fn note_diagnostics(&mut self, warnings: u16, leaves: LeavesDiagnostics) {
        let on_connection = self.diagnostics == Diagnostics::OnConnection;
        self.diagnostics = match leaves {
            LeavesDiagnostics::Untouched => return,
            LeavesDiagnostics::Grown if matches!(self.diagnostics, Diagnostics::Captured(_)) => return,
            LeavesDiagnostics::Grown => Diagnostics::OnConnection,
            _ if warnings > 0 => Diagnostics::OnConnection,
            LeavesDiagnostics::Kept => return,
            LeavesDiagnostics::Unknown if on_connection => return,
            LeavesDiagnostics::Cleared | LeavesDiagnostics::Unknown => Diagnostics::Empty,
        };
    }

    /// Before [`Self::note`]: `reported` is the OK packet's insert id, `connection` what LAST_INSERT_ID() gave there.
    pub fn note_insert_id_before(&mut self, reported: u64, connection: Option<u64>) {
        let generated = |id: u64| reported != 0 && reported == id;
        match (self.last_insert_id, connection) {
            (Kept::Known(session), Some(connection)) if session != connection && !generated(connection) => {
                self.insert_id_before = Some(InsertIdBefore { session, connection });
            }
            (Kept::Known(_), _) => self.insert_id_before = None,
            // A generated id may well be the one that the connection had before.
            (Kept::OnConnection, _) if self.insert_id_before.is_some_and(|b| generated(b.connection)) => {
                self.insert_id_before = None;
            }
            (Kept::OnConnection, _) => {}
        }
    }

    /// Whether what the connection says may be another session's.
    #[must_use]
    pub fn insert_id_is_doubtful(&self) -> bool {
        self.last_insert_id == Kept::OnConnection && self.insert_id_before.is_some()
    }

    /// Whether LAST_INSERT_ID() there is as it was before this statement: nothing ran that changes it without a word.
    #[must_use]
    pub fn leaves_insert_id_alone(outcome: &Outcome, leaves: Leaves, ran: bool) -> bool {
        let told = outcome.last_insert_id != 0 || outcome.error.is_some();
        !ran || !(leaves.unknown || leaves.insert_id_untold_by(outcome) || (leaves.insert_id && told))
    }

    /// Takes in what LAST_INSERT_ID() gives on the connection.
    pub fn learn_insert_id(&mut self, there: u64) {
        let before = self.insert_id_before.take().filter(|b| b.connection == there);
        self.last_insert_id = Kept::Known(before.map_or(there, |b| b.session));
    }

    /// Whether the connection knows something that the proxy does not.
    #[must_use]
    pub fn on_connection(&self) -> bool {
        self.last_insert_id == Kept::OnConnection
            || self.found_rows == Kept::OnConnection
            || self.diagnostics == Diagnostics::OnConnection
    }

    /// Whether a statement that reads this must run where the last one ran.
    #[must_use]
    pub fn needs_connection(&self, reads: Reads) -> bool {
        let any = reads.contains(Reads::ANYTHING);
        (reads.contains(Reads::LAST_INSERT_ID) || any) && self.last_insert_id == Kept::OnConnection
            || (reads.contains(Reads::FOUND_ROWS) || any) && self.found_rows == Kept::OnConnection
            || reads.contains(Reads::DIAGNOSTICS) && self.diagnostics == Diagnostics::OnConnection
    }

    /// The connection is gone with what only it knew.
    pub fn connection_lost(&mut self) {
        if self.last_insert_id == Kept::OnConnection {
            self.last_insert_id = Kept::Known(0);
            self.insert_id_before = None;
        }
        if self.found_rows == Kept::OnConnection {
            self.found_rows = Kept::Known(0);
        }
        if self.diagnostics == Diagnostics::OnConnection {
            self.diagnostics = Diagnostics::Empty;
        }
    }
}
