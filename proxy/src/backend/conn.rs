//! One connection to a server: what state it is in, and small exchanges that the proxy itself makes on it.

use super::limits::Slot;
use super::prepared::PreparedStatements;
use crate::core::buffers::{Buf, BufPool};
use crate::net::{ParkedStream, Stream};
use crate::servers::Server;
use crate::session::vars::{Interner, Vars};
use pointsman_protocol::command::{COM_QUIT, COM_STMT_CLOSE, put_query};
use pointsman_protocol::frame::{HEADER_LEN, Header, put_packet};
use pointsman_protocol::reply::{Change, Changes, EOF_LEN, ERR_HEADER, ErrPacket, OkPacket, Status, parse_eof};
use pointsman_protocol::response::{Control, ReplyKind, ResponseReader, Stop};
use pointsman_protocol::{Capabilities, ProtocolError};
use pointsman_shard_map::ServerId;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Connections are interchangeable only within one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    pub server: ServerId,
    /// Number of the identity (user and password) that it is logged in as.
    pub account: u32,
    /// [`Capabilities::LOGIN_CLASS`] bits of the login.
    pub class: u64,
}

/// Whether the connection may be used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Between two commands.
    Ready,
    /// A command was sent and its reply has not been read to the end.
    Busy,
    /// Failed; to be closed.
    Broken,
}

/// The session variables and the rest of the state that the proxy moves between connections.
#[derive(Clone, Debug)]
pub struct Actual {
    /// None: no default schema.
    pub schema: Option<Rc<str>>,
    pub vars: Rc<Vars>,
    /// Collation id of the handshake that the character set variables still follow; None: not known.
    pub charset: Option<u16>,
    /// CLIENT_MULTI_STATEMENTS as last set.
    pub multi_statements: bool,
    /// User variables that the proxy itself has set, with their literals.
    pub user_vars: Vec<(String, Vec<u8>)>,
    /// What LAST_INSERT_ID() gives here; None: not known.
    pub last_insert_id: Option<u64>,
    /// SHOW WARNINGS is known to be empty.
    pub diagnostics_empty: bool,
}

/// Keyed hash of a statement's text and of all that its meaning depends on; two independent 64-bit halves with
/// keys drawn at start, so that nobody can make two statements meet.
pub type StatementKey = (u64, u64);

/// A statement prepared on this connection.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub id: u32,
    /// Parameter types as last bound here.
    pub types: Option<Rc<[u8]>>,
    /// For eviction: the connection's own count of uses at the last one.
    pub used: u64,
    pub runs: u32,
    /// Its first run raised warnings, which MariaDB may give at that one only.
    pub first_warned: bool,
    /// The schema that it was prepared in first is gone; it may come back.
    pub lacks_schema: bool,
}

/// A connection to a server. Closed when dropped; the place in the pool comes free with it.
pub struct BackendConn {
    pub io: Stream,
    pub capabilities: Capabilities,
    pub server: Arc<Server>,
    pub thread_id: u32,
    pub key: PoolKey,
    pub readiness: Readiness,
    pub status: Status,
    pub actual: Actual,
    pub prepared: PreparedStatements,
    pub uses: u64,
    pub opened_ms: u64,
    pub idle_since_ms: u64,
    /// [`Server::pool_generation`] at login: an older one is not reused.
    pub generation: u64,
    pub slot: Slot,
    /// GTIDs that the server has told in reply to a command of the proxy's own: of a statement that failed before.
    pub late_gtids: Option<Vec<u8>>,
}

/// A connection on its way to another core: nothing in it belongs to this one.
pub struct Parked {
    pub stream: ParkedStream,
    pub capabilities: Capabilities,
    pub server: Arc<Server>,
    pub thread_id: u32,
    pub key: PoolKey,
    pub generation: u64,
    pub slot: Slot,
    pub age_ms: u64,
    status: Status,
    schema: Option<String>,
    vars: Vec<(String, Vec<u8>)>,
    charset: Option<u16>,
    multi_statements: bool,
    user_vars: Vec<(String, Vec<u8>)>,
    last_insert_id: Option<u64>,
    diagnostics_empty: bool,
    prepared: Vec<(StatementKey, u32)>,
}

/// Why an exchange on a connection failed. The connection is broken after any of these.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("server sent a malformed packet: {0}")]
    Protocol(#[from] ProtocolError),
}

/// The reply to one small command of the proxy's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmallReply {
    pub error: Option<SmallError>,
    pub status: Status,
    pub warnings: u16,
    pub gtids: Option<Vec<u8>>,
    /// Payloads of the rows, text protocol.
    pub rows: Vec<Vec<u8>>,
    /// All packets of the reply as they came, headers included (kept only when asked for).
    pub wire: Vec<u8>,
}

/// An error that a server gave to a command of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallError {
    pub code: u16,
    pub sqlstate: [u8; 5],
    pub message: Vec<u8>,
}

/// The answers to a prefix and an error fit in.
const LAST_WORDS: usize = 16 * 1024;
/// Largest reply that the proxy itself reads (SHOW WARNINGS has at most max_error_count rows of 512 characters).
const MAX_SMALL_REPLY: usize = 4 * 1024 * 1024;

impl BackendConn {
    /// Appends a COM_QUERY as this server reads it.
    pub fn put_query(&self, out: &mut Vec<u8>, text: &[u8]) {
        let mut payload = Vec::with_capacity(text.len() + 3);
        put_query(&mut payload, text, self.capabilities);
        put_packet(out, 0, &payload);
    }

    /// Appends a command with an argument.
    pub fn put_command(out: &mut Vec<u8>, command: u8, argument: &[u8]) {
        let mut payload = Vec::with_capacity(argument.len() + 1);
        payload.push(command);
        payload.extend_from_slice(argument);
        put_packet(out, 0, &payload);
    }

    /// Sends whole commands. The connection is busy until their replies are read.
    pub async fn send(&mut self, wire: &[u8]) -> Result<(), BackendError> {
        self.readiness = Readiness::Busy;
        self.io.write_all(wire).await.map_err(|e| self.broken(e.into()))
    }

    /// The error that a server left when it closed a connection on which it was being written to. It has said nothing
    /// else since but the answers to what it still read.
    pub async fn last_words(&mut self) -> Option<SmallError> {
        let (mut said, mut at) = (vec![0; LAST_WORDS], 0);
        while let Ok(n @ 1..) = self.io.read(&mut said[at..]).await {
            at += n;
            if let Some(error) = error_among(&said[..at]) {
                return Some(error);
            }
        }
        None
    }

    /// COM_STMT_CLOSE, which has no reply: that it did not arrive shows when the connection is next used.
    pub async fn close_statement(&mut self, prepared: &Prepared) {
        let mut wire = Vec::with_capacity(HEADER_LEN + 5);
        Self::put_command(&mut wire, COM_STMT_CLOSE, &prepared.id.to_le_bytes());
        if self.io.write_all(&wire).await.is_err() {
            self.readiness = Readiness::Broken;
        }
    }

    /// Reads more bytes behind those in `buf`.
    pub async fn fill(&mut self, buf: &mut Buf, total: usize) -> Result<(), BackendError> {
        buf.make_room(total);
        match self.io.read(buf.space()).await {
            Ok(0) => Err(self.broken(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
            Ok(n) => {
                buf.advance_end(n);
                Ok(())
            }
            Err(e) => Err(self.broken(e.into())),
        }
    }

    fn broken(&mut self, error: BackendError) -> BackendError {
        self.readiness = Readiness::Broken;
        error
    }

    /// Sends text and reads its reply. Not cancel safe: a dropped exchange leaves the connection busy.
    pub async fn query(&mut self, text: &[u8], pool: &BufPool) -> Result<SmallReply, BackendError> {
        let mut wire = pool.take_vec();
        self.put_query(&mut wire, text);
        let reply = self.roundtrip(&wire, ReplyKind::Results, pool).await;
        pool.give_vec(wire);
        reply
    }

    /// Sends several at once and reads their replies. None of them may depend on another's success.
    pub async fn query_all(
        &mut self,
        texts: &[impl AsRef<[u8]>],
        pool: &BufPool,
    ) -> Result<Vec<SmallReply>, BackendError> {
        let mut wire = pool.take_vec();
        texts.iter().for_each(|text| self.put_query(&mut wire, text.as_ref()));
        let sent = self.send(&wire).await;
        pool.give_vec(wire);
        sent?;
        let (mut buf, mut replies) = (pool.take(), Vec::with_capacity(texts.len()));
        for _ in texts {
            replies.push(self.small_reply(&mut buf, ReplyKind::Results).await?);
        }
        self.readiness = Readiness::Ready;
        pool.give(buf);
        Ok(replies)
    }

    /// Sends one command and reads its reply.
    pub async fn roundtrip(
        &mut self,
        wire: &[u8],
        kind: ReplyKind,
        pool: &BufPool,
    ) -> Result<SmallReply, BackendError> {
        self.send(wire).await?;
        let mut buf = pool.take();
        let reply = self.small_reply(&mut buf, kind).await;
        if reply.is_ok() {
            self.readiness = Readiness::Ready;
        }
        pool.give(buf);
        reply
    }

    /// Reads one reply from `buf` and the connection; bytes of the next reply stay in `buf`.
    pub async fn small_reply(&mut self, buf: &mut Buf, kind: ReplyKind) -> Result<SmallReply, BackendError> {
        let mut reader = ResponseReader::new(kind, self.capabilities, 1, 1);
        let mut reply = SmallReply::default();
        // Where the rows of the current result set begin in the gathered bytes.
        let mut rows_from = None;
        loop {
            let walk = reader.walk(buf.filled_mut()).map_err(|e| self.broken(e.into()))?;
            reply.wire.extend_from_slice(&buf.filled()[..walk.pass]);
            buf.consume(walk.pass);
            match walk.stop {
                Stop::Done => break,
                Stop::DefinitionsEnd => rows_from = Some(reply.wire.len()),
                Stop::NeedBytes(n) => self.fill(buf, n).await?,
                Stop::Packet(control, len) => {
                    let packet = buf.filled()[..len].to_vec();
                    self.note_small(&mut reply, &mut reader, control, &packet[HEADER_LEN..])
                        .map_err(|e| self.broken(e.into()))?;
                    if let (Control::End, Some(from)) = (control, rows_from.take()) {
                        take_rows(&mut reply, from);
                    }
                    reply.wire.extend_from_slice(&packet);
                    buf.consume(len);
                    if control == Control::DefinitionsEof {
                        rows_from = Some(reply.wire.len());
                    }
                }
            }
            if reply.wire.len() > MAX_SMALL_REPLY {
                let error = ProtocolError::TooLarge { length: reply.wire.len(), limit: MAX_SMALL_REPLY };
                return Err(self.broken(error.into()));
            }
        }
        self.status = reply.status;
        if reply.gtids.is_some() {
            self.late_gtids.clone_from(&reply.gtids);
        }
        Ok(reply)
    }

    fn note_small(
        &self,
        reply: &mut SmallReply,
        reader: &mut ResponseReader,
        control: Control,
        payload: &[u8],
    ) -> Result<(), ProtocolError> {
        match control {
            Control::Ok | Control::End => {
                let ok = end_of(payload, self.capabilities)?;
                reply.status = ok.status;
                reply.warnings = ok.warnings;
                let gtids = Changes::new(ok.changes).find_map(|change| match change {
                    Change::Gtids(set) => Some(set.to_vec()),
                    _ => None,
                });
                reply.gtids = gtids.or(reply.gtids.take());
            }
            Control::Err => {
                let e = ErrPacket::parse(payload)?;
                reply.status = self.status;
                reply.error.get_or_insert_with(|| SmallError {
                    code: e.code,
                    sqlstate: e.sqlstate,
                    message: e.message.to_vec(),
                });
            }
            Control::DefinitionsEof => reply.status = parse_eof(payload)?.1,
            Control::LocalInfile => return Err(ProtocolError::Unsupported("LOCAL INFILE in an internal statement")),
            Control::ColumnCount | Control::PrepareOk | Control::Text => {}
        }
        reader.accept(control, payload, reply.status)
    }

    /// Notes the value of a user variable that a statement has set here.
    pub fn note_user_var(&mut self, name: &str, value: &[u8]) {
        let all = &mut self.actual.user_vars;
        all.retain(|(n, _)| n != name);
        all.push((name.to_owned(), value.to_vec()));
    }

    /// Takes leave of the server before the connection is dropped, between two commands. A server that is not told counts an aborted client, and warns of
    /// it in its log. Sent as far as the socket takes it at once: nobody waits for a goodbye.
    pub fn quit(&mut self) {
        self.readiness = Readiness::Broken;
        let mut wire = Vec::new();
        Self::put_command(&mut wire, COM_QUIT, &[]);
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(_)) = self.io.poll_write(&mut cx, &wire) {
            // Nobody hears of a failure, as of that of the write.
            let _ = self.io.poll_flush(&mut cx);
        }
    }

    /// Takes what of it does not belong to this core, if its stream can leave the core. Otherwise the
    /// connection is closed and its place given back.
    pub fn park(self: Box<Self>, now_ms: u64) -> Result<Box<Parked>, Slot> {
        let this = *self;
        let Ok(stream) = this.io.into_parked() else { return Err(this.slot) };
        let vars = this.actual.vars.iter().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
        Ok(Box::new(Parked {
            stream,
            capabilities: this.capabilities,
            server: this.server,
            thread_id: this.thread_id,
            key: this.key,
            generation: this.generation,
            slot: this.slot,
            age_ms: now_ms.saturating_sub(this.opened_ms),
            status: this.status,
            schema: this.actual.schema.as_deref().map(str::to_owned),
            vars,
            charset: this.actual.charset,
            multi_statements: this.actual.multi_statements,
            user_vars: this.actual.user_vars,
            last_insert_id: this.actual.last_insert_id,
            diagnostics_empty: this.actual.diagnostics_empty,
            prepared: this.prepared.ids(),
        }))
    }
}

impl Parked {
    /// Makes it a connection of this core.
    pub fn unpark(self, now_ms: u64, interner: &Interner) -> io::Result<Box<BackendConn>> {
        let vars = self.vars.iter().fold(Vars::default(), |all, (n, v)| all.with(n, v));
        Ok(Box::new(BackendConn {
            io: self.stream.unpark()?,
            prepared: PreparedStatements::with_ids(&self.server, &self.prepared),
            capabilities: self.capabilities,
            server: self.server,
            thread_id: self.thread_id,
            key: self.key,
            readiness: Readiness::Ready,
            status: self.status,
            actual: Actual {
                schema: self.schema.map(Rc::from),
                vars: interner.intern(vars),
                charset: self.charset,
                multi_statements: self.multi_statements,
                user_vars: self.user_vars,
                last_insert_id: self.last_insert_id,
                diagnostics_empty: self.diagnostics_empty,
            },
            uses: 0,
            opened_ms: now_ms.saturating_sub(self.age_ms),
            idle_since_ms: now_ms,
            generation: self.generation,
            slot: self.slot,
            late_gtids: None,
        }))
    }
}

/// An OK or EOF packet.
pub(crate) fn end_of(payload: &[u8], capabilities: Capabilities) -> Result<OkPacket<'_>, ProtocolError> {
    if payload.len() == EOF_LEN {
        let (warnings, status) = parse_eof(payload)?;
        return Ok(OkPacket { warnings, status, ..OkPacket::default() });
    }
    OkPacket::parse(payload, capabilities)
}

/// The first error of some packets, the last of which may be torn.
fn error_among(mut packets: &[u8]) -> Option<SmallError> {
    while let Some(header) = Header::read(packets) {
        let payload = packets.get(HEADER_LEN..HEADER_LEN + header.length)?;
        if let (Some(&ERR_HEADER), Ok(e)) = (payload.first(), ErrPacket::parse(payload)) {
            return Some(SmallError { code: e.code, sqlstate: e.sqlstate, message: e.message.to_vec() });
        }
        packets = &packets[HEADER_LEN + header.length..];
    }
    None
}

/// Cuts the rows that were gathered behind the definitions out of the wire bytes.
fn take_rows(reply: &mut SmallReply, from: usize) {
    let mut wire = &reply.wire[from..];
    while let Some(header) = Header::read(wire) {
        let end = (HEADER_LEN + header.length).min(wire.len());
        reply.rows.push(wire[HEADER_LEN..end].to_vec());
        wire = &wire[end..];
    }
}
