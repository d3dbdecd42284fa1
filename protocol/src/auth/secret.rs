//! What the proxy knows of passwords: what verifies a client, and what logs in at a server. Never printed.

use std::fmt;

use thiserror::Error;

use super::{StoredHash, native, sha2};

/// A password in clear. Its Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Password(Vec<u8>);

impl Password {
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// A password in clear with what the plugins make of it, so that no login has to hash it again.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownPassword {
    pub(super) password: Password,
    pub(super) native: [u8; 20],
    pub(super) sha2: [u8; 32],
}

impl From<Password> for KnownPassword {
    fn from(password: Password) -> Self {
        let native = native::stage2(&native::stage1(password.bytes()));
        let sha2 = sha2::stage2(&sha2::stage1(password.bytes()));
        Self { password, native, sha2 }
    }
}

impl KnownPassword {
    /// That of nobody: what takes its digests has no password. Made without hashing, or an unknown user would be told
    /// from a known one by the time that this takes.
    fn decoy(random: [u8; 20]) -> Self {
        let mut sha2 = [0; 32];
        sha2[..random.len()].copy_from_slice(&random);
        Self { password: Password::new(random), native: random, sha2 }
    }
}

/// What an account is verified with.
#[derive(Clone, PartialEq, Eq)]
pub enum AccountSecret {
    Password(KnownPassword),
    /// SHA1(SHA1(password)), written `*HEX`.
    NativeHash([u8; 20]),
    CachingSha2Hash(StoredHash),
}

impl fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(hidden)",
            Self::NativeHash(_) => "NativeHash(hidden)",
            Self::CachingSha2Hash(_) => "CachingSha2Hash(hidden)",
        })
    }
}

/// A stored hash that is none; whoever configured it has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("neither a mysql_native_password hash (*HEX) nor a caching_sha2_password hash ($A$005$...)")]
pub struct SecretError;

impl AccountSecret {
    #[must_use]
    pub fn from_password(password: Password) -> Self {
        Self::Password(password.into())
    }

    /// Reads `*HEX` or `$A$...`, as authentication_string shows them. `0x` and hexadecimal digits are taken
    /// too, as a caching_sha2 salt may hold bytes that no text file can (print_identified_with_as_hex).
    pub fn from_hash(stored: &str) -> Result<Self, SecretError> {
        if let Some(digits) = stored.strip_prefix("0x") {
            let raw = unhex(digits.as_bytes()).ok_or(SecretError)?;
            return StoredHash::parse(&raw).map(Self::CachingSha2Hash).ok_or(SecretError);
        }
        if let Some(digits) = stored.strip_prefix('*') {
            let raw = unhex(digits.as_bytes()).ok_or(SecretError)?;
            return raw.try_into().map(Self::NativeHash).map_err(|_| SecretError);
        }
        StoredHash::parse(stored.as_bytes()).map(Self::CachingSha2Hash).ok_or(SecretError)
    }

    /// A secret of the same kind and cost that nobody can know: what unknown users are verified with.
    #[must_use]
    pub fn decoy(&self, random: [u8; 20]) -> Self {
        match self {
            Self::Password(_) => Self::Password(KnownPassword::decoy(random)),
            Self::NativeHash(_) => Self::NativeHash(random),
            Self::CachingSha2Hash(hash) => Self::CachingSha2Hash(hash.decoy(random)),
        }
    }

    /// Whether the secret is this password's.
    #[must_use]
    pub fn matches(&self, password: &Password) -> bool {
        use subtle::ConstantTimeEq as _;
        match self {
            Self::Password(known) => known.password.bytes().ct_eq(password.bytes()).into(),
            Self::NativeHash(stored) => native::stage2(&native::stage1(password.bytes())).ct_eq(stored).into(),
            Self::CachingSha2Hash(hash) => hash.matches(password.bytes()),
        }
    }
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |d: u8| char::from(d).to_digit(16).map(|n| n as u8);
    if digits.len() % 2 == 1 {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

/// What logs in at a server. The hashes come from a client's own login, where no password in clear was seen.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Password(Password),
    /// SHA1(password): logs in at mysql_native_password accounts only.
    NativeStage1([u8; 20]),
    /// SHA256(password): logs in at caching_sha2_password accounts that the server has in its cache.
    Sha2Stage1([u8; 32]),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(hidden)",
            Self::NativeStage1(_) => "NativeStage1(hidden)",
            Self::Sha2Stage1(_) => "Sha2Stage1(hidden)",
        })
    }
}
