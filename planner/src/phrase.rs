//! A run of tokens with its text, and the questions that the analysis asks of it.

use crate::token::{Token, TokenKind};

/// Some consecutive tokens of a text. Every index is relative to the phrase; beyond its end nothing matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phrase<'a> {
    text: &'a [u8],
    tokens: &'a [Token],
}

impl<'a> Phrase<'a> {
    pub(crate) fn new(text: &'a [u8], tokens: &'a [Token]) -> Self {
        Self { text, tokens }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|t| t.kind)
    }

    /// The token before `at`, in this phrase.
    pub(crate) fn kind_before(&self, at: usize) -> Option<TokenKind> {
        at.checked_sub(1).and_then(|before| self.kind(before))
    }

    /// The bytes of one token as they are written.
    pub(crate) fn bytes(&self, at: usize) -> &'a [u8] {
        self.tokens.get(at).map_or(&[], |t| &self.text[t.start..t.end])
    }

    /// Where in the whole text the token ends.
    pub(crate) fn end(&self, at: usize) -> Option<usize> {
        self.tokens.get(at).map(|t| t.end)
    }

    /// The text from the first token to the last.
    pub(crate) fn text(&self) -> &'a [u8] {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => &self.text[first.start..last.end],
            _ => &[],
        }
    }

    /// Whether nothing stands between the tokens `at` and `at + 1`.
    pub(crate) fn touches_next(&self, at: usize) -> bool {
        matches!((self.tokens.get(at), self.tokens.get(at + 1)), (Some(a), Some(b)) if a.end == b.start)
    }

    pub(crate) fn from(&self, at: usize) -> Self {
        Self { text: self.text, tokens: self.tokens.get(at..).unwrap_or_default() }
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        Self { text: self.text, tokens: self.tokens.get(from..to).unwrap_or_default() }
    }

    /// Whether the token at `at` is this keyword (given in capitals).
    pub(crate) fn is(&self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(TokenKind::Word) && self.bytes(at).eq_ignore_ascii_case(word.as_bytes())
    }

    pub(crate) fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    /// Whether these keywords stand from `at` on, one after the other.
    pub(crate) fn are(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, word)| self.is(at + i, word))
    }

    pub(crate) fn is_punctuation(&self, at: usize, byte: u8) -> bool {
        self.kind(at) == Some(TokenKind::Punctuation(byte))
    }

    /// Behind as many of `words` as stand at `at`, in any order.
    pub(crate) fn skip_words(&self, mut at: usize, words: &[&str]) -> usize {
        while self.is_any(at, words) {
            at += 1;
        }
        at
    }

    pub(crate) fn find(&self, word: &str) -> Option<usize> {
        (0..self.len()).find(|&at| self.is(at, word))
    }

    pub(crate) fn contains(&self, word: &str) -> bool {
        self.find(word).is_some()
    }

    /// The keyword or name at `at` in capitals, or nothing if it is neither.
    pub(crate) fn capitals(&self, at: usize) -> String {
        match self.kind(at) {
            Some(TokenKind::Word) => String::from_utf8_lossy(self.bytes(at)).to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    /// The name at `at`, without its quotes, as it is written.
    pub(crate) fn name(&self, at: usize) -> Option<String> {
        match self.kind(at)? {
            TokenKind::Word => Some(String::from_utf8_lossy(self.bytes(at)).into_owned()),
            TokenKind::QuotedName => Some(unquote(self.bytes(at))),
            _ => None,
        }
    }

    /// The name at `at` with its qualifiers (`db.t`), lower-cased, and where the text goes on.
    pub(crate) fn qualified_name(&self, at: usize) -> Option<(String, usize)> {
        let mut name = self.name(at)?.to_lowercase();
        let mut next = at + 1;
        while self.is_punctuation(next, b'.') {
            let Some(part) = self.name(next + 1) else { break };
            name.push('.');
            name.push_str(&part.to_lowercase());
            next += 2;
        }
        Some((name, next))
    }

    /// The value of the string literal at `at`, if it is written without escapes.
    pub(crate) fn string(&self, at: usize) -> Option<String> {
        let plain = self.kind(at)? == TokenKind::String && !self.bytes(at).contains(&b'\\');
        plain.then(|| unquote(self.bytes(at)))
    }

    /// The name of the user variable at `at`, lower-cased.
    pub(crate) fn user_variable(&self, at: usize) -> Option<String> {
        if self.kind(at)? != TokenKind::UserVariable {
            return None;
        }
        let name = &self.bytes(at)[1..];
        match name.first() {
            Some(b'`' | b'\'' | b'"') => Some(unquote(name).to_lowercase()),
            _ => Some(String::from_utf8_lossy(name).to_lowercase()),
        }
    }

    /// The indexes at which a new item begins when the phrase is split at commas outside parentheses.
    pub(crate) fn items(&self) -> Vec<Self> {
        let mut items = Vec::new();
        let (mut begin, mut depth) = (0, 0_usize);
        for at in 0..self.len() {
            match self.kind(at) {
                Some(TokenKind::Punctuation(b'(')) => depth += 1,
                Some(TokenKind::Punctuation(b')')) => depth = depth.saturating_sub(1),
                Some(TokenKind::Punctuation(b',')) if depth == 0 => {
                    items.push(self.slice(begin, at));
                    begin = at + 1;
                }
                _ => {}
            }
        }
        items.push(self.from(begin));
        items
    }
}

/// Takes the quotes off; a doubled quote inside is one.
fn unquote(quoted: &[u8]) -> String {
    let Some((&quote, rest)) = quoted.split_first() else { return String::new() };
    let inner = rest.strip_suffix(&[quote]).unwrap_or(rest);
    let mut name = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        name.push(byte);
        if byte == quote && bytes.peek() == Some(&quote) {
            bytes.next();
        }
    }
    String::from_utf8_lossy(&name).into_owned()
}
