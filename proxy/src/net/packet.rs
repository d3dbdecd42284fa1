//! Whole packets over a stream, for logins: small, bounded, numbered. Sessions have their own buffers.

use std::io;

use pointsman_protocol::ProtocolError;
use pointsman_protocol::frame::{HEADER_LEN, Header, put_packet};
use thiserror::Error;

use super::stream::Stream;

/// A login request holds at most 64 KiB of connection attributes (MySQL's own limit) and a few names.
pub const LOGIN_PACKET_LIMIT: usize = 128 * 1024;
/// Most packets of a login are shorter; a driver that tells much of itself (`connection attributes`) sends 400 bytes.
const USUAL_LEN: usize = 1024;
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

    /// Reads one packet. What came behind it stays to be read: TLS may begin there, or compression.
    pub async fn read(&mut self) -> Result<Vec<u8>, PacketError> {
        let mut payload = self.begin().await?;
        let header = Header::read(&payload).ok_or(ProtocolError::Truncated("header"))?;
        if header.sequence != self.sequence {
            return Err(ProtocolError::OutOfOrder { expected: self.sequence, found: header.sequence }.into());
        }
        if header.length > LOGIN_PACKET_LIMIT {
            return Err(ProtocolError::TooLarge { length: header.length, limit: LOGIN_PACKET_LIMIT }.into());
        }
        self.sequence = self.sequence.wrapping_add(1);
        payload.drain(..HEADER_LEN);
        if let Some(behind) = payload.get(header.length..) {
            self.stream.unread(behind);
            payload.truncate(header.length);
        }
        while payload.len() < header.length {
            let at = payload.len();
            payload.resize(header.length.min(at + STEP), 0);
            read_exact(self.stream, &mut payload[at..]).await?;
        }
        Ok(payload)
    }

    /// At least the header of a packet. A plain socket gives all that has come with one `recv`, which finds out as well
    /// that there is no more, so that the next read waits for the runtime's word.
    async fn begin(&mut self) -> Result<Vec<u8>, PacketError> {
        let mut bytes = vec![0; if self.stream.is_plain() { USUAL_LEN } else { HEADER_LEN }];
        let mut have = 0;
        while have < HEADER_LEN {
            match self.stream.read(&mut bytes[have..]).await? {
                0 => return Err(PacketError::Closed),
                n => have += n,
            }
        }
        bytes.truncate(have);
        Ok(bytes)
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
