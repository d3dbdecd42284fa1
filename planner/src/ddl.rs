//! CREATE, DROP, ALTER, RENAME and TRUNCATE.
//!
//! Which of them commit: MySQL manual, "Statements That Cause an Implicit Commit"; temporary tables do not.

use crate::analysis::{Access, Effect, Statement, StatementKind};
use crate::draft::Context;
use crate::facts::gather;
use crate::phrase::Phrase;
use crate::split::creates_program;

pub(crate) fn create(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Ddl, Access::Write);
    let mut object = phrase.skip_words(1, &["OR", "REPLACE"]);
    let temporary = phrase.is(object, "TEMPORARY");
    object += usize::from(temporary);
    if phrase.is_any(object, &["TABLE", "SEQUENCE"]) {
        create_table(&mut statement, phrase, object, temporary, context);
        return statement;
    }
    if creates_program(phrase) && !ends_its_program(phrase) {
        statement.becomes_unknown();
    }
    statement.with(Effect::ImplicitCommit)
}

fn create_table(statement: &mut Statement, phrase: Phrase<'_>, object: usize, temporary: bool, context: &Context<'_>) {
    let name = phrase.skip_words(object + 1, &["IF", "NOT", "EXISTS"]);
    match phrase.qualified_name(name) {
        Some((name, _)) if temporary => statement.add(Effect::CreateTemporaryTable { name }),
        Some(_) => statement.add(Effect::ImplicitCommit),
        None => statement.becomes_unknown(),
    }
    // CREATE TABLE ... SELECT runs the query.
    if let Some(query) = phrase.find("SELECT") {
        gather(statement, phrase.from(query), context);
    }
}

/// Whether a stored program's text ends with the END of its body, or has no `;` at all. Otherwise another
/// statement may have been taken for a part of it.
fn ends_its_program(phrase: Phrase<'_>) -> bool {
    let has_end = |back: usize| phrase.len().checked_sub(back).is_some_and(|at| phrase.is(at, "END"));
    let one_statement = !(0..phrase.len()).any(|at| phrase.is_punctuation(at, b';'));
    one_statement || has_end(1) || has_end(2)
}

pub(crate) fn drop(phrase: Phrase<'_>) -> Statement {
    if phrase.is(1, "PREPARE") {
        return crate::session::deallocate(phrase);
    }
    let mut statement = Statement::new(StatementKind::Ddl, Access::Write);
    let temporary = phrase.is(1, "TEMPORARY");
    let object = 1 + usize::from(temporary);
    if !temporary {
        statement.add(Effect::ImplicitCommit);
    }
    if phrase.is_any(object, &["TABLE", "TABLES", "SEQUENCE"]) {
        let names = phrase.from(phrase.skip_words(object + 1, &["IF", "EXISTS"]));
        for (name, _) in names.items().iter().filter_map(|item| item.qualified_name(0)) {
            statement.add(Effect::DropTable { name, temporary });
        }
    }
    statement
}

/// ALTER, RENAME and TRUNCATE.
pub(crate) fn other(phrase: Phrase<'_>) -> Statement {
    let kind = match phrase.capitals(1).as_str() {
        "USER" | "INSTANCE" | "RESOURCE" => StatementKind::Admin,
        _ => StatementKind::Ddl,
    };
    let mut statement = Statement::new(kind, Access::Write).with(Effect::ImplicitCommit);
    if phrase.is_any(1, &["TABLE", "TABLES"]) {
        renames(&mut statement, phrase);
    }
    statement
}

/// RENAME TABLE a TO b, c TO d, and ALTER TABLE a ... RENAME [TO | AS | =] b.
fn renames(statement: &mut Statement, phrase: Phrase<'_>) {
    let first = phrase.skip_words(2, &["IF", "EXISTS"]);
    if phrase.is(0, "RENAME") {
        for item in phrase.from(first).items() {
            let Some((from, next)) = item.qualified_name(0) else { continue };
            let to = (next..item.len()).find(|&at| item.is(at, "TO"));
            if let Some((to, _)) = to.and_then(|at| item.qualified_name(at + 1)) {
                statement.add(Effect::RenameTable { from, to });
            }
        }
        return;
    }
    let Some((from, next)) = phrase.qualified_name(first) else { return };
    for item in phrase.from(next).items().iter().filter(|item| item.is(0, "RENAME")) {
        let name = item.skip_words(1, &["TO", "AS"]) + usize::from(item.is_punctuation(1, b'='));
        if let Some((to, _)) = item.qualified_name(name).filter(|(_, end)| *end == item.len()) {
            statement.add(Effect::RenameTable { from: from.clone(), to });
        }
    }
}
