//! What can be wrong with a peer's bytes. Every variant is the peer's fault; none is worth a retry.

use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The packet ended inside a field.
    #[error("packet ends inside {0}")]
    Truncated(&'static str),
    /// A field holds a value that the protocol does not allow.
    #[error("packet has an invalid {0}")]
    Invalid(&'static str),
    /// A packet number other than the next one.
    #[error("packet number {found} where {expected} was due")]
    OutOfOrder { expected: u8, found: u8 },
    /// Larger than the receiver is willing to hold.
    #[error("packet of {length} bytes where at most {limit} are allowed")]
    TooLarge { length: usize, limit: usize },
    /// Something that this side does not speak.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}
