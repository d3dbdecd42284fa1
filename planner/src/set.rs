//! SET in all its forms: variables, user variables, NAMES, TRANSACTION, ROLE, PASSWORD, STATEMENT.
//!
//! Sources: MySQL manual "SET Syntax for Variable Assignment", "SET TRANSACTION Statement"; MariaDB manual
//! "SET STATEMENT".

use crate::analysis::{Access, Effect, Reads, Statement, StatementKind};
use crate::analyze;
use crate::draft::Context;
use crate::facts::{gather, has_foreign_verb};
use crate::literal;
use crate::phrase::Phrase;
use crate::reading::ServerKind;
use crate::token::TokenKind;

/// Which copy of a variable an assignment changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// No scope was written.
    Implied,
    /// No scope was written, but `@@` was.
    ImpliedSystem,
    Session,
    Global,
}

pub(crate) fn set(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    match phrase.capitals(1).as_str() {
        "STATEMENT" if context.reading.server == ServerKind::MariaDb => set_statement(phrase, context),
        "PASSWORD" => committing(),
        "DEFAULT" if phrase.is(2, "ROLE") => committing(),
        "ROLE" if !is_assignment(phrase, 2) => {
            let given_up = phrase.len() == 3 && phrase.is_any(2, &["NONE", "DEFAULT"]);
            Statement::new(StatementKind::Set, Access::Writer).with(Effect::SetRole { given_up })
        }
        "RESOURCE" => bound("resource group"),
        "SESSION" if phrase.is(2, "AUTHORIZATION") => {
            let mut statement = bound("session authorization");
            statement.becomes_unknown();
            statement
        }
        _ => assignments(phrase, context),
    }
}

fn committing() -> Statement {
    Statement::new(StatementKind::Set, Access::Write).with(Effect::ImplicitCommit)
}

fn bound(what: &'static str) -> Statement {
    Statement::new(StatementKind::Set, Access::Writer).with(Effect::SessionBound { what })
}

fn is_assignment(phrase: Phrase<'_>, at: usize) -> bool {
    phrase.is_punctuation(at, b'=') || phrase.kind(at) == Some(TokenKind::Assign)
}

/// MariaDB's SET STATEMENT a=1, b=2 FOR statement: the statement alone sees the values.
fn set_statement(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let Some(verb) = phrase.find("FOR") else { return Statement::opaque() };
    let mut statement = analyze::statement(phrase.from(verb + 1), context);
    let settings = phrase.slice(2, verb);
    gather(&mut statement, settings, context);
    for item in settings.items() {
        if let Some((name, _)) = item.qualified_name(scope(item).1) {
            statement.add(Effect::StatementVar { name });
        }
    }
    statement
}

/// The comma-separated assignments of an ordinary SET. A scope word holds for the items behind it too, until the
/// next one (`SET GLOBAL a = 1, b = 2` sets two globals); an `@@scope.` holds for its own item.
fn assignments(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = Statement::new(StatementKind::Set, Access::Session);
    let mut transaction = None;
    let mut inherited = Scope::Implied;
    for item in phrase.from(1).items() {
        // `SET TRANSACTION ISOLATION LEVEL ..., READ ONLY` has a comma of its own.
        match transaction.or_else(|| transaction_scope(item)) {
            Some(scope) => {
                transaction = Some(scope);
                set_transaction(&mut statement, item, scope, context);
            }
            None => {
                inherited = scope_word(item).unwrap_or(inherited);
                assignment(&mut statement, item, inherited, context);
            }
        }
    }
    statement
}

fn transaction_scope(item: Phrase<'_>) -> Option<Scope> {
    let (scope, at) = scope(item);
    (item.is(at, "TRANSACTION") && !is_assignment(item, at + 1)).then_some(scope)
}

fn set_transaction(statement: &mut Statement, item: Phrase<'_>, scope: Scope, context: &Context<'_>) {
    let [isolation, read_only] = transaction_variables(context);
    let name = if item.contains("ISOLATION") {
        isolation
    } else if item.contains("READ") {
        read_only
    } else {
        return statement.becomes_unknown();
    };
    store(statement, name.to_owned(), scope, item.from(item.len()));
    if scope == Scope::Implied {
        statement.effects.retain(|e| !matches!(e, Effect::SetSessionVar { name: n, .. } if n == name));
        one_shot(statement, name.to_owned());
    }
}

/// What the server calls the variables behind SET TRANSACTION. MySQL 8.0.3 and MariaDB 11.1.1 renamed them.
fn transaction_variables(context: &Context<'_>) -> [&'static str; 2] {
    let renamed = match context.reading.server {
        ServerKind::MySql => 80_003,
        ServerKind::MariaDb => 110_101,
    };
    if context.reading.version >= renamed {
        ["transaction_isolation", "transaction_read_only"]
    } else {
        ["tx_isolation", "tx_read_only"]
    }
}

fn assignment(statement: &mut Statement, item: Phrase<'_>, inherited: Scope, context: &Context<'_>) {
    if item.is(0, "NAMES") && !is_assignment(item, 1) {
        return set_names(statement, item);
    }
    let charset = if item.is(0, "CHARSET") { Some(1) } else { item.are(0, &["CHARACTER", "SET"]).then_some(2) };
    if let Some(value) = charset.filter(|&at| !is_assignment(item, at)) {
        return set_character_set(statement, item.is(value, "DEFAULT"));
    }
    if let Some(name) = item.user_variable(0) {
        return user_variable(statement, item, name, context);
    }
    let (scope, at) = scope(item);
    match item.qualified_name(at) {
        Some((name, next)) if is_assignment(item, next) => {
            let value = item.from(next + 1);
            let scope = if scope == Scope::Implied { inherited } else { scope };
            store(statement, name, scope, value);
            value_facts(statement, value, context);
        }
        _ => statement.becomes_unknown(),
    }
}

/// The scope that the item's first word or its `@@scope.` gives, and where the variable's name begins.
fn scope(item: Phrase<'_>) -> (Scope, usize) {
    if item.kind(0) == Some(TokenKind::SystemVariable) {
        return match named_scope(item, 1) {
            Some(scope) if item.is_punctuation(2, b'.') => (scope, 3),
            _ => (Scope::ImpliedSystem, 1),
        };
    }
    scope_word(item).map_or((Scope::Implied, 0), |scope| (scope, 1))
}

fn scope_word(item: Phrase<'_>) -> Option<Scope> {
    named_scope(item, 0).filter(|_| !is_assignment(item, 1))
}

fn named_scope(item: Phrase<'_>, at: usize) -> Option<Scope> {
    match item.capitals(at).as_str() {
        "GLOBAL" | "PERSIST" | "PERSIST_ONLY" => Some(Scope::Global),
        "SESSION" | "LOCAL" => Some(Scope::Session),
        _ => None,
    }
}

/// Notes the assignment of a system variable.
fn store(statement: &mut Statement, name: String, scope: Scope, value: Phrase<'_>) {
    let to_default = value.len() == 1 && value.is(0, "DEFAULT");
    if scope == Scope::Global {
        statement.raise(Access::Write);
        return statement.add(Effect::SetGlobalVar { name });
    }
    let for_next_transaction = scope == Scope::ImpliedSystem && NEXT_TRANSACTION.contains(&name.as_str());
    match name.as_str() {
        "insert_id" | "rand_seed1" | "rand_seed2" | "gtid_next" | "gtid_seq_no" => one_shot(statement, name),
        // What LAST_INSERT_ID() gives from now on is read from the connection, as after an INSERT.
        "last_insert_id" | "identity" => {
            statement.add(Effect::SetSessionVar { name, to_default });
            statement.add(Effect::MayChangeLastInsertId);
        }
        _ if for_next_transaction => one_shot(statement, name),
        // What they record is in the connection; their default is to record nothing. What was recorded stays there when
        // they are switched off.
        "profiling" | "optimizer_trace" if !to_default && !is_off(value) => {
            statement.raise(Access::Writer);
            let what = if name == "profiling" { "profiling" } else { "optimizer_trace" };
            statement.add(Effect::SetSessionVar { name, to_default });
            statement.add(Effect::SessionBound { what });
        }
        _ => {
            if name == "sql_auto_is_null" {
                // It keeps its connection, which has to be one that INSERTs can go to.
                statement.raise(Access::Writer);
            }
            statement.add(Effect::SetSessionVar { name: name.clone(), to_default });
            if scope == Scope::ImpliedSystem {
                statement.add(Effect::ImpliedScope { name });
            }
        }
    }
}

/// A literal that switches something off.
fn is_off(value: Phrase<'_>) -> bool {
    let text = value.string(0).unwrap_or_default();
    value.len() == 1
        && (value.bytes(0) == b"0"
            || value.is_any(0, &["OFF", "FALSE"])
            || ["off", "enabled=off"].iter().any(|off| text.eq_ignore_ascii_case(off)))
}

/// Where in the text of a SET statement's tokens the word `session.` may be put in behind an `@@` without a change of
/// meaning: at each assignment that names no scope and is not for the next transaction alone.
pub(crate) fn implied_scopes(phrase: Phrase<'_>) -> Vec<usize> {
    if !phrase.is(0, "SET") || phrase.is(1, "STATEMENT") {
        return Vec::new();
    }
    let ends = phrase.from(1).items().into_iter().filter(|item| scope(*item) == (Scope::ImpliedSystem, 1));
    let ends = ends.filter_map(|item| {
        let (name, next) = item.qualified_name(1)?;
        // What has a qualifier is a key cache's or a component's.
        let plain = !name.contains('.') && !NEXT_TRANSACTION.contains(&name.as_str());
        item.end(0).filter(|_| plain && is_assignment(item, next))
    });
    ends.collect()
}

/// `SET @@tx_isolation = ...` without a scope holds for the next transaction only.
const NEXT_TRANSACTION: [&str; 4] = ["tx_isolation", "tx_read_only", "transaction_isolation", "transaction_read_only"];

fn one_shot(statement: &mut Statement, name: String) {
    // The next statement has to run on the same connection, which only the writer's can always do.
    statement.raise(Access::Writer);
    statement.add(Effect::OneShotVar { name });
}

fn set_names(statement: &mut Statement, item: Phrase<'_>) {
    let to_default = item.is(1, "DEFAULT");
    for name in ["character_set_client", "character_set_connection", "character_set_results", "collation_connection"] {
        statement.add(Effect::SetSessionVar { name: name.to_owned(), to_default });
    }
}

/// SET CHARACTER SET takes the connection's set and collation from the schema's.
fn set_character_set(statement: &mut Statement, to_default: bool) {
    for name in ["character_set_client", "character_set_results"] {
        statement.add(Effect::SetSessionVar { name: name.to_owned(), to_default });
    }
    for name in ["character_set_connection", "collation_connection"] {
        statement.add(Effect::SetSessionVar { name: name.to_owned(), to_default: false });
    }
}

fn user_variable(statement: &mut Statement, item: Phrase<'_>, name: String, context: &Context<'_>) {
    if !is_assignment(item, 1) {
        return statement.becomes_unknown();
    }
    let value = item.from(2);
    let literal = literal::assignment(&name, value, context.reading).filter(|_| is_plain_name(item));
    if let Some(effect) = literal {
        return statement.add(effect);
    }
    statement.raise(Access::Writer);
    statement.add(Effect::UserVarComputed { name });
    value_facts(statement, value, context);
}

/// Names beyond ASCII compare by a collation (`@a` is `@ä`), and escapes would have to be undone.
fn is_plain_name(item: Phrase<'_>) -> bool {
    item.bytes(0).is_ascii() && !item.bytes(0).contains(&b'\\')
}

/// What the value's expression touches. A subquery reads data in the middle of a change of the session.
fn value_facts(statement: &mut Statement, value: Phrase<'_>, context: &Context<'_>) {
    gather(statement, value, context);
    if value.contains("SELECT") || value.contains("TABLE") || value.contains("INTO") || has_foreign_verb(value) {
        statement.raise(Access::Write);
    }
    let by_connection = Reads::LAST_INSERT_ID
        | Reads::FOUND_ROWS
        | Reads::ROW_COUNT
        | Reads::DIAGNOSTICS
        | Reads::CONNECTION_ID
        | Reads::CONNECTION_STATE;
    if statement.reads.intersects(by_connection) {
        statement.raise(Access::Writer);
    }
}
