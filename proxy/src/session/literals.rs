//! Strings in user variables: written so that they mean the same under any sql_mode and any character set.

use super::Session;
use super::sync::family;
use pointsman_planner::{Access, Analysis, Effect, Statement};
use pointsman_protocol::charset::Collation;
use std::rc::Rc;

/// Character sets in which ASCII is ASCII, byte for byte. From one to another of them it stays as it is.
const ASCII_IS_ASCII: [&[u8]; 12] = [
    b"utf8mb4", b"utf8mb3", b"utf8", b"latin1", b"latin2", b"ascii", b"cp1250", b"cp1251", b"cp1257", b"koi8r", b"gbk",
    b"gb18030",
];

/// How a session's strings are read and what they become.
struct Meaning<'a> {
    client: &'a [u8],
    connection: &'a [u8],
    collation: &'a [u8],
}

impl Meaning<'_> {
    /// The literal that means anywhere what these bytes mean here. None where that is not known.
    fn literal(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let sets = [self.client, self.connection];
        if !sets.iter().all(|set| ASCII_IS_ASCII.contains(set)) || !self.collation.starts_with(self.connection) {
            return None;
        }
        (bytes.is_ascii() || self.keeps(bytes)).then(|| in_hex(self.connection, Some(self.collation), bytes))
    }

    /// Whether bytes beyond ASCII are whole characters that nothing converts.
    fn keeps(&self, bytes: &[u8]) -> bool {
        let longest = match self.client {
            b"latin1" => return self.connection == self.client,
            b"utf8mb4" => 4,
            b"utf8mb3" | b"utf8" => 3,
            _ => return false,
        };
        let text = std::str::from_utf8(bytes);
        self.connection == self.client && text.is_ok_and(|text| text.chars().all(|c| c.len_utf8() <= longest))
    }
}

/// A string in hexadecimal digits, which no mode changes the reading of.
pub(super) fn in_hex(charset: &[u8], collation: Option<&[u8]>, bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b"_", charset, b" x'"].concat();
    text.extend(bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]));
    text.push(b'\'');
    if let Some(collation) = collation {
        text.extend_from_slice(b" COLLATE ");
        text.extend_from_slice(collation);
    }
    text
}

/// The bytes of such a string.
pub(super) fn bytes_of(literal: &[u8]) -> Option<Vec<u8>> {
    let mut parts = literal.split(|b| *b == b'\'');
    let (introducer, digits) = (parts.next()?, parts.next()?);
    if !introducer.starts_with(b"_") || !introducer.ends_with(b" x") {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

impl Session {
    /// The analysis, with strings for user variables as literals that may be told any connection at any time. Those of
    /// which that can't be made are the business of the connection alone.
    pub(super) fn with_literals(&self, analysis: Rc<Analysis>) -> Rc<Analysis> {
        if analysis.cacheable || !analysis.effects().any(|e| matches!(e, Effect::UserVarString { .. })) {
            return analysis;
        }
        let mut analysis = Analysis::clone(&analysis);
        // What a stacked statement finds, the ones before it may have changed.
        let mut meaning = self.meaning();
        for statement in &mut analysis.statements {
            write_out(statement, meaning.as_ref());
            let only_assigns = |e: &Effect| matches!(e, Effect::UserVarLiteral { .. } | Effect::UserVarComputed { .. });
            meaning = meaning.filter(|_| statement.effects.iter().all(only_assigns));
        }
        Rc::new(analysis)
    }

    fn meaning(&self) -> Option<Meaning<'_>> {
        let wanted = &self.state.wanted;
        let handshake = Collation::by_id(wanted.charset, family(self.state.reading.server))?;
        let charset = |name: &str| wanted.vars.get(name).unwrap_or_else(|| handshake.charset().as_bytes());
        Some(Meaning {
            client: charset("character_set_client"),
            connection: charset("character_set_connection"),
            collation: wanted.vars.get("collation_connection").unwrap_or(handshake.name.as_bytes()),
        })
    }
}

fn write_out(statement: &mut Statement, meaning: Option<&Meaning<'_>>) {
    for effect in &mut statement.effects {
        let Effect::UserVarString { name, value } = effect else { continue };
        let name = std::mem::take(name);
        *effect = match meaning.and_then(|m| m.literal(value)) {
            Some(value) => Effect::UserVarLiteral { name, value },
            None => {
                statement.access = statement.access.max(Access::Writer);
                Effect::UserVarComputed { name }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_written_in_what_it_was_read_in_or_not_at_all() {
        let literal = |client: &str, connection: &str, collation: &str, bytes: &[u8]| {
            let meaning = Meaning {
                client: client.as_bytes(),
                connection: connection.as_bytes(),
                collation: collation.as_bytes(),
            };
            meaning.literal(bytes).map(|text| String::from_utf8(text).unwrap())
        };
        let latin = literal("latin1", "latin1", "latin1_swedish_ci", b"\xe9'");
        assert_eq!(latin.as_deref(), Some("_latin1 x'e927' COLLATE latin1_swedish_ci"));
        assert_eq!(bytes_of(latin.unwrap().as_bytes()).as_deref(), Some(&b"\xe9'"[..]));
        let ascii = literal("utf8mb4", "latin1", "latin1_bin", b"x");
        assert_eq!(ascii.as_deref(), Some("_latin1 x'78' COLLATE latin1_bin"));
        for (client, connection, collation, bytes) in [
            ("utf8mb4", "latin1", "latin1_bin", &b"\xc3\xa9"[..]),
            ("utf8mb4", "utf8mb4", "utf8mb4_bin", b"\xe9"),
            ("utf8mb4", "ucs2", "ucs2_bin", b"x"),
            ("gbk", "gbk", "gbk_bin", b"\xd5\x5c"),
        ] {
            assert_eq!(literal(client, connection, collation, bytes), None);
        }
        assert_eq!(bytes_of(b"5"), None);
    }
}
