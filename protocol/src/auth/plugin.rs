//! The authentication plugins by name.

/// An authentication plugin as packets name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    Native,
    CachingSha2,
    /// MariaDB's client_ed25519.
    Ed25519,
    /// mysql_clear_password: recognised so that it can be refused with a reason.
    ClearText,
    /// sha256_password: likewise; removed in MySQL 9.
    Sha256,
    Unknown,
}

impl Plugin {
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "mysql_native_password" => Self::Native,
            "caching_sha2_password" => Self::CachingSha2,
            "client_ed25519" => Self::Ed25519,
            "mysql_clear_password" => Self::ClearText,
            "sha256_password" => Self::Sha256,
            _ => Self::Unknown,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Ed25519 => "client_ed25519",
            Self::ClearText => "mysql_clear_password",
            Self::Sha256 => "sha256_password",
            Self::Unknown => "unknown",
        }
    }
}
