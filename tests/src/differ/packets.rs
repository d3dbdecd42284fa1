//! Whole packets over a socket, with every packet number checked.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::error::WireError;

/// A frame of exactly this many bytes is continued by another one.
pub const MAX_FRAME: usize = 0xff_ffff;
/// Longer than any statement of the corpus takes, shorter than a hanging test should.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Most rows are small; a large one grows its own buffer.
const READ_BUFFER: usize = 64 * 1024;

#[derive(Debug)]
pub struct Packets {
    reader: BufReader<TcpStream>,
    /// The number that the next frame must carry, in either direction.
    sequence: u8,
}

impl Packets {
    pub fn connect(host: &str, port: u16) -> Result<Self, WireError> {
        let stream = TcpStream::connect((host, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self { reader: BufReader::with_capacity(READ_BUFFER, stream), sequence: 0 })
    }

    /// The socket, for a peer that goes on without packets; what was read ahead is lost.
    pub fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    /// A command begins a new count.
    pub fn restart_sequence(&mut self) {
        self.sequence = 0;
    }

    /// What was sent raw had this number before the one that is read next.
    pub fn expect_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// The next packet, its frames put together.
    pub fn read(&mut self) -> Result<Vec<u8>, WireError> {
        let mut payload = Vec::new();
        loop {
            let mut header = [0; 4];
            self.reader.read_exact(&mut header)?;
            if header[3] != self.sequence {
                return Err(WireError::Sequence { expected: self.sequence, found: header[3] });
            }
            self.sequence = self.sequence.wrapping_add(1);
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            let start = payload.len();
            payload.resize(start + length, 0);
            self.reader.read_exact(&mut payload[start..])?;
            if length < MAX_FRAME {
                return Ok(payload);
            }
        }
    }

    /// Sends bytes as they are: what no well-behaved client would.
    pub fn write_raw(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        Ok(self.reader.get_mut().write_all(bytes)?)
    }

    /// Sends one packet, in as many frames as it needs.
    pub fn write(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let mut rest = payload;
        loop {
            let (head, tail) = rest.split_at(rest.len().min(MAX_FRAME));
            let length = (head.len() as u32).to_le_bytes();
            let mut frame = Vec::with_capacity(head.len() + 4);
            frame.extend_from_slice(&[length[0], length[1], length[2], self.sequence]);
            frame.extend_from_slice(head);
            self.sequence = self.sequence.wrapping_add(1);
            self.reader.get_mut().write_all(&frame)?;
            if head.len() < MAX_FRAME {
                return Ok(());
            }
            rest = tail;
        }
    }
}
