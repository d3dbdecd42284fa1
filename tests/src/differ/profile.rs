//! As which client a run appears: capability flags, and how statements are sent.

/// MySQL source documentation, "Capabilities Flags".
pub mod capability {
    pub const LONG_PASSWORD: u32 = 1;
    pub const FOUND_ROWS: u32 = 1 << 1;
    pub const LONG_FLAG: u32 = 1 << 2;
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    pub const LOCAL_FILES: u32 = 1 << 7;
    pub const INTERACTIVE: u32 = 1 << 10;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const TRANSACTIONS: u32 = 1 << 13;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const MULTI_STATEMENTS: u32 = 1 << 16;
    pub const MULTI_RESULTS: u32 = 1 << 17;
    pub const PS_MULTI_RESULTS: u32 = 1 << 18;
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    pub const CONNECT_ATTRS: u32 = 1 << 20;
    pub const SESSION_TRACK: u32 = 1 << 23;
    pub const DEPRECATE_EOF: u32 = 1 << 24;
}

use capability as cap;

/// How statements travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// COM_QUERY.
    Text,
    /// COM_STMT_PREPARE and COM_STMT_EXECUTE; COM_QUERY for what can't be prepared.
    Binary,
    /// As `Binary`, asking for a read-only cursor and fetching a few rows at a time.
    Cursor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: &'static str,
    pub capabilities: u32,
    pub mode: Mode,
    /// Collation id in the handshake.
    pub charset: u8,
}

/// utf8mb4_general_ci: what mysqlnd sends by default.
const CHARSET: u8 = 45;

/// What every client since MySQL 5.7 sets.
const COMMON: u32 = cap::LONG_PASSWORD
    | cap::LONG_FLAG
    | cap::LOCAL_FILES
    | cap::PROTOCOL_41
    | cap::TRANSACTIONS
    | cap::SECURE_CONNECTION
    | cap::MULTI_STATEMENTS
    | cap::MULTI_RESULTS
    | cap::PS_MULTI_RESULTS
    | cap::PLUGIN_AUTH;
/// PHP's mysqlnd, and PyMySQL: EOF packets, no trackers.
const MYSQLND: u32 = COMMON;
/// MySQL's own C client: no EOF packets, trackers.
const LIBMYSQLCLIENT: u32 = COMMON | cap::CONNECT_ATTRS | cap::SESSION_TRACK | cap::DEPRECATE_EOF;

impl Profile {
    pub const MYSQLND_TEXT: Self =
        Self { name: "mysqlnd-text", capabilities: MYSQLND, mode: Mode::Text, charset: CHARSET };
    pub const MYSQLND_BINARY: Self =
        Self { name: "mysqlnd-binary", capabilities: MYSQLND, mode: Mode::Binary, charset: CHARSET };
    pub const MYSQLND_CURSOR: Self =
        Self { name: "mysqlnd-cursor", capabilities: MYSQLND, mode: Mode::Cursor, charset: CHARSET };
    pub const LIBMYSQLCLIENT_TEXT: Self =
        Self { name: "libmysqlclient-text", capabilities: LIBMYSQLCLIENT, mode: Mode::Text, charset: CHARSET };
    pub const LIBMYSQLCLIENT_BINARY: Self =
        Self { name: "libmysqlclient-binary", capabilities: LIBMYSQLCLIENT, mode: Mode::Binary, charset: CHARSET };
    /// Connector/J and PDO set FOUND_ROWS: affected rows mean matched rows.
    pub const FOUND_ROWS_TEXT: Self =
        Self { name: "found-rows-text", capabilities: MYSQLND | cap::FOUND_ROWS, mode: Mode::Text, charset: CHARSET };

    pub const ALL: [Self; 6] = [
        Self::MYSQLND_TEXT,
        Self::MYSQLND_BINARY,
        Self::MYSQLND_CURSOR,
        Self::LIBMYSQLCLIENT_TEXT,
        Self::LIBMYSQLCLIENT_BINARY,
        Self::FOUND_ROWS_TEXT,
    ];

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }

    /// The same with one more capability.
    #[must_use]
    pub const fn with(self, capability: u32) -> Self {
        Self { capabilities: self.capabilities | capability, ..self }
    }

    #[must_use]
    pub fn has(&self, capability: u32) -> bool {
        self.capabilities & capability != 0
    }
}
