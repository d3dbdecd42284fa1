//! Packet numbers inside the compressed stream, put right.
//!
//! Compressing servers and clients count frames and packets with one counter (net_flush sets pkt_nr to
//! compress_pkt_nr), so the packets inside jump wherever the sender flushed, and nobody checks them there.
//! Once the stream is relayed without compression they are checked.

use super::writer::{PacketTracker, Side};

/// Where the number lies in a packet's header.
const NUMBER_AT: usize = 3;

/// Both directions of one connection, as seen by `side`.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    side: Side,
    written: PacketTracker,
    read: PacketTracker,
    /// What the next packet read is to have, unless it begins a reply or command.
    next: u8,
    replies: Replies,
}

/// Replies that a client still waits for.
#[derive(Clone, Copy, Debug)]
enum Replies {
    /// The next packet begins one, whatever its number says, and so many more follow.
    Due { behind: u32 },
    /// One has begun. Of so many more (pipelined commands) the beginning is seen by its number only.
    Begun { behind: u32 },
}

impl Numbers {
    #[must_use]
    pub fn new(side: Side) -> Self {
        let (written, read) = (PacketTracker::default(), PacketTracker::default());
        Self { side, written, read, next: 0, replies: Replies::Begun { behind: 0 } }
    }

    /// Notes a piece of the stream that was written.
    pub fn wrote(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if let Some(number) = self.written.number_in(&bytes[at..]).map(|i| bytes[at + i]) {
                self.wrote_packet(number);
            }
            at += self.written.step(&bytes[at..]);
        }
    }

    fn wrote_packet(&mut self, number: u8) {
        if self.side == Side::Server || number != 0 {
            self.next = number.wrapping_add(1);
            return;
        }
        self.replies = match self.replies {
            Replies::Due { behind } => Replies::Due { behind: behind.saturating_add(1) },
            Replies::Begun { .. } => Replies::Due { behind: 0 },
        };
    }

    /// Corrects the numbers in a piece of the stream that was read.
    pub fn correct(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if let Some(i) = self.read.number_in(&bytes[at..]) {
                bytes[at + i] = self.corrected(bytes[at + i]);
            }
            at += self.read.step(&bytes[at..]);
        }
    }

    fn corrected(&mut self, found: u8) -> u8 {
        let number = match (self.side, self.replies) {
            (Side::Server, _) if found == 0 => 0,
            (Side::Server, _) => self.next,
            (Side::Client, Replies::Due { behind }) => {
                self.replies = Replies::Begun { behind };
                1
            }
            (Side::Client, Replies::Begun { behind: 1.. }) if found == 1 => {
                self.replies = Replies::Begun { behind: self.behind().saturating_sub(1) };
                1
            }
            (Side::Client, Replies::Begun { .. }) => self.next,
        };
        self.next = number.wrapping_add(1);
        number
    }

    fn behind(&self) -> u32 {
        match self.replies {
            Replies::Due { behind } | Replies::Begun { behind } => behind,
        }
    }
}

impl PacketTracker {
    /// Where in the bytes that come next the current packet's number lies, if it is among them.
    fn number_in(&self, bytes: &[u8]) -> Option<usize> {
        let at = NUMBER_AT.checked_sub(self.header_bytes())?;
        (at < bytes.len()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(numbers: &[u8]) -> Vec<u8> {
        numbers.iter().flat_map(|n| [2, 0, 0, *n, b'x', b'y']).collect()
    }

    /// Corrects in pieces of every size; all must agree.
    fn corrected(numbers: &Numbers, found: &[u8]) -> Vec<u8> {
        let mut results = (1..=13).map(|piece| {
            let (mut numbers, mut wire) = (*numbers, packets(found));
            wire.chunks_mut(piece).for_each(|bytes| numbers.correct(bytes));
            wire
        });
        let first = results.next().unwrap();
        assert!(results.all(|other| other == first));
        first.chunks(6).map(|packet| packet[3]).collect()
    }

    #[test]
    fn a_reply_that_jumps_is_numbered_on() {
        let mut numbers = Numbers::new(Side::Client);
        numbers.wrote(&packets(&[0]));
        assert_eq!(corrected(&numbers, &[1, 2, 3, 32, 33, 1, 2]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(corrected(&numbers, &[4, 5]), [1, 2], "a command of several frames moves the first number");
    }

    #[test]
    fn pipelined_replies_begin_anew() {
        let mut numbers = Numbers::new(Side::Client);
        numbers.wrote(&packets(&[0, 0]));
        assert_eq!(corrected(&numbers, &[1, 1, 2, 9]), [1, 1, 2, 3]);
    }

    #[test]
    fn load_data_goes_on_from_what_was_sent() {
        let mut numbers = Numbers::new(Side::Client);
        numbers.wrote(&packets(&[0]));
        numbers.correct(&mut packets(&[1]));
        numbers.wrote(&packets(&[2, 3, 4]));
        assert_eq!(corrected(&numbers, &[99]), [5]);
        let mut numbers = Numbers::new(Side::Server);
        numbers.correct(&mut packets(&[0]));
        numbers.wrote(&packets(&[1]));
        assert_eq!(corrected(&numbers, &[7, 8, 9, 0]), [2, 3, 4, 0]);
    }
}
