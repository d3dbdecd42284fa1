//! How the bytes of a client character set group into characters, as far as a lexer must know.
//!
//! In the multibyte sets below the second byte of a character may be a backslash, a backtick or a digit.
//! Lead and trail ranges: MySQL manual, "Asian Character Sets (Chinese, Japanese, Korean)".

use crate::reading::ClientCharset;

/// The character that begins at some byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    /// One byte, which means what it means in ASCII.
    Single,
    /// A multibyte character of so many bytes; none of them is syntax.
    Multi(usize),
    /// A lead byte without a valid trail byte; servers differ in what they make of it.
    Broken,
}

/// Whether characters have trail bytes that look like ASCII, so that bytes cannot be read one by one.
pub(crate) const fn is_multibyte(charset: ClientCharset) -> bool {
    !matches!(charset, ClientCharset::AsciiSafe | ClientCharset::Utf8)
}

/// The first character of `bytes`, which must not be empty for an answer other than `Single`.
pub(crate) fn first_character(charset: ClientCharset, bytes: &[u8]) -> Character {
    let Some(&lead) = bytes.first() else { return Character::Single };
    if lead < 0x80 || !is_lead(charset, lead) {
        return Character::Single;
    }
    match bytes.get(1) {
        Some(&second) if is_trail(charset, second) => Character::Multi(2),
        Some(0x30..=0x39) if charset == ClientCharset::Gb18030 => four_byte(bytes),
        _ => Character::Broken,
    }
}

/// GB 18030 has characters of four bytes, in which the second and the fourth are digits.
fn four_byte(bytes: &[u8]) -> Character {
    match (bytes.get(2), bytes.get(3)) {
        (Some(0x81..=0xfe), Some(0x30..=0x39)) => Character::Multi(4),
        _ => Character::Broken,
    }
}

fn is_lead(charset: ClientCharset, byte: u8) -> bool {
    match charset {
        ClientCharset::AsciiSafe | ClientCharset::Utf8 => false,
        ClientCharset::Gbk | ClientCharset::Gb18030 => matches!(byte, 0x81..=0xfe),
        ClientCharset::Big5 => matches!(byte, 0xa1..=0xf9),
        ClientCharset::Sjis | ClientCharset::Cp932 => matches!(byte, 0x81..=0x9f | 0xe0..=0xfc),
    }
}

fn is_trail(charset: ClientCharset, byte: u8) -> bool {
    match charset {
        ClientCharset::AsciiSafe | ClientCharset::Utf8 => false,
        ClientCharset::Gbk | ClientCharset::Gb18030 => matches!(byte, 0x40..=0x7e | 0x80..=0xfe),
        ClientCharset::Big5 => matches!(byte, 0x40..=0x7e | 0xa1..=0xfe),
        ClientCharset::Sjis | ClientCharset::Cp932 => matches!(byte, 0x40..=0x7e | 0x80..=0xfc),
    }
}
