//! What can go wrong in the laboratory, told apart so that a test can ask for the server's own error code.

use std::io;
use std::path::PathBuf;

use crate::differ::error::WireError;

/// The result of everything in this crate; tests return `Lab<()>` and use `?`.
pub type Lab<T> = Result<T, LabError>;

/// A failure in the laboratory, or an error that a server or the proxy answered.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The peer answered an ERR packet: what a test usually asserts on.
    #[error("error {code} ({state}): {message}")]
    Sql { code: u16, state: String, message: String },
    /// The connection broke, was refused, or spoke something that is no MySQL protocol.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// The peer said nothing for too long: a test never hangs because of it.
    #[error("no answer within {seconds} s: {what}")]
    Timeout { what: String, seconds: u64 },
    /// A process ended although it was to keep running; `log` is the end of what it wrote.
    #[error("{what} ended or did not become ready; the end of its log:\n{log}")]
    Died { what: String, log: String },
    /// A program that the laboratory needs is not installed, or failed.
    #[error("`{command}` failed: {output}")]
    Command { command: String, output: String },
    /// The machine can't run this part (no root, no network): the test is to be skipped, saying so.
    #[error("skipped: {0}")]
    Unavailable(String),
    /// The laboratory's own file work failed.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
}

impl LabError {
    /// The server's error number, when this is an answer of a server.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Sql { code, .. } => Some(*code),
            Self::Connection(_)
            | Self::Timeout { .. }
            | Self::Died { .. }
            | Self::Command { .. }
            | Self::Unavailable(_)
            | Self::File { .. } => None,
        }
    }

    /// For `map_err` on file operations: remembers which file it was.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

impl From<mysql_async::Error> for LabError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(error) => {
                Self::Sql { code: error.code, state: error.state, message: error.message }
            }
            other => Self::Connection(other.to_string()),
        }
    }
}

impl From<WireError> for LabError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Refused { code, state, message } => Self::Sql { code, state, message },
            other => Self::Connection(other.to_string()),
        }
    }
}
