//! Transactions and locks: BEGIN to ROLLBACK, SAVEPOINT, XA, LOCK TABLES, BACKUP.

use crate::admin;
use crate::analysis::{Access, Effect, Reads, Statement, StatementKind};
use crate::draft::Context;
use crate::phrase::Phrase;
use crate::reading::ServerKind;

/// BEGIN [WORK]. In Oracle mode, and with anything else behind it, it opens a block of statements.
pub(crate) fn begin(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let end = phrase.skip_words(1, &["WORK"]);
    if end < phrase.len() || context.reading.oracle {
        return Statement::opaque();
    }
    Statement::new(StatementKind::Begin, Access::Session).with(Effect::Begin { read_only: false })
}

/// START TRANSACTION; every other START is about replication.
pub(crate) fn start(phrase: Phrase<'_>) -> Statement {
    if !phrase.is(1, "TRANSACTION") {
        return admin::plain().with(Effect::ImplicitCommit);
    }
    let characteristics = phrase.from(2);
    if (0..characteristics.len()).any(|at| !is_characteristic(characteristics, at)) {
        return Statement::opaque();
    }
    let read_only = (0..characteristics.len()).any(|at| characteristics.are(at, &["READ", "ONLY"]));
    Statement::new(StatementKind::Begin, Access::Session).with(Effect::Begin { read_only })
}

fn is_characteristic(phrase: Phrase<'_>, at: usize) -> bool {
    phrase.is_any(at, &["READ", "ONLY", "WRITE", "WITH", "CONSISTENT", "SNAPSHOT"]) || phrase.is_punctuation(at, b',')
}

/// COMMIT and ROLLBACK [WORK] [AND [NO] CHAIN] [[NO] RELEASE].
pub(crate) fn end(phrase: Phrase<'_>, kind: StatementKind) -> Statement {
    let end = phrase.skip_words(1, &["WORK", "AND", "NO", "CHAIN", "RELEASE"]);
    if end < phrase.len() {
        return Statement::opaque();
    }
    let asks_for = |word| phrase.find(word).is_some_and(|at| !phrase.is(at - 1, "NO"));
    let says = phrase.contains("RELEASE") || phrase.contains("CHAIN");
    let release = says.then(|| asks_for("RELEASE"));
    let statement = Statement::new(kind, Access::Session).with(Effect::EndTransaction { release });
    if asks_for("CHAIN") { statement.with(Effect::Begin { read_only: false }) } else { statement }
}

/// ROLLBACK, or ROLLBACK [WORK] TO [SAVEPOINT] name, which ends nothing.
pub(crate) fn rollback(phrase: Phrase<'_>) -> Statement {
    let to = phrase.skip_words(1, &["WORK"]);
    if phrase.is(to, "TO") {
        return Statement::new(StatementKind::Savepoint, Access::Writer);
    }
    end(phrase, StatementKind::Rollback)
}

/// SAVEPOINT name, RELEASE SAVEPOINT name.
pub(crate) fn savepoint(phrase: Phrase<'_>) -> Statement {
    let name = 1 + usize::from(phrase.are(0, &["RELEASE", "SAVEPOINT"]));
    let complete = phrase.name(name).is_some() && phrase.len() == name + 1;
    if !complete || (phrase.is(0, "RELEASE") && name == 1) {
        return Statement::opaque();
    }
    Statement::new(StatementKind::Savepoint, Access::Writer)
}

/// XA START to XA RECOVER. A prepared branch stays with its connection on MariaDB, and leaves it on MySQL.
pub(crate) fn xa(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let statement = Statement::new(StatementKind::Xa, Access::Write);
    match phrase.capitals(1).as_str() {
        "START" | "BEGIN" => statement.with(Effect::XaBegin),
        "COMMIT" | "ROLLBACK" => statement.with(Effect::XaEnd),
        "PREPARE" if context.reading.server == ServerKind::MySql => statement.with(Effect::XaEnd),
        "PREPARE" | "END" => statement,
        "RECOVER" => Statement::new(StatementKind::Xa, Access::Writer),
        _ => Statement::opaque(),
    }
}

/// LOCK TABLES, and MySQL's LOCK INSTANCE FOR BACKUP.
pub(crate) fn lock(phrase: Phrase<'_>) -> Statement {
    let statement = Statement::new(StatementKind::LockTables, Access::Write);
    match phrase.capitals(1).as_str() {
        "TABLE" | "TABLES" => statement.with(Effect::ImplicitCommit).with(Effect::LockTables),
        "INSTANCE" => statement.with(Effect::GlobalLock),
        _ => Statement::opaque(),
    }
}

/// UNLOCK TABLES, and MySQL's UNLOCK INSTANCE.
pub(crate) fn unlock(phrase: Phrase<'_>) -> Statement {
    let statement = Statement::new(StatementKind::UnlockTables, Access::Writer);
    match phrase.capitals(1).as_str() {
        "TABLE" | "TABLES" => statement.with(Effect::UnlockTables),
        "INSTANCE" => statement.with(Effect::GlobalUnlock),
        _ => Statement::opaque(),
    }
}

/// MariaDB's BACKUP STAGE, BACKUP LOCK and BACKUP UNLOCK.
pub(crate) fn backup(phrase: Phrase<'_>) -> Statement {
    let statement = admin::plain().reading(Reads::CONNECTION_STATE);
    match phrase.capitals(1).as_str() {
        "STAGE" if phrase.is(2, "END") => statement.with(Effect::GlobalUnlock),
        "STAGE" | "LOCK" => statement.with(Effect::GlobalLock),
        "UNLOCK" => statement.with(Effect::GlobalUnlock),
        _ => Statement::opaque(),
    }
}
