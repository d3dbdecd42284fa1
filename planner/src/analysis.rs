//! What a statement is, told apart from any server, session or shard map.

use bitflags::bitflags;

/// The statements of one COM_QUERY or COM_STMT_PREPARE text, in order, and the text's own routing hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Never empty; more than one only for stacked statements.
    pub statements: Vec<Statement>,
    /// False when the effects carry literal values, so the fingerprint does not determine them.
    pub cacheable: bool,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub kind: StatementKind,
    pub access: Access,
    pub reads: Reads,
    /// Lower-cased names of the user variables that are read (empty when `reads` has no USER_VARS).
    pub user_vars_read: Vec<String>,
    /// What it does to the session when it succeeds, in order.
    pub effects: Vec<Effect>,
    pub found_rows: FoundRows,
}

/// How FOUND_ROWS() after a statement follows from its reply ([`Effect::CalcFoundRows`] apart).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FoundRows {
    /// It is the number of rows sent, and stays as it was where none are.
    #[default]
    Sent,
    /// It stays as it was, whatever is sent.
    Kept,
    /// The rows that LIMIT skipped count too, if any row was sent.
    BehindOffset,
    /// Only the server knows.
    Unclear,
}

/// The least server a statement needs. Ordered: a batch needs the greatest of its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Touches only the session (SET of session variables, USE, DO of constants): any server can answer.
    Session,
    /// Reads data, changes nothing, takes no locks: a replica may answer.
    Read,
    /// Must be answered by the writer although it changes no data (SHOW, information_schema, `@@variables`).
    Writer,
    /// May change data or take locks, or is not understood: the writer only.
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    Select,
    Insert,
    Replace,
    Update,
    Delete,
    LoadData,
    Call,
    Do,
    Set,
    Use,
    Show,
    ShowWarnings,
    ShowErrors,
    GetDiagnostics,
    Explain,
    Ddl,
    Begin,
    Commit,
    Rollback,
    Savepoint,
    LockTables,
    UnlockTables,
    Prepare,
    Execute,
    Deallocate,
    Handler,
    Xa,
    Kill,
    /// SIGNAL and RESIGNAL.
    Signal,
    /// FLUSH, OPTIMIZE, GRANT, replication and other administration.
    Admin,
    /// Empty text or only comments.
    Empty,
    /// Not understood.
    Opaque,
}

bitflags! {
    /// Session state that the answer depends on, beyond variables that trackers report.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Reads: u16 {
        const USER_VARS = 1 << 0;
        const LAST_INSERT_ID = 1 << 1;
        const FOUND_ROWS = 1 << 2;
        const ROW_COUNT = 1 << 3;
        /// SHOW WARNINGS/ERRORS, @@warning_count, @@error_count, GET DIAGNOSTICS.
        const DIAGNOSTICS = 1 << 4;
        const CONNECTION_ID = 1 << 5;
        /// SHOW SESSION STATUS, SHOW PROFILE(S), LASTVAL, @@last_gtid, @@rand_seed... : only the same connection knows.
        const CONNECTION_STATE = 1 << 6;
        /// Reads any `@@name`.
        const SYSTEM_VARS = 1 << 7;
        /// A routine, an unknown function or unparsed text: may depend on anything.
        const ANYTHING = 1 << 8;
        /// RAND(), UUID() and the like do not matter; NOW() with SET timestamp is a tracked variable.
        const PROCESSLIST = 1 << 9;
        /// A query that names a table for certain. (One without any leaves old warnings in place on MariaDB.)
        const TABLES = 1 << 10;
        /// What a server tells of itself alone (its place in the replication, its number, its counters): the answer of
        /// another one would be another.
        const SERVER = 1 << 11;
    }
}

/// What a statement does to its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// BEGIN / START TRANSACTION.
    Begin {
        read_only: bool,
    },
    /// COMMIT or ROLLBACK (`release`: the server closes the connection after it; None: as `completion_type` says). AND
    /// CHAIN is this and then a `Begin`; the new transaction has the access mode of the old one, which only the session
    /// knows.
    EndTransaction {
        release: Option<bool>,
    },
    /// `SET [SESSION] name = ...` of a system variable; the value comes from the tracker.
    SetSessionVar {
        name: String,
        to_default: bool,
    },
    /// `SET @@name = ...`, which no tracker of MariaDB tells, but for a scope being written
    /// ([`crate::scope::spell_out_session`]).
    ImpliedScope {
        name: String,
    },
    /// `SET GLOBAL`/`PERSIST`: sessions opened earlier do not see it.
    SetGlobalVar {
        name: String,
    },
    /// SET TRANSACTION without SESSION, insert_id, rand_seed1/2, last_insert_id, gtid_next: holds for the next
    /// statement or transaction only, and no tracker replays it.
    OneShotVar {
        name: String,
    },
    /// SET STATEMENT name = ... FOR: this statement alone sees the value, but MariaDB's trackers tell it as if it stayed.
    StatementVar {
        name: String,
    },
    /// `SET @name := literal`; text that means the same however it is read, replayable as it stands.
    UserVarLiteral {
        name: String,
        value: Vec<u8>,
    },
    /// `SET @name := 'string'`; its bytes in the client's character set. What they mean depends on the connection's
    /// character set and collation.
    UserVarString {
        name: String,
        value: Vec<u8>,
    },
    /// Any other assignment of a user variable (`:=`, SELECT ... INTO, OUT argument, computed SET).
    UserVarComputed {
        name: String,
    },
    /// USE; the name as written, unquoted.
    Use {
        schema: String,
    },
    CreateTemporaryTable {
        name: String,
    },
    /// `temporary`: the word TEMPORARY was there; without it the drop may still hit a temporary table.
    DropTable {
        name: String,
        temporary: bool,
    },
    /// ALTER TABLE ... RENAME or RENAME TABLE, which may hit a temporary table.
    RenameTable {
        from: String,
        to: String,
    },
    LockTables,
    UnlockTables,
    /// FLUSH TABLES WITH READ LOCK / FOR EXPORT; BACKUP STAGE or BACKUP LOCK; LOCK INSTANCE. UNLOCK TABLES
    /// ends the first two, `GlobalUnlock` the others.
    GlobalLock,
    /// BACKUP STAGE END, BACKUP UNLOCK, UNLOCK INSTANCE.
    GlobalUnlock,
    /// GET_LOCK; the lower-cased name when it is a literal and taken at most once, the text of an expression that always
    /// has the same value behind a NUL, None when nobody can tell.
    GetLock {
        name: Option<String>,
    },
    /// RELEASE_LOCK; None where the name is computed, or where it may not be evaluated.
    ReleaseLock {
        name: Option<String>,
    },
    ReleaseAllLocks,
    PrepareText {
        name: String,
        text: PreparedText,
    },
    /// EXECUTE name. [`Effect::Unknown`] stands beside it, for sessions that do not know the text of that name.
    ExecuteText {
        name: String,
    },
    DeallocateText {
        name: String,
    },
    HandlerOpen {
        name: String,
    },
    HandlerClose {
        name: String,
    },
    CalcFoundRows,
    /// LAST_INSERT_ID(expr) or an INSERT that may generate one.
    MayChangeLastInsertId,
    /// SET ROLE. `given_up`: to NONE or DEFAULT, which may be what the login gave.
    SetRole {
        given_up: bool,
    },
    /// XA START ... until XA COMMIT/ROLLBACK/PREPARE of it.
    XaBegin,
    XaEnd,
    /// SET profiling=1, SET PASSWORD, SET DEFAULT ROLE and other session-bound things that are not variables.
    SessionBound {
        what: &'static str,
    },
    /// DDL and administration that commit the open transaction, before and after themselves.
    ImplicitCommit,
    /// NEXTVAL, SETVAL: a later LASTVAL asks for it, on the same connection.
    SequenceUsed,
    /// KILL; the proxy answers it itself. `id` is missing when it is computed or a user's name.
    Kill {
        scope: KillScope,
        id: Option<u64>,
    },
    /// A CALL, an unknown function, EXECUTE IMMEDIATE or unparsed text may have done any of the above.
    Unknown,
}

/// The text of a PREPARE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreparedText {
    Literal(String),
    /// In this user variable, lower-cased.
    Variable(String),
    /// A literal with escapes, or beyond ASCII.
    Unclear,
}

/// What a KILL ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KillScope {
    /// `KILL [CONNECTION] id`.
    Connection,
    /// KILL QUERY id: whatever that connection runs.
    Query,
    /// MariaDB's KILL QUERY ID id: the query of that number, whoever runs it.
    QueryId,
    /// `KILL [CONNECTION | QUERY] USER name` of MariaDB.
    User,
}

impl Effect {
    /// Whether a server that is asked to (session_track_state_change) reports it as a change of the session's state.
    /// What else was reported with the statement, a trigger or a stored function has done.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        !matches!(
            self,
            Self::Begin { .. }
                | Self::EndTransaction { .. }
                | Self::ImplicitCommit
                | Self::CalcFoundRows
                | Self::MayChangeLastInsertId
                | Self::LockTables
                | Self::UnlockTables
                | Self::SequenceUsed
        )
    }

    /// Whether the effect lives in one connection and cannot be carried to another by replaying a variable, so
    /// that what follows may have to go where this statement went.
    #[must_use]
    pub fn binds_connection(&self) -> bool {
        match self {
            Self::Begin { .. }
            | Self::EndTransaction { .. }
            | Self::SetSessionVar { .. }
            | Self::ImpliedScope { .. }
            | Self::StatementVar { .. }
            | Self::SetGlobalVar { .. }
            | Self::UserVarLiteral { .. }
            | Self::Use { .. }
            | Self::DropTable { .. }
            | Self::RenameTable { .. }
            | Self::ExecuteText { .. }
            | Self::UnlockTables
            | Self::GlobalUnlock
            | Self::ReleaseLock { .. }
            | Self::ReleaseAllLocks
            | Self::DeallocateText { .. }
            | Self::HandlerClose { .. }
            | Self::CalcFoundRows
            | Self::MayChangeLastInsertId
            | Self::XaEnd
            | Self::ImplicitCommit
            | Self::Kill { .. } => false,
            Self::OneShotVar { .. }
            | Self::UserVarString { .. }
            | Self::UserVarComputed { .. }
            | Self::CreateTemporaryTable { .. }
            | Self::LockTables
            | Self::GlobalLock
            | Self::GetLock { .. }
            | Self::PrepareText { .. }
            | Self::HandlerOpen { .. }
            | Self::SetRole { .. }
            | Self::XaBegin
            | Self::SessionBound { .. }
            | Self::SequenceUsed
            | Self::Unknown => true,
        }
    }
}

impl Analysis {
    /// What the whole text needs: the most demanding of its statements.
    #[must_use]
    pub fn access(&self) -> Access {
        self.statements.iter().map(|s| s.access).max().unwrap_or(Access::Write)
    }

    /// The union of what its statements read.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.statements.iter().fold(Reads::default(), |all, s| all | s.reads)
    }

    /// All effects in order.
    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.statements.iter().flat_map(|s| s.effects.iter())
    }
}
