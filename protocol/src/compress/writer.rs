//! From the packet stream to compressed frames.

use std::fmt;

use super::engine::Deflate;
use super::{Algorithm, HEADER_LEN};
use crate::frame;

/// MIN_COMPRESS_LENGTH: shorter pieces go out as they are.
const MIN_COMPRESS: usize = 50;
/// Bytes of the packet stream in one frame: enough for a good ratio, and little to hold back.
const CHUNK: usize = 64 * 1024;

/// Which end writes: they number their frames differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Each command begins a frame of its own, with number 0.
    Client,
    /// Frames go on counting from what was read.
    Server,
}

/// Finds packet boundaries in a stream that arrives in any pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketTracker {
    head: [u8; frame::HEADER_LEN],
    have: usize,
    left: usize,
}

impl PacketTracker {
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.have == 0
    }

    /// Bytes of the current packet's header that have been seen.
    pub(super) fn header_bytes(&self) -> usize {
        self.have
    }

    /// Goes on to the end of the packet or of the bytes; gives how far that was.
    pub fn step(&mut self, bytes: &[u8]) -> usize {
        let of_head = (frame::HEADER_LEN - self.have).min(bytes.len());
        self.head[self.have..self.have + of_head].copy_from_slice(&bytes[..of_head]);
        self.have += of_head;
        if of_head > 0 {
            self.left = frame::Header::read(&self.head[..self.have]).map_or(0, |header| header.length);
        }
        let of_body = self.left.min(bytes.len() - of_head);
        self.left -= of_body;
        if self.have == frame::HEADER_LEN && self.left == 0 {
            self.have = 0;
        }
        of_head + of_body
    }
}

/// Compresses one direction.
pub struct Writer {
    algorithm: Algorithm,
    side: Side,
    deflate: Option<Box<Deflate>>,
    sequence: u8,
    packets: PacketTracker,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("algorithm", &self.algorithm).field("side", &self.side).finish_non_exhaustive()
    }
}

impl Writer {
    #[must_use]
    pub fn new(algorithm: Algorithm, side: Side) -> Self {
        Self { algorithm, side, deflate: None, sequence: 0, packets: PacketTracker::default() }
    }

    /// Goes on counting from a frame of the other end.
    pub fn follow(&mut self, read: u8) {
        self.sequence = read.wrapping_add(1);
    }

    /// Gives back the compressor's memory until the next frame.
    pub fn rest(&mut self) {
        self.deflate = None;
    }

    /// Appends the frames for a piece of the packet stream.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let (mut from, mut at) = (0, 0);
        while at < plain.len() {
            let begins_command = self.packets.at_boundary() && plain.get(at + 3) == Some(&0);
            if self.side == Side::Client && begins_command {
                self.put_chunks(&plain[from..at], out);
                self.sequence = 0;
                from = at;
            }
            at += self.packets.step(&plain[at..]);
        }
        self.put_chunks(&plain[from..], out);
    }

    fn put_chunks(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        plain.chunks(CHUNK).for_each(|chunk| self.put_frame(chunk, out));
    }

    fn put_frame(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        let shorter = plain.len() >= MIN_COMPRESS && self.deflate(plain, out);
        if !shorter {
            out.extend_from_slice(plain);
        }
        let length = (out.len() - at - HEADER_LEN) as u32;
        let before = if shorter { plain.len() as u32 } else { 0 };
        out[at..at + 3].copy_from_slice(&length.to_le_bytes()[..3]);
        out[at + 3] = self.sequence;
        out[at + 4..at + 7].copy_from_slice(&before.to_le_bytes()[..3]);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn deflate(&mut self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        if self.deflate.is_none() {
            self.deflate = Deflate::new(self.algorithm).map(Box::new);
        }
        self.deflate.as_mut().is_some_and(|deflate| deflate.run(plain, out))
    }
}
