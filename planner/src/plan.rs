//! Where a statement goes, and why. The one function that decides; everything it needs is an argument.

use crate::analysis::{Access, Analysis, Effect, Reads, Statement, StatementKind};
use crate::hint::{Hint, HintRole};

/// The open transaction of a session, as the last server status and the session's own BEGIN tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxFacts {
    /// No transaction is open.
    None,
    ReadWrite,
    ReadOnly,
}

/// What the plan may know of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    pub transaction: TxFacts,
    pub autocommit: bool,
    /// A backend connection is held by a pin (temporary table, lock, computed variable ...).
    pub pinned: bool,
    /// The default schema is one of the servers' own ([`crate::is_system_schema`]): what is read there differs from server to
    /// server.
    pub in_system_schema: bool,
}

/// Which server of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The connection that the session holds already (transaction or pin).
    Held,
    /// The confirmed writer of the pair.
    Writer,
    /// The confirmed writer; while there is none, a replica that is fresh enough and would answer alike.
    WriterIfAny,
    /// A replica that is fresh enough, or the writer when none is.
    Replica,
    /// Whatever connection is at hand.
    Any,
}

/// Why a statement goes where it goes; shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteReason {
    InTransaction,
    InReadOnlyTransaction,
    Pinned,
    BeginsTransaction,
    BeginsReadOnlyTransaction,
    AutocommitOff,
    Write,
    NotUnderstood,
    NeedsWriter,
    SessionOnly,
    Read,
    Hint,
}

/// What a statement asks of the server to which its session is bound already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// What the session itself keeps there.
    Nothing,
    /// Data as new as a read's has to be.
    FreshData,
    /// That it is the writer, although the statement does not write: what it begins may.
    Writer,
}

/// What is to be done with one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    pub role: Role,
    pub reason: RouteReason,
    /// From a hint; otherwise the shard's own limit holds.
    pub max_lag_ms: Option<u32>,
    /// The statement may change data: after it the session's reads need its GTID.
    pub writes: bool,
    /// The statement may commit what is open: whatever was written in it then counts as written now.
    pub commits: bool,
    pub demand: Demand,
}

impl RoutePlan {
    /// For what changes nothing and needs no data.
    #[must_use]
    pub fn without_data(role: Role, reason: RouteReason) -> Self {
        Self { role, reason, max_lag_ms: None, writes: false, commits: false, demand: Demand::Nothing }
    }
}

/// Decides the route of one analysed text.
#[must_use]
pub fn plan(analysis: &Analysis, hint: &Hint, facts: &SessionFacts) -> RoutePlan {
    let access = analysis.access();
    let (role, reason) = choose(analysis, access, hint, facts);
    let commits = facts.transaction == TxFacts::ReadWrite && may_commit(analysis);
    let demand = demand(analysis, access, hint, facts);
    // Nobody who is bound elsewhere by a lock could give it back otherwise.
    let writes = access == Access::Write && !only_releases_locks(analysis);
    RoutePlan { role, reason, max_lag_ms: hint.max_lag_ms, writes, commits, demand }
}

fn demand(a: &Analysis, access: Access, hint: &Hint, facts: &SessionFacts) -> Demand {
    let outside = facts.transaction == TxFacts::None;
    let reads = a.reads().intersects(Reads::TABLES | Reads::ANYTHING);
    match begins(a) {
        Some(false) => Demand::Writer,
        Some(true) => Demand::FreshData,
        None if outside && reads && (hint.role == Some(HintRole::Writer) || !facts.autocommit) => Demand::Writer,
        None if reads && access >= Access::Read => Demand::FreshData,
        None => Demand::Nothing,
    }
}

/// Whether it may commit the transaction that is open before it. (SET autocommit = 1 does, and UNLOCK TABLES behind
/// LOCK TABLES; ROLLBACK ends one, too, and commits nothing.)
fn may_commit(a: &Analysis) -> bool {
    use StatementKind::{Begin, Commit, Execute, Set, UnlockTables};
    a.statements.iter().any(|s| matches!(s.kind, Commit | Begin | Set | UnlockTables | Execute))
        || a.effects().any(|e| matches!(e, Effect::ImplicitCommit | Effect::Unknown))
}

fn only_releases_locks(a: &Analysis) -> bool {
    let releases = |e: &Effect| matches!(e, Effect::ReleaseLock { .. } | Effect::ReleaseAllLocks);
    let plain = |s: &Statement| {
        matches!(s.kind, StatementKind::Select | StatementKind::Do)
            && !s.effects.is_empty()
            && s.effects.iter().all(releases)
            && !s.reads.intersects(Reads::TABLES | Reads::ANYTHING)
    };
    a.statements.iter().all(plain)
}

fn choose(a: &Analysis, access: Access, hint: &Hint, facts: &SessionFacts) -> (Role, RouteReason) {
    if facts.pinned {
        return (Role::Held, RouteReason::Pinned);
    }
    match facts.transaction {
        TxFacts::ReadWrite => return (Role::Held, RouteReason::InTransaction),
        TxFacts::ReadOnly => return (Role::Held, RouteReason::InReadOnlyTransaction),
        TxFacts::None => {}
    }
    if let Some(read_only) = begins(a) {
        return match (read_only, hint.role) {
            (true, Some(HintRole::Writer)) => (Role::Writer, RouteReason::Hint),
            (true, _) if access <= Access::Read => (Role::Replica, RouteReason::BeginsReadOnlyTransaction),
            _ => (Role::Writer, RouteReason::BeginsTransaction),
        };
    }
    match (access, hint.role) {
        (Access::Write, _) => (Role::Writer, RouteReason::Write),
        (Access::Session, _) => (Role::Any, RouteReason::SessionOnly),
        (_, Some(HintRole::Writer)) => (Role::Writer, RouteReason::Hint),
        // A session that is bound to a connection writes there too, so that must not be a replica's.
        _ if a.effects().any(Effect::binds_connection) => (Role::Writer, reason_for_writer(facts)),
        // With autocommit off a plain read opens a transaction that may write later.
        (_, _) if !facts.autocommit => (writer_of(a, facts), RouteReason::AutocommitOff),
        (Access::Writer | Access::Read, Some(HintRole::Replica)) => (Role::Replica, RouteReason::Hint),
        (Access::Writer, None) => (writer_of(a, facts), RouteReason::NeedsWriter),
        (Access::Read, None) if facts.in_system_schema => (writer_of(a, facts), RouteReason::NeedsWriter),
        (Access::Read, None) => (Role::Replica, RouteReason::Read),
    }
}

fn reason_for_writer(facts: &SessionFacts) -> RouteReason {
    if facts.autocommit { RouteReason::NeedsWriter } else { RouteReason::AutocommitOff }
}

/// The writer for what only reads; no other server will do where the answer tells of the server itself. (Which of the
/// tables of a system schema does, is known where its name is written.)
fn writer_of(a: &Analysis, facts: &SessionFacts) -> Role {
    let own = Reads::SERVER | Reads::PROCESSLIST | Reads::ANYTHING;
    let unclear = facts.in_system_schema && a.access() == Access::Read;
    if unclear || a.reads().intersects(own) { Role::Writer } else { Role::WriterIfAny }
}

/// Whether the text begins a transaction that stays open after it, and if so whether a read-only one.
fn begins(a: &Analysis) -> Option<bool> {
    a.effects().fold(None, |open, e| match e {
        Effect::Begin { read_only } => Some(*read_only && open != Some(false)),
        Effect::XaBegin => Some(false),
        Effect::EndTransaction { .. } => None,
        _ => open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::analyze;
    use crate::reading::{ClientCharset, Reading, ServerKind};
    use crate::routines::Routines;

    const IDLE: SessionFacts =
        SessionFacts { transaction: TxFacts::None, autocommit: true, pinned: false, in_system_schema: false };

    fn route(text: &str, hint: Option<HintRole>, facts: SessionFacts) -> Role {
        planned(text, hint, facts).role
    }

    fn planned(text: &str, hint: Option<HintRole>, facts: SessionFacts) -> RoutePlan {
        let mut reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        reading.multi_statements = true;
        let analysis = analyze(text.as_bytes(), &reading, &Routines::default());
        plan(&analysis, &Hint { role: hint, ..Hint::default() }, &facts)
    }

    #[test]
    fn what_may_commit_an_open_transaction_says_so() {
        let open = SessionFacts { transaction: TxFacts::ReadWrite, ..IDLE };
        let commit =
            ["COMMIT", "commit and chain", "BEGIN", "SET autocommit = 1", "SET @@autocommit := 1", "TRUNCATE t"];
        for text in commit {
            assert!(planned(text, None, open).commits, "{text}");
            assert!(!planned(text, None, IDLE).commits, "{text} with nothing open");
        }
        for text in ["ROLLBACK", "ROLLBACK AND CHAIN", "ROLLBACK TO s", "SAVEPOINT s", "SELECT * FROM t", "USE s"] {
            assert!(!planned(text, None, open).commits, "{text}");
        }
    }

    #[test]
    fn reads_go_to_replicas_and_the_rest_to_the_writer() {
        assert_eq!(route("SELECT * FROM t", None, IDLE), Role::Replica);
        assert_eq!(route("SELECT * FROM t", Some(HintRole::Writer), IDLE), Role::Writer);
        assert_eq!(route("SHOW TABLES", None, IDLE), Role::WriterIfAny);
        assert_eq!(route("SHOW TABLES", Some(HintRole::Replica), IDLE), Role::Replica);
        assert_eq!(route("UPDATE t SET a = 1", Some(HintRole::Replica), IDLE), Role::Writer);
        assert_eq!(route("SELECT 1; UPDATE t SET a = 1", None, IDLE), Role::Writer);
        assert_eq!(route("SET autocommit = 0", None, IDLE), Role::Any);
        let in_system_schema = SessionFacts { in_system_schema: true, ..IDLE };
        assert_eq!(route("SELECT * FROM tables", None, in_system_schema), Role::Writer);
        assert_eq!(route("SELECT * FROM tables", Some(HintRole::Replica), in_system_schema), Role::Replica);
    }

    #[test]
    fn what_binds_a_connection_stays_off_replicas_whatever_the_hint() {
        for text in ["SET @a = @@version", "SET TRANSACTION READ ONLY", "SET profiling = 1", "SET ROLE r"] {
            assert_eq!(route(text, Some(HintRole::Replica), IDLE), Role::Writer, "{text}");
        }
    }

    #[test]
    fn without_a_writer_replicas_answer_what_any_server_knows() {
        let anybody = [
            "SELECT @@version_comment, @@session.sql_mode",
            "SHOW SESSION VARIABLES LIKE 'lower_case_%'",
            "SHOW FULL COLUMNS FROM t",
            "SHOW CREATE TABLE t",
            "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
            "SELECT * FROM information_schema.tables",
            "SELECT user FROM mysql.user",
            "EXPLAIN SELECT * FROM t",
        ];
        for text in anybody {
            assert_eq!(route(text, None, IDLE), Role::WriterIfAny, "{text}");
        }
        let the_writer = [
            "SHOW MASTER STATUS",
            "SHOW BINARY LOGS",
            "SHOW REPLICA STATUS",
            "SHOW PROCESSLIST",
            "SHOW GLOBAL STATUS",
            "SHOW ENGINE INNODB STATUS",
            "SHOW EVENTS",
            "SELECT @@server_id",
            "SELECT @@GLOBAL.gtid_binlog_pos",
            "SELECT @@read_only, @@version",
            "SELECT * FROM information_schema.processlist",
            "SELECT * FROM information_schema.GLOBAL_STATUS",
            "SELECT * FROM performance_schema.threads",
            "SELECT * FROM mysql.gtid_slave_pos",
            "SELECT IS_FREE_LOCK('a')",
            "SELECT LOAD_FILE('a')",
            "SELECT @@version FOR UPDATE",
            "SELECT GET_LOCK('a', 1)",
        ];
        for text in the_writer {
            assert_eq!(route(text, None, IDLE), Role::Writer, "{text}");
        }
    }

    #[test]
    fn a_transaction_decides_before_the_statement() {
        assert_eq!(route("BEGIN", None, IDLE), Role::Writer);
        assert_eq!(route("START TRANSACTION READ ONLY", None, IDLE), Role::Replica);
        assert_eq!(route("START TRANSACTION READ ONLY; DELETE FROM t", None, IDLE), Role::Writer);
        assert_eq!(route("SELECT 1", None, SessionFacts { transaction: TxFacts::ReadWrite, ..IDLE }), Role::Held);
        assert_eq!(route("SELECT 1", None, SessionFacts { autocommit: false, ..IDLE }), Role::WriterIfAny);
        assert_eq!(route("SELECT 1", None, SessionFacts { pinned: true, ..IDLE }), Role::Held);
    }
}
