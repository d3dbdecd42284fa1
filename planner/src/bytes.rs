//! What single bytes mean outside quotes: the table behind the lexer's dispatch.

/// What to do with a token's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Blank,
    /// A letter, `_`, `$`, or a high byte that is a letter (or syntax that cannot matter) in every set.
    Letter,
    Digit,
    /// A byte that is always a token of its own.
    Punctuation,
    Quote,
    Hash,
    Slash,
    Dash,
    Star,
    /// Depends on what follows, on the character set, or means nothing.
    Rare,
}

/// High bytes that are a blank in some single-byte character set: 0x85 and 0xA0 (ISO 8859, Windows), 0x9A
/// (koi8r, koi8u), 0xCA (macroman, macce), 0xFF (cp850, cp852, cp866).
const DOUBTFUL: [u8; 5] = [0x85, 0x9a, 0xa0, 0xca, 0xff];

const fn is_doubtful(byte: u8) -> bool {
    let mut i = 0;
    while i < DOUBTFUL.len() {
        if DOUBTFUL[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

const fn classify(byte: u8) -> Class {
    match byte {
        b' ' | 0x09..=0x0d => Class::Blank,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => Class::Letter,
        0x80..=0xff if !is_doubtful(byte) => Class::Letter,
        b'0'..=b'9' => Class::Digit,
        b'\'' => Class::Quote,
        b'#' => Class::Hash,
        b'/' => Class::Slash,
        b'-' => Class::Dash,
        b'*' => Class::Star,
        b'!' | b'%' | b'&' | b'(' | b')' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'[' | b']' | b'^' | b'{'
        | b'|' | b'}' | b'~' => Class::Punctuation,
        _ => Class::Rare,
    }
}

static CLASSES: [Class; 256] = {
    let mut table = [Class::Rare; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classify(byte as u8);
        byte += 1;
    }
    table
};

static WORD_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(CLASSES[byte], Class::Letter | Class::Digit);
        byte += 1;
    }
    table
};

static ASCII_WORD_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = WORD_BYTES[byte];
        byte += 1;
    }
    table
};

#[inline]
pub(crate) fn class_of(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// Whether `byte` continues an unquoted name in every character set.
#[inline]
pub(crate) fn is_word_byte(byte: u8) -> bool {
    WORD_BYTES[usize::from(byte)]
}

/// Whether `byte` is a letter, a digit, `_` or `$` of ASCII.
#[inline]
pub(crate) fn is_ascii_word_byte(byte: u8) -> bool {
    ASCII_WORD_BYTES[usize::from(byte)]
}

/// Whether `byte` is a blank of ASCII (`my_isspace`).
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// Whether `byte` is a control character of ASCII (`my_iscntrl`).
pub(crate) const fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}
