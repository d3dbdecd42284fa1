//! The character rules of MySQL's lexer: where each token begins and ends.
//!
//! Follows `lex_one_token()` of MySQL 8 and MariaDB 10.11 (sql/sql_lex.cc) and the manual's chapters "Language
//! Structure" and "Comments". Both the fingerprint and the analysis read a text through this one lexer, so they
//! cannot disagree. Whatever the servers refuse, or read differently from each other in a way that we cannot
//! tell, becomes one `Malformed` token to the end of the text.

use memchr::{memchr, memchr2, memmem};

use crate::bytes::{Class, class_of, is_blank, is_control, is_word_byte, word_bytes_in_front};
use crate::charset::{Character, first_character, is_multibyte};
use crate::reading::{ClientCharset, Reading, ServerKind};
use crate::token::{Token, TokenKind};

/// The tokens of `text`, in order, to the end of the text.
#[must_use]
pub fn tokens<'t>(text: &'t [u8], reading: &Reading) -> Lexer<'t> {
    Lexer::new(text, reading)
}

/// Reads tokens off a text. An iterator that ends after a `Malformed` token.
#[derive(Clone, Debug)]
pub struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    reading: Reading,
    multibyte: bool,
    /// Inside an executed `/*! ... */`, whose `*/` is no token.
    in_executed_comment: bool,
    /// Where the last name ended: a `.` that touches it separates names and begins no number.
    name_end: usize,
    /// Where a name must begin, because a separating `.` ended there.
    name_start: usize,
}

/// What came out of looking at a `/`.
enum Slash {
    /// Nothing for the reader: a comment, or the opening of an executed one.
    Skipped,
    Token(Token),
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t [u8], reading: &Reading) -> Self {
        Self {
            text,
            at: 0,
            reading: *reading,
            multibyte: is_multibyte(reading.charset),
            in_executed_comment: false,
            name_end: usize::MAX,
            name_start: usize::MAX,
        }
    }

    #[inline]
    pub(crate) fn next_token(&mut self) -> Option<Token> {
        loop {
            // One blank before a token is the rule; it needs no dispatch.
            self.at += usize::from(self.peek(self.at) == Some(b' '));
            let start = self.at;
            let Some(&byte) = self.text.get(start) else { return self.at_end() };
            match class_of(byte) {
                Class::Blank => self.at += 1,
                Class::Letter => return Some(self.word(start)),
                Class::Punctuation => return Some(self.take(TokenKind::Punctuation(byte), start + 1)),
                Class::Digit => return Some(self.number_or_name(start)),
                Class::Quote => return Some(self.string(start, start, TokenKind::String)),
                Class::Hash => match self.line_comment(start) {
                    None => {}
                    broken => return broken,
                },
                Class::Slash => match self.slash(start) {
                    Slash::Skipped => {}
                    Slash::Token(token) => return Some(token),
                },
                Class::Dash if self.begins_dash_comment(start) => match self.line_comment(start) {
                    None => {}
                    broken => return broken,
                },
                Class::Star if self.in_executed_comment && self.peek(start + 1) == Some(b'/') => {
                    self.in_executed_comment = false;
                    self.at += 2;
                }
                Class::Dash | Class::Star => return Some(self.take(TokenKind::Punctuation(byte), start + 1)),
                Class::Rare => return Some(self.rare(start, byte)),
            }
        }
    }

    fn at_end(&mut self) -> Option<Token> {
        // An executed comment that is never closed is an error for both servers.
        if std::mem::take(&mut self.in_executed_comment) {
            let end = self.text.len();
            return Some(Token { kind: TokenKind::Malformed, start: end, end });
        }
        None
    }

    #[inline]
    fn take(&mut self, kind: TokenKind, end: usize) -> Token {
        let start = self.at;
        self.at = end;
        Token { kind, start, end }
    }

    #[cold]
    fn malformed(&mut self) -> Token {
        self.in_executed_comment = false;
        self.take(TokenKind::Malformed, self.text.len())
    }

    #[inline]
    fn peek(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// The bytes that have a meaning only together with their neighbours, and those that have none at all.
    #[inline(never)]
    fn rare(&mut self, start: usize, byte: u8) -> Token {
        let next = self.peek(start + 1);
        match (byte, next) {
            (b'"', _) if self.reading.ansi_quotes => self.quoted_name(start),
            (b'"', _) => self.string(start, start, TokenKind::String),
            (b'`', _) => self.quoted_name(start),
            (b'@', Some(b'@')) => self.system_variable(start),
            (b'@', _) => self.user_variable(start),
            (b':', Some(b'=')) => self.take(TokenKind::Assign, start + 2),
            (b'.', _) if self.name_end == start => {
                self.name_start = start + 1;
                self.take(TokenKind::Punctuation(b'.'), start + 1)
            }
            (b'.', Some(b'0'..=b'9')) => self.fraction(start, start),
            (b'?', _) => self.take(TokenKind::Parameter, start + 1),
            (b'\\', Some(b'N')) => self.take(TokenKind::Null, start + 2),
            (b':' | b'.', _) => self.take(TokenKind::Punctuation(byte), start + 1),
            _ => self.high_byte(start, byte),
        }
    }

    /// A high byte that is no letter in every character set; a NUL, a control character or a lone backslash.
    fn high_byte(&mut self, start: usize, byte: u8) -> Token {
        if byte >= 0x80 && (self.multibyte || self.reading.charset == ClientCharset::Utf8) {
            return self.word(start);
        }
        self.malformed()
    }

    #[inline]
    fn word(&mut self, start: usize) -> Token {
        let end = start + ascii_word_length(self.text, start);
        match self.text.get(end) {
            Some(b'\'') if end == start + 1 && self.name_start != start => self.prefixed_literal(start, end),
            Some(0x80..) => self.word_with_high_bytes(start),
            _ => {
                self.name_end = end;
                self.take(TokenKind::Word, end)
            }
        }
    }

    /// As `word`, character by character.
    #[cold]
    fn word_with_high_bytes(&mut self, start: usize) -> Token {
        let mut end = start;
        while let Some(&byte) = self.text.get(end) {
            match first_character(self.reading.charset, &self.text[end..]) {
                Character::Multi(length) => end += length,
                Character::Broken => return self.malformed(),
                Character::Single if is_word_byte(byte) => end += 1,
                Character::Single if byte < 0x80 => break,
                Character::Single if self.multibyte || self.reading.charset == ClientCharset::Utf8 => end += 1,
                // Perhaps a blank of that character set, behind which a keyword may hide.
                Character::Single => return self.malformed(),
            }
        }
        self.name_end = end;
        self.take(TokenKind::Word, end)
    }

    /// `x'..'`, `b'..'`, `n'..'`, or a name of one letter before a string.
    #[cold]
    fn prefixed_literal(&mut self, start: usize, quote: usize) -> Token {
        match self.text[start] {
            b'n' | b'N' => self.string(start, quote, TokenKind::National),
            b'x' | b'X' => self.digits_in_quotes(quote, TokenKind::Hex, u8::is_ascii_hexdigit),
            b'b' | b'B' => self.digits_in_quotes(quote, TokenKind::Bit, |b| matches!(b, b'0' | b'1')),
            _ => {
                self.name_end = quote;
                self.take(TokenKind::Word, quote)
            }
        }
    }

    fn digits_in_quotes(&mut self, quote: usize, kind: TokenKind, is_digit: impl Fn(&u8) -> bool) -> Token {
        let digits = self.run(quote + 1, is_digit);
        if self.peek(digits) == Some(b'\'') { self.take(kind, digits + 1) } else { self.malformed() }
    }

    /// The end of the run of bytes from `at` that are all `wanted`.
    fn run(&self, at: usize, wanted: impl Fn(&u8) -> bool) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().position(|b| !wanted(b)).unwrap_or(rest.len())
    }

    fn digits(&self, at: usize) -> usize {
        self.run(at, u8::is_ascii_digit)
    }

    fn begins_name_at(&self, at: usize) -> bool {
        self.peek(at).is_some_and(|b| is_word_byte(b) || b >= 0x80)
    }

    #[inline(never)]
    fn number_or_name(&mut self, start: usize) -> Token {
        if self.name_start == start {
            return self.word(start);
        }
        if let Some(token) = self.prefixed_number(start) {
            return token;
        }
        let end = self.digits(start);
        match self.peek(end) {
            Some(b'.') => self.fraction(start, end),
            Some(b'e' | b'E') => match self.exponent(end) {
                Some(end) => self.take(TokenKind::Float, end),
                None => self.word(start),
            },
            _ if self.begins_name_at(end) => self.word(start),
            _ => self.take(TokenKind::Integer, end),
        }
    }

    /// `0x1F` and `0b01`; with anything else of a name behind the digits it is a name.
    fn prefixed_number(&mut self, start: usize) -> Option<Token> {
        if self.text[start] != b'0' {
            return None;
        }
        let (kind, end) = match self.peek(start + 1)? {
            b'x' => (TokenKind::Hex, self.run(start + 2, u8::is_ascii_hexdigit)),
            b'b' => (TokenKind::Bit, self.run(start + 2, |b| matches!(b, b'0' | b'1'))),
            _ => return None,
        };
        (end > start + 2 && !self.begins_name_at(end)).then(|| self.take(kind, end))
    }

    /// The end of `e[+-]digits` at `at`, if that is what stands there.
    fn exponent(&self, at: usize) -> Option<usize> {
        let sign = usize::from(matches!(self.peek(at + 1), Some(b'+' | b'-')));
        let end = self.digits(at + 1 + sign);
        (end > at + 1 + sign).then_some(end)
    }

    /// A number whose point stands at `point`.
    fn fraction(&mut self, start: usize, point: usize) -> Token {
        debug_assert_eq!(self.at, start);
        let end = self.digits(point + 1);
        match self.peek(end) {
            Some(b'e' | b'E') => match self.exponent(end) {
                Some(end) => self.take(TokenKind::Float, end),
                // `1.e` without digits: MySQL's lexer drops the number, which we must not imitate half.
                None => self.malformed(),
            },
            _ => self.take(TokenKind::Decimal, end),
        }
    }

    /// A string whose opening quote stands at `quote`.
    fn string(&mut self, start: usize, quote: usize, kind: TokenKind) -> Token {
        debug_assert_eq!(self.at, start);
        let escapes = !self.reading.no_backslash_escapes;
        match self.closing_quote(quote, escapes) {
            Some(end) => self.take(kind, end),
            None => self.malformed(),
        }
    }

    fn quoted_name(&mut self, start: usize) -> Token {
        match self.closing_quote(start, false) {
            Some(end) => {
                self.name_end = end;
                self.take(TokenKind::QuotedName, end)
            }
            None => self.malformed(),
        }
    }

    /// Behind the quote that closes the one at `open`; a doubled quote does not close.
    #[inline(never)]
    fn closing_quote(&self, open: usize, escapes: bool) -> Option<usize> {
        let quote = self.text[open];
        if self.multibyte {
            return self.closing_quote_multibyte(open, quote, escapes);
        }
        let mut at = open + 1;
        loop {
            at += find_quote(self.text.get(at..)?, quote, escapes)?;
            match self.text[at] {
                b'\\' if escapes => at += 2,
                _ if self.peek(at + 1) == Some(quote) => at += 2,
                _ => return Some(at + 1),
            }
        }
    }

    fn closing_quote_multibyte(&self, open: usize, quote: u8, escapes: bool) -> Option<usize> {
        let mut at = open + 1;
        loop {
            let byte = self.peek(at)?;
            match first_character(self.reading.charset, &self.text[at..]) {
                Character::Multi(length) => at += length,
                Character::Broken => return None,
                Character::Single if byte == b'\\' && escapes => at += 2,
                Character::Single if byte != quote => at += 1,
                Character::Single if self.peek(at + 1) == Some(quote) => at += 2,
                Character::Single => return Some(at + 1),
            }
        }
    }

    /// `@@` must touch the name, or the `` ` `` of the name, that it belongs to.
    fn system_variable(&mut self, start: usize) -> Token {
        if self.begins_name_at(start + 2) || self.peek(start + 2) == Some(b'`') {
            self.name_start = start + 2;
            self.take(TokenKind::SystemVariable, start + 2)
        } else {
            self.malformed()
        }
    }

    fn user_variable(&mut self, start: usize) -> Token {
        match self.peek(start + 1) {
            Some(b'`') => self.quoted_user_variable(start, false),
            Some(b'"') => {
                self.quoted_user_variable(start, !self.reading.no_backslash_escapes && !self.reading.ansi_quotes)
            }
            Some(b'\'') => self.quoted_user_variable(start, !self.reading.no_backslash_escapes),
            _ => {
                let utf8 = self.reading.charset == ClientCharset::Utf8;
                let end = self.run(start + 1, |&b| is_word_byte(b) || b == b'.' || (utf8 && b >= 0x80));
                if self.peek(end).is_some_and(|b| b >= 0x80) || (self.multibyte && !self.text[start..end].is_ascii()) {
                    return self.malformed();
                }
                self.take(TokenKind::UserVariable, end)
            }
        }
    }

    fn quoted_user_variable(&mut self, start: usize, escapes: bool) -> Token {
        match self.closing_quote(start + 1, escapes) {
            Some(end) => self.take(TokenKind::UserVariable, end),
            None => self.malformed(),
        }
    }

    /// `--` begins a comment only before a blank, a control character or the end.
    fn begins_dash_comment(&self, start: usize) -> bool {
        self.peek(start + 1) == Some(b'-') && self.peek(start + 2).is_none_or(|b| is_blank(b) || is_control(b))
    }

    /// Skips to the end of the line. A NUL ends such a comment for the servers, and then their text.
    fn line_comment(&mut self, start: usize) -> Option<Token> {
        let rest = &self.text[start..];
        let line = memchr(b'\n', rest).map_or(rest, |end| &rest[..end]);
        if memchr(0, line).is_some() {
            return Some(self.malformed());
        }
        self.at = start + line.len();
        None
    }

    fn slash(&mut self, start: usize) -> Slash {
        if self.peek(start + 1) != Some(b'*') {
            return Slash::Token(self.take(TokenKind::Punctuation(b'/'), start + 1));
        }
        match (self.peek(start + 2), self.peek(start + 3)) {
            (Some(b'!'), _) => self.versioned_comment(start + 3, false),
            (Some(b'M'), Some(b'!')) if self.reading.server == ServerKind::MariaDb => {
                self.versioned_comment(start + 4, true)
            }
            (Some(b'+'), _) => match self.comment_end(start + 3) {
                Some(end) => Slash::Token(self.take(TokenKind::OptimizerHint, end)),
                None => Slash::Token(self.malformed()),
            },
            _ => self.skip_to(self.comment_end(start + 2)),
        }
    }

    fn comment_end(&self, at: usize) -> Option<usize> {
        Some(at + memmem::find(self.text.get(at..)?, b"*/")? + 2)
    }

    fn skip_to(&mut self, end: Option<usize>) -> Slash {
        match end {
            Some(end) => {
                self.at = end;
                Slash::Skipped
            }
            None => Slash::Token(self.malformed()),
        }
    }

    /// `/*!` or `/*M!` whose version, if any, stands at `at`.
    fn versioned_comment(&mut self, at: usize, mariadb_only: bool) -> Slash {
        let length = self.version_length(at);
        let version = self.text[at..at + length].iter().fold(0, |v, b| v * 10 + u32::from(b - b'0'));
        if length == 0 || self.executes(version, mariadb_only) {
            self.in_executed_comment = true;
            self.at = at + length;
            return Slash::Skipped;
        }
        self.skip_to(self.end_of_refused_comment(at))
    }

    /// Five or six digits, or none. MySQL takes a sixth digit only before a blank (warning
    /// ER_WARN_NO_SPACE_VERSION_COMMENT), MariaDB always.
    fn version_length(&self, at: usize) -> usize {
        let digits = self.digits(at) - at;
        match (digits, self.reading.server) {
            (0..=4, _) => 0,
            (5, _) => 5,
            (_, ServerKind::MariaDb) => 6,
            (6, ServerKind::MySql) if self.peek(at + 6).is_some_and(is_blank) => 6,
            (_, ServerKind::MySql) => 5,
        }
    }

    /// MariaDB does not execute what is meant for MySQL 5.7 and newer (MariaDB manual, "Comment Syntax").
    fn executes(&self, version: u32, mariadb_only: bool) -> bool {
        const MYSQL_ONLY: std::ops::RangeInclusive<u32> = 50_700..=99_999;
        let for_mysql = self.reading.server == ServerKind::MariaDb && MYSQL_ONLY.contains(&version) && !mariadb_only;
        version <= self.reading.version && !for_mysql
    }

    /// A refused versioned comment may hold one level of ordinary comments.
    fn end_of_refused_comment(&self, mut at: usize) -> Option<usize> {
        loop {
            at += memchr2(b'*', b'/', self.text.get(at..)?)?;
            match (self.text[at], self.peek(at + 1)?) {
                (b'*', b'/') => return Some(at + 2),
                (b'/', b'*') => at = self.comment_end(at + 2)?,
                _ => at += 1,
            }
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.next_token()
    }
}

/// How many bytes from `start` on are letters, digits, `_` or `$` of ASCII.
#[inline]
fn ascii_word_length(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let length = word_bytes_in_front(u64::from_le_bytes(*eight));
        at += length;
        if length < 8 {
            return at - start;
        }
    }
    while text.get(at).is_some_and(|&byte| byte < 0x80 && is_word_byte(byte)) {
        at += 1;
    }
    at - start
}

/// The first quote (or backslash, if it escapes) of `rest`.
#[inline]
fn find_quote(rest: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    // Most literals are short; there a plain loop beats the vectorised search.
    const SHORT: usize = 24;
    let wanted = |&b: &u8| b == quote || (escapes && b == b'\\');
    let short = rest.get(..SHORT).unwrap_or(rest);
    if let Some(at) = short.iter().position(wanted) {
        return Some(at);
    }
    let long = &rest[short.len()..];
    let found = if escapes { memchr2(quote, b'\\', long) } else { memchr(quote, long) };
    found.map(|at| short.len() + at)
}
