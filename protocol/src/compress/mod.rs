//! The compressed protocol: frames of a seven-byte header around pieces of the packet stream, zlib or zstd.
//!
//! Both directions work on whatever bytes are at hand: a frame is inflated as it arrives, so memory does not
//! depend on what its header promises.
//!
//! Source: MySQL source documentation, "Compression"; MySQL manual, "Connection Compression Control".

mod engine;
mod numbers;
mod reader;
mod writer;

pub use numbers::Numbers;
pub use reader::{Progress, Reader};
pub use writer::{PacketTracker, Side, Writer};

#[cfg(test)]
mod tests;

/// Compressed length, frame number, length before compression (0: not compressed).
pub const HEADER_LEN: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Zlib,
    /// With its level.
    Zstd(u8),
}
