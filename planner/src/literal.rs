//! The literals that a SET gives to user variables: what they mean whatever they would be read as elsewhere.

use crate::analysis::Effect;
use crate::charset::is_multibyte;
use crate::phrase::Phrase;
use crate::reading::Reading;
use crate::token::TokenKind;

/// Longer strings stay on their connection: each statement that needs them would send them again.
const LONGEST_STRING: usize = 64 * 1024;

/// The assignment of a literal, if neither sql_mode nor character set will change it when it is made again.
pub(crate) fn assignment(name: &str, value: Phrase<'_>, reading: &Reading) -> Option<Effect> {
    let name = name.to_owned();
    if let Some(value) = plain(value) {
        return Some(Effect::UserVarLiteral { name, value });
    }
    Some(Effect::UserVarString { name, value: string(value, reading)? })
}

/// Numbers, NULL, TRUE and FALSE, as they are written.
fn plain(value: Phrase<'_>) -> Option<Vec<u8>> {
    let signed = value.is_punctuation(0, b'-') || value.is_punctuation(0, b'+');
    let number = value.from(usize::from(signed));
    if number.len() != 1 {
        return None;
    }
    let literal = match number.kind(0)? {
        TokenKind::Integer | TokenKind::Decimal | TokenKind::Float => number.bytes(0),
        TokenKind::Hex | TokenKind::Bit if !signed => number.bytes(0),
        // NO_BACKSLASH_ESCAPES knows no \N.
        TokenKind::Null if !signed => b"NULL",
        TokenKind::Word if !signed && number.is_any(0, &["NULL", "TRUE", "FALSE"]) => number.bytes(0),
        _ => return None,
    };
    let sign = if signed { value.bytes(0) } else { b"" };
    Some([sign, literal].concat())
}

/// The bytes of a string, or of one in pieces, in the client's character set. None where it is not sure how a server
/// reads it.
fn string(value: Phrase<'_>, reading: &Reading) -> Option<Vec<u8>> {
    let strings = !value.is_empty() && (0..value.len()).all(|at| value.kind(at) == Some(TokenKind::String));
    let written = value.text();
    if !strings || written.len() > LONGEST_STRING || (is_multibyte(reading.charset) && !written.is_ascii()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(written.len());
    for at in 0..value.len() {
        unescape(&mut bytes, value.bytes(at), reading.no_backslash_escapes)?;
    }
    // What is empty is NULL in some modes.
    (!bytes.is_empty()).then_some(bytes)
}

/// Appends what stands between the quotes.
fn unescape(out: &mut Vec<u8>, quoted: &[u8], plain_backslash: bool) -> Option<()> {
    let (&quote, rest) = quoted.split_first()?;
    let mut inner = rest.strip_suffix(&[quote])?.iter().copied();
    while let Some(byte) = inner.next() {
        if byte == quote {
            // A doubled one is one.
            inner.next();
        } else if byte == b'\\' && !plain_backslash {
            put_escaped(out, inner.next()?);
            continue;
        }
        out.push(byte);
    }
    Some(())
}

/// MySQL manual, "String Literals": the escapes of LIKE's wildcards keep their backslash.
fn put_escaped(out: &mut Vec<u8>, escaped: u8) {
    match escaped {
        b'0' => out.push(0),
        b'b' => out.push(8),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'Z' => out.push(0x1a),
        b'%' | b'_' => out.extend([b'\\', escaped]),
        other => out.push(other),
    }
}
