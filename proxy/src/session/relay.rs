//! Passes one reply from a server to the client: rows untouched, ends looked at.
//!
//! The server always speaks with SESSION_TRACK and DEPRECATE_EOF. For a client that does not, the trackers are
//! taken out, the EOF after the definitions is put in, and the OK that ends the rows becomes an EOF.

use super::client::ClientSide;
use super::outcome::Outcome;
use super::tracking::Changer;
use super::vars::Vars;
use super::watch::{Hope, ServerWatch, WATCH_CLIENT_AFTER_MS, write_limit};
use crate::backend::conn::{BackendConn, BackendError, Readiness};
use crate::core::Core;
use crate::core::buffers::Buf;
use pointsman_protocol::Capabilities;
use pointsman_protocol::frame::{HEADER_LEN, begin_packet, end_packet};
use pointsman_protocol::reply::{EOF_LEN, ErrPacket, OkPacket, Status, parse_eof, put_eof};
use pointsman_protocol::response::{Control, ReplyKind, ResponseReader, Stop};
use pointsman_protocol::stmt::{PrepareOk, set_statement_id};
use pointsman_protocol::wire::Cursor;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::task::Poll;

/// A longer run of rows is sent from where it was read; a shorter one is copied behind rewritten packets.
const COPY_BELOW: usize = 4 * 1024;

/// ER_OPTION_PREVENTS_STATEMENT.
const ER_READ_ONLY: u16 = 1290;

/// Why a relay ended early.
#[derive(Debug)]
pub enum RelayError {
    /// The client is gone or does not take its bytes.
    Client(io::Error),
    /// The server connection failed. `sent`: the client has seen part of the reply. `boundary`: an error packet
    /// may follow what it has seen, with this number.
    Server { error: BackendError, sent: bool, boundary: Option<u8> },
    /// The session was killed while it waited.
    Killed,
    /// The client closed its side while the server was working.
    ClientGone,
    /// The server refused the statement as read-only, and the client has not been told.
    ReadOnly,
    /// The server lacks the schema, or a right to it, which the writer may have; the client has not been told.
    NoSchema,
}

/// Whether the reply may end behind its definitions, because the rows wait in a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursors {
    /// None was asked for, or the statement sends its results whole.
    None,
    /// An error in place of the rows stands in place of the EOF behind the definitions.
    Opened,
    /// As may be; without one the server writes as without a cursor, so that an error comes behind the EOF (SHOW, INSERT
    /// ... RETURNING).
    MayBePassedBy,
}

/// How this reply is to be passed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelayMode<'a> {
    pub kind: ReplyKind,
    /// The packet number that the client expects, and the one that the server uses.
    pub client_sequence: u8,
    pub server_sequence: u8,
    pub cursor: Cursors,
    /// The id under which the client will know the statement of a COM_STMT_PREPARE.
    pub statement_id: Option<u32>,
    /// Columns that the client believes a prepared statement's result to have.
    pub columns: Option<u16>,
    /// The reply is to be copied into its outcome.
    pub copies: bool,
    /// Status for an EOF that the server did not send.
    pub status: Status,
    /// The warning count to be told in an OK, where that of the server is another session's.
    pub warnings: Option<u16>,
    pub changer: Changer<'a>,
    /// An autocommit statement that a server refuses as read-only has not run: it is tried at the writer.
    pub intercept_read_only: bool,
    /// A change of the session's schema, at a server that may not have it yet.
    pub intercept_no_schema: bool,
    /// What is hoped for while the client has seen nothing of the reply.
    pub hope: Hope,
}

pub(super) struct Relay<'a> {
    pub client: &'a mut ClientSide,
    pub conn: &'a mut BackendConn,
    pub core: &'a Core,
    /// The session's own.
    vars: &'a Vars,
    mode: RelayMode<'a>,
    reader: ResponseReader,
    /// Bytes of the read buffer that go out as they are, behind `out`.
    direct: Range<usize>,
    out: Vec<u8>,
    /// An EOF behind definitions that is not sent before it is known whether rows follow.
    held_eof: Option<(usize, u8)>,
    /// Where in `out` the status of the last EOF behind definitions stands, while it can still be set right.
    open_status: Option<usize>,
    outcome: &'a mut Outcome,
}

impl<'a> Relay<'a> {
    /// What the reply tells is written into `outcome`, whatever that held before.
    pub fn new(
        client: &'a mut ClientSide,
        conn: &'a mut BackendConn,
        core: &'a Core,
        vars: &'a Vars,
        mode: RelayMode<'a>,
        outcome: &'a mut Outcome,
    ) -> Self {
        let reader = ResponseReader::new(mode.kind, conn.capabilities, mode.client_sequence, mode.server_sequence);
        let out = core.buffers.take_vec();
        let copy = mode.copies.then(Vec::new);
        *outcome = Outcome { status: mode.status, copy, ..Outcome::default() };
        Self { client, conn, core, vars, mode, reader, direct: 0..0, out, held_eof: None, open_status: None, outcome }
    }

    fn client_deprecates_eof(&self) -> bool {
        self.client.capabilities.contains(Capabilities::DEPRECATE_EOF)
    }

    /// Passes the whole reply. `buf` may hold its beginning already. Not cancel safe: a dropped relay leaves the
    /// connection busy, which closes it.
    pub async fn run(&mut self, buf: &mut Buf) -> Result<(), RelayError> {
        let mut at = 0;
        loop {
            let walk = match self.reader.walk(&mut buf.filled_mut()[at..]) {
                Ok(walk) => walk,
                Err(e) => return Err(self.server_error(e.into())),
            };
            self.pass(buf, at, walk.pass);
            at += walk.pass;
            match walk.stop {
                Stop::Done => break,
                Stop::DefinitionsEnd => self.definitions_end(buf),
                Stop::Packet(control, len) => {
                    self.packet(buf, at, control, len).map_err(|e| self.server_error(e))?;
                    if let Some(refusal) = self.intercepted() {
                        buf.consume(at + len);
                        self.conn.readiness = Readiness::Ready;
                        return Err(refusal);
                    }
                    at += len;
                    if control == Control::LocalInfile {
                        self.flush(buf, at).await?;
                        at = 0;
                        self.outcome.infile = true;
                        Box::pin(super::infile::forward(self.client, self.conn, self.core, &mut self.reader)).await?;
                    }
                }
                Stop::NeedBytes(n) => {
                    self.flush(buf, at).await?;
                    at = 0;
                    self.fill(buf, n).await?;
                }
            }
        }
        self.flush(buf, at).await?;
        self.conn.readiness = Readiness::Ready;
        self.conn.status = self.outcome.status;
        Ok(())
    }

    fn intercepted(&self) -> Option<RelayError> {
        let whole = !self.outcome.sent && self.reader.is_done() && self.outcome.results == 1;
        let code = self.outcome.error.filter(|_| whole)?;
        let read_only = self.mode.intercept_read_only && self.outcome.read_only;
        let lacks = self.mode.intercept_no_schema && self.core.may_lack_schema(code, &self.conn.server);
        read_only.then_some(RelayError::ReadOnly).or(lacks.then_some(RelayError::NoSchema))
    }

    /// Gives the vector back to the core.
    pub fn finish(self) {
        self.core.buffers.give_vec(self.out);
    }

    fn server_error(&self, error: BackendError) -> RelayError {
        let boundary = self.reader.at_packet_boundary().then(|| self.reader.clone().replace_packet());
        RelayError::Server { error, sent: self.outcome.sent, boundary }
    }

    /// Takes note that `len` bytes from `at` on go out as they are.
    fn pass(&mut self, buf: &Buf, at: usize, len: usize) {
        if len == 0 {
            return;
        }
        self.settle_held_eof();
        if self.direct.end != at || self.direct.is_empty() {
            self.direct_to_out(buf);
            self.direct = at..at;
        }
        self.direct.end = at + len;
    }

    fn direct_to_out(&mut self, buf: &Buf) {
        if !self.direct.is_empty() {
            self.out.extend_from_slice(&buf.filled()[self.direct.clone()]);
            self.direct = 0..0;
        }
    }

    async fn flush(&mut self, buf: &mut Buf, consumed: usize) -> Result<(), RelayError> {
        if !self.direct.is_empty() && !self.out.is_empty() && self.direct.len() < COPY_BELOW {
            self.direct_to_out(buf);
        }
        if !self.out.is_empty() || !self.direct.is_empty() {
            self.outcome.sent = true;
            // A held EOF stays behind: it is the last thing in `out`.
            let held = self.held_eof.map_or(self.out.len(), |(at, _)| at);
            let direct = &buf.filled()[self.direct.clone()];
            self.outcome.note_sent(&self.out[..held], direct);
            let first = if direct.is_empty() { &self.out[..held] } else { &self.out[..] };
            self.client.deliver(first, direct, || write_limit(self.vars, &self.conn.server)).await?;
            self.out.drain(..held);
            // What is sent stays as it was guessed: a result of more than one read.
            self.open_status = None;
            if let Some((at, _)) = &mut self.held_eof {
                *at = 0;
            }
            self.direct = 0..0;
        }
        buf.consume(consumed);
        Ok(())
    }

    async fn fill(&mut self, buf: &mut Buf, need: usize) -> Result<(), RelayError> {
        buf.make_room(need);
        let cell = self.client.cell.clone();
        // Of what has begun to come, the rest can't come from elsewhere.
        let begun = self.outcome.sent && self.mode.hope == Hope::Elsewhere;
        let mut watch = ServerWatch::new(if begun { Hope::Here } else { self.mode.hope });
        let mut looks = 0;
        cell.set_deadline(self.core.clock.now_ms() + WATCH_CLIENT_AFTER_MS);
        let end = poll_fn(|cx| {
            cell.park(cx);
            // Before the answer of a statement that was stopped for it: a server that kills closes at once.
            if cell.handle.is_killed() {
                return Poll::Ready(FillEnd::Killed);
            }
            // Before the answer, too: that of a server which has been replaced meanwhile reaches nobody.
            let hopeless =
                looks > 0 && self.mode.hope == Hope::AsWriter && watch.is_hopeless(self.core, &self.conn.server);
            if hopeless {
                return Poll::Ready(FillEnd::Read(Err(io::ErrorKind::TimedOut.into())));
            }
            if let Poll::Ready(read) = self.conn.io.poll_read(cx, buf.space()) {
                return Poll::Ready(FillEnd::Read(read));
            }
            if self.core.clock.now_ms() >= cell.deadline() {
                cell.set_deadline(self.core.clock.now_ms() + WATCH_CLIENT_AFTER_MS);
                if self.client.stream.has_peer_closed() {
                    return Poll::Ready(FillEnd::ClientGone);
                }
                looks += 1;
                if watch.is_hopeless(self.core, &self.conn.server) {
                    return Poll::Ready(FillEnd::Read(Err(io::ErrorKind::TimedOut.into())));
                }
            }
            Poll::Pending
        })
        .await;
        cell.set_deadline(u64::MAX);
        match end {
            FillEnd::Read(Ok(0)) => {
                self.conn.readiness = Readiness::Broken;
                Err(self.server_error(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
            }
            FillEnd::Read(Ok(n)) => {
                buf.advance_end(n);
                Ok(())
            }
            FillEnd::Read(Err(e)) => {
                self.conn.readiness = Readiness::Broken;
                Err(self.server_error(e.into()))
            }
            FillEnd::Killed => Err(RelayError::Killed),
            FillEnd::ClientGone => Err(RelayError::ClientGone),
        }
    }

    /// Definitions have passed and the server sends no EOF there: a client of old gets one.
    fn definitions_end(&mut self, buf: &Buf) {
        if self.client_deprecates_eof() || !self.reader.server_deprecates_eof() {
            return;
        }
        self.direct_to_out(buf);
        let at = self.out.len();
        let sequence = self.reader.insert_packet();
        // The reply to a COM_STMT_PREPARE has told its warnings already; client libraries believe the last packet.
        let warnings = if self.mode.kind == ReplyKind::Prepare { self.outcome.warnings } else { 0 };
        self.put_eof(sequence, warnings, self.mode.status);
        self.open_status = Some(self.out.len() - 2);
        if self.mode.cursor != Cursors::None {
            self.held_eof = Some((at, sequence));
        }
    }

    fn put_eof(&mut self, sequence: u8, warnings: u16, status: Status) {
        let start = begin_packet(&mut self.out, sequence);
        put_eof(&mut self.out, warnings, status);
        end_packet(&mut self.out, start);
    }

    /// A server sends the EOF behind the definitions with the flags that its final one has, too; and where no rows come
    /// between them, mostly with the same warnings: those of the statement as such.
    fn set_open_status(&mut self, status: Status, warnings: u16) {
        let Some(at) = self.open_status.take() else { return };
        if let (0, Some(bytes)) = (self.reader.rows(), self.out.get_mut(at - 2..at)) {
            bytes.copy_from_slice(&warnings.to_le_bytes());
        }
        let flags = status.difference(Status::SESSION_STATE_CHANGED | Status::LAST_ROW_SENT | Status::QUERY_WAS_SLOW);
        if let Some(bytes) = self.out.get_mut(at..at + 2) {
            bytes.copy_from_slice(&flags.bits().to_le_bytes());
        }
    }

    /// Something follows the definitions, so the EOF behind them was right.
    fn settle_held_eof(&mut self) {
        self.held_eof = None;
    }

    fn packet(&mut self, buf: &mut Buf, at: usize, control: Control, len: usize) -> Result<(), BackendError> {
        match control {
            Control::Ok => self.ok(buf, at, len),
            Control::End => self.end(buf, at, len),
            Control::Err => self.err(buf, at, len),
            Control::PrepareOk => self.prepare_ok(buf, at, len),
            Control::DefinitionsEof => self.definitions_eof(buf, at, len),
            Control::ColumnCount | Control::LocalInfile | Control::Text => {
                let payload = buf.filled()[at + HEADER_LEN..at + len].to_vec_small();
                if control == Control::ColumnCount && self.outcome.results == 0 {
                    self.outcome.columns = column_count(&payload);
                }
                self.reader.accept(control, &payload, self.outcome.status)?;
                self.pass_packet(buf, at, len);
                Ok(())
            }
        }
    }

    fn pass_packet(&mut self, buf: &mut Buf, at: usize, len: usize) {
        self.reader.renumber(&mut buf.filled_mut()[at..at + HEADER_LEN]);
        self.pass(buf, at, len);
    }

    fn ok(&mut self, buf: &mut Buf, at: usize, len: usize) -> Result<(), BackendError> {
        let payload = &buf.filled()[at + HEADER_LEN..at + len];
        let ok = OkPacket::parse(payload, self.conn.capabilities)?;
        let (changed, status) = (!ok.changes.is_empty(), ok.status);
        self.outcome.results += 1;
        self.outcome.rows = None;
        self.outcome.affected_rows = ok.affected_rows;
        if ok.last_insert_id != 0 {
            self.outcome.last_insert_id = ok.last_insert_id;
        }
        self.outcome.note_end(&ok, &self.core.buffers);
        self.reader.accept(Control::Ok, payload, status)?;
        if !changed && !status.contains(Status::SESSION_STATE_CHANGED) && self.mode.warnings.is_none() {
            self.pass_packet(buf, at, len);
            return Ok(());
        }
        self.direct_to_out(buf);
        self.settle_held_eof();
        let ok = OkPacket::parse(&buf.filled()[at + HEADER_LEN..at + len], self.conn.capabilities)?;
        let (changes, status) = self.client.tracking.filter(&ok, self.mode.changer);
        let sequence = self.reader.replace_packet();
        let warnings = self.mode.warnings.unwrap_or(ok.warnings);
        let ok = OkPacket { status, warnings, changes: changes.as_bytes(), ..ok };
        self.client.put_ok(&mut self.out, sequence, &ok);
        Ok(())
    }

    fn end(&mut self, buf: &mut Buf, at: usize, len: usize) -> Result<(), BackendError> {
        let payload = &buf.filled()[at + HEADER_LEN..at + len];
        let ok = if payload.len() == EOF_LEN {
            let (warnings, status) = parse_eof(payload)?;
            OkPacket { warnings, status, ..OkPacket::default() }
        } else {
            OkPacket::parse(payload, self.conn.capabilities)?
        };
        self.outcome.results += 1;
        self.outcome.rows = Some(self.reader.rows());
        self.outcome.note_end(&ok, &self.core.buffers);
        let changed = self.outcome.results == 1 && self.tells_other_columns();
        let ok = if changed { OkPacket { status: ok.status | Status::METADATA_CHANGED, ..ok } } else { ok };
        let same_form = self.client_deprecates_eof() == (payload.len() != EOF_LEN);
        if same_form && !changed && ok.changes.is_empty() && !ok.status.contains(Status::SESSION_STATE_CHANGED) {
            self.reader.accept(Control::End, payload, ok.status)?;
            self.pass_packet(buf, at, len);
            return Ok(());
        }
        self.set_open_status(ok.status, ok.warnings);
        let (changes, status) = self.client.tracking.filter(&ok, self.mode.changer);
        let ok = OkPacket { status, changes: changes.as_bytes(), ..ok };
        self.reader.accept(Control::End, payload, ok.status)?;
        let cursor_only = ok.status.contains(Status::CURSOR_EXISTS) && self.reader.rows() == 0;
        match self.held_eof.take() {
            // With an open cursor the EOF behind the definitions is the end.
            Some((from, sequence)) if cursor_only => {
                self.out.truncate(from);
                self.client.put_end(&mut self.out, sequence, &ok);
            }
            _ => {
                if !self.direct.is_empty() {
                    self.out.extend_from_slice(&buf.filled()[self.direct.clone()]);
                    self.direct = 0..0;
                }
                let sequence = self.reader.replace_packet();
                self.client.put_end(&mut self.out, sequence, &ok);
            }
        }
        Ok(())
    }

    /// The result has another number of columns than the client was told when it prepared the statement. A server that
    /// prepares its own statement again says so with a flag.
    fn tells_other_columns(&self) -> bool {
        self.mode.columns.is_some_and(|told| self.outcome.columns != Some(told))
    }

    fn err(&mut self, buf: &mut Buf, at: usize, len: usize) -> Result<(), BackendError> {
        let payload = &buf.filled()[at + HEADER_LEN..at + len];
        let error = ErrPacket::parse(payload)?;
        self.outcome.error = Some(error.code);
        // --secure-file-priv and others share the code; only this option makes a server read-only.
        self.outcome.read_only =
            error.code == ER_READ_ONLY && memchr::memmem::find(error.message, b"read-only").is_some();
        self.outcome.results += 1;
        self.reader.accept(Control::Err, payload, self.outcome.status)?;
        let held = self.held_eof.take().filter(|_| self.mode.cursor == Cursors::Opened);
        let Some((from, sequence)) = held else {
            self.pass_packet(buf, at, len);
            return Ok(());
        };
        self.out.truncate(from);
        let start = begin_packet(&mut self.out, sequence);
        self.out.extend_from_slice(&buf.filled()[at + HEADER_LEN..at + len]);
        end_packet(&mut self.out, start);
        Ok(())
    }

    fn prepare_ok(&mut self, buf: &mut Buf, at: usize, len: usize) -> Result<(), BackendError> {
        let payload = &mut buf.filled_mut()[at + HEADER_LEN..at + len];
        let ok = PrepareOk::parse(payload)?;
        self.outcome.prepared = Some(ok);
        self.outcome.warnings = ok.warnings;
        if let Some(id) = self.mode.statement_id {
            set_statement_id(payload, id);
        }
        self.reader.accept(Control::PrepareOk, payload, self.outcome.status)?;
        self.pass_packet(buf, at, len);
        Ok(())
    }

    fn definitions_eof(&mut self, buf: &mut Buf, at: usize, len: usize) -> Result<(), BackendError> {
        let payload = &buf.filled()[at + HEADER_LEN..at + len];
        let (warnings, status) = parse_eof(payload)?;
        self.reader.accept(Control::DefinitionsEof, payload, status)?;
        if self.reader.is_done() {
            let end = OkPacket { warnings, status, ..OkPacket::default() };
            self.outcome.note_end(&end, &self.core.buffers);
        }
        if self.client_deprecates_eof() && !self.reader.is_done() {
            self.reader.omit_packet();
            return Ok(());
        }
        self.pass_packet(buf, at, len);
        Ok(())
    }
}

enum FillEnd {
    Read(io::Result<usize>),
    Killed,
    ClientGone,
}

/// Packets that a server sent for an earlier statement, as this client reads them.
#[must_use]
pub fn rewrite_captured(client: &ClientSide, wire: &[u8], sequence: u8, status: Status) -> Vec<u8> {
    let server = Capabilities::DEPRECATE_EOF | Capabilities::SESSION_TRACK;
    let mut reader = ResponseReader::new(ReplyKind::Results, server, sequence, 1);
    let (mut wire, mut at, mut out) = (wire.to_vec(), 0, Vec::with_capacity(wire.len() + 32));
    while let Ok(walk) = reader.walk(&mut wire[at..]) {
        out.extend_from_slice(&wire[at..at + walk.pass]);
        at += walk.pass;
        match walk.stop {
            Stop::Done | Stop::NeedBytes(_) => break,
            Stop::DefinitionsEnd if client.capabilities.contains(Capabilities::DEPRECATE_EOF) => {}
            Stop::DefinitionsEnd => {
                let start = begin_packet(&mut out, reader.insert_packet());
                put_eof(&mut out, 0, status);
                end_packet(&mut out, start);
            }
            Stop::Packet(control, len) => {
                let packet = wire[at..at + len].to_vec();
                at += len;
                if reader.accept(control, &packet[HEADER_LEN..], status).is_err() {
                    break;
                }
                let sequence = reader.replace_packet();
                if control == Control::End {
                    client.put_end(&mut out, sequence, &OkPacket { status, ..OkPacket::default() });
                } else {
                    let start = begin_packet(&mut out, sequence);
                    out.extend_from_slice(&packet[HEADER_LEN..]);
                    end_packet(&mut out, start);
                }
            }
        }
    }
    out
}

fn column_count(payload: &[u8]) -> Option<u16> {
    Cursor::new(payload).lenenc("column count").ok().and_then(|n| u16::try_from(n).ok())
}

/// A column count or file name, copied out of the buffer so that the buffer can be changed.
trait ToSmall {
    fn to_vec_small(&self) -> smallvec::SmallVec<[u8; 32]>;
}

impl ToSmall for [u8] {
    fn to_vec_small(&self) -> smallvec::SmallVec<[u8; 32]> {
        smallvec::SmallVec::from_slice(self)
    }
}
