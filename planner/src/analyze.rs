//! What a text is: its statements, told by their first words and by what their expressions touch.
//!
//! Never fails and never panics. What is not understood is `Opaque`, which means the writer and a bound session.

use crate::analysis::{Access, Analysis, Effect, PreparedText, Statement, StatementKind};
use crate::draft::Context;
use crate::found_rows::found_rows;
use crate::lex::tokens;
use crate::phrase::Phrase;
use crate::reading::Reading;
use crate::routines::Routines;
use crate::split::split;
use crate::token::{Token, TokenKind};
use crate::{admin, ddl, dml, query, session, set, show, transaction};

/// An analysis that holds more than so many effects and statements is not worth a place in a cache.
const MAX_CACHED_PARTS: usize = 256;

/// What the statements of `text` are. `routines` are the functions that the operator vouches for.
#[must_use]
pub fn analyze(text: &[u8], reading: &Reading, routines: &Routines) -> Analysis {
    let context = Context { reading, routines };
    let tokens: Vec<Token> = tokens(text, reading).filter(|t| t.kind != TokenKind::OptimizerHint).collect();
    let statements = statements(Phrase::new(text, &tokens), &context);
    let parts: usize = statements.iter().map(|s| 1 + s.effects.len() + s.user_vars_read.len()).sum();
    let cacheable = parts <= MAX_CACHED_PARTS && !statements.iter().flat_map(|s| &s.effects).any(carries_literal);
    Analysis { statements, cacheable }
}

/// Whether the effect holds something that the fingerprint leaves out.
fn carries_literal(effect: &Effect) -> bool {
    match effect {
        Effect::UserVarLiteral { .. } | Effect::UserVarString { .. } | Effect::Kill { .. } => true,
        Effect::PrepareText { text, .. } => matches!(text, PreparedText::Literal(_)),
        Effect::GetLock { name } | Effect::ReleaseLock { name } => name.is_some(),
        _ => false,
    }
}

fn statements(text: Phrase<'_>, context: &Context<'_>) -> Vec<Statement> {
    if text.kind_before(text.len()) == Some(TokenKind::Malformed) {
        return vec![Statement::opaque()];
    }
    let pieces = split(text, context.reading);
    if pieces.is_empty() {
        return vec![Statement::new(StatementKind::Empty, Access::Session)];
    }
    if pieces.len() > 1 && !context.reading.multi_statements {
        // The server refuses the text as a whole, whatever its parts are.
        return vec![Statement::opaque()];
    }
    let mut statements: Vec<Statement> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        // What follows is read in another way than we have read it.
        let reread = statements.last().is_some_and(|before| before.effects.iter().any(changes_reading));
        statements.push(if reread { Statement::opaque() } else { statement(piece, context) });
    }
    statements
}

fn changes_reading(effect: &Effect) -> bool {
    match effect {
        Effect::SetSessionVar { name, .. } => matches!(name.as_str(), "sql_mode" | "character_set_client"),
        Effect::Unknown => true,
        _ => false,
    }
}

/// What one statement is.
pub(crate) fn statement(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    let mut statement = by_first_word(phrase, context);
    statement.found_rows = found_rows(phrase, statement.kind);
    statement
}

fn by_first_word(phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    if phrase.is_empty() {
        return Statement::new(StatementKind::Empty, Access::Session);
    }
    if phrase.is_punctuation(0, b'(') {
        return query::select(phrase, context);
    }
    match phrase.capitals(0).as_str() {
        "SELECT" | "VALUES" | "TABLE" => query::select(phrase, context),
        "WITH" => query::with(phrase, context),
        "DO" => query::do_expressions(phrase, context),
        "INSERT" => dml::insert(phrase, StatementKind::Insert, context),
        "REPLACE" => dml::insert(phrase, StatementKind::Replace, context),
        "UPDATE" => dml::change(phrase, StatementKind::Update, context),
        "DELETE" => dml::change(phrase, StatementKind::Delete, context),
        "LOAD" => dml::load(phrase, context),
        "CALL" => dml::call(phrase, context),
        "SET" => set::set(phrase, context),
        "SHOW" | "HELP" => show::show(phrase, context),
        "DESC" | "DESCRIBE" | "EXPLAIN" => show::explain(phrase, context),
        "ANALYZE" => show::analyze_statement(phrase, context),
        "CHECKSUM" => Statement::new(StatementKind::Show, Access::Writer),
        "CREATE" => ddl::create(phrase, context),
        "DROP" => ddl::drop(phrase),
        "ALTER" | "RENAME" | "TRUNCATE" => ddl::other(phrase),
        word => by_rare_word(word, phrase, context),
    }
}

fn by_rare_word(word: &str, phrase: Phrase<'_>, context: &Context<'_>) -> Statement {
    match word {
        "BEGIN" => transaction::begin(phrase, context),
        "START" => transaction::start(phrase),
        "COMMIT" => transaction::end(phrase, StatementKind::Commit),
        "ROLLBACK" => transaction::rollback(phrase),
        "SAVEPOINT" | "RELEASE" => transaction::savepoint(phrase),
        "XA" => transaction::xa(phrase, context),
        "LOCK" => transaction::lock(phrase),
        "UNLOCK" => transaction::unlock(phrase),
        "BACKUP" => transaction::backup(phrase),
        "USE" => session::use_schema(phrase),
        "PREPARE" => session::prepare(phrase, context),
        "EXECUTE" => session::execute(phrase, context),
        "DEALLOCATE" => session::deallocate(phrase),
        "HANDLER" => session::handler(phrase, context),
        "KILL" => session::kill(phrase, context),
        "GET" => session::get_diagnostics(phrase, context),
        "SIGNAL" | "RESIGNAL" => session::signal(phrase, context),
        _ => admin::by_word(word, phrase),
    }
}
