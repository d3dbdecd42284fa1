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

#[inline]
pub(crate) fn class_of(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// Whether `byte` continues an unquoted name in every character set.
#[inline]
pub(crate) fn is_word_byte(byte: u8) -> bool {
    WORD_BYTES[usize::from(byte)]
}

/// How many of eight bytes, from the lowest, are word bytes of ASCII: all eight looked at together.
///
/// For a byte below 0x80, adding `0x80 - n` sets its high bit exactly if it is at least `n`, without a carry.
#[inline]
pub(crate) fn word_bytes_in_front(eight: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    let low = eight & !HIGH;
    let lower_case = low | ONES * 0x20;
    let letters = (lower_case + ONES * (0x80 - b'a' as u64)) & !(lower_case + ONES * (0x80 - (b'z' as u64 + 1)));
    let digits = (low + ONES * (0x80 - b'0' as u64)) & !(low + ONES * (0x80 - (b'9' as u64 + 1)));
    // A byte that equals the sign is 0 after the exclusive or, and only 0 keeps its high bit clear.
    let underscore = !((low ^ ONES * b'_' as u64) + ONES * 0x7f);
    let dollar = !((low ^ ONES * b'$' as u64) + ONES * 0x7f);
    let words = (letters | digits | underscore | dollar) & HIGH & !eight;
    ((words ^ HIGH).trailing_zeros() / 8) as usize
}

/// Whether `byte` is a blank of ASCII (`my_isspace`).
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// Whether `byte` is a control character of ASCII (`my_iscntrl`).
pub(crate) const fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_together_are_as_one_by_one() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let mut eight = *b"aZ09_$zA";
                eight[place] = byte;
                let expected = if byte < 0x80 && is_word_byte(byte) { 8 } else { place };
                assert_eq!(word_bytes_in_front(u64::from_le_bytes(eight)), expected, "{byte:#x} at {place}");
            }
        }
    }
}
