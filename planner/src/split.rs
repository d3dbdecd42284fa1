//! Where one statement of a stacked text ends and the next begins.
//!
//! A `;` inside the body of a stored program ends nothing. The body's end is found by counting its blocks; should
//! the count be wrong, either the rest falls into fragments that nobody understands, or it is swallowed by the
//! CREATE, which then counts as not understood (see `ddl`). Both lead to the writer.

use crate::phrase::Phrase;
use crate::reading::Reading;

/// The statements of a text. A `;` at the very end begins no further one.
pub(crate) fn split<'a>(text: Phrase<'a>, reading: &Reading) -> Vec<Phrase<'a>> {
    let mut statements = Vec::new();
    let mut begin = 0;
    while begin < text.len() {
        let rest = text.from(begin);
        let length = statement_length(rest, reading);
        statements.push(rest.slice(0, length));
        begin += length + 1;
    }
    statements
}

/// The tokens up to the `;` that ends the first statement.
fn statement_length(text: Phrase<'_>, reading: &Reading) -> usize {
    if holds_program(text) {
        if reading.oracle {
            return text.len();
        }
        return program_length(text);
    }
    (0..text.len()).find(|&at| text.is_punctuation(at, b';')).unwrap_or(text.len())
}

/// Whether the statement may have a body of statements.
fn holds_program(text: Phrase<'_>) -> bool {
    const COMPOUND: [&str; 7] = ["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR", "DECLARE"];
    if text.is_any(0, &COMPOUND) || text.is_punctuation(1, b':') {
        return true;
    }
    if text.is(0, "BEGIN") {
        return text.is(1, "NOT");
    }
    text.is_any(0, &["CREATE", "ALTER"]) && creates_program(text)
}

/// Whether PROCEDURE, FUNCTION, TRIGGER, EVENT or PACKAGE stands where CREATE names its object.
pub(crate) fn creates_program(text: Phrase<'_>) -> bool {
    /// CREATE OR REPLACE DEFINER = 'u'@'h' SQL SECURITY INVOKER AGGREGATE FUNCTION takes eleven.
    const MAX_WORDS_BEFORE_OBJECT: usize = 14;
    const OBJECTS: [&str; 5] = ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"];
    const OTHER: [&str; 7] = ["TABLE", "VIEW", "INDEX", "USER", "DATABASE", "SCHEMA", "SELECT"];
    for at in 1..MAX_WORDS_BEFORE_OBJECT {
        if text.is_any(at, &OBJECTS) {
            return true;
        }
        if text.is_any(at, &OTHER) || text.is_punctuation(at, b'(') && !text.is(at - 1, "CURRENT_USER") {
            return false;
        }
    }
    false
}

/// Up to the first `;` that is outside of every block.
fn program_length(text: Phrase<'_>) -> usize {
    let mut depth = 0_usize;
    for at in 0..text.len() {
        if opens_block(text, at) {
            depth += 1;
        } else if text.is(at, "END") && !text.is_any(at + 1, &["IF", "LOOP", "WHILE", "REPEAT", "FOR"]) {
            depth = depth.saturating_sub(1);
        } else if text.is_punctuation(at, b';') && depth == 0 {
            return at;
        }
    }
    text.len()
}

/// BEGIN and CASE are closed by an END of their own; the other blocks stand inside these.
fn opens_block(text: Phrase<'_>, at: usize) -> bool {
    text.is_any(at, &["BEGIN", "CASE"]) && !(at > 0 && text.is(at - 1, "END"))
}
