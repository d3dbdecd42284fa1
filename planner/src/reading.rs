//! What changes the reading of a statement's bytes: sql_mode bits, client charset, server kind and version.

/// Which family of server will execute the text; versioned comments and some grammar differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    MariaDb,
    MySql,
}

/// How `character_set_client` splits bytes into characters, as far as quotes and backslashes are concerned.
///
/// In the multibyte sets the second byte of a character may be `\` or a quote, which a byte scanner
/// would take for an escape or an end (`'\xbf\x5c'` in gbk).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientCharset {
    /// latin1 and every other set in which bytes below 0x80 are always ASCII. Some of these sets have a
    /// blank among the high bytes (0xA0 in latin1), so an unquoted one makes the text not understood.
    AsciiSafe,
    /// utf8mb3, utf8mb4 and ascii: as `AsciiSafe`, and every high byte is part of a letter.
    Utf8,
    Gbk,
    Gb18030,
    Big5,
    Sjis,
    Cp932,
}

/// The reading of one session's statements; part of the analysis cache's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    pub server: ServerKind,
    /// As in a versioned comment: 101114 for MariaDB 10.11.14, 90700 for MySQL 9.7.0.
    pub version: u32,
    pub charset: ClientCharset,
    /// sql_mode has ANSI_QUOTES: `"x"` is a name, not a string.
    pub ansi_quotes: bool,
    /// sql_mode has NO_BACKSLASH_ESCAPES.
    pub no_backslash_escapes: bool,
    /// sql_mode has IGNORE_SPACE: `NOW ()` is a call.
    pub ignore_space: bool,
    /// sql_mode has ORACLE (MariaDB): other grammar for procedures, treated conservatively.
    pub oracle: bool,
    /// The client may stack statements (CLIENT_MULTI_STATEMENTS); without it the server refuses a second one.
    pub multi_statements: bool,
}

impl Reading {
    /// The reading of a session with neither special sql_mode bits nor stacked statements.
    #[must_use]
    pub const fn new(server: ServerKind, version: u32, charset: ClientCharset) -> Self {
        Self {
            server,
            version,
            charset,
            ansi_quotes: false,
            no_backslash_escapes: false,
            ignore_space: false,
            oracle: false,
            multi_statements: false,
        }
    }
}
