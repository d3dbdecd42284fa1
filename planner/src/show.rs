//! SHOW, DESCRIBE, EXPLAIN, ANALYZE and HELP: what tells about servers, sessions and plans.

use crate::analysis::{Access, Effect, Reads, Statement, StatementKind};
use crate::analyze;
use crate::draft::Context;
use crate::facts::gather;
use crate::phrase::Phrase;

/// SHOW changes nothing, but replicas answer it otherwise than the writer: later, or about themselves.
pub(crate) fn show(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let (kind, reads) = subject(phrase);
    let mut statement = Statement::new(kind, Access::Writer).reading(reads);
    if let Some(condition) = phrase.find("WHERE") {
        gather(&mut statement, phrase.from(condition), context);
    }
    statement
}

fn subject(phrase: Phrase<'_>) -> (StatementKind, Reads) {
    let at = phrase.skip_words(1, &["FULL", "EXTENDED", "SESSION", "LOCAL"]);
    let counts = phrase.is(at, "COUNT");
    // SHOW COUNT(*) WARNINGS
    let last = phrase.len().saturating_sub(1);
    match phrase.capitals(at).as_str() {
        "WARNINGS" => (StatementKind::ShowWarnings, Reads::DIAGNOSTICS),
        "ERRORS" => (StatementKind::ShowErrors, Reads::DIAGNOSTICS),
        _ if counts && phrase.is(last, "WARNINGS") => (StatementKind::ShowWarnings, Reads::DIAGNOSTICS),
        _ if counts => (StatementKind::ShowErrors, Reads::DIAGNOSTICS),
        "STATUS" | "PROFILE" | "PROFILES" | "USER_VARIABLES" => (StatementKind::Show, Reads::CONNECTION_STATE),
        "VARIABLES" => (StatementKind::Show, Reads::SYSTEM_VARS),
        "GLOBAL" if phrase.is(at + 1, "VARIABLES") => (StatementKind::Show, Reads::default()),
        // SHOW EXPLAIN FOR and SHOW ANALYZE FOR take a connection's id.
        "PROCESSLIST" | "EXPLAIN" | "ANALYZE" => (StatementKind::Show, Reads::PROCESSLIST),
        subject if ALIKE.contains(&subject) => (StatementKind::Show, Reads::default()),
        _ => (StatementKind::Show, Reads::SERVER),
    }
}

/// What all servers of a shard show alike that have the same data. (Events don't run on replicas, and say so.)
const ALIKE: [&str; 22] = [
    "CHARACTER",
    "CHARSET",
    "COLLATION",
    "COLUMNS",
    "CREATE",
    "DATABASES",
    "ENGINES",
    "FIELDS",
    "FUNCTION",
    "GRANTS",
    "INDEX",
    "INDEXES",
    "KEYS",
    "PACKAGE",
    "PLUGINS",
    "PRIVILEGES",
    "PROCEDURE",
    "SCHEMAS",
    "STORAGE",
    "TABLE",
    "TABLES",
    "TRIGGERS",
];

/// EXPLAIN and its synonyms. Of a table it shows the columns, of a statement the plan.
pub(crate) fn explain(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let Some(at) = explained(phrase) else {
        let connection = (1..phrase.len()).any(|at| phrase.are(at, &["FOR", "CONNECTION"]));
        let reads = if connection { Reads::PROCESSLIST } else { Reads::default() };
        return Statement::new(StatementKind::Explain, Access::Writer).reading(reads);
    };
    let mut inner = analyze::statement(phrase.from(at), context);
    inner.kind = StatementKind::Explain;
    if !phrase.slice(0, at).contains("ANALYZE") {
        inner.effects.retain(|effect| !matches!(effect, Effect::MayChangeLastInsertId | Effect::CalcFoundRows));
        // Constant subexpressions may be evaluated while the plan is made.
        inner.access = if inner.effects.is_empty() { Access::Writer } else { Access::Write };
    }
    // EXPLAIN FORMAT=JSON INTO @plan SELECT ...
    for name in (1..at).filter_map(|at| phrase.user_variable(at)) {
        inner.raise(Access::Write);
        inner.add(Effect::UserVarComputed { name });
    }
    inner
}

/// Where the explained statement begins, if it is a statement.
fn explained(phrase: Phrase<'_>) -> Option<usize> {
    const VERBS: [&str; 9] = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH", "TABLE", "VALUES", "SET"];
    /// ANALYZE EXTENDED FORMAT = JSON INTO @x FOR SCHEMA name takes ten.
    const MAX_WORDS_BEFORE_VERB: usize = 12;
    (1..MAX_WORDS_BEFORE_VERB.min(phrase.len()))
        .find(|&at| phrase.is_any(at, &VERBS) || phrase.is_punctuation(at, b'('))
}

/// ANALYZE TABLE is administration; MariaDB's ANALYZE of a statement executes it.
pub(crate) fn analyze_statement(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let at = phrase.skip_words(1, &["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if phrase.is_any(at, &["TABLE", "TABLES"]) {
        return Statement::new(StatementKind::Admin, Access::Write).with(Effect::ImplicitCommit);
    }
    // ANALYZE FORMAT = JSON SELECT ...; nothing else may stand before the statement.
    let format = phrase.is(1, "FORMAT") && phrase.is_punctuation(2, b'=');
    match explained(phrase) {
        Some(at) if at == if format { 4 } else { 1 } => {
            let mut inner = analyze::statement(phrase.from(at), context);
            inner.kind = StatementKind::Explain;
            inner
        }
        _ => Statement::opaque(),
    }
}
