//! The fingerprint of a text: one pass over its bytes, no allocation, literals out.
//!
//! Two texts with the same fingerprint have the same analysis, unless that analysis says that it is not cacheable.
//! What stays in: every word and name as it is written, the kind of each literal, optimizer hints. What goes out:
//! blanks (but for whether a parenthesis or an `@` touches a name), comments, the values of literals, the length of literal lists, and the rows of a multi-row VALUES
//! that add nothing but literals.

use crate::lex::{Lexer, Sink};
use crate::reading::Reading;
use crate::token::{Token, TokenKind};

/// 128 bits that stand for a text and the reading it was read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint {
    pub high: u64,
    pub low: u64,
}

/// The fingerprint of `text`.
#[must_use]
pub fn scan(text: &[u8], reading: &Reading) -> Fingerprint {
    let mut lexer = Lexer::new(text, reading);
    let mut fold = Fold::new(text, reading);
    while lexer.feed(&mut fold) {}
    fold.finish()
}

/// Odd constants with about as many ones as zeros; any such would do.
const HIGH: u64 = 0x9e37_79b9_7f4a_7c15;
const LOW: u64 = 0xd6e8_feb8_6659_fd93;
const LENGTH: u64 = 0xa076_1d64_78bd_642f;

/// Two hashes that are fed the same words but mix them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hash {
    high: u64,
    low: u64,
}

impl Hash {
    fn new(reading: &Reading) -> Self {
        let flags = [
            reading.ansi_quotes,
            reading.no_backslash_escapes,
            reading.ignore_space,
            reading.oracle,
            reading.multi_statements,
        ];
        let bits = flags.iter().fold(0_u64, |bits, &flag| bits << 1 | u64::from(flag));
        let kinds = (reading.server as u64) << 8 | (reading.charset as u64) << 16;
        let mut hash = Self { high: HIGH, low: LOW };
        hash.mix(bits | kinds | u64::from(reading.version) << 32);
        hash
    }

    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.high ^ word) * u128::from(HIGH);
        self.high = (product as u64) ^ (product >> 64) as u64;
        self.low = (self.low.rotate_left(29) ^ word).wrapping_mul(LOW);
    }

    /// The bytes of `text[start..end]`, told apart from other bytes by their length and by `tag`.
    #[inline(never)]
    fn mix_bytes(&mut self, text: &[u8], start: usize, end: usize, tag: u64) {
        let mut at = start;
        while end - at > 8 {
            self.mix(first_eight(text, at, 8));
            at += 8;
        }
        let length = (end - start) as u64;
        self.mix(first_eight(text, at, end - at) ^ (length + tag).wrapping_mul(LENGTH));
    }

    fn finish(mut self) -> Fingerprint {
        self.mix(LENGTH);
        Fingerprint { high: self.high, low: self.low ^ self.low >> 32 }
    }
}

/// The first `length` (at most 8) bytes from `at` as a number.
#[inline]
fn first_eight(text: &[u8], at: usize, length: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    if let (Some(eight), 1..=8) = (rest.first_chunk::<8>(), length) {
        return u64::from_le_bytes(*eight) & (u64::MAX >> (64 - 8 * length));
    }
    rest.iter().take(length).rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Tells words from other token kinds that carry bytes.
const WORD_TAG: u64 = 0;
const NAME_TAG: u64 = 1 << 40;
const VARIABLE_TAG: u64 = 2 << 40;
const HINT_TAG: u64 = 3 << 40;
const MALFORMED_TAG: u64 = 4 << 40;
const HOST_TAG: u64 = 5 << 40;
/// Tells tokens without bytes of their own from words: no word hashes to so small a number.
const LITERAL_TAG: u64 = 0x100;
/// Behind a parenthesis that does not touch a name.
const APART: u64 = LITERAL_TAG - 3;

/// Where the reader is in a parenthesised list of literals. (A tag of its own is quicker to ask for than a niche.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum List {
    Outside,
    /// Behind its `(`.
    Open,
    /// Behind a literal of this kind; `comma`: behind the comma after it, which is not hashed yet.
    Run {
        kind: TokenKind,
        comma: bool,
    },
}

/// Where the reader is in the rows of a VALUES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    Outside,
    /// Behind the word VALUES.
    Announced,
    /// In the first row, so many parentheses deep.
    First {
        base: Hash,
        depth: usize,
    },
    /// Behind a row.
    Between {
        base: Hash,
        last: Hash,
    },
    /// Behind the comma after a row; the comma is not hashed yet.
    Comma {
        base: Hash,
        last: Hash,
    },
    /// In a later row. `before` is the hash of all before it, `plain` that it has only literals so far.
    Later {
        base: Hash,
        last: Hash,
        before: Hash,
        depth: usize,
        plain: bool,
    },
}

/// Turns tokens into a hash.
struct Fold<'t> {
    text: &'t [u8],
    hash: Hash,
    /// Where the last token ended that was no punctuation.
    name_end: usize,
    list: List,
    rows: Rows,
}

impl<'t> Fold<'t> {
    fn new(text: &'t [u8], reading: &Reading) -> Self {
        Self { text, hash: Hash::new(reading), name_end: usize::MAX, list: List::Outside, rows: Rows::Outside }
    }

    #[inline(always)]
    fn hash_word(&mut self, start: usize, end: usize) {
        const VALUES: u64 = u64::from_le_bytes(*b"values\0\0");
        const LOWER_CASE: u64 = u64::from_le_bytes([0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0, 0]);
        self.leave_list();
        let length = end - start;
        if length > 8 {
            return self.hash.mix_bytes(self.text, start, end, WORD_TAG);
        }
        let word = first_eight(self.text, start, length);
        // The length takes the place of an eighth byte; no word has a byte that small.
        self.hash.mix(word ^ (length as u64) << 56);
        if length == 6 && word | LOWER_CASE == VALUES {
            self.rows = Rows::Announced;
        }
    }

    #[inline(always)]
    fn hash_punctuation(&mut self, at: usize, byte: u8) {
        match (&mut self.list, byte) {
            (List::Run { comma, .. }, b',') if !*comma => *comma = true,
            (_, b'(') => {
                self.sign(byte);
                // `COUNT (*)` calls another function than `COUNT(*)`.
                if at != self.name_end {
                    self.hash.mix(APART);
                }
            }
            _ => self.sign(byte),
        }
    }

    /// A token among the rows of a VALUES.
    #[inline(never)]
    fn among_rows(&mut self, token: Token) {
        if self.row_token(token) {
            return;
        }
        self.hash_other(token.kind, token);
    }

    #[inline]
    fn hash_other(&mut self, kind: TokenKind, token: Token) {
        match kind {
            TokenKind::Word => self.hash_word(token.start, token.end),
            TokenKind::Punctuation(byte) => self.hash_punctuation(token.start, byte),
            kind if kind.is_literal() => self.literal(kind),
            kind => self.bytes(kind, token),
        }
    }

    #[inline]
    fn sign(&mut self, byte: u8) {
        self.leave_list();
        self.hash.mix(u64::from(byte));
        if byte == b'(' {
            self.list = List::Open;
        }
    }

    /// Hashes the comma that was held back, if any.
    #[inline]
    fn leave_list(&mut self) {
        if !matches!(self.list, List::Outside) {
            if let List::Run { comma: true, .. } = self.list {
                self.hash.mix(u64::from(b','));
            }
            self.list = List::Outside;
        }
    }

    #[inline]
    fn literal(&mut self, kind: TokenKind) {
        match self.list {
            List::Run { kind: last, comma: true } if last == kind => {
                self.list = List::Run { kind, comma: false };
                return;
            }
            List::Run { comma, .. } => {
                if comma {
                    self.hash.mix(u64::from(b','));
                }
                self.list = List::Run { kind, comma: false };
            }
            List::Open => self.list = List::Run { kind, comma: false },
            List::Outside => {}
        }
        self.hash.mix(LITERAL_TAG + literal_number(kind));
    }

    #[inline(never)]
    fn bytes(&mut self, kind: TokenKind, token: Token) {
        self.leave_list();
        let tag = match kind {
            TokenKind::QuotedName => NAME_TAG,
            // In `'a' @b` a variable stands behind a string, not a host.
            TokenKind::UserVariable if token.start == self.name_end => HOST_TAG,
            TokenKind::UserVariable => VARIABLE_TAG,
            TokenKind::OptimizerHint => HINT_TAG,
            TokenKind::Malformed => MALFORMED_TAG,
            TokenKind::SystemVariable => return self.hash.mix(LITERAL_TAG - 1),
            _ => return self.hash.mix(LITERAL_TAG - 2),
        };
        self.hash.mix_bytes(self.text, token.start, token.end, tag);
    }

    /// Keeps count of the rows; true if the token is dealt with.
    #[inline(never)]
    fn row_token(&mut self, token: Token) -> bool {
        match (self.rows, token.kind) {
            (Rows::Announced, TokenKind::Punctuation(b'(')) => {
                self.sign(b'(');
                self.rows = Rows::First { base: self.hash, depth: 1 };
                true
            }
            (Rows::Between { base, last }, TokenKind::Punctuation(b',')) => {
                self.rows = Rows::Comma { base, last };
                true
            }
            (Rows::Comma { base, last }, TokenKind::Punctuation(b'(')) => {
                let before = self.hash;
                self.hash = base;
                self.list = List::Open;
                self.rows = Rows::Later { base, last, before, depth: 1, plain: true };
                true
            }
            (Rows::First { .. } | Rows::Later { .. }, TokenKind::Punctuation(b')')) => self.close(),
            (Rows::First { depth, .. } | Rows::Later { depth, .. }, TokenKind::Punctuation(b'(')) => {
                self.set_depth(depth + 1);
                false
            }
            (Rows::First { .. }, _) => false,
            (Rows::Later { .. }, kind) => {
                self.note_plain(kind, token);
                false
            }
            _ => {
                self.leave_rows();
                false
            }
        }
    }

    fn set_depth(&mut self, new: usize) {
        match &mut self.rows {
            Rows::First { depth, .. } => *depth = new,
            Rows::Later { depth, plain, .. } => {
                *depth = new;
                *plain = false;
            }
            _ => {}
        }
    }

    /// NULL and DEFAULT come and go from row to row like values; nothing else may.
    fn note_plain(&mut self, kind: TokenKind, token: Token) {
        let is_plain = match kind {
            TokenKind::Punctuation(byte) => matches!(byte, b',' | b'-' | b'+'),
            TokenKind::Word => {
                let word = &self.text[token.start..token.end];
                word.eq_ignore_ascii_case(b"null") || word.eq_ignore_ascii_case(b"default")
            }
            kind => kind.is_literal(),
        };
        if let Rows::Later { plain, .. } = &mut self.rows {
            *plain &= is_plain;
        }
    }

    /// A `)` inside the rows.
    fn close(&mut self) -> bool {
        let rows = self.rows;
        match rows {
            Rows::First { base, depth: 1 } => {
                self.sign(b')');
                self.rows = Rows::Between { base, last: self.hash };
            }
            Rows::Later { base, last, before, depth: 1, plain } => {
                self.sign(b')');
                let row = self.hash;
                self.hash = before;
                if !plain && row != last {
                    self.mix_row(row);
                }
                self.rows = Rows::Between { base, last: if plain { last } else { row } };
            }
            Rows::First { depth, .. } | Rows::Later { depth, .. } => {
                self.set_depth(depth - 1);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// The rows have ended; what was held back or set aside joins the hash.
    fn leave_rows(&mut self) {
        match self.rows {
            Rows::Comma { .. } => self.sign(b','),
            Rows::Later { before, .. } => {
                let row = self.hash;
                self.hash = before;
                self.mix_row(row);
            }
            _ => {}
        }
        self.rows = Rows::Outside;
    }

    fn mix_row(&mut self, row: Hash) {
        self.hash.mix(row.high);
        self.hash.mix(row.low);
    }

    fn finish(mut self) -> Fingerprint {
        self.leave_list();
        self.leave_rows();
        self.hash.finish()
    }
}

impl Sink for Fold<'_> {
    #[inline]
    fn word(&mut self, start: usize, end: usize) {
        self.name_end = end;
        if !matches!(self.rows, Rows::Outside) {
            return self.among_rows(Token { kind: TokenKind::Word, start, end });
        }
        self.hash_word(start, end);
    }

    #[inline]
    fn punctuation(&mut self, at: usize, byte: u8) {
        if !matches!(self.rows, Rows::Outside) {
            return self.among_rows(Token { kind: TokenKind::Punctuation(byte), start: at, end: at + 1 });
        }
        self.hash_punctuation(at, byte);
    }

    #[inline(never)]
    fn other(&mut self, token: Token) {
        if !matches!(self.rows, Rows::Outside) {
            self.among_rows(token);
            self.name_end = token.end;
            return;
        }
        self.hash_other(token.kind, token);
        self.name_end = token.end;
    }
}

/// The kinds of literals, numbered.
const fn literal_number(kind: TokenKind) -> u64 {
    match kind {
        TokenKind::Integer => 1,
        TokenKind::Decimal => 2,
        TokenKind::Float => 3,
        TokenKind::Hex => 4,
        TokenKind::Bit => 5,
        TokenKind::String => 6,
        TokenKind::National => 7,
        TokenKind::Null => 8,
        _ => 9,
    }
}
