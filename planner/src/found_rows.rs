//! What FOUND_ROWS() gives after a statement, where that is not the number of rows that it has sent.

use crate::analysis::{FoundRows, StatementKind};
use crate::lex::tokens;
use crate::phrase::Phrase;
use crate::reading::Reading;
use crate::token::{Token, TokenKind};

/// LIMIT, its two numbers and the comma; a text ends with them or with OFFSET and one number.
const TAIL: usize = 4;
/// CREATE OR REPLACE TEMPORARY TABLE.
const CREATE_WORDS: usize = 5;
/// What SHOW reads from information_schema.
const QUERIED: [&str; 17] = [
    "DATABASES",
    "SCHEMAS",
    "TABLES",
    "COLUMNS",
    "FIELDS",
    "INDEX",
    "INDEXES",
    "KEYS",
    "TRIGGERS",
    "EVENTS",
    "ENGINES",
    "CHARSET",
    "COLLATION",
    "PLUGINS",
    "STATUS",
    "VARIABLES",
    "COUNT",
];

/// How FOUND_ROWS() follows from the rows that a statement of that kind sends. Tried on MariaDB 10.11 and MySQL 9.7.
pub(crate) fn found_rows(phrase: Phrase<'_>, kind: StatementKind) -> FoundRows {
    use StatementKind::{Admin, Call, Ddl, Delete, Do, Execute, Explain, Handler, Insert, Opaque, Replace, Select};
    use StatementKind::{Set, Show, ShowErrors, ShowWarnings, Update, Xa};
    let computes = phrase.contains("SELECT");
    match kind {
        Select => of_query(phrase),
        Insert | Replace | Set | Do if computes => FoundRows::Unclear,
        Ddl if computes && phrase.slice(0, CREATE_WORDS).contains("TABLE") => FoundRows::Unclear,
        Update | Delete if has_several_tables(phrase) => FoundRows::Unclear,
        // What they send is what RETURNING says.
        Insert | Replace | Delete => FoundRows::Kept,
        Show | ShowWarnings | ShowErrors => of_show(phrase),
        Admin | Handler | Xa => FoundRows::Kept,
        // The columns of a table; a plan may be made by running parts of it.
        Explain if phrase.is_any(0, &["DESC", "DESCRIBE"]) && phrase.len() <= 3 => FoundRows::Sent,
        Explain | Call | Execute | Opaque => FoundRows::Unclear,
        _ => FoundRows::Sent,
    }
}

/// SHOW is a query where it reads information_schema, and counts then.
fn of_show(phrase: Phrase<'_>) -> FoundRows {
    let at = phrase.skip_words(1, &["FULL", "EXTENDED", "SESSION", "LOCAL", "GLOBAL", "OPEN", "STORAGE"]);
    let queried = phrase.is_any(at, &QUERIED)
        || phrase.are(at, &["TABLE", "STATUS"])
        || phrase.are(at, &["PROCEDURE", "STATUS"])
        || phrase.are(at, &["FUNCTION", "STATUS"])
        || phrase.are(at, &["CHARACTER", "SET"]);
    if queried && phrase.is(0, "SHOW") { FoundRows::Sent } else { FoundRows::Kept }
}

fn of_query(phrase: Phrase<'_>) -> FoundRows {
    let limited = phrase.contains("LIMIT") || phrase.contains("FETCH");
    let combined = ["UNION", "INTERSECT", "EXCEPT"].iter().any(|word| phrase.contains(word));
    let simple = phrase.is_any(0, &["SELECT", "WITH"]) && !combined;
    if phrase.contains("INTO") || phrase.is(0, "VALUES") || (limited && !simple) {
        FoundRows::Unclear
    } else if offset(phrase).is_some() {
        FoundRows::BehindOffset
    } else if skips_rows(phrase) {
        FoundRows::Unclear
    } else {
        FoundRows::Sent
    }
}

/// Whether the query itself, not one inside of it, leaves out its first rows.
fn skips_rows(phrase: Phrase<'_>) -> bool {
    let mut depth = 0_usize;
    (0..phrase.len()).any(|at| {
        match phrase.kind(at) {
            Some(TokenKind::Punctuation(b'(')) => depth += 1,
            Some(TokenKind::Punctuation(b')')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (phrase.is(at, "OFFSET") || (phrase.is(at, "LIMIT") && phrase.is_punctuation(at + 2, b',')))
    })
}

/// Where in a text that ends with LIMIT the number of skipped rows stands.
fn offset(phrase: Phrase<'_>) -> Option<usize> {
    let (len, number) = (phrase.len(), |at| phrase.kind(at).filter(|kind| kind.is_literal()));
    number(len.checked_sub(1)?)?;
    if len >= 2 && phrase.is(len - 2, "OFFSET") {
        return Some(len - 1);
    }
    let first = len.checked_sub(TAIL)? + 1;
    (phrase.is(first - 1, "LIMIT") && phrase.is_punctuation(first + 1, b',')).then_some(first)
}

fn has_several_tables(phrase: Phrase<'_>) -> bool {
    let end = phrase.find("SET").or_else(|| phrase.find("WHERE")).unwrap_or(phrase.len());
    let tables = phrase.slice(0, end);
    phrase.contains("SELECT") || tables.contains("JOIN") || tables.contains("USING") || tables.items().len() > 1
}

/// The number of rows that a text skips, if its analysis says [`FoundRows::BehindOffset`] and the number is in it.
#[must_use]
pub fn skipped_rows(text: &[u8], reading: &Reading) -> Option<u64> {
    let ends = |token: &Token| token.kind == TokenKind::Punctuation(b';');
    let tokens: Vec<Token> = tokens(text, reading).filter(|token| !ends(token)).collect();
    let phrase = Phrase::new(text, &tokens);
    std::str::from_utf8(phrase.bytes(offset(phrase)?)).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{ClientCharset, ServerKind};
    use crate::routines::Routines;

    #[test]
    fn what_is_skipped_counts_where_the_text_tells_it() {
        use FoundRows::{BehindOffset, Kept, Sent, Unclear};
        let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        for (text, expected, skipped) in [
            ("SELECT a FROM t LIMIT 3", Sent, None),
            ("SELECT a FROM t LIMIT 20, 10;", BehindOffset, Some(20)),
            ("select a from t limit 10 offset 7", BehindOffset, Some(7)),
            ("SELECT a FROM t LIMIT ?, ?", BehindOffset, None),
            ("SELECT a FROM t LIMIT 1, 2 FOR UPDATE", Unclear, None),
            ("SELECT a FROM (SELECT a FROM t LIMIT 1, 2) x", Sent, None),
            ("SELECT a FROM t UNION ALL SELECT 1 LIMIT 2", Unclear, None),
            ("SELECT a FROM t UNION ALL SELECT 1", Sent, None),
            ("(SELECT a FROM t LIMIT 1, 2)", Unclear, None),
            ("SELECT a INTO @x FROM t LIMIT 1", Unclear, None),
            ("INSERT INTO t SELECT 1", Unclear, None),
            ("INSERT INTO t VALUES (1) RETURNING a", Kept, None),
            ("SHOW FULL TABLES", Sent, None),
            ("SHOW CREATE TABLE t", Kept, None),
            ("SHOW TABLE STATUS", Sent, None),
            ("SHOW WARNINGS", Kept, None),
            ("DESC t", Sent, None),
            ("EXPLAIN SELECT 1", Unclear, None),
            ("CHECK TABLE t", Kept, None),
            ("CREATE OR REPLACE TEMPORARY TABLE t SELECT 1", Unclear, None),
            ("UPDATE t SET a = 1, b = 2", Sent, None),
            ("UPDATE t, u SET t.a = 1", Unclear, None),
            ("SET @a = 1", Sent, None),
            ("DO (SELECT 1)", Unclear, None),
        ] {
            let analysis = crate::analyze(text.as_bytes(), &reading, &Routines::default());
            assert_eq!(analysis.statements[0].found_rows, expected, "{text}");
            if expected == BehindOffset {
                assert_eq!(skipped_rows(text.as_bytes(), &reading), skipped, "{text}");
            }
        }
    }
}
