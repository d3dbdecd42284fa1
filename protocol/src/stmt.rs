//! Prepared statements on the wire: ids to rewrite, parameter types to remember and to splice in.
//!
//! Source: MySQL "Prepared Statements"; a client sends parameter types only with its first execution.

use crate::capabilities::Capabilities;
use crate::command::{AttributeWalk, COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA};
use crate::error::ProtocolError;
use crate::wire::{Cursor, put_lenenc};

/// The OK packet that answers COM_STMT_PREPARE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOk {
    pub statement_id: u32,
    pub columns: u16,
    pub parameters: u16,
    pub warnings: u16,
}

impl PrepareOk {
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        c.u8("prepare OK header")?;
        let statement_id = c.u32("statement id")?;
        let columns = c.u16("column count")?;
        let parameters = c.u16("parameter count")?;
        let warnings = if c.rest().len() >= 3 {
            c.u8("filler")?;
            c.u16("warning count")?
        } else {
            0
        };
        Ok(Self { statement_id, columns, parameters, warnings })
    }
}

/// The statement id in a COM_STMT_* payload.
pub fn statement_id(payload: &[u8]) -> Result<u32, ProtocolError> {
    let mut c = Cursor::new(payload);
    c.u8("command")?;
    c.u32("statement id")
}

/// Overwrites the statement id in a COM_STMT_* payload, or in the OK that answers a COM_STMT_PREPARE.
pub fn set_statement_id(payload: &mut [u8], id: u32) {
    if let Some(at) = payload.get_mut(1..5) {
        at.copy_from_slice(&id.to_le_bytes());
    }
}

/// COM_STMT_EXECUTE asks for a cursor.
pub const CURSOR_TYPE_MASK: u8 = 0x07;
const PARAMETER_COUNT_AVAILABLE: u8 = 0x08;

/// A COM_STMT_EXECUTE, as far as the proxy looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execute<'a> {
    pub flags: u8,
    /// What PREPARE said; query attributes are counted beyond them.
    parameters: u16,
    count: usize,
    has_count: bool,
    nulls: &'a [u8],
    /// Types (and names, with query attributes) of the parameters; None: as in the last execution.
    pub types: Option<&'a [u8]>,
    values: &'a [u8],
}

impl<'a> Execute<'a> {
    /// `parameters` is what PREPARE said; query attributes may follow them.
    pub fn parse(payload: &'a [u8], parameters: u16, capabilities: Capabilities) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        c.bytes(5, "execute header")?;
        let flags = c.u8("cursor flags")?;
        c.u32("iteration count")?;
        let attributes = capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let mut count = usize::from(parameters);
        let has_count = attributes && (count > 0 || flags & PARAMETER_COUNT_AVAILABLE != 0) && !c.is_empty();
        if has_count {
            count = usize::try_from(c.lenenc("parameter count")?).unwrap_or(usize::MAX);
        }
        if count == 0 || c.is_empty() {
            return Ok(Self { flags, parameters, count: 0, has_count, nulls: &[], types: None, values: c.rest() });
        }
        if count > usize::from(u16::MAX) {
            return Err(ProtocolError::Invalid("parameter count"));
        }
        let nulls = c.bytes(count.div_ceil(8), "null bitmap")?;
        // Servers do without the flag where every parameter is NULL.
        let bound = !c.is_empty() && c.u8("new-parameters flag")? == 1;
        if !bound {
            return Ok(Self { flags, parameters, count, has_count, nulls, types: None, values: c.rest() });
        }
        let from = c.rest();
        for _ in 0..count {
            c.u16("parameter type")?;
            if attributes {
                c.lenenc_bytes("parameter name")?;
            }
        }
        let types = &from[..from.len() - c.rest().len()];
        Ok(Self { flags, parameters, count, has_count, nulls, types: Some(types), values: c.rest() })
    }

    /// The query attributes that are strings: what is bound beyond the statement's own parameters. With long data, of
    /// which nothing is in this packet, they can't be told from the values.
    pub fn attributes(&self, capabilities: Capabilities) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let named = capabilities.contains(Capabilities::QUERY_ATTRIBUTES).then_some(self.types).flatten();
        let walk = AttributeWalk::of_parts(self.nulls, named.unwrap_or_default(), self.values);
        let count = if named.is_some() { self.count } else { 0 };
        walk.strings(count).skip(self.parameters.into()).flatten()
    }

    #[must_use]
    pub fn wants_cursor(&self) -> bool {
        self.flags & CURSOR_TYPE_MASK != 0
    }

    /// The same execution with the types spelled out, for a server that has not seen them.
    pub fn put_with_types(&self, out: &mut Vec<u8>, statement: u32, types: &[u8]) {
        out.push(COM_STMT_EXECUTE);
        out.extend_from_slice(&statement.to_le_bytes());
        out.push(self.flags);
        out.extend_from_slice(&1_u32.to_le_bytes());
        if self.has_count {
            put_lenenc(out, self.count as u64);
        }
        out.extend_from_slice(self.nulls);
        out.push(1);
        out.extend_from_slice(types);
        out.extend_from_slice(self.values);
    }

    #[must_use]
    pub fn has_parameters(&self) -> bool {
        self.count > 0
    }
}

/// A COM_STMT_SEND_LONG_DATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongData<'a> {
    pub statement: u32,
    pub parameter: u16,
    pub data: &'a [u8],
}

impl<'a> LongData<'a> {
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        c.u8("command")?;
        let statement = c.u32("statement id")?;
        let parameter = c.u16("parameter number")?;
        Ok(Self { statement, parameter, data: c.rest() })
    }

    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(COM_STMT_SEND_LONG_DATA);
        out.extend_from_slice(&self.statement.to_le_bytes());
        out.extend_from_slice(&self.parameter.to_le_bytes());
        out.extend_from_slice(self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_spliced_into_an_execution_that_left_them_out() {
        // Two INT parameters, the second NULL, types bound.
        let first = [0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0b10, 1, 3, 0, 3, 0, 42, 0, 0, 0];
        let parsed = Execute::parse(&first, 2, Capabilities::default()).unwrap();
        assert_eq!(parsed.types, Some(&[3, 0, 3, 0][..]));
        let again = [0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0b10, 0, 42, 0, 0, 0];
        let parsed = Execute::parse(&again, 2, Capabilities::default()).unwrap();
        assert_eq!(parsed.types, None);
        let mut out = Vec::new();
        parsed.put_with_types(&mut out, 1, &[3, 0, 3, 0]);
        assert_eq!(out, first);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_value() {
        let whole = [0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0b10, 1, 3, 0, 3, 0, 42, 0, 0, 0];
        for end in 0..16 {
            // The end of the header, and of the null bitmap.
            if ![10, 11].contains(&end) {
                assert!(Execute::parse(&whole[..end], 2, Capabilities::default()).is_err(), "{end}");
            }
        }
    }
}
