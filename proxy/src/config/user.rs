//! Who may log in, from where, and as whom they go on to the servers.

use super::form::{Consistency, UserForm};
use super::problem::Problems;
use super::secret::{self, Secret};
use crate::login::HostPattern;

/// Length of MySQL's stored caching_sha2_password string: `$A$005$`, 20 bytes of salt, 43 of digest.
const CACHING_SHA2_LEN: usize = 70;

/// Longest user name of either server (MariaDB 128 characters, MySQL 32).
const MAX_NAME_LEN: usize = 128;

/// One `[[user]]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: String,
    /// Each is accepted. Never empty.
    pub passwords: Vec<UserPassword>,
    pub hosts: Vec<HostPattern>,
    pub require_tls: bool,
    /// None: no limit of its own.
    pub max_connections: Option<u32>,
    pub backend_user: String,
    /// None when only hashes are known: then a server can be reached only with what the client's login reveals.
    pub backend_password: Option<Secret>,
    pub default_schema: Option<String>,
    /// The user's own, else the session section's.
    pub consistency: Consistency,
}

/// A password as it is known to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserPassword {
    Clear(Secret),
    /// SHA1(SHA1(password)), as mysql_native_password stores it.
    NativeHash([u8; 20]),
    /// The stored string of caching_sha2_password with its binary salt.
    CachingSha2Hash(HashBytes),
}

/// A stored hash; not for logs either.
#[derive(Clone, PartialEq, Eq)]
pub struct HashBytes(pub Vec<u8>);

impl std::fmt::Debug for HashBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Checks one user; `path` is `user[N]`.
pub fn check(form: UserForm, path: &str, consistency: Consistency, problems: &mut Problems) -> Option<User> {
    if form.name.is_empty() || form.name.chars().count() > MAX_NAME_LEN {
        problems.add(format!("{path}.name"), "must have 1 to 128 characters");
    }
    if form.hosts.is_empty() {
        problems.add(format!("{path}.hosts"), "an empty list would lock the user out; use [\"%\"] for anywhere");
    }
    let at = format!("{path}.hosts");
    let hosts = form.hosts.iter().filter_map(|h| problems.take(&at, h.parse())).collect();
    let passwords = check_passwords(&form, path, problems);
    let explicit = backend_password(&form, path, problems);
    let passwords = passwords?;
    let first_clear = passwords.iter().find_map(|p| match p {
        UserPassword::Clear(secret) => Some(secret.clone()),
        UserPassword::NativeHash(_) | UserPassword::CachingSha2Hash(_) => None,
    });
    Some(User {
        hosts,
        require_tls: form.require_tls,
        max_connections: (form.max_connections > 0).then_some(form.max_connections),
        backend_user: form.backend_user.unwrap_or_else(|| form.name.clone()),
        backend_password: explicit.unwrap_or(first_clear),
        default_schema: form.default_schema.filter(|s| !s.is_empty()),
        consistency: form.consistency.unwrap_or(consistency),
        name: form.name,
        passwords,
    })
}

/// None: not set; `Some(None)`: set, and a problem.
fn backend_password(form: &UserForm, path: &str, problems: &mut Problems) -> Option<Option<Secret>> {
    let (at, at_file) = (format!("{path}.backend_password"), format!("{path}.backend_password_file"));
    match (&form.backend_password, &form.backend_password_file) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            problems.add(at_file, "can't stand beside backend_password");
            Some(None)
        }
        (Some(written), None) => Some(problems.take(&at, secret::resolve(written))),
        (None, Some(file)) => Some(problems.take(&at_file, secret::from_file(file.as_ref()))),
    }
}

fn check_passwords(form: &UserForm, path: &str, problems: &mut Problems) -> Option<Vec<UserPassword>> {
    let at = format!("{path}.password");
    let written: Vec<Secret> = match (&form.password, &form.password_file) {
        (Some(_), Some(_)) => {
            problems.add(format!("{path}.password_file"), "can't stand beside password");
            return None;
        }
        (Some(super::form::OneOrMany::One(p)), None) => vec![p.clone()],
        (Some(super::form::OneOrMany::Many(list)), None) => list.clone(),
        (None, Some(file)) => {
            let secret = problems.take(&format!("{path}.password_file"), secret::from_file(file.as_ref()))?;
            return problems.take(&at, UserPassword::read(&secret)).map(|p| vec![p]);
        }
        // As in MySQL, an account without a password is one that needs none.
        (None, None) => vec![Secret::new("")],
    };
    if written.is_empty() {
        problems.add(&at, "an empty list would lock the user out");
        return None;
    }
    let read =
        |p: &Secret| problems.take(&at, secret::resolve(p)).and_then(|p| problems.take(&at, UserPassword::read(&p)));
    written.iter().map(read).collect()
}

/// Why a hash is none. The operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "looks like a caching_sha2_password hash, but has not its 70 bytes; write it as 0x... as SHOW CREATE USER does"
)]
pub struct HashError;

impl UserPassword {
    /// Tells hashes from clear text by their form, as MySQL does in its grant tables.
    fn read(text: &Secret) -> Result<Self, HashError> {
        let plain = text.expose();
        if let Some(hash) = plain.strip_prefix('*').and_then(unhex).and_then(|h| h.try_into().ok()) {
            return Ok(Self::NativeHash(hash));
        }
        let bytes = match plain.strip_prefix("0x").and_then(unhex) {
            Some(bytes) if bytes.starts_with(b"$A$") => bytes,
            _ if plain.starts_with("$A$") => plain.as_bytes().to_vec(),
            _ => return Ok(Self::Clear(text.clone())),
        };
        if bytes.len() == CACHING_SHA2_LEN { Ok(Self::CachingSha2Hash(HashBytes(bytes))) } else { Err(HashError) }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<UserPassword, HashError> {
        UserPassword::read(&Secret::new(text))
    }

    #[test]
    fn tells_hashes_from_clear_text() {
        let native = "*2470C0C06DEE42FD1618BBB99005ADCA2EC9D1E1";
        assert!(matches!(read(native), Ok(UserPassword::NativeHash(h)) if h[0] == 0x24));
        assert!(matches!(read("*2470"), Ok(UserPassword::Clear(_))));
        assert!(matches!(read(""), Ok(UserPassword::Clear(_))));
        let stored = format!("$A$005${}{}", "s".repeat(20), "d".repeat(43));
        assert!(matches!(read(&stored), Ok(UserPassword::CachingSha2Hash(_))));
        let hex: String = stored.bytes().map(|b| format!("{b:02X}")).collect();
        assert_eq!(read(&format!("0x{hex}")), read(&stored));
        assert_eq!(read("$A$005$short"), Err(HashError));
        assert!(matches!(read("0xnothex"), Ok(UserPassword::Clear(_))));
    }

    #[test]
    fn hashes_are_not_printed() {
        let stored = format!("$A$005${}{}", "s".repeat(20), "d".repeat(43));
        assert_eq!(format!("{:?}", read(&stored).unwrap()), "CachingSha2Hash(***)");
    }
}
