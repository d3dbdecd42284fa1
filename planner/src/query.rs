//! SELECT, VALUES, TABLE, WITH and DO: statements that read, unless something in them says otherwise.

use std::panic::catch_unwind;

use sqlparser::ast;
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use crate::analysis::{Access, Effect, Reads, Statement, StatementKind};
use crate::dml;
use crate::draft::Context;
use crate::facts::{end_of_variables, gather, has_foreign_verb};
use crate::phrase::Phrase;
use crate::token::TokenKind;

/// Longer texts are judged by their tokens alone: a syntax tree takes many times the memory of its text.
const MAX_PARSED_BYTES: usize = 64 * 1024;

/// A query that begins with SELECT, VALUES, TABLE or a parenthesis.
pub(crate) fn select(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let first = (0..phrase.len()).find(|&at| !phrase.is_punctuation(at, b'(')).unwrap_or(0);
    if !phrase.is_any(first, &["SELECT", "VALUES", "TABLE", "WITH"]) {
        return Statement::opaque();
    }
    read(phrase, context)
}

/// WITH, whose main verb stands behind the common table expressions.
pub(crate) fn with(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let Some(verb) = main_verb(phrase) else { return read(phrase, context) };
    match phrase.capitals(verb).as_str() {
        "UPDATE" => dml::change(phrase, StatementKind::Update, context),
        "DELETE" => dml::change(phrase, StatementKind::Delete, context),
        "INSERT" => dml::change(phrase, StatementKind::Insert, context).with(Effect::MayChangeLastInsertId),
        _ => dml::change(phrase, StatementKind::Replace, context).with(Effect::MayChangeLastInsertId),
    }
}

/// The first verb of change outside parentheses.
fn main_verb(phrase: Phrase<'_>) -> Option<usize> {
    let mut depth = 0_usize;
    for at in 0..phrase.len() {
        match phrase.kind(at) {
            Some(TokenKind::Punctuation(b'(')) => depth += 1,
            Some(TokenKind::Punctuation(b')')) => depth = depth.saturating_sub(1),
            Some(TokenKind::Word) if depth == 0 => {
                if phrase.is_any(at, &["UPDATE", "DELETE", "INSERT", "REPLACE"]) && !phrase.is(at - 1, "FOR") {
                    return Some(at);
                }
                if phrase.is_any(at, &["SELECT", "VALUES", "TABLE"]) {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// DO evaluates expressions; alone it touches not even data.
pub(crate) fn do_expressions(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Do, Access::Session);
    if phrase.contains("SELECT") || phrase.contains("TABLE") || phrase.contains("VALUES") {
        statement.raise(Access::Read);
    }
    judge(&mut statement, phrase.from(1), context);
    statement
}

fn read(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Select, Access::Read);
    judge(&mut statement, phrase, context);
    if names_a_table(phrase) {
        statement.reads |= Reads::TABLES;
    }
    if statement.access == Access::Read && parse(phrase.text()) == Parsed::NoQuery {
        statement.raise(Access::Write);
    }
    statement
}

/// Whether there is a FROM, other than that of EXTRACT, TRIM and the like, with more than DUAL behind it.
fn names_a_table(phrase: Phrase<'_>) -> bool {
    let mut in_query = vec![true];
    for at in 0..phrase.len() {
        match phrase.kind(at) {
            Some(TokenKind::Punctuation(b'(')) => in_query.push(phrase.is_any(at + 1, &["SELECT", "WITH"])),
            Some(TokenKind::Punctuation(b')')) if in_query.len() > 1 => drop(in_query.pop()),
            Some(TokenKind::Word)
                if phrase.is(at, "FROM") && in_query.last() == Some(&true) && !phrase.is(at + 1, "DUAL") =>
            {
                return true;
            }
            _ => {}
        }
    }
    phrase.is(0, "TABLE")
}

/// Everything in a query that makes it more than one.
fn judge(statement: &mut Statement, phrase: Phrase<'_>, context: &Context<'_>) {
    gather(statement, phrase, context);
    into(statement, phrase);
    if has_foreign_verb(phrase) {
        statement.raise(Access::Write);
    }
}

/// INTO @x, INTO OUTFILE, INTO DUMPFILE; anywhere in a query it can only be this.
fn into(statement: &mut Statement, phrase: Phrase<'_>) {
    for at in (0..phrase.len()).filter(|&at| phrase.is(at, "INTO")) {
        statement.raise(Access::Write);
        if phrase.is_any(at + 1, &["OUTFILE", "DUMPFILE"]) {
            continue;
        }
        let targets = phrase.slice(at + 1, end_of_variables(phrase, at + 1));
        for name in (0..targets.len()).filter_map(|at| targets.user_variable(at)) {
            statement.add(Effect::UserVarComputed { name });
        }
        // INTO a variable of a stored program, which cannot be here.
        if targets.is_empty() {
            statement.becomes_unknown();
        }
    }
}

/// What sqlparser makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parsed {
    Query,
    NoQuery,
    /// It knows much less grammar than the servers, so this says nothing.
    Unclear,
}

/// A second opinion on a text that the tokens take for a plain query. It can only withdraw, never allow.
fn parse(text: &[u8]) -> Parsed {
    let Ok(text) = std::str::from_utf8(text) else { return Parsed::Unclear };
    if text.len() > MAX_PARSED_BYTES {
        return Parsed::Unclear;
    }
    // A panic of the foreign parser on odd input must cost neither the session nor its thread.
    match catch_unwind(|| Parser::parse_sql(&MySqlDialect {}, text)) {
        Ok(Ok(statements)) if statements.iter().all(is_plain_query) => Parsed::Query,
        Ok(Ok(_)) => Parsed::NoQuery,
        Ok(Err(_)) | Err(_) => Parsed::Unclear,
    }
}

fn is_plain_query(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Query(query) => query.locks.is_empty() && is_plain_body(&query.body),
        _ => false,
    }
}

fn is_plain_body(body: &ast::SetExpr) -> bool {
    match body {
        ast::SetExpr::Select(select) => select.into.is_none(),
        ast::SetExpr::Query(query) => query.locks.is_empty() && is_plain_body(&query.body),
        ast::SetExpr::SetOperation { left, right, .. } => is_plain_body(left) && is_plain_body(right),
        ast::SetExpr::Values(_) | ast::SetExpr::Table(_) => true,
        ast::SetExpr::Insert(_) | ast::SetExpr::Update(_) | ast::SetExpr::Delete(_) | ast::SetExpr::Merge(_) => false,
    }
}
