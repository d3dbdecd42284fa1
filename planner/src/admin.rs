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
    let locks =
        (1..phrase.len()).any(|at| phrase.are(at, &["WITH", "READ", "LOCK"]) || phrase.are(at, &["FOR", "EXPORT"]));
    if locks { committing().with(Effect::GlobalLock) } else { committing() }
}
