//! Calls whose answer the proxy knows better than the server at hand, replaced by that answer.
//!
//! The client must not notice: a select item without an alias gets the original text as its alias, because that
//! is what its column would have been called (MySQL manual, "SELECT Statement", select_expr).

use crate::lex::tokens;
use crate::phrase::Phrase;
use crate::reading::{Reading, ServerKind};
use crate::token::{Token, TokenKind};

/// What can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionName {
    RowCount,
    FoundRows,
    ConnectionId,
    /// Without an argument.
    LastInsertId,
    /// `@@warning_count`
    WarningCount,
    /// `@@error_count`
    ErrorCount,
}

/// What replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Signed(i64),
    Unsigned(u64),
    /// An expression in SQL, put in as it stands.
    Sql(String),
}

/// An alias may have so many characters (MySQL manual, "Identifier Length Limits"); longer ones are refused.
const MAX_ALIAS_BYTES: usize = 255;

/// The columns of so many calls keep their names; for each, the text is searched for its select item.
const MAX_NAMED_CALLS: usize = 256;

/// `text` with the calls named in `values` replaced; nothing if there is none, or if a server might read it otherwise.
/// Of stacked statements only the first ones ask for what was before the text: see [`Reach`].
#[must_use]
pub fn replace_calls(text: &[u8], reading: &Reading, values: &[(FunctionName, Value)]) -> Option<Vec<u8>> {
    let tokens: Vec<Token> = tokens(text, reading).filter(|t| t.kind != TokenKind::OptimizerHint).collect();
    if tokens.last().is_some_and(|t| t.kind == TokenKind::Malformed) {
        return None;
    }
    let phrase = Phrase::new(text, &tokens);
    let reach = Reach::of(phrase);
    let mut edits = Vec::new();
    for at in 0..phrase.len() {
        let Some((function, length)) = function_at(phrase, at).filter(|(f, _)| reach.covers(*f, at)) else { continue };
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == function) {
            let (start, end) = (tokens[at].start, tokens[at + length - 1].end);
            edits.push(Edit { token: at, start, end, with: render(function, value, reading.server).into_bytes() });
        }
    }
    if edits.is_empty() {
        return None;
    }
    let named = edits.iter().take(MAX_NAMED_CALLS);
    let mut aliases: Vec<Edit> = named.flat_map(|edit| aliases_around(phrase, &tokens, edit.token)).collect();
    edits.append(&mut aliases);
    // An alias stands where its item ends, so behind a replacement that ends there too.
    edits.sort_by_key(|edit| (edit.start, edit.end));
    edits.dedup_by(|a, b| a.start == a.end && b.start == b.end && a.start == b.start);
    Some(apply(text, &edits))
}

/// How far into stacked statements the results of what ran before the whole text reach, in tokens. What a later
/// statement asks for, an earlier one of the same text has left at the server.
#[derive(Clone, Copy, Debug)]
struct Reach {
    /// Every statement sets ROW_COUNT().
    first_statement: usize,
    /// SET and USE leave the number of rows found, and on MariaDB the warnings, as they were.
    quiet_statements: usize,
}

impl Reach {
    fn of(phrase: Phrase<'_>) -> Self {
        let end_from =
            |begin| (begin..phrase.len()).find(|&at| phrase.is_punctuation(at, b';')).unwrap_or(phrase.len());
        let first_statement = end_from(0);
        let (mut begin, mut quiet_statements) = (0, first_statement);
        while phrase.is_any(begin, &["SET", "USE"]) {
            begin = quiet_statements + 1;
            quiet_statements = end_from(begin);
        }
        Self { first_statement, quiet_statements }
    }

    fn covers(self, function: FunctionName, at: usize) -> bool {
        match function {
            FunctionName::ConnectionId => true,
            FunctionName::RowCount | FunctionName::LastInsertId => at < self.first_statement,
            FunctionName::FoundRows | FunctionName::WarningCount | FunctionName::ErrorCount => {
                at < self.quiet_statements
            }
        }
    }
}

/// One change of the text: `text[start..end]` becomes `with`.
#[derive(Debug)]
struct Edit {
    /// The token that it is about.
    token: usize,
    start: usize,
    end: usize,
    with: Vec<u8>,
}

fn apply(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + edits.iter().map(|e| e.with.len()).sum::<usize>());
    let mut copied = 0;
    for edit in edits {
        out.extend_from_slice(&text[copied..edit.start]);
        out.extend_from_slice(&edit.with);
        copied = edit.end;
    }
    out.extend_from_slice(&text[copied..]);
    out
}

/// An expression of the type, length and flags that the function has on MariaDB 10.11: BIGINT(21) for all but
/// CONNECTION_ID(), which is INT(10) UNSIGNED; only the diagnostics counts may be NULL. A bare number would be
/// INT of its own few digits.
fn render(function: FunctionName, value: &Value, server: ServerKind) -> String {
    let number = match value {
        Value::Signed(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Sql(sql) => return sql.clone(),
    };
    match function {
        // Only the call itself warns that it is deprecated.
        FunctionName::FoundRows if server == ServerKind::MySql => {
            format!("CAST(({number}|(0*FOUND_ROWS())) AS SIGNED)")
        }
        FunctionName::RowCount | FunctionName::FoundRows => format!("CAST(({number}|0) AS SIGNED)"),
        FunctionName::LastInsertId => format!("({number}|0)"),
        FunctionName::ConnectionId => {
            format!("COALESCE(CAST({number} AS UNSIGNED), CAST(4294967295 AS UNSIGNED))")
        }
        FunctionName::WarningCount | FunctionName::ErrorCount => format!("NULLIF({number}|0, -1)"),
    }
}

/// The replaceable function that begins at `at`, and of how many tokens it is.
fn function_at(phrase: Phrase<'_>, at: usize) -> Option<(FunctionName, usize)> {
    if phrase.kind(at) == Some(TokenKind::SystemVariable) {
        return system_variable_at(phrase, at);
    }
    let called = phrase.is_punctuation(at + 1, b'(') && phrase.is_punctuation(at + 2, b')');
    if !called || phrase.kind_before(at) == Some(TokenKind::Punctuation(b'.')) {
        return None;
    }
    let function = match phrase.capitals(at).as_str() {
        "ROW_COUNT" => FunctionName::RowCount,
        "FOUND_ROWS" => FunctionName::FoundRows,
        "CONNECTION_ID" => FunctionName::ConnectionId,
        "LAST_INSERT_ID" => FunctionName::LastInsertId,
        _ => return None,
    };
    Some((function, 3))
}

fn system_variable_at(phrase: Phrase<'_>, at: usize) -> Option<(FunctionName, usize)> {
    let scoped = phrase.is_any(at + 1, &["SESSION", "LOCAL"]) && phrase.is_punctuation(at + 2, b'.');
    let name = if scoped { at + 3 } else { at + 1 };
    let function = match phrase.name(name)?.to_ascii_lowercase().as_str() {
        "warning_count" => FunctionName::WarningCount,
        "error_count" => FunctionName::ErrorCount,
        _ => return None,
    };
    Some((function, name + 1 - at))
}

/// The aliases that keep the names of the select items around the token `at`: of its own SELECT, and of those
/// that this one is a subquery of.
fn aliases_around(phrase: Phrase<'_>, tokens: &[Token], mut at: usize) -> Vec<Edit> {
    let mut aliases = Vec::new();
    while let Some(item) = select_item(phrase, at) {
        aliases.extend(alias_for(phrase, tokens, &item));
        at = item.select;
    }
    aliases
}

/// A select item, as tokens from `begin` to `end`, and the SELECT that it belongs to.
struct SelectItem {
    select: usize,
    begin: usize,
    end: usize,
}

fn alias_for(phrase: Phrase<'_>, tokens: &[Token], item: &SelectItem) -> Option<Edit> {
    let end = item.end;
    let item = phrase.slice(item.begin, end);
    if has_alias(item) || item.text().len() > MAX_ALIAS_BYTES {
        return None;
    }
    let mut with = b" AS `".to_vec();
    for &byte in item.text() {
        with.extend(std::iter::repeat_n(byte, if byte == b'`' { 2 } else { 1 }));
    }
    with.push(b'`');
    let place = tokens[end - 1].end;
    Some(Edit { token: end, start: place, end: place, with })
}

/// The tokens of the select item that holds the token `at`, perhaps inside parentheses.
fn select_item(phrase: Phrase<'_>, at: usize) -> Option<SelectItem> {
    let mut begin = None;
    let mut depth = 0_usize;
    for back in (0..at).rev() {
        match phrase.kind(back) {
            Some(TokenKind::Punctuation(b')')) => depth += 1,
            Some(TokenKind::Punctuation(b'(')) if depth == 0 => begin = None,
            Some(TokenKind::Punctuation(b'(')) => depth -= 1,
            Some(TokenKind::Punctuation(b',')) if depth == 0 && begin.is_none() => begin = Some(back + 1),
            _ if depth > 0 => {}
            _ if phrase.is(back, "SELECT") => {
                let begin = begin.unwrap_or_else(|| phrase.skip_words(back + 1, &SELECT_OPTIONS));
                return Some(SelectItem { select: back, begin, end: item_end(phrase, begin) });
            }
            _ if phrase.is_any(back, &CLAUSES) || phrase.is_punctuation(back, b';') => return None,
            _ => {}
        }
    }
    None
}

const SELECT_OPTIONS: [&str; 11] = [
    "ALL",
    "DISTINCT",
    "DISTINCTROW",
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_NO_CACHE",
    "SQL_CACHE",
    "SQL_CALC_FOUND_ROWS",
];

/// Words that end a select list; none of them can stand in an expression outside parentheses.
const CLAUSES: [&str; 13] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "INTO",
    "PROCEDURE",
    "WINDOW",
    "FOR",
];

fn item_end(phrase: Phrase<'_>, begin: usize) -> usize {
    let mut depth = 0_usize;
    for at in begin..phrase.len() {
        match phrase.kind(at) {
            Some(TokenKind::Punctuation(b'(')) => depth += 1,
            Some(TokenKind::Punctuation(b')' | b',' | b';')) if depth == 0 => return at,
            Some(TokenKind::Punctuation(b')')) => depth -= 1,
            _ if depth == 0 && phrase.is_any(at, &CLAUSES) => return at,
            _ => {}
        }
    }
    phrase.len()
}

/// What may end an INTERVAL expression (MySQL manual, "Temporal Intervals").
const UNITS: [&str; 20] = [
    "MICROSECOND",
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAY",
    "WEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "SECOND_MICROSECOND",
    "MINUTE_MICROSECOND",
    "MINUTE_SECOND",
    "HOUR_MICROSECOND",
    "HOUR_SECOND",
    "HOUR_MINUTE",
    "DAY_MICROSECOND",
    "DAY_SECOND",
    "DAY_MINUTE",
    "DAY_HOUR",
    "YEAR_MONTH",
];

/// Whether the item ends with an alias, with or without AS.
fn has_alias(item: Phrase<'_>) -> bool {
    let Some(last) = item.len().checked_sub(1).filter(|&last| last > 0) else { return false };
    if item.is(last - 1, "AS") {
        return true;
    }
    let is_unit = item.contains("INTERVAL") && item.is_any(last, &UNITS);
    let ends_case = item.is(last, "END") && item.contains("CASE");
    match (item.kind(last), item.kind(last - 1)) {
        (Some(TokenKind::String), Some(TokenKind::String)) => false,
        (Some(TokenKind::Word | TokenKind::QuotedName | TokenKind::String), Some(before)) => {
            !is_unit && !ends_case && ends_operand(item, last - 1, before)
        }
        _ => false,
    }
}

fn ends_operand(item: Phrase<'_>, at: usize, kind: TokenKind) -> bool {
    const OPERATORS: [&str; 19] = [
        "AND", "OR", "XOR", "NOT", "IS", "DIV", "MOD", "LIKE", "REGEXP", "RLIKE", "BETWEEN", "COLLATE", "BINARY",
        "ESCAPE", "SOUNDS", "INTERVAL", "THEN", "ELSE", "WHEN",
    ];
    match kind {
        TokenKind::Punctuation(byte) => byte == b')',
        TokenKind::Word => !item.is_any(at, &OPERATORS) && !item.bytes(at).starts_with(b"_"),
        TokenKind::QuotedName | TokenKind::UserVariable => true,
        kind => kind.is_literal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::ClientCharset;

    fn rewritten(text: &str) -> Option<String> {
        let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        let values = [
            (FunctionName::RowCount, Value::Signed(-1)),
            (FunctionName::FoundRows, Value::Unsigned(7)),
            (FunctionName::ConnectionId, Value::Sql("42".to_owned())),
            (FunctionName::WarningCount, Value::Sql("3".to_owned())),
        ];
        replace_calls(text.as_bytes(), &reading, &values).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn column_names_stay() {
        let cases = [
            ("SELECT ROW_COUNT()", "SELECT CAST((-1|0) AS SIGNED) AS `ROW_COUNT()`"),
            ("SELECT found_rows ( ) + 1, 2", "SELECT CAST((7|0) AS SIGNED) + 1 AS `found_rows ( ) + 1`, 2"),
            ("SELECT 1, CONNECTION_ID() FROM t", "SELECT 1, 42 AS `CONNECTION_ID()` FROM t"),
            ("SELECT CONNECTION_ID() AS id", "SELECT 42 AS id"),
            ("SELECT CONNECTION_ID() id", "SELECT 42 id"),
            ("SELECT @@warning_count", "SELECT 3 AS `@@warning_count`"),
            ("SELECT @@session.warning_count;", "SELECT 3 AS `@@session.warning_count`;"),
            ("SELECT CONNECTION_ID() IS NULL", "SELECT 42 IS NULL AS `CONNECTION_ID() IS NULL`"),
            ("SELECT a FROM t WHERE id = CONNECTION_ID()", "SELECT a FROM t WHERE id = 42"),
            ("SELECT CONNECTION_ID()+CONNECTION_ID()", "SELECT 42+42 AS `CONNECTION_ID()+CONNECTION_ID()`"),
            ("SELECT CONCAT('`', CONNECTION_ID())", "SELECT CONCAT('`', 42) AS `CONCAT('``', CONNECTION_ID())`"),
            ("DO CONNECTION_ID()", "DO 42"),
            (
                "SELECT NOW() + INTERVAL CONNECTION_ID() DAY",
                "SELECT NOW() + INTERVAL 42 DAY AS `NOW() + INTERVAL CONNECTION_ID() DAY`",
            ),
            (
                "SELECT CASE WHEN CONNECTION_ID() THEN 1 END",
                "SELECT CASE WHEN 42 THEN 1 END AS `CASE WHEN CONNECTION_ID() THEN 1 END`",
            ),
            (
                "SELECT DISTINCT (SELECT CONNECTION_ID())",
                "SELECT DISTINCT (SELECT 42 AS `CONNECTION_ID()`) AS `(SELECT CONNECTION_ID())`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(rewritten(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn of_stacked_statements_only_the_first_ask_for_what_was_before() {
        let row_count = "SELECT CAST((-1|0) AS SIGNED) AS `ROW_COUNT()`";
        let cases = [
            ("SELECT ROW_COUNT(); SELECT ROW_COUNT()", format!("{row_count}; SELECT ROW_COUNT()")),
            (
                "SELECT 1; SELECT FOUND_ROWS(), CONNECTION_ID()",
                "SELECT 1; SELECT FOUND_ROWS(), 42 AS `CONNECTION_ID()`".into(),
            ),
            (
                "SET @a = 1; SELECT found_rows() f, ROW_COUNT()",
                "SET @a = 1; SELECT CAST((7|0) AS SIGNED) f, ROW_COUNT()".into(),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(rewritten(text), Some(expected), "{text}");
        }
        assert_eq!(rewritten("UPDATE t SET a = 1; SELECT ROW_COUNT(), @@warning_count"), None);
    }

    #[test]
    fn nothing_else_is_replaced() {
        for text in ["SELECT 'ROW_COUNT()'", "SELECT db.ROW_COUNT()", "SELECT LAST_INSERT_ID(5)", "SELECT 1", "("] {
            assert_eq!(rewritten(text), None, "{text}");
        }
    }
}
