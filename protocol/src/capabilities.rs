//! Capability flags of both sides: the protocol's 32 bits below, MariaDB's extended ones above.
//!
//! Sources: MySQL internals manual "Capability Flags"; MariaDB knowledge base "Connection", extended capabilities.

use bitflags::bitflags;

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Capabilities: u64 {
        /// On MariaDB the same bit, unset, says "this server has extended capabilities" (CLIENT_MYSQL).
        const LONG_PASSWORD = 1;
        const FOUND_ROWS = 1 << 1;
        const LONG_FLAG = 1 << 2;
        const CONNECT_WITH_DB = 1 << 3;
        const NO_SCHEMA = 1 << 4;
        const COMPRESS = 1 << 5;
        const ODBC = 1 << 6;
        const LOCAL_FILES = 1 << 7;
        const IGNORE_SPACE = 1 << 8;
        const PROTOCOL_41 = 1 << 9;
        const INTERACTIVE = 1 << 10;
        const SSL = 1 << 11;
        const IGNORE_SIGPIPE = 1 << 12;
        const TRANSACTIONS = 1 << 13;
        const RESERVED = 1 << 14;
        const SECURE_CONNECTION = 1 << 15;
        const MULTI_STATEMENTS = 1 << 16;
        const MULTI_RESULTS = 1 << 17;
        const PS_MULTI_RESULTS = 1 << 18;
        const PLUGIN_AUTH = 1 << 19;
        const CONNECT_ATTRS = 1 << 20;
        const PLUGIN_AUTH_LENENC = 1 << 21;
        const CAN_HANDLE_EXPIRED_PASSWORDS = 1 << 22;
        const SESSION_TRACK = 1 << 23;
        const DEPRECATE_EOF = 1 << 24;
        const OPTIONAL_RESULTSET_METADATA = 1 << 25;
        const ZSTD = 1 << 26;
        const QUERY_ATTRIBUTES = 1 << 27;
        const MULTI_FACTOR_AUTH = 1 << 28;
        const CAPABILITY_EXTENSION = 1 << 29;
        const SSL_VERIFY_SERVER_CERT = 1 << 30;
        const REMEMBER_OPTIONS = 1 << 31;

        const MARIADB_PROGRESS = 1 << 32;
        const MARIADB_COM_MULTI = 1 << 33;
        const MARIADB_BULK_OPERATIONS = 1 << 34;
        const MARIADB_EXTENDED_METADATA = 1 << 35;
        const MARIADB_CACHE_METADATA = 1 << 36;
        const MARIADB_BULK_UNIT_RESULTS = 1 << 37;
    }
}

impl Capabilities {
    /// What a login fixes for the life of a backend connection and clients can tell apart: connections are
    /// shared only between clients that agree on all of these.
    pub const LOGIN_CLASS: Self = Self::FOUND_ROWS
        .union(Self::LOCAL_FILES)
        .union(Self::MULTI_RESULTS)
        .union(Self::PS_MULTI_RESULTS)
        .union(Self::QUERY_ATTRIBUTES)
        .union(Self::MARIADB_EXTENDED_METADATA);
}
