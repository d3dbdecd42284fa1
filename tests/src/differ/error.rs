//! What can go wrong on the raw connection. It is a result like any other: two runs must fail alike.

use std::io;

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// The peer closed the connection in the middle of, or instead of, a reply.
    #[error("the connection was closed")]
    Closed,
    /// Nothing came for the whole read timeout: the peer's fault, or a statement that waits for a lock.
    #[error("no answer within the read timeout")]
    Timeout,
    /// A packet number other than the next one: always the peer's fault.
    #[error("packet number {found} where {expected} was due")]
    Sequence { expected: u8, found: u8 },
    /// A packet that ends early or holds what the protocol does not allow: the peer's fault.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The login was refused with an ERR packet.
    #[error("login refused: {code} ({state}) {message}")]
    Refused { code: u16, state: String, message: String },
    /// The server asks for an authentication method that this client does not have.
    #[error("authentication plugin {0} is not supported by this client")]
    UnknownPlugin(String),
    /// Any other failure of the socket.
    #[error("socket: {0}")]
    Socket(String),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Timeout,
            kind => Self::Socket(kind.to_string()),
        }
    }
}
