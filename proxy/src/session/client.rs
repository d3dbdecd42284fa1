//! The client's side of a session: whole packets in, replies out, alarms while waiting.

use super::tracking::ClientTracking;
use super::watch::{Heard, WATCH_CLIENT_AFTER_MS, usual_write_limit};
use crate::core::Core;
use crate::core::alarm::SessionCell;
use crate::core::buffers::Buf;
use crate::error::ClientError;
use crate::net::Stream;
use pointsman_protocol::Capabilities;
use pointsman_protocol::frame::{HEADER_LEN, Header, PacketSpan, Scan, begin_packet, end_packet, scan_packet};
use pointsman_protocol::reply::{Change, ChangesBuilder, EOF_HEADER, OK_HEADER, OkPacket, Status, put_eof};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What came instead of, or as, the next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A whole packet stands at the front of the buffer.
    Packet(PacketSpan),
    /// The client has closed its side.
    Closed,
    /// The session's deadline has come, it was killed, or the proxy is shutting down.
    Alarm,
    /// Larger than `session.max_allowed_packet`.
    TooLarge,
    /// The packet number is not 0, as that of a command must be.
    OutOfOrder,
}

pub struct ClientSide {
    pub stream: Stream,
    pub capabilities: Capabilities,
    pub cell: Rc<SessionCell>,
    pub tracking: ClientTracking,
    pub(super) core: Rc<Core>,
    /// Bytes received and not consumed; None while idle.
    pub buf: Option<Buf>,
    /// The client has said COM_QUIT: it reads nothing any more.
    pub has_quit: bool,
}

impl ClientSide {
    #[must_use]
    pub fn new(stream: Stream, capabilities: Capabilities, cell: Rc<SessionCell>, core: Rc<Core>) -> Self {
        Self { stream, capabilities, cell, tracking: ClientTracking::default(), core, buf: None, has_quit: false }
    }

    /// Waits for the next command. Cancel safe: bytes already read stay in the buffer.
    pub async fn next_command(&mut self, limit: usize) -> io::Result<Input> {
        let mut need = HEADER_LEN;
        loop {
            if let Some(buf) = &self.buf {
                match scan_packet(buf.filled()) {
                    Scan::Whole(span) if span.first_sequence != 0 => return Ok(Input::OutOfOrder),
                    Scan::Whole(span) if span.payload_len > limit => return Ok(Input::TooLarge),
                    Scan::Whole(span) => return Ok(Input::Packet(span)),
                    Scan::NeedBytes(n) => need = n,
                }
                // Each further frame of a packet costs at least its header, so this bounds the buffer.
                if need > limit + HEADER_LEN * (2 + limit / pointsman_protocol::frame::MAX_PAYLOAD) {
                    return Ok(Input::TooLarge);
                }
            }
            match poll_fn(|cx| self.poll_fill(cx, need)).await? {
                Fill::Bytes => {}
                Fill::Closed => return Ok(Input::Closed),
                Fill::Alarm => return Ok(Input::Alarm),
            }
        }
    }

    /// Reads more of the current packet exchange (LOCAL INFILE data). `is_wanted`: somebody still waits for it.
    pub(super) async fn fill(
        &mut self,
        buf: &mut Buf,
        need: usize,
        is_wanted: impl Fn() -> bool,
    ) -> io::Result<DataFill> {
        buf.make_room(need);
        let since = self.core.clock.now_ms();
        let filled = poll_fn(|cx| {
            if let Poll::Ready(read) = self.stream.poll_read(cx, buf.space()) {
                return Poll::Ready(
                    read.map(|n| if n == 0 { DataFill::Heard(Heard::ClientGone) } else { DataFill::Bytes(n) }),
                );
            }
            self.cell.park(cx);
            let now = self.core.clock.now_ms();
            self.cell.set_deadline(now + WATCH_CLIENT_AFTER_MS);
            if self.cell.handle.is_killed() {
                Poll::Ready(Ok(DataFill::Heard(Heard::Killed)))
            } else if !is_wanted() {
                Poll::Ready(Ok(DataFill::Unwanted))
            } else if now.saturating_sub(since) >= self.patience(Duration::MAX) {
                Poll::Ready(Ok(DataFill::Heard(Heard::ClientGone)))
            } else {
                Poll::Pending
            }
        })
        .await;
        self.cell.set_deadline(u64::MAX);
        if let Ok(DataFill::Bytes(n)) = &filled {
            buf.advance_end(*n);
        }
        filled
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, need: usize) -> Poll<io::Result<Fill>> {
        self.cell.park(cx);
        let mut buf = self.buf.take().unwrap_or_else(|| self.core.buffers.take());
        buf.make_room(need);
        match self.stream.poll_read(cx, buf.space()) {
            Poll::Ready(Ok(n)) => {
                buf.advance_end(n);
                self.buf = Some(buf);
                Poll::Ready(Ok(if n == 0 { Fill::Closed } else { Fill::Bytes }))
            }
            Poll::Ready(Err(e)) => {
                self.core.buffers.give(buf);
                Poll::Ready(Err(e))
            }
            Poll::Pending => {
                if buf.is_empty() {
                    self.core.buffers.give(buf);
                } else {
                    self.buf = Some(buf);
                }
                if self.core.alarm_due(&self.cell) { Poll::Ready(Ok(Fill::Alarm)) } else { Poll::Pending }
            }
        }
    }

    /// Drops the consumed command from the buffer and gives the buffer back when nothing follows.
    pub fn finish(&mut self, mut buf: Buf, consumed: usize) {
        buf.consume(consumed);
        if buf.is_empty() {
            self.core.buffers.give(buf);
        } else {
            self.buf = Some(buf);
        }
    }

    pub async fn send(&mut self, wire: &[u8]) -> io::Result<()> {
        Ok(self.deliver(wire, &[], usual_write_limit).await?)
    }

    pub async fn send_error(&mut self, sequence: u8, error: &ClientError) -> io::Result<()> {
        let mut wire = Vec::with_capacity(128);
        let start = begin_packet(&mut wire, sequence);
        error.put(&mut wire);
        end_packet(&mut wire, start);
        self.send(&wire).await
    }

    pub async fn send_ok(&mut self, sequence: u8, status: Status) -> io::Result<()> {
        let mut wire = Vec::with_capacity(32);
        self.put_ok(&mut wire, sequence, &OkPacket { status, ..OkPacket::default() });
        self.send(&wire).await
    }

    /// The OK that ends a login, which tells the schema to a client that tracks it.
    pub async fn send_login_ok(&mut self, sequence: u8, status: Status, schema: Option<&str>) -> io::Result<()> {
        let mut changes = ChangesBuilder::default();
        if let Some(schema) = schema {
            changes.push(Change::Schema(schema.as_bytes()));
        }
        let mut wire = Vec::with_capacity(64);
        self.put_ok(&mut wire, sequence, &OkPacket { status, changes: changes.as_bytes(), ..OkPacket::default() });
        self.send(&wire).await
    }

    pub fn put_ok(&self, wire: &mut Vec<u8>, sequence: u8, ok: &OkPacket<'_>) {
        let start = begin_packet(wire, sequence);
        ok.put(wire, OK_HEADER, self.capabilities);
        end_packet(wire, start);
    }

    /// What stands in EOF's place for this client.
    pub fn put_end(&self, wire: &mut Vec<u8>, sequence: u8, ok: &OkPacket<'_>) {
        let start = begin_packet(wire, sequence);
        if self.capabilities.contains(Capabilities::DEPRECATE_EOF) {
            ok.put(wire, EOF_HEADER, self.capabilities);
        } else {
            put_eof(wire, ok.warnings, ok.status);
        }
        end_packet(wire, start);
    }
}

/// The payload of a packet that is one frame.
#[must_use]
pub fn payload(wire: &[u8]) -> &[u8] {
    let len = Header::read(wire).map_or(0, |h| h.length);
    wire.get(HEADER_LEN..HEADER_LEN + len).unwrap_or(&[])
}

enum Fill {
    Bytes,
    Closed,
    Alarm,
}

/// What came of a wait for the client's data.
pub(super) enum DataFill {
    Bytes(usize),
    Heard(Heard),
    /// Nobody waits for the data any more.
    Unwanted,
}
