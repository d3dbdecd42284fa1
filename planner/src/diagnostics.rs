//! SHOW WARNINGS, SHOW ERRORS and GET DIAGNOSTICS, read closely enough to be answered from a copy of the list.

use crate::lex::tokens;
use crate::phrase::Phrase;
use crate::reading::{Reading, ServerKind};
use crate::token::{Token, TokenKind};

/// What of the list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosticsForm {
    /// `LIMIT first, count`; without a LIMIT all.
    Rows { first: usize, count: usize },
    /// `SHOW COUNT(*) WARNINGS`
    CountWarnings,
    /// `SHOW COUNT(*) ERRORS`
    CountErrors,
}

impl DiagnosticsForm {
    /// The query that a server makes of it, by the variable that it reads.
    #[must_use]
    pub fn as_query(self) -> Option<&'static [u8]> {
        match self {
            Self::Rows { .. } => None,
            Self::CountWarnings => Some(b"SELECT @@session.warning_count"),
            Self::CountErrors => Some(b"SELECT @@session.error_count"),
        }
    }
}

/// Reads a text that consists of one such statement; nothing if it says more than is understood (`LIMIT ?`).
#[must_use]
pub fn diagnostics_form(text: &[u8], reading: &Reading) -> Option<DiagnosticsForm> {
    let tokens = statement_tokens(text, reading);
    let phrase = Phrase::new(text, &tokens);
    if !phrase.is(0, "SHOW") {
        return None;
    }
    if phrase.is(1, "COUNT") {
        let star = [b'(', b'*', b')'].iter().enumerate().all(|(i, byte)| phrase.is_punctuation(2 + i, *byte));
        return match phrase.capitals(5).as_str() {
            "WARNINGS" if star && phrase.len() == 6 => Some(DiagnosticsForm::CountWarnings),
            "ERRORS" if star && phrase.len() == 6 => Some(DiagnosticsForm::CountErrors),
            _ => None,
        };
    }
    let number = |at: usize| {
        let digits = (phrase.kind(at) == Some(TokenKind::Integer)).then(|| phrase.bytes(at))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let (first, count) = match phrase.len() {
        2 => (0, usize::MAX),
        4 => (0, number(3)?),
        6 if phrase.is_punctuation(4, b',') => (number(3)?, number(5)?),
        6 if phrase.is(4, "OFFSET") => (number(5)?, number(3)?),
        _ => return None,
    };
    let complete = phrase.is_any(1, &["WARNINGS", "ERRORS"]) && (phrase.len() == 2 || phrase.is(2, "LIMIT"));
    complete.then_some(DiagnosticsForm::Rows { first, count })
}

/// What a condition has beside its level, by the names that GET DIAGNOSTICS has for it. MySQL lacks the last.
pub const CONDITION_ITEMS: [&str; 14] = [
    "CLASS_ORIGIN",
    "SUBCLASS_ORIGIN",
    "RETURNED_SQLSTATE",
    "MESSAGE_TEXT",
    "MYSQL_ERRNO",
    "CONSTRAINT_CATALOG",
    "CONSTRAINT_SCHEMA",
    "CONSTRAINT_NAME",
    "CATALOG_NAME",
    "SCHEMA_NAME",
    "TABLE_NAME",
    "COLUMN_NAME",
    "CURSOR_NAME",
    "ROW_NUMBER",
];

/// Which of [`CONDITION_ITEMS`] this kind and version of server knows.
#[must_use]
pub fn condition_items(reading: &Reading) -> &'static [&'static str] {
    const ROW_NUMBER_SINCE: u32 = 100_700;
    let all = reading.server == ServerKind::MariaDb && reading.version >= ROW_NUMBER_SINCE;
    if all { &CONDITION_ITEMS } else { &CONDITION_ITEMS[..CONDITION_ITEMS.len() - 1] }
}

/// A GET DIAGNOSTICS that assigns to user variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetDiagnostics {
    /// MySQL's GET STACKED DIAGNOSTICS, which outside of a handler is an error.
    pub stacked: bool,
    pub about: About,
}

/// Names of user variables, lower-cased, each with what it is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    Statement(Vec<(String, StatementItem)>),
    /// What they get is an index into [`CONDITION_ITEMS`].
    Condition(ConditionNumber, Vec<(String, usize)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementItem {
    Number,
    RowCount,
}

/// As it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionNumber {
    Integer(u64),
    /// The lower-cased name of a user variable.
    Variable(String),
    /// Another literal, a system variable.
    Other,
}

/// Reads a text that consists of one GET DIAGNOSTICS; nothing if a server would find a mistake in it.
#[must_use]
pub fn get_diagnostics_form(text: &[u8], reading: &Reading) -> Option<GetDiagnostics> {
    let tokens = statement_tokens(text, reading);
    let phrase = Phrase::new(text, &tokens);
    let stacked = reading.server == ServerKind::MySql && phrase.is(1, "STACKED");
    let at = 1 + usize::from(stacked || phrase.is(1, "CURRENT"));
    if !phrase.is(0, "GET") || !phrase.is(at, "DIAGNOSTICS") {
        return None;
    }
    let about = if phrase.is(at + 1, "CONDITION") {
        // A number is one token, but for a system variable.
        let items = (at + 3..phrase.len()).find(|&i| phrase.kind(i + 1) == Some(TokenKind::Punctuation(b'=')))?;
        let number = if items == at + 3 { condition_number(phrase, at + 2) } else { ConditionNumber::Other };
        let known = condition_items(reading);
        About::Condition(number, targets(phrase.from(items), |word| known.iter().position(|item| *item == word))?)
    } else {
        let item = |word: &str| match word {
            "NUMBER" => Some(StatementItem::Number),
            "ROW_COUNT" => Some(StatementItem::RowCount),
            _ => None,
        };
        About::Statement(targets(phrase.from(at + 1), item)?)
    };
    Some(GetDiagnostics { stacked, about })
}

fn condition_number(phrase: Phrase<'_>, at: usize) -> ConditionNumber {
    let integer = (phrase.kind(at) == Some(TokenKind::Integer)).then(|| phrase.bytes(at));
    let integer = integer.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let variable = || phrase.user_variable(at).map(ConditionNumber::Variable);
    integer.map(ConditionNumber::Integer).or_else(variable).unwrap_or(ConditionNumber::Other)
}

/// `@a = ITEM, @b = ITEM ...`
fn targets<T>(phrase: Phrase<'_>, item: impl Fn(&str) -> Option<T>) -> Option<Vec<(String, T)>> {
    let one = |assignment: Phrase<'_>| {
        let complete = assignment.len() == 3 && assignment.is_punctuation(1, b'=');
        let name = assignment.user_variable(0).filter(|_| complete)?;
        Some((name, item(&assignment.capitals(2))?))
    };
    phrase.items().into_iter().map(one).collect()
}

/// The tokens of one statement without the semicolons behind it.
fn statement_tokens(text: &[u8], reading: &Reading) -> Vec<Token> {
    let mut tokens: Vec<Token> = tokens(text, reading).filter(|t| t.kind != TokenKind::OptimizerHint).collect();
    while tokens.last().is_some_and(|t| t.kind == TokenKind::Punctuation(b';')) {
        tokens.pop();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::ClientCharset;

    #[test]
    fn each_form_is_read() {
        let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        let rows = |first, count| Some(DiagnosticsForm::Rows { first, count });
        for (text, form) in [
            ("SHOW WARNINGS", rows(0, usize::MAX)),
            ("show /* these */ errors ;", rows(0, usize::MAX)),
            ("SHOW WARNINGS LIMIT 1", rows(0, 1)),
            ("SHOW WARNINGS LIMIT 2,5", rows(2, 5)),
            ("SHOW ERRORS limit 5 OFFSET 2", rows(2, 5)),
            ("SHOW COUNT(*) WARNINGS", Some(DiagnosticsForm::CountWarnings)),
            ("SHOW COUNT( * ) ERRORS;", Some(DiagnosticsForm::CountErrors)),
            ("SHOW COUNT(*) WARNINGS LIMIT 1", None),
            ("SHOW WARNINGS LIMIT ?", None),
            ("SHOW TABLES", None),
        ] {
            assert_eq!(diagnostics_form(text.as_bytes(), &reading), form, "{text}");
        }
    }
    #[test]
    fn get_diagnostics_is_read_as_servers_do() {
        let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        let get = |text: &str| get_diagnostics_form(text.as_bytes(), &reading);
        let condition = |number, items: &[(&str, usize)]| {
            let items = items.iter().map(|(name, item)| ((*name).to_owned(), *item)).collect();
            Some(GetDiagnostics { stacked: false, about: About::Condition(number, items) })
        };
        let statement = |stacked, items: &[(&str, StatementItem)]| {
            let items = items.iter().map(|(name, item)| ((*name).to_owned(), *item)).collect();
            Some(GetDiagnostics { stacked, about: About::Statement(items) })
        };
        assert_eq!(get("GET DIAGNOSTICS @n = NUMBER;"), statement(false, &[("n", StatementItem::Number)]));
        assert_eq!(
            get("get current diagnostics @A=number, @`b c` = row_count"),
            statement(false, &[("a", StatementItem::Number), ("b c", StatementItem::RowCount)])
        );
        let stacked = "GET STACKED DIAGNOSTICS @n = NUMBER";
        assert_eq!(get(stacked), None, "MariaDB has it inside of handlers only");
        let mysql = Reading::new(ServerKind::MySql, 90_700, ClientCharset::Utf8);
        let form = get_diagnostics_form(stacked.as_bytes(), &mysql);
        assert_eq!(form, statement(true, &[("n", StatementItem::Number)]));
        let number = ConditionNumber::Integer(1);
        let text = "GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @s = RETURNED_SQLSTATE";
        assert_eq!(get(text), condition(number, &[("m", 3), ("s", 2)]));
        let number = ConditionNumber::Variable("n".to_owned());
        assert_eq!(get("GET DIAGNOSTICS CONDITION @n @m = MYSQL_ERRNO"), condition(number, &[("m", 4)]));
        for other in ["'1'", "0x1", "NULL", "@@error_count", "?"] {
            let text = format!("GET DIAGNOSTICS CONDITION {other} @m = ROW_NUMBER");
            assert_eq!(get(&text), condition(ConditionNumber::Other, &[("m", 13)]), "{other}");
        }
        for wrong in ["@n = MESSAGE_TEXT", "CONDITION 1 @m = NUMBER", "x = NUMBER", "@n = NUMBER,", "", "CONDITION 1"] {
            assert_eq!(get(&format!("GET DIAGNOSTICS {wrong}")), None, "{wrong}");
        }
    }
}
