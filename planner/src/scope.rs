//! `SET @@name = ...` with its scope spelled out: MariaDB's session trackers tell of `SET name` and `SET @@session.name`,
//! but not of this form, which means the same.

use crate::lex::tokens;
use crate::phrase::Phrase;
use crate::reading::Reading;
use crate::set::implied_scopes;
use crate::split::split;
use crate::token::{Token, TokenKind};

/// `text` with `session.` behind each `@@` that needs it; nothing if none does.
#[must_use]
pub fn spell_out_session(text: &[u8], reading: &Reading) -> Option<Vec<u8>> {
    let tokens: Vec<Token> = tokens(text, reading).filter(|t| t.kind != TokenKind::OptimizerHint).collect();
    let statements = split(Phrase::new(text, &tokens), reading);
    let places: Vec<usize> = statements.into_iter().flat_map(implied_scopes).collect();
    let mut out = Vec::with_capacity(text.len() + places.len() * SESSION.len());
    let mut copied = 0;
    for place in &places {
        out.extend_from_slice(&text[copied..*place]);
        out.extend_from_slice(SESSION);
        copied = *place;
    }
    out.extend_from_slice(&text[copied..]);
    (!places.is_empty()).then_some(out)
}

const SESSION: &[u8] = b"session.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{ClientCharset, ServerKind};

    #[test]
    fn only_assignments_without_a_scope_get_one() {
        let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        for (text, expected) in [
            ("SET @@sql_mode=''", Some("SET @@session.sql_mode=''")),
            ("set @@SQL_MODE := @@global.sql_mode;", Some("set @@session.SQL_MODE := @@global.sql_mode;")),
            ("SET @@`sql_mode` = ''", Some("SET @@session.`sql_mode` = ''")),
            ("SET GLOBAL a = 1, @@b = @@c", Some("SET GLOBAL a = 1, @@session.b = @@c")),
            ("SET @x = IF(1, @@a = 2, 3), @@b = 4", Some("SET @x = IF(1, @@a = 2, 3), @@session.b = 4")),
            ("SELECT 1; SET @@a = 1; SET @@b = 2", Some("SELECT 1; SET @@session.a = 1; SET @@session.b = 2")),
            ("SET @@tx_isolation = 'SERIALIZABLE'", None),
            ("SET @@session.sql_mode = ''", None),
            ("SET @@hot.key_buffer_size = 1", None),
            ("SET sql_mode = @@sql_mode", None),
            ("SELECT @@a = 1", None),
        ] {
            let spelled = spell_out_session(text.as_bytes(), &reading).map(|t| String::from_utf8(t).unwrap());
            assert_eq!(spelled.as_deref(), expected, "{text}");
        }
    }
}
