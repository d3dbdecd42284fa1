//! Whole packets over a stream, for logins: small, bounded, numbered. Sessions have their own buffers.

use std::io;

use pointsman_protocol::ProtocolError;
use pointsman_protocol::frame::{HEADER_LEN, Header, put_packet};
use thiserror::Error;

use super::stream::Stream;

/// A login request holds at most 64 KiB of connection attributes (MySQL's own limit) and a few names.
pub const LOGIN_PACKET_LIMIT: usize = 128 * 1024;
/// Memory is taken as bytes come, not as a header promises them.
const STEP: usize = 4096;

/// Why a packet could not be read or written. Always the peer's fault or the network's.
#[derive(Debug, Error)]
pub enum PacketError {
    #[error("the connection was closed")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// Reads and writes packets and keeps their numbers.
#[derive(Debug)]
pub struct Packets<'a> {
    stream: &'a mut Stream,
    /// Number of the next packet, whoever sends it.
    pub sequence: u8,
}

impl<'a> Packets<'a> {
    pub fn new(stream: &'a mut Stream, sequence: u8) -> Self {
        Self { stream, sequence }
    }

    #[must_use]
    pub fn stream(&self) -> &Stream {
        self.stream
    }

    /// Reads one packet and not a byte more: behind it, TLS may begin.
    pub async fn read(&mut self) -> Result<Vec<u8>, PacketError> {
        let mut head = [0; HEADER_LEN];
        read_exact(self.stream, &mut head).await?;
        let header = Header::read(&head).ok_or(ProtocolError::Truncated("header"))?;
        if header.sequence != self.sequence {
            return Err(ProtocolError::OutOfOrder { expected: self.sequence, found: header.sequence }.into());
        }
        if header.length > LOGIN_PACKET_LIMIT {
            return Err(ProtocolError::TooLarge { length: header.length, limit: LOGIN_PACKET_LIMIT }.into());
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut payload = Vec::new();
        while payload.len() < header.length {
            let at = payload.len();
            payload.resize(header.length.min(at + STEP), 0);
            read_exact(self.stream, &mut payload[at..]).await?;
        }
        Ok(payload)
    }

    pub async fn write(&mut self, payload: &[u8]) -> Result<(), PacketError> {
        let mut wire = Vec::with_capacity(HEADER_LEN + payload.len());
        self.sequence = put_packet(&mut wire, self.sequence, payload);
        Ok(self.stream.write_all(&wire).await?)
    }
}

/// Fills the buffer.
pub async fn read_exact(stream: &mut Stream, mut buf: &mut [u8]) -> Result<(), PacketError> {
    while !buf.is_empty() {
        match stream.read(buf).await? {
            0 => return Err(PacketError::Closed),
            n => buf = &mut buf[n..],
        }
    }
    Ok(())
}
