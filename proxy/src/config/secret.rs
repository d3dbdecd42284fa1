//! Passwords that cannot be printed by accident, and where they come from: the file, another file, the environment.

use std::fmt;
use std::path::Path;

/// A password. Neither Debug nor Display shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself; never to be formatted into a log line or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Why a password could not be had. The operator's fault; worth another try once the source is there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment has no variable {0}")]
    NoVariable(String),
    #[error("the file {path} can't be read: {error}")]
    NoFile { path: String, error: std::io::Error },
}

/// Follows `env:NAME`; any other text is the password itself.
pub fn resolve(written: &Secret) -> Result<Secret, SecretError> {
    match written.0.strip_prefix("env:") {
        None => Ok(written.clone()),
        Some(name) => std::env::var(name).map(Secret).map_err(|_| SecretError::NoVariable(name.to_owned())),
    }
}

/// The first line of a file, as Docker and systemd credentials hold it.
pub fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SecretError::NoFile { path: path.display().to_string(), error })?;
    Ok(Secret(text.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn a_missing_source_is_named() {
        let e = resolve(&Secret::new("env:POINTSMAN_NO_SUCH_VARIABLE")).unwrap_err();
        assert!(e.to_string().contains("POINTSMAN_NO_SUCH_VARIABLE"));
        assert!(from_file(Path::new("/nonexistent/pw")).unwrap_err().to_string().contains("/nonexistent/pw"));
    }
}
