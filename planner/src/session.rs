//! Statements about the session itself: USE, text PREPARE, HANDLER, KILL, diagnostics.

use crate::analysis::{Access, Effect, KillScope, PreparedText, Reads, Statement, StatementKind};
use crate::draft::Context;
use crate::facts::gather;
use crate::phrase::Phrase;
use crate::token::TokenKind;

pub(crate) fn use_schema(phrase: Phrase<'_>) -> Statement {
    match phrase.name(1) {
        Some(schema) if phrase.len() == 2 => {
            Statement::new(StatementKind::Use, Access::Session).with(Effect::Use { schema })
        }
        _ => Statement::opaque(),
    }
}

/// PREPARE name FROM 'text' or FROM @variable.
pub(crate) fn prepare(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let Some(name) = phrase.name(1) else { return Statement::opaque() };
    let text = match phrase.user_variable(3) {
        Some(variable) if phrase.len() == 4 => PreparedText::Variable(variable),
        _ => phrase.string(3).filter(|text| phrase.len() == 4 && text.is_ascii()).into(),
    };
    let effect = Effect::PrepareText { name: name.to_lowercase(), text };
    let mut statement = Statement::new(StatementKind::Prepare, Access::Write).with(effect);
    gather(&mut statement, phrase.from(2), context);
    statement
}

/// EXECUTE name and EXECUTE IMMEDIATE: the text that runs is not this one.
pub(crate) fn execute(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Execute, Access::Write);
    gather(&mut statement, phrase.from(1), context);
    if let Some(name) = phrase.name(1).filter(|_| !phrase.is(1, "IMMEDIATE")) {
        statement.add(Effect::ExecuteText { name: name.to_lowercase() });
    }
    statement.becomes_unknown();
    statement
}

impl From<Option<String>> for PreparedText {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Unclear, Self::Literal)
    }
}

/// DEALLOCATE PREPARE name and DROP PREPARE name.
pub(crate) fn deallocate(phrase: Phrase<'_>) -> Statement {
    match phrase.name(2) {
        Some(name) => Statement::new(StatementKind::Deallocate, Access::Writer)
            .with(Effect::DeallocateText { name: name.to_lowercase() }),
        None => Statement::opaque(),
    }
}

/// HANDLER t OPEN [[AS] alias], HANDLER t READ ..., HANDLER t CLOSE.
pub(crate) fn handler(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let Some((_, verb)) = phrase.qualified_name(1) else { return Statement::opaque() };
    // It is known by the table's name alone.
    let name = phrase.name(verb - 1).unwrap_or_default().to_lowercase();
    let mut statement = Statement::new(StatementKind::Handler, Access::Write).reading(Reads::CONNECTION_STATE);
    match phrase.capitals(verb).as_str() {
        "OPEN" => {
            let alias = phrase.skip_words(verb + 1, &["AS"]);
            let name = phrase.name(alias).map_or(name, |alias| alias.to_lowercase());
            statement.add(Effect::HandlerOpen { name });
        }
        "CLOSE" => statement.add(Effect::HandlerClose { name }),
        _ => gather(&mut statement, phrase.from(verb), context),
    }
    statement
}

/// KILL [HARD | SOFT] [CONNECTION | QUERY [ID]] id, and KILL ... USER name.
pub(crate) fn kill(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut at = phrase.skip_words(1, &["HARD", "SOFT"]);
    let query = phrase.is(at, "QUERY");
    at += usize::from(query || phrase.is(at, "CONNECTION"));
    let scope = match phrase.capitals(at).as_str() {
        "USER" => KillScope::User,
        "ID" => KillScope::QueryId,
        _ if query => KillScope::Query,
        _ => KillScope::Connection,
    };
    at += usize::from(matches!(scope, KillScope::User | KillScope::QueryId));
    let literal = phrase.kind(at) == Some(TokenKind::Integer) && at + 1 == phrase.len();
    let digits = literal.then(|| std::str::from_utf8(phrase.bytes(at)).ok()).flatten();
    let id = digits.and_then(|digits| digits.parse().ok());
    let mut statement = Statement::new(StatementKind::Kill, Access::Writer)
        .reading(Reads::PROCESSLIST)
        .with(Effect::Kill { scope, id });
    gather(&mut statement, phrase.from(at), context);
    statement
}

/// GET [CURRENT | STACKED] DIAGNOSTICS [CONDITION n] @x = ITEM, ...
pub(crate) fn get_diagnostics(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let at = phrase.skip_words(1, &["CURRENT", "STACKED"]);
    if !phrase.is(at, "DIAGNOSTICS") {
        return Statement::opaque();
    }
    let mut statement = Statement::new(StatementKind::GetDiagnostics, Access::Writer).reading(Reads::DIAGNOSTICS);
    for name in
        (at..phrase.len()).filter(|&i| phrase.is_punctuation(i + 1, b'=')).filter_map(|i| phrase.user_variable(i))
    {
        statement.add(Effect::UserVarComputed { name });
    }
    gather(&mut statement, phrase.from(at), context);
    // What is only assigned to is not read; CONDITION @i is.
    let read = |i: usize| phrase.kind(i) == Some(TokenKind::UserVariable) && !phrase.is_punctuation(i + 1, b'=');
    if !(at..phrase.len()).any(read) {
        statement.reads.remove(Reads::USER_VARS);
        statement.user_vars_read.clear();
    }
    statement
}

/// SIGNAL and RESIGNAL fill the diagnostics area, and nothing else.
pub(crate) fn signal(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Signal, Access::Writer);
    gather(&mut statement, phrase, context);
    statement
}
