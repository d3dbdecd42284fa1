//! Compression between the packet stream and the socket or TLS below it.

use std::io;
use std::task::{Context, Poll, ready};

use pointsman_protocol::compress::{Algorithm, Numbers, PacketTracker, Reader, Side, Writer};

use super::stream::Stream;

/// Bytes of compressed input at hand while a read is under way.
const INPUT: usize = 16 * 1024;
/// Taken from one write: what it makes is sent before more is taken, so a slow peer holds back at most this.
const TAKE: usize = 64 * 1024;

/// A stream whose two ends compress.
#[derive(Debug)]
pub struct Compressed {
    below: Stream,
    reader: Reader,
    writer: Writer,
    numbers: Numbers,
    /// Compressed bytes that came and are not inflated yet: `input[taken..]`. Holds no memory when idle.
    input: Vec<u8>,
    taken: usize,
    /// Compressed bytes to be sent: `output[sent..]`. Holds no memory when idle.
    output: Vec<u8>,
    sent: usize,
    first: First,
}

/// The server's last packet of a login goes out as it is; compression begins behind it.
#[derive(Debug)]
enum First {
    AsItIs(PacketTracker),
    Gone,
}

impl Compressed {
    /// The client's end, after the final OK.
    #[must_use]
    pub fn client(below: Stream, algorithm: Algorithm) -> Self {
        Self::new(below, algorithm, Side::Client, First::Gone)
    }

    /// The server's end, before it has sent the final OK: the first packet written is not compressed.
    #[must_use]
    pub fn server(below: Stream, algorithm: Algorithm) -> Self {
        Self::new(below, algorithm, Side::Server, First::AsItIs(PacketTracker::default()))
    }

    fn new(below: Stream, algorithm: Algorithm, side: Side, first: First) -> Self {
        let (reader, writer) = (Reader::new(algorithm), Writer::new(algorithm, side));
        let numbers = Numbers::new(side);
        Self { below, reader, writer, numbers, input: Vec::new(), taken: 0, output: Vec::new(), sent: 0, first }
    }

    #[must_use]
    pub fn below(&self) -> &Stream {
        &self.below
    }

    pub fn below_mut(&mut self) -> &mut Stream {
        &mut self.below
    }

    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let done = self.reader.read(&self.input[self.taken..], buf).map_err(invalid)?;
            self.taken += done.taken;
            if done.given > 0 {
                self.numbers.correct(&mut buf[..done.given]);
                return Poll::Ready(Ok(done.given));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                let whole = !self.reader.is_inside_frame();
                return Poll::Ready(if whole { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
            }
        }
    }

    /// Gets more input once all of it is inflated. While none comes, no memory is kept for it.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.taken = 0;
        self.input.resize(INPUT, 0);
        let got = self.below.poll_read(cx, &mut self.input);
        match got {
            Poll::Ready(Ok(n)) => self.input.truncate(n),
            Poll::Ready(Err(_)) | Poll::Pending => {
                self.input = Vec::new();
                // 300 KiB and more: servers have such memory only while they compress one packet, too.
                self.reader.rest();
                self.writer.rest();
            }
        }
        got
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        if let First::AsItIs(packet) = &mut self.first {
            let n = packet.step(bytes);
            self.output.extend_from_slice(&bytes[..n]);
            self.numbers.wrote(&bytes[..n]);
            if n > 0 && packet.at_boundary() {
                self.first = First::Gone;
            }
            return Poll::Ready(Ok(n));
        }
        if let Some(number) = self.reader.take_last_sequence() {
            self.writer.follow(number);
        }
        let n = bytes.len().min(TAKE);
        self.writer.write(&bytes[..n], &mut self.output);
        self.numbers.wrote(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        self.below.poll_flush(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            match ready!(self.below.poll_write(cx, &self.output[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        self.output = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        self.below.poll_shutdown(cx)
    }
}

fn invalid(error: pointsman_protocol::ProtocolError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
