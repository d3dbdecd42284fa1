//! What the expressions of a statement touch: functions, variables, locks, sequences, the servers' own schemas.
//!
//! Looks at tokens only, so it works for grammar that no parser of ours knows. It errs towards the writer: a
//! name before a parenthesis is a harmless call only if it is known to be one.

use crate::analysis::{Access, Effect, Reads, Statement, StatementKind};
use crate::builtins::{Builtin, builtin, is_grammar, is_soft_grammar, must_touch_parenthesis};
use crate::draft::Context;
use crate::phrase::Phrase;
use crate::token::TokenKind;

/// How far the column list of a common table expression is followed to see that it is no call.
const MAX_COLUMN_LIST_TOKENS: usize = 256;

/// Adds to `statement` what the expressions of `phrase` touch.
pub(crate) fn gather(statement: &mut Statement, phrase: Phrase<'_>, context: &Context<'_>) {
    let mut targets_end = 0;
    for at in 0..phrase.len() {
        if phrase.is(at, "INTO") {
            targets_end = end_of_variables(phrase, at + 1);
        }
        match phrase.kind(at) {
            Some(TokenKind::UserVariable) if at < targets_end => {}
            Some(TokenKind::UserVariable) => user_variable(statement, phrase, at),
            Some(TokenKind::SystemVariable) => system_variable(statement, phrase, at),
            Some(TokenKind::Word | TokenKind::QuotedName) => word(statement, phrase, at, context),
            _ => {}
        }
    }
}

/// Behind the list of user variables at `at`, as INTO has it. They are written, not read.
pub(crate) fn end_of_variables(phrase: Phrase<'_>, mut at: usize) -> usize {
    while phrase.kind(at) == Some(TokenKind::UserVariable) || phrase.is_punctuation(at, b',') {
        at += 1;
    }
    at
}

/// `@x`, read, or assigned by `:=`.
fn user_variable(statement: &mut Statement, phrase: Phrase<'_>, at: usize) {
    let Some(name) = phrase.user_variable(at) else { return };
    if phrase.kind(at + 1) == Some(TokenKind::Assign) {
        statement.raise(Access::Write);
        statement.add(Effect::UserVarComputed { name });
    } else if !is_host(phrase, at) {
        statement.reads_user_variable(name);
    }
}

/// Whether the `@x` at `at` is the second half of an account, `'user'@'host'`. Statements about data name none: there
/// it is a variable that touches a keyword, as in `SELECT@x`.
fn is_host(phrase: Phrase<'_>, at: usize) -> bool {
    const ABOUT_DATA: [&str; 10] =
        ["SELECT", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE", "DO", "CALL", "VALUES", "TABLE"];
    let is_behind_a_name = at > 0
        && phrase.touches_next(at - 1)
        && matches!(phrase.kind(at - 1), Some(TokenKind::String | TokenKind::Word | TokenKind::QuotedName));
    is_behind_a_name && !phrase.is_punctuation(0, b'(') && !ABOUT_DATA.iter().any(|verb| phrase.is(0, verb))
}

/// `@@x`, `@@session.x`, `@@global.x`.
fn system_variable(statement: &mut Statement, phrase: Phrase<'_>, at: usize) {
    let scoped = phrase.is_punctuation(at + 2, b'.');
    let name = phrase.name(if scoped { at + 3 } else { at + 1 }).unwrap_or_default().to_lowercase();
    statement.raise(Access::Writer);
    statement.reads |= Reads::SYSTEM_VARS | reads_of_variable(&name);
    if is_servers_own(&name) {
        statement.reads |= Reads::SERVER;
    }
}

/// Whether a variable, named in lower case, tells of its server and of no setting: its place in the replication, its
/// number, its host.
fn is_servers_own(name: &str) -> bool {
    const FAMILIES: [&str; 9] =
        ["gtid", "log_bin", "relay", "replica_", "report_", "rpl_", "server_id", "server_uuid", "slave_"];
    const OTHERS: [&str; 9] = [
        "datadir",
        "hostname",
        "innodb_read_only",
        "last_gtid",
        "pid_file",
        "port",
        "read_only",
        "socket",
        "super_read_only",
    ];
    OTHERS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// The session state behind variables that are not settings.
fn reads_of_variable(name: &str) -> Reads {
    match name {
        "warning_count" | "error_count" => Reads::DIAGNOSTICS,
        "last_insert_id" | "identity" => Reads::LAST_INSERT_ID,
        "pseudo_thread_id" => Reads::CONNECTION_ID,
        "last_gtid" | "gtid_next" | "gtid_seq_no" | "in_transaction" | "insert_id" | "rand_seed1" | "rand_seed2"
        | "statement_id" => Reads::CONNECTION_STATE,
        _ => Reads::default(),
    }
}

fn word(statement: &mut Statement, phrase: Phrase<'_>, at: usize, context: &Context<'_>) {
    if phrase.is_punctuation(at + 1, b'.') {
        schema(statement, phrase, at);
    }
    if phrase.is_punctuation(at + 1, b'(') {
        return call(statement, phrase, at, context);
    }
    if phrase.kind(at) == Some(TokenKind::Word) {
        keyword(statement, phrase, at, context);
    }
}

/// Whether the schema tells of its server, in whichever case it is written.
#[must_use]
pub fn is_system_schema(name: &str) -> bool {
    // By length first: each statement is asked about.
    match name.len() {
        3 => name.eq_ignore_ascii_case("sys"),
        5 => name.eq_ignore_ascii_case("mysql"),
        18 => name.eq_ignore_ascii_case("information_schema") || name.eq_ignore_ascii_case("performance_schema"),
        _ => false,
    }
}

/// A name with a point behind it: perhaps one of the servers' own schemas.
fn schema(statement: &mut Statement, phrase: Phrase<'_>, at: usize) {
    if !is_system_schema(&phrase.name(at).unwrap_or_default()) {
        return;
    }
    statement.raise(Access::Writer);
    let table = phrase.name(at + 2).unwrap_or_default().to_lowercase();
    if tells_of_server(&phrase.name(at).unwrap_or_default().to_lowercase(), &table) {
        statement.reads |= Reads::SERVER;
    }
    statement.reads |= match table.as_str() {
        "processlist" | "threads" | "innodb_trx" | "metadata_locks" | "session" | "x$processlist" | "x$session" => {
            Reads::PROCESSLIST
        }
        "session_status"
        | "profiling"
        | "optimizer_trace"
        | "status_by_thread"
        | "user_variables"
        | "user_variables_by_thread" => Reads::CONNECTION_STATE,
        "session_variables" | "system_variables" | "variables_by_thread" => Reads::SYSTEM_VARS,
        _ => Reads::default(),
    };
}

/// Whether a table of a system schema differs from server to server: all that is measured, and the state of replication,
/// logs and storage.
fn tells_of_server(schema: &str, table: &str) -> bool {
    match schema {
        "information_schema" => {
            ["innodb_", "global_", "events", "files"].iter().any(|family| table.starts_with(family))
        }
        "mysql" => table.contains("gtid") || table.contains("log") || table.starts_with("slave_"),
        // Session variables and the session's own status are any connection's.
        "performance_schema" => !table.starts_with("session_"),
        _ => true,
    }
}

/// Keywords that lock, count or draw from a sequence.
fn keyword(statement: &mut Statement, phrase: Phrase<'_>, at: usize, context: &Context<'_>) {
    let locks = phrase.are(at, &["FOR", "UPDATE"])
        || phrase.are(at, &["FOR", "SHARE"])
        || phrase.are(at, &["LOCK", "IN", "SHARE", "MODE"]);
    if locks {
        statement.raise(Access::Write);
    } else if phrase.is(at, "SQL_CALC_FOUND_ROWS") {
        statement.add(Effect::CalcFoundRows);
    } else if phrase.are(at, &["NEXT", "VALUE", "FOR"]) {
        touch(statement, Builtin::NextValue, Arguments::None);
    } else if phrase.are(at, &["PREVIOUS", "VALUE", "FOR"]) {
        touch(statement, Builtin::LastValue, Arguments::None);
    } else if context.reading.oracle && phrase.kind_before(at) == Some(TokenKind::Punctuation(b'.')) {
        // In Oracle mode `seq.nextval` draws a value.
        if phrase.is(at, "NEXTVAL") {
            touch(statement, Builtin::NextValue, Arguments::None);
        } else if phrase.is(at, "CURRVAL") {
            touch(statement, Builtin::LastValue, Arguments::None);
        }
    }
}

/// A name with a parenthesis behind it.
fn call(statement: &mut Statement, phrase: Phrase<'_>, at: usize, context: &Context<'_>) {
    let name = phrase.name(at).unwrap_or_default().to_lowercase();
    if phrase.kind_before(at) == Some(TokenKind::Punctuation(b'.')) {
        if !is_declared_with_schema(phrase, at, &name, context) {
            statement.becomes_unknown();
        }
        return;
    }
    let quoted = phrase.kind(at) == Some(TokenKind::QuotedName);
    let touches = context.reading.ignore_space || phrase.touches_next(at) || !must_touch_parenthesis(&name);
    match builtin(&name, context.reading) {
        Some(found) if !quoted && touches => {
            let arguments = Arguments::of(phrase, at + 1);
            match found {
                Builtin::GetLock | Builtin::ReleaseLock | Builtin::ReleaseAllLocks => {
                    lock(statement, found, arguments, Evaluated::of(phrase, at));
                }
                _ => touch(statement, found, arguments),
            }
        }
        _ if !quoted && (is_grammar(&name) || is_soft_grammar(&name)) => {}
        _ if context.routines.contains(&name) || is_harmless_by_place(phrase, at) => {}
        _ => statement.becomes_unknown(),
    }
}

fn is_declared_with_schema(phrase: Phrase<'_>, at: usize, name: &str, context: &Context<'_>) -> bool {
    let schema = at.checked_sub(2).and_then(|schema| phrase.name(schema));
    schema.is_some_and(|schema| context.routines.contains(&format!("{}.{name}", schema.to_lowercase())))
}

/// No call follows a constant, a closing parenthesis or AS: there a name is an alias with its columns, or a type.
fn follows_operand(phrase: Phrase<'_>, at: usize) -> bool {
    match phrase.kind_before(at) {
        Some(TokenKind::Punctuation(b')')) => true,
        Some(kind) if kind.is_literal() => true,
        _ => at > 0 && phrase.is(at - 1, "AS"),
    }
}

/// Aliases with columns and types behind an operand, `PROCEDURE ANALYSE(...)`, and `name (columns) AS (` of a common
/// table expression.
fn is_harmless_by_place(phrase: Phrase<'_>, at: usize) -> bool {
    if follows_operand(phrase, at) || (at > 0 && phrase.is(at - 1, "PROCEDURE") && phrase.is(at, "ANALYSE")) {
        return true;
    }
    let begins_item = at > 0 && (phrase.is_any(at - 1, &["WITH", "RECURSIVE"]) || phrase.is_punctuation(at - 1, b','));
    if !begins_item {
        return false;
    }
    let close = (at..at + MAX_COLUMN_LIST_TOKENS).find(|&i| phrase.is_punctuation(i, b')'));
    close.is_some_and(|close| phrase.is(close + 1, "AS") && phrase.is_punctuation(close + 2, b'('))
}

/// What stands between a call's parentheses, as far as it matters.
enum Arguments {
    None,
    /// The first one is a plain string and nothing else.
    Text(String),
    /// The first one is an expression, here with its text, that always has the same value.
    Constant(String),
    Some,
}

/// Functions whose value follows from their arguments alone, whatever the session's settings are.
const CONSTANT: [&str; 14] = [
    "CONCAT",
    "CONCAT_WS",
    "CRC32",
    "HEX",
    "LCASE",
    "LEFT",
    "LOWER",
    "MD5",
    "RIGHT",
    "SHA",
    "SHA1",
    "SHA2",
    "UCASE",
    "UPPER",
];

/// The argument at `at`, if it is written with literals and [`CONSTANT`] functions only.
fn constant(phrase: Phrase<'_>, at: usize) -> Option<String> {
    let mut depth = 0_usize;
    let mut end = at;
    loop {
        match phrase.kind(end)? {
            TokenKind::Punctuation(b',' | b')') if depth == 0 => break,
            TokenKind::Punctuation(b'(') => depth += 1,
            TokenKind::Punctuation(b')') => depth -= 1,
            TokenKind::Punctuation(b',') | TokenKind::Integer => {}
            TokenKind::String if phrase.string(end)?.is_ascii() => {}
            TokenKind::Word if phrase.is_any(end, &CONSTANT) && phrase.is_punctuation(end + 1, b'(') => {}
            _ => return None,
        }
        end += 1;
    }
    (end > at).then(|| String::from_utf8_lossy(phrase.slice(at, end).text()).into_owned())
}

impl Arguments {
    /// The arguments behind the parenthesis at `open`.
    fn of(phrase: Phrase<'_>, open: usize) -> Self {
        if phrase.is_punctuation(open + 1, b')') {
            return Self::None;
        }
        let alone = phrase.is_punctuation(open + 2, b',') || phrase.is_punctuation(open + 2, b')');
        match phrase.string(open + 1).filter(|_| alone) {
            Some(text) => Self::Text(text),
            None => constant(phrase, open + 1).map_or(Self::Some, Self::Constant),
        }
    }

    /// Names of locks do not tell case. An expression stands for itself, behind a character that no name begins with.
    fn lock_name(self) -> Option<String> {
        match self {
            Self::Text(name) => Some(name.to_lowercase()),
            Self::Constant(text) => Some(format!("\0{text}")),
            Self::None | Self::Some => None,
        }
    }
}

/// The consequences of one built-in call.
fn touch(statement: &mut Statement, builtin: Builtin, arguments: Arguments) {
    match builtin {
        Builtin::Plain | Builtin::GetLock | Builtin::ReleaseLock | Builtin::ReleaseAllLocks => {}
        Builtin::LockState => {
            statement.raise(Access::Writer);
            statement.reads |= Reads::PROCESSLIST;
        }
        Builtin::LastInsertId if !matches!(arguments, Arguments::None) => {
            statement.raise(Access::Write);
            statement.add(Effect::MayChangeLastInsertId);
        }
        Builtin::LastInsertId => statement.reads |= Reads::LAST_INSERT_ID,
        Builtin::RowCount => statement.reads |= Reads::ROW_COUNT,
        Builtin::FoundRows => statement.reads |= Reads::FOUND_ROWS,
        Builtin::ConnectionId => statement.reads |= Reads::CONNECTION_ID,
        Builtin::NextValue => {
            statement.raise(Access::Write);
            statement.add(Effect::SequenceUsed);
        }
        Builtin::LastValue | Builtin::ConnectionState => {
            statement.raise(Access::Writer);
            statement.reads |= Reads::CONNECTION_STATE;
        }
        Builtin::WriterOnly => {
            statement.raise(Access::Writer);
            statement.reads |= Reads::SERVER;
        }
    }
}

/// How often a call runs when its statement does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evaluated {
    Once,
    AtMostOnce,
    /// For each row of a table.
    Often,
}

impl Evaluated {
    fn of(phrase: Phrase<'_>, at: usize) -> Self {
        const SKIPPING: [&str; 7] = ["FROM", "WHERE", "HAVING", "LIMIT", "UNION", "INTERSECT", "EXCEPT"];
        // DO and SET hand in what stands behind them; a query comes with its SELECT.
        let first = match at {
            0 => true,
            _ => at == 1 && phrase.is(0, "SELECT"),
        };
        if ["FROM", "UPDATE", "INSERT", "REPLACE", "RECURSIVE"].iter().any(|word| phrase.contains(word)) {
            Self::Often
        } else if first && !SKIPPING.iter().any(|word| phrase.contains(word)) {
            Self::Once
        } else {
            Self::AtMostOnce
        }
    }
}

/// Locks count how often they were taken, and are free after as many releases.
fn lock(statement: &mut Statement, call: Builtin, arguments: Arguments, evaluated: Evaluated) {
    statement.raise(Access::Write);
    let effect = match call {
        Builtin::GetLock => {
            let name = arguments.lock_name().filter(|_| evaluated != Evaluated::Often && !is_change(statement.kind));
            let again = Effect::GetLock { name };
            let twice = statement.effects.contains(&again);
            if twice { Effect::GetLock { name: None } } else { again }
        }
        Builtin::ReleaseLock => {
            Effect::ReleaseLock { name: arguments.lock_name().filter(|_| evaluated == Evaluated::Once) }
        }
        _ if evaluated == Evaluated::Once => Effect::ReleaseAllLocks,
        _ => return,
    };
    statement.add(effect);
}

fn is_change(kind: StatementKind) -> bool {
    use StatementKind::{Delete, Insert, LoadData, Replace, Update};
    matches!(kind, Insert | Replace | Update | Delete | LoadData)
}

/// Words that are reserved everywhere and have no place in an expression or a query; their presence means that the tokens were
/// misread or the server will refuse.
pub(crate) fn has_foreign_verb(phrase: Phrase<'_>) -> bool {
    const VERBS: [&str; 11] =
        ["UPDATE", "DELETE", "ALTER", "CREATE", "DROP", "GRANT", "REVOKE", "CALL", "LOAD", "LOCK", "PURGE"];
    (0..phrase.len()).any(|at| {
        let named = phrase.kind_before(at) == Some(TokenKind::Punctuation(b'.'));
        !named && (phrase.is_any(at, &VERBS) || phrase.is_punctuation(at, b';'))
    })
}
