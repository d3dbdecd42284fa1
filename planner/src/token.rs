//! One token of a statement: its kind and where it stands.

/// What a token is, before any grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// An unquoted name or a keyword.
    Word,
    /// `` `name` ``, or `"name"` under ANSI_QUOTES.
    QuotedName,
    /// `12`
    Integer,
    /// `1.2`, `.5`
    Decimal,
    /// `1e5`
    Float,
    /// `0x1F` or `x'1F'`
    Hex,
    /// `0b01` or `b'01'`
    Bit,
    /// `'...'`, or `"..."` without ANSI_QUOTES. A `_charset` before it is a word of its own.
    String,
    /// `n'...'`
    National,
    /// `\N`
    Null,
    /// `?`
    Parameter,
    /// `@name`, `` @`name` ``, `@'name'`, `@"name"`
    UserVariable,
    /// `@@`; the variable's name follows as ordinary tokens.
    SystemVariable,
    /// `:=`
    Assign,
    /// One byte of punctuation.
    Punctuation(u8),
    /// `/*+ ... */`
    OptimizerHint,
    /// What a server would refuse, or might read otherwise than we do. Reaches to the end of the text.
    Malformed,
}

impl TokenKind {
    /// Whether it is a constant, or the `?` that stands for one.
    #[must_use]
    pub const fn is_literal(self) -> bool {
        matches!(
            self,
            Self::Integer
                | Self::Decimal
                | Self::Float
                | Self::Hex
                | Self::Bit
                | Self::String
                | Self::National
                | Self::Null
                | Self::Parameter
        )
    }
}

/// One token: `text[start..end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}
