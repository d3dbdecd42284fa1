//! Administration: accounts, tables' upkeep, plugins, replication. All of it goes to the writer.

use crate::analysis::{Access, Effect, Statement, StatementKind};
use crate::phrase::Phrase;

/// Statements told by their first word alone; anything else is not understood.
pub(crate) fn by_word(word: &str, phrase: Phrase<'_>) -> Statement {
    match word {
        "FLUSH" => flush(phrase),
        "GRANT" | "REVOKE" | "OPTIMIZE" | "CHECK" | "REPAIR" | "CACHE" | "INSTALL" | "UNINSTALL" | "CHANGE"
        | "RESET" => committing(),
        "IMPORT" | "STOP" | "PURGE" | "CLONE" | "SHUTDOWN" | "RESTART" | "BINLOG" => plain(),
        _ => Statement::opaque(),
    }
}

pub(crate) fn plain() -> Statement {
    Statement::new(StatementKind::Admin, Access::Write)
}

fn committing() -> Statement {
    plain().with(Effect::ImplicitCommit)
}

fn flush(phrase: Phrase<'_>) -> Statement {
    let any = |words: &[&str]| (1..phrase.len()).any(|at| phrase.are(at, words));
    if any(&["WITH", "READ", "LOCK"]) || any(&["FOR", "EXPORT"]) {
        return committing().with(Effect::GlobalLock);
    }
    let first = phrase.skip_words(1, &["LOCAL", "NO_WRITE_TO_BINLOG"]);
    if !phrase.is_any(first, &["TABLE", "TABLES"]) && any(&["STATUS"]) {
        // Whoever sets the counters of the session to zero is about to read what the next statements add to them.
        return committing().with(Effect::SessionBound { what: "FLUSH STATUS" });
    }
    committing()
}
