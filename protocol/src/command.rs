//! The first byte of a client's packet: which command it is.
//!
//! Source: MySQL "Command Phase"; MariaDB's additions (0xfa..) from its knowledge base.

/// A command byte. What a proxy does not relay has no variant of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    Quit,
    InitDb,
    Query,
    FieldList,
    Refresh,
    Statistics,
    ProcessInfo,
    ProcessKill,
    Debug,
    Ping,
    ChangeUser,
    BinlogDump,
    TableDump,
    RegisterReplica,
    StmtPrepare,
    StmtExecute,
    StmtSendLongData,
    StmtClose,
    StmtReset,
    SetOption,
    StmtFetch,
    BinlogDumpGtid,
    ResetConnection,
    Shutdown,
    Clone,
    /// MariaDB's COM_STMT_BULK_EXECUTE.
    StmtBulkExecute,
    Unknown(u8),
}

impl Command {
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0x01 => Self::Quit,
            0x02 => Self::InitDb,
            0x03 => Self::Query,
            0x04 => Self::FieldList,
            0x07 => Self::Refresh,
            0x08 => Self::Shutdown,
            0x09 => Self::Statistics,
            0x0a => Self::ProcessInfo,
            0x0c => Self::ProcessKill,
            0x0d => Self::Debug,
            0x0e => Self::Ping,
            0x11 => Self::ChangeUser,
            0x12 => Self::BinlogDump,
            0x13 => Self::TableDump,
            0x15 => Self::RegisterReplica,
            0x16 => Self::StmtPrepare,
            0x17 => Self::StmtExecute,
            0x18 => Self::StmtSendLongData,
            0x19 => Self::StmtClose,
            0x1a => Self::StmtReset,
            0x1b => Self::SetOption,
            0x1c => Self::StmtFetch,
            0x1e => Self::BinlogDumpGtid,
            0x1f => Self::ResetConnection,
            0x20 => Self::Clone,
            0xfa => Self::StmtBulkExecute,
            other => Self::Unknown(other),
        }
    }
}

/// Command bytes that the proxy itself sends.
pub const COM_QUIT: u8 = 0x01;
pub const COM_INIT_DB: u8 = 0x02;
pub const COM_QUERY: u8 = 0x03;
pub const COM_PING: u8 = 0x0e;
pub const COM_STMT_PREPARE: u8 = 0x16;
pub const COM_STMT_EXECUTE: u8 = 0x17;
pub const COM_STMT_SEND_LONG_DATA: u8 = 0x18;
pub const COM_STMT_CLOSE: u8 = 0x19;
pub const COM_SET_OPTION: u8 = 0x1b;
pub const COM_RESET_CONNECTION: u8 = 0x1f;

/// Where the statement text begins in a COM_QUERY payload, and the query attributes in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryText<'a> {
    pub text: &'a [u8],
    /// The undecoded attributes; empty when there are none.
    pub attributes: QueryAttributes<'a>,
}

/// The query attributes of a COM_QUERY (WL#12542), undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct QueryAttributes<'a> {
    count: usize,
    bytes: &'a [u8],
}

use crate::capabilities::Capabilities;
use crate::error::ProtocolError;
use crate::wire::{Cursor, put_lenenc};

/// Attributes in one statement; the server's own limit is 65,535 with larger packets, nobody needs this many.
const MAX_ATTRIBUTES: usize = 4_096;

const TYPE_VAR_STRING: u8 = 0xfd;
const TYPE_STRING: u8 = 0xfe;
const TYPE_BLOB: u8 = 0xfc;
const TYPE_NULL: u8 = 0x06;

/// Splits a COM_QUERY payload (command byte included) into attributes and text.
pub fn parse_query(payload: &[u8], capabilities: Capabilities) -> Result<QueryText<'_>, ProtocolError> {
    let mut c = Cursor::new(payload);
    c.u8("command")?;
    if !capabilities.contains(Capabilities::QUERY_ATTRIBUTES) {
        return Ok(QueryText { text: c.rest(), attributes: QueryAttributes::default() });
    }
    let count = usize::try_from(c.lenenc("attribute count")?).unwrap_or(usize::MAX);
    c.lenenc("attribute set count")?;
    if count == 0 {
        return Ok(QueryText { text: c.rest(), attributes: QueryAttributes::default() });
    }
    if count > MAX_ATTRIBUTES {
        return Err(ProtocolError::TooLarge { length: count, limit: MAX_ATTRIBUTES });
    }
    let block = c.rest();
    let attributes = QueryAttributes { count, bytes: block };
    let mut end = attributes.values();
    for _ in 0..count {
        end.next_pair()?;
    }
    let used = block.len() - end.values.rest().len();
    Ok(QueryText { text: end.values.rest(), attributes: QueryAttributes { count, bytes: &block[..used] } })
}

impl<'a> QueryAttributes<'a> {
    /// Name and value of the attributes that are strings.
    pub fn strings(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.values().strings(self.count).flatten()
    }

    fn values(self) -> AttributeWalk<'a> {
        AttributeWalk::new(self.bytes, self.count)
    }
}

/// Walks the types and the values of an attribute block side by side.
pub(crate) struct AttributeWalk<'a> {
    nulls: &'a [u8],
    types: Cursor<'a>,
    values: Cursor<'a>,
    index: usize,
}

impl<'a> AttributeWalk<'a> {
    fn new(block: &'a [u8], count: usize) -> Self {
        let mut c = Cursor::new(block);
        let nulls = c.bytes(count.div_ceil(8), "attribute null bitmap").unwrap_or(&[]);
        let _ = c.u8("attribute bind flag");
        let types = c;
        for _ in 0..count {
            let _ = c.u16("attribute type");
            let _ = c.lenenc_bytes("attribute name");
        }
        Self { nulls, types, values: c, index: 0 }
    }

    /// The same where the three parts have been told apart already.
    pub(crate) fn of_parts(nulls: &'a [u8], types: &'a [u8], values: &'a [u8]) -> Self {
        Self { nulls, types: Cursor::new(types), values: Cursor::new(values), index: 0 }
    }

    /// Name and value of each of `count` pairs, where the value is a string.
    pub(crate) fn strings(mut self, count: usize) -> impl Iterator<Item = Option<(&'a [u8], &'a [u8])>> {
        (0..count).map(move |_| match self.next_pair() {
            Ok((name, Some(value))) => Some((name, value)),
            _ => None,
        })
    }

    fn next_pair(&mut self) -> Result<(&'a [u8], Option<&'a [u8]>), ProtocolError> {
        let kind = self.types.u16("attribute type")?.to_le_bytes()[0];
        let name = self.types.lenenc_bytes("attribute name")?;
        let index = self.index;
        self.index += 1;
        let null = self.nulls.get(index / 8).is_some_and(|b| b & (1 << (index % 8)) != 0);
        if null || kind == TYPE_NULL {
            return Ok((name, None));
        }
        let value = match kind {
            TYPE_VAR_STRING | TYPE_STRING | TYPE_BLOB => Some(self.values.lenenc_bytes("attribute value")?),
            _ => {
                skip_binary_value(&mut self.values, kind)?;
                None
            }
        };
        Ok((name, value))
    }
}

/// Steps over one value of the binary protocol.
pub fn skip_binary_value(c: &mut Cursor<'_>, kind: u8) -> Result<(), ProtocolError> {
    match kind {
        0x06 => {}
        0x01 => {
            c.bytes(1, "tiny value")?;
        }
        0x02 | 0x0d => {
            c.bytes(2, "short value")?;
        }
        0x03 | 0x04 | 0x09 => {
            c.bytes(4, "four-byte value")?;
        }
        0x05 | 0x08 => {
            c.bytes(8, "eight-byte value")?;
        }
        0x07 | 0x0a | 0x0b | 0x0c => {
            let n = c.u8("temporal length")?;
            c.bytes(n.into(), "temporal value")?;
        }
        _ => {
            c.lenenc_bytes("string value")?;
        }
    }
    Ok(())
}

/// Appends the payload of a COM_QUERY as a server with `capabilities` reads it.
pub fn put_query(out: &mut Vec<u8>, text: &[u8], capabilities: Capabilities) {
    out.push(COM_QUERY);
    if capabilities.contains(Capabilities::QUERY_ATTRIBUTES) {
        put_lenenc(out, 0);
        put_lenenc(out, 1);
    }
    out.extend_from_slice(text);
}
