//! OK, ERR and EOF packets: read from servers, built for clients.
//!
//! Sources: MySQL "Protocol::OK_Packet", "ERR_Packet", "EOF_Packet"; session tracking is WL#4797 and WL#6885.

use crate::capabilities::Capabilities;
use crate::error::ProtocolError;
use crate::wire::{Cursor, put_lenenc, put_lenenc_bytes};
use bitflags::bitflags;

pub const OK_HEADER: u8 = 0x00;
pub const EOF_HEADER: u8 = 0xfe;
pub const ERR_HEADER: u8 = 0xff;
pub const LOCAL_INFILE_HEADER: u8 = 0xfb;
/// An EOF packet is exactly this long; a longer packet that begins with 0xfe is an OK in EOF's place.
pub const EOF_LEN: usize = 5;

bitflags! {
    /// The status word of OK and EOF packets.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Status: u16 {
        const IN_TRANS = 1;
        const AUTOCOMMIT = 1 << 1;
        const MORE_RESULTS = 1 << 3;
        const NO_GOOD_INDEX_USED = 1 << 4;
        const NO_INDEX_USED = 1 << 5;
        const CURSOR_EXISTS = 1 << 6;
        const LAST_ROW_SENT = 1 << 7;
        const DB_DROPPED = 1 << 8;
        const NO_BACKSLASH_ESCAPES = 1 << 9;
        const METADATA_CHANGED = 1 << 10;
        const QUERY_WAS_SLOW = 1 << 11;
        const PS_OUT_PARAMS = 1 << 12;
        const IN_TRANS_READONLY = 1 << 13;
        const SESSION_STATE_CHANGED = 1 << 14;
        /// MariaDB only.
        const ANSI_QUOTES = 1 << 15;
    }
}

/// An OK packet (also the one that ends a result set in EOF's place).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OkPacket<'a> {
    pub affected_rows: u64,
    pub last_insert_id: u64,
    pub status: Status,
    pub warnings: u16,
    pub info: &'a [u8],
    /// The session-track block, undecoded; empty when nothing changed.
    pub changes: &'a [u8],
}

impl<'a> OkPacket<'a> {
    /// Reads the payload of an OK packet from a peer with `capabilities`.
    pub fn parse(payload: &'a [u8], capabilities: Capabilities) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        c.u8("OK header")?;
        let affected_rows = c.lenenc("affected rows")?;
        let last_insert_id = c.lenenc("last insert id")?;
        let status = Status::from_bits_retain(c.u16("status")?);
        let warnings = c.u16("warning count")?;
        let info = if c.is_empty() { &[][..] } else { c.lenenc_bytes("info")? };
        let tracked = capabilities.contains(Capabilities::SESSION_TRACK);
        let changes = if tracked && status.contains(Status::SESSION_STATE_CHANGED) && !c.is_empty() {
            c.lenenc_bytes("session state")?
        } else {
            &[]
        };
        Ok(Self { affected_rows, last_insert_id, status, warnings, info, changes })
    }

    /// Appends the payload as a client with `capabilities` reads it.
    pub fn put(&self, out: &mut Vec<u8>, header: u8, capabilities: Capabilities) {
        out.push(header);
        put_lenenc(out, self.affected_rows);
        put_lenenc(out, self.last_insert_id);
        // A server sets the flag even where the block turns out to be empty (MySQL's COMMIT AND CHAIN).
        let changed = !self.changes.is_empty() || self.status.contains(Status::SESSION_STATE_CHANGED);
        let tracked = capabilities.contains(Capabilities::SESSION_TRACK) && changed;
        let mut status = self.status;
        status.set(Status::SESSION_STATE_CHANGED, tracked);
        out.extend_from_slice(&status.bits().to_le_bytes());
        out.extend_from_slice(&self.warnings.to_le_bytes());
        if tracked || !self.info.is_empty() {
            put_lenenc_bytes(out, self.info);
        }
        if tracked {
            put_lenenc_bytes(out, self.changes);
        }
    }
}

/// Reads an EOF packet's warnings and status.
pub fn parse_eof(payload: &[u8]) -> Result<(u16, Status), ProtocolError> {
    let mut c = Cursor::new(payload);
    c.u8("EOF header")?;
    let warnings = c.u16("warning count")?;
    Ok((warnings, Status::from_bits_retain(c.u16("status")?)))
}

/// Appends an EOF payload.
pub fn put_eof(out: &mut Vec<u8>, warnings: u16, status: Status) {
    let status = status.difference(Status::SESSION_STATE_CHANGED);
    out.push(EOF_HEADER);
    out.extend_from_slice(&warnings.to_le_bytes());
    out.extend_from_slice(&status.bits().to_le_bytes());
}

/// An ERR packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrPacket<'a> {
    pub code: u16,
    pub sqlstate: [u8; 5],
    pub message: &'a [u8],
}

impl<'a> ErrPacket<'a> {
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        c.u8("ERR header")?;
        let code = c.u16("error code")?;
        let mut sqlstate = *b"HY000";
        if c.rest().first() == Some(&b'#') {
            c.u8("sqlstate marker")?;
            sqlstate = c.array("sqlstate")?;
        }
        Ok(Self { code, sqlstate, message: c.rest() })
    }

    /// Appends the payload for a client that speaks protocol 4.1.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(ERR_HEADER);
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(&self.sqlstate);
        out.extend_from_slice(self.message);
    }
}

/// One thing that a server says has changed in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    SystemVariable {
        name: &'a [u8],
        value: &'a [u8],
    },
    Schema(&'a [u8]),
    /// session_track_state_change: something changed, without saying what.
    StateChanged,
    /// MySQL's session_track_gtids.
    Gtids(&'a [u8]),
    /// session_track_transaction_info: the transaction's characteristics (type 4) or its state (type 5), as they came.
    Transaction {
        kind: u8,
        data: &'a [u8],
    },
    /// A tracker that the proxy does not know.
    Other,
}

/// Walks the session-track block of an OK packet; ends early at malformed bytes.
pub struct Changes<'a> {
    blocks: Cursor<'a>,
    /// Name and value pairs left in a system-variables block.
    pairs: Cursor<'a>,
}

impl<'a> Changes<'a> {
    #[must_use]
    pub fn new(block: &'a [u8]) -> Self {
        Self { blocks: Cursor::new(block), pairs: Cursor::new(&[]) }
    }

    fn step(&mut self) -> Result<Option<Change<'a>>, ProtocolError> {
        if self.pairs.is_empty() {
            if self.blocks.is_empty() {
                return Ok(None);
            }
            let kind = self.blocks.u8("tracker type")?;
            let block = self.blocks.lenenc_bytes("tracker data")?;
            let mut data = Cursor::new(block);
            match kind {
                0 => self.pairs = data,
                1 => return data.lenenc_bytes("schema").map(|s| Some(Change::Schema(s))),
                2 => return Ok(Some(Change::StateChanged)),
                3 => {
                    data.u8("GTID encoding")?;
                    return data.lenenc_bytes("GTIDs").map(|s| Some(Change::Gtids(s)));
                }
                4 | 5 => return Ok(Some(Change::Transaction { kind, data: block })),
                _ => return Ok(Some(Change::Other)),
            }
        }
        let name = self.pairs.lenenc_bytes("variable name")?;
        let value = self.pairs.lenenc_bytes("variable value")?;
        Ok(Some(Change::SystemVariable { name, value }))
    }
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().ok().flatten()
    }
}

/// Builds a session-track block for a client.
#[derive(Debug, Default)]
pub struct ChangesBuilder {
    block: Vec<u8>,
}

impl ChangesBuilder {
    pub fn push(&mut self, change: Change<'_>) {
        let mut data = Vec::new();
        let kind = match change {
            Change::SystemVariable { name, value } => {
                put_lenenc_bytes(&mut data, name);
                put_lenenc_bytes(&mut data, value);
                0
            }
            Change::Schema(name) => {
                put_lenenc_bytes(&mut data, name);
                1
            }
            // A bare '1': this tracker's data has no inner length.
            Change::StateChanged => {
                data.push(b'1');
                2
            }
            Change::Gtids(set) => {
                data.push(0);
                put_lenenc_bytes(&mut data, set);
                3
            }
            Change::Transaction { kind, data: block } => {
                data.extend_from_slice(block);
                kind
            }
            Change::Other => return,
        };
        self.block.push(kind);
        put_lenenc_bytes(&mut self.block, &data);
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ok_with_trackers_is_read_and_stripped_for_a_client_without_them() {
        let mut changes = ChangesBuilder::default();
        changes.push(Change::SystemVariable { name: b"autocommit", value: b"OFF" });
        changes.push(Change::Schema(b"shop"));
        let ok = OkPacket {
            affected_rows: 300,
            last_insert_id: 70_000,
            status: Status::IN_TRANS | Status::SESSION_STATE_CHANGED,
            warnings: 2,
            info: b"Rows matched: 1",
            changes: changes.as_bytes(),
        };
        let mut wire = Vec::new();
        ok.put(&mut wire, OK_HEADER, Capabilities::SESSION_TRACK);
        let read = OkPacket::parse(&wire, Capabilities::SESSION_TRACK).unwrap();
        assert_eq!(read, ok);
        let all: Vec<_> = Changes::new(read.changes).collect();
        assert_eq!(all, [Change::SystemVariable { name: b"autocommit", value: b"OFF" }, Change::Schema(b"shop")]);

        let mut plain = Vec::new();
        ok.put(&mut plain, OK_HEADER, Capabilities::default());
        let read = OkPacket::parse(&plain, Capabilities::default()).unwrap();
        assert_eq!(read.status, Status::IN_TRANS);
        assert_eq!((read.info, read.changes), (&b"Rows matched: 1"[..], &b""[..]));
    }

    #[test]
    fn truncated_packets_are_errors() {
        let mut wire = Vec::new();
        OkPacket { affected_rows: 1, ..OkPacket::default() }.put(&mut wire, OK_HEADER, Capabilities::default());
        for end in 0..wire.len() {
            assert!(OkPacket::parse(&wire[..end], Capabilities::default()).is_err(), "{end}");
        }
        assert_eq!(ErrPacket::parse(b"\xff\x15"), Err(ProtocolError::Truncated("error code")));
    }
}
