//! INSERT, REPLACE, UPDATE, DELETE, LOAD DATA and CALL.

use crate::analysis::{Access, Effect, Statement, StatementKind};
use crate::draft::Context;
use crate::facts::gather;
use crate::phrase::Phrase;

/// INSERT and REPLACE. The table's column list looks like a call, so facts are gathered behind the table's name.
pub(crate) fn insert(phrase: Phrase<'_>, kind: StatementKind, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(kind, Access::Write).with(Effect::MayChangeLastInsertId);
    let table = phrase.skip_words(1, &["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"]);
    match phrase.qualified_name(table) {
        Some((_, next)) => gather(&mut statement, phrase.from(next), context),
        None => statement.becomes_unknown(),
    }
    statement
}

/// UPDATE, DELETE, and every WITH before a verb of change.
pub(crate) fn change(phrase: Phrase<'_>, kind: StatementKind, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(kind, Access::Write);
    gather(&mut statement, phrase, context);
    statement
}

/// LOAD DATA and LOAD XML; their column list may assign user variables. LOAD INDEX is administration.
pub(crate) fn load(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    if !phrase.is_any(1, &["DATA", "XML"]) {
        return Statement::new(StatementKind::Admin, Access::Write).with(Effect::ImplicitCommit);
    }
    let mut statement = Statement::new(StatementKind::LoadData, Access::Write).with(Effect::MayChangeLastInsertId);
    let table = phrase.find("TABLE").map_or(phrase.len(), |table| table + 1);
    let columns = phrase.qualified_name(table).map_or(phrase.len(), |(_, next)| next);
    gather(&mut statement, phrase.from(columns), context);
    for name in (columns..phrase.len()).filter_map(|at| phrase.user_variable(at)) {
        statement.add(Effect::UserVarComputed { name });
    }
    statement
}

/// CALL: whatever the procedure does. A bare user variable may be an OUT argument.
pub(crate) fn call(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Call, Access::Write);
    let arguments = phrase.qualified_name(1).map_or(1, |(_, next)| next);
    gather(&mut statement, phrase.from(arguments), context);
    for name in (arguments..phrase.len()).filter_map(|at| phrase.user_variable(at)) {
        statement.add(Effect::UserVarComputed { name });
    }
    statement.becomes_unknown();
    statement
}
