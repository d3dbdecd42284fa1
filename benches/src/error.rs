//! What can go wrong in a measurement.

use std::io;

use pointsman_protocol::ProtocolError;
use pointsman_protocol::auth::AuthError;

/// The result of everything here.
pub type Bench<T> = Result<T, BenchError>;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("malformed packet: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("login: {0}")]
    Auth(#[from] AuthError),
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("a reply was an error: {0}")]
    Reply(String),
    #[error("{0} did not start: see {1}")]
    NotStarted(String, String),
    #[error("{0}")]
    Other(String),
}

impl BenchError {
    /// Names the file or program that an operation failed on.
    pub fn of(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}
