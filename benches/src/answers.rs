//! Replies as a server would send them, built once for each kind of client.

use pointsman_protocol::Capabilities;
use pointsman_protocol::frame::put_packet;
use pointsman_protocol::reply::{Change, ChangesBuilder, EOF_HEADER, OK_HEADER, OkPacket, Status, put_eof};
use pointsman_protocol::wire::{put_lenenc, put_lenenc_bytes};

/// sysbench's `c` column: the row of its point select.
const POINT_VALUE: [u8; 119] = [b'7'; 119];
/// A large result: so many rows
pub const BIG_ROWS: usize = 100_000;
/// of so many bytes each.
const BIG_ROW: [u8; 189] = [b'r'; 189];
/// The statement whose answer it is reads from a table of this name.
pub const BIG_TABLE: &[u8] = b"FROM big";

/// MYSQL_TYPE_VAR_STRING.
const VAR_STRING: u8 = 0xfd;
/// utf8mb4_general_ci.
const CHARSET: u16 = 45;

/// What a client negotiated, as far as replies differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub deprecate_eof: bool,
    pub tracks: bool,
}

impl Dialect {
    #[must_use]
    pub fn of(capabilities: Capabilities) -> Self {
        Self {
            deprecate_eof: capabilities.contains(Capabilities::DEPRECATE_EOF),
            tracks: capabilities.contains(Capabilities::SESSION_TRACK),
        }
    }

    fn capabilities(self) -> Capabilities {
        let mut all = Capabilities::PROTOCOL_41;
        all.set(Capabilities::SESSION_TRACK, self.tracks);
        all
    }
}

/// The replies of one dialect.
#[derive(Clone, Debug)]
pub struct Answers {
    dialect: Dialect,
    pub ok: Vec<u8>,
    pub begin: Vec<u8>,
    pub commit: Vec<u8>,
    pub point: Vec<u8>,
    pub point_binary: Vec<u8>,
    pub big: Vec<u8>,
    pub names: Vec<u8>,
}

impl Answers {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let point = [Some(&POINT_VALUE[..])];
        let big = [Some(&BIG_ROW[..])];
        Self {
            dialect,
            ok: ok(dialect, Status::AUTOCOMMIT, &[]),
            begin: ok(dialect, Status::AUTOCOMMIT | Status::IN_TRANS, &[]),
            commit: ok(dialect, Status::AUTOCOMMIT, &[(b"last_gtid", b"0-1-7")]),
            point: result(dialect, &["c"], [&point[..]]),
            point_binary: binary_point(dialect),
            big: result(dialect, &["pad"], std::iter::repeat_n(&big[..], BIG_ROWS)),
            names: ok(
                dialect,
                Status::AUTOCOMMIT,
                &[
                    (b"character_set_client", b"utf8mb4"),
                    (b"character_set_connection", b"utf8mb4"),
                    (b"character_set_results", b"utf8mb4"),
                    (b"collation_connection", b"utf8mb4_general_ci"),
                ],
            ),
        }
    }

    /// A result of text rows, for the questions of the proxy itself.
    #[must_use]
    pub fn table(&self, columns: &[&str], rows: &[Vec<Option<String>>]) -> Vec<u8> {
        let rows: Vec<Vec<Option<&[u8]>>> =
            rows.iter().map(|row| row.iter().map(|v| v.as_deref().map(str::as_bytes)).collect()).collect();
        result(self.dialect, columns, rows.iter().map(Vec::as_slice))
    }

    /// The OK of a COM_INIT_DB.
    #[must_use]
    pub fn schema(&self, name: &[u8]) -> Vec<u8> {
        let mut changes = ChangesBuilder::default();
        changes.push(Change::Schema(name));
        ok_with(self.dialect, Status::AUTOCOMMIT, &changes)
    }

    /// The answer to a COM_STMT_PREPARE of a text with one column.
    #[must_use]
    pub fn prepared(&self, id: u32, parameters: u16) -> Vec<u8> {
        let mut head = vec![OK_HEADER];
        head.extend_from_slice(&id.to_le_bytes());
        head.extend_from_slice(&1_u16.to_le_bytes());
        head.extend_from_slice(&parameters.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        let mut out = Vec::new();
        let mut sequence = put_packet(&mut out, 1, &head);
        for count in [parameters, 1] {
            for _ in 0..count {
                sequence = put_packet(&mut out, sequence, &definition("c"));
            }
            if count > 0 && !self.dialect.deprecate_eof {
                sequence = put_packet(&mut out, sequence, &eof());
            }
        }
        out
    }
}

fn ok(dialect: Dialect, status: Status, variables: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut changes = ChangesBuilder::default();
    for (name, value) in variables {
        changes.push(Change::SystemVariable { name, value });
    }
    ok_with(dialect, status, &changes)
}

fn ok_with(dialect: Dialect, mut status: Status, changes: &ChangesBuilder) -> Vec<u8> {
    status.set(Status::SESSION_STATE_CHANGED, !changes.as_bytes().is_empty());
    let packet = OkPacket { status, changes: changes.as_bytes(), ..OkPacket::default() };
    let mut payload = Vec::new();
    packet.put(&mut payload, OK_HEADER, dialect.capabilities());
    let mut out = Vec::new();
    put_packet(&mut out, 1, &payload);
    out
}

fn eof() -> Vec<u8> {
    let mut payload = Vec::new();
    put_eof(&mut payload, 0, Status::AUTOCOMMIT);
    payload
}

/// Column count, definitions and what stands behind them.
fn head(dialect: Dialect, columns: &[&str], out: &mut Vec<u8>) -> u8 {
    let mut count = Vec::new();
    put_lenenc(&mut count, columns.len() as u64);
    let mut sequence = put_packet(out, 1, &count);
    for name in columns {
        sequence = put_packet(out, sequence, &definition(name));
    }
    if dialect.deprecate_eof { sequence } else { put_packet(out, sequence, &eof()) }
}

fn end(dialect: Dialect, sequence: u8, out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    if dialect.deprecate_eof {
        let packet = OkPacket { status: Status::AUTOCOMMIT, ..OkPacket::default() };
        packet.put(&mut payload, EOF_HEADER, dialect.capabilities());
    } else {
        put_eof(&mut payload, 0, Status::AUTOCOMMIT);
    }
    put_packet(out, sequence, &payload);
}

fn result<'a>(dialect: Dialect, columns: &[&str], rows: impl IntoIterator<Item = &'a [Option<&'a [u8]>]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = head(dialect, columns, &mut out);
    let mut payload = Vec::new();
    for row in rows {
        payload.clear();
        for value in row {
            match value {
                Some(bytes) => put_lenenc_bytes(&mut payload, bytes),
                None => payload.push(0xfb),
            }
        }
        sequence = put_packet(&mut out, sequence, &payload);
    }
    end(dialect, sequence, &mut out);
    out
}

/// The point select's row in the binary protocol: header, NULL bitmap, one string.
fn binary_point(dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    let sequence = head(dialect, &["c"], &mut out);
    let mut row = vec![0, 0];
    put_lenenc_bytes(&mut row, &POINT_VALUE);
    let sequence = put_packet(&mut out, sequence, &row);
    end(dialect, sequence, &mut out);
    out
}

/// Source: MySQL source documentation, "Protocol::ColumnDefinition41".
fn definition(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for text in ["def", "sbtest", "sbtest1", "sbtest1", name, name] {
        put_lenenc_bytes(&mut out, text.as_bytes());
    }
    out.push(0x0c);
    out.extend_from_slice(&CHARSET.to_le_bytes());
    out.extend_from_slice(&480_u32.to_le_bytes());
    out.extend_from_slice(&[VAR_STRING, 0, 0, 0, 0, 0]);
    out
}
