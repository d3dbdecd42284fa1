//! SHOW WARNINGS and SHOW ERRORS, read closely enough to be answered from a copy of the list.

use crate::lex::tokens;
use crate::phrase::Phrase;
use crate::reading::Reading;
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
    let mut tokens: Vec<Token> = tokens(text, reading).filter(|t| t.kind != TokenKind::OptimizerHint).collect();
    while tokens.last().is_some_and(|t| t.kind == TokenKind::Punctuation(b';')) {
        tokens.pop();
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{ClientCharset, ServerKind};

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
}
