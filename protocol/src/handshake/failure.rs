//! The ERR packet as connection establishment needs it: read from a server, written to a client.
//!
//! Source: MySQL source documentation, "ERR_Packet".

use crate::error::ProtocolError;
use crate::wire::Cursor;

/// First byte of an ERR packet.
const ERR: u8 = 0xff;
/// What MySQL itself assumes when no SQLSTATE was sent.
const GENERAL_STATE: [u8; 5] = *b"HY000";

/// An error that ends a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u16,
    pub sqlstate: [u8; 5],
    pub message: String,
}

impl Failure {
    #[must_use]
    pub fn new(code: u16, sqlstate: [u8; 5], message: impl Into<String>) -> Self {
        Self { code, sqlstate, message: message.into() }
    }

    /// Whether the payload is an ERR packet at all.
    #[must_use]
    pub fn is_failure(payload: &[u8]) -> bool {
        payload.first() == Some(&ERR)
    }

    /// Reads an ERR packet with or without SQLSTATE: in place of a greeting servers leave it out.
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        if c.u8("ERR packet")? != ERR {
            return Err(ProtocolError::Invalid("ERR packet"));
        }
        let code = c.u16("error code")?;
        let sqlstate = match c.rest().first() {
            Some(b'#') => {
                c.u8("SQLSTATE marker")?;
                c.array("SQLSTATE")?
            }
            _ => GENERAL_STATE,
        };
        Ok(Self { code, sqlstate, message: super::text(c.rest()) })
    }

    /// The ERR packet with SQLSTATE, for clients whose capabilities are known.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.head();
        out.push(b'#');
        out.extend_from_slice(&self.sqlstate);
        out.extend_from_slice(self.message.as_bytes());
        out
    }

    /// The ERR packet in place of a greeting. Clients that have not seen CLIENT_PROTOCOL_41 would print the
    /// SQLSTATE as part of the message.
    #[must_use]
    pub fn encode_instead_of_greeting(&self) -> Vec<u8> {
        let mut out = self.head();
        out.extend_from_slice(self.message.as_bytes());
        out
    }

    /// The SQLSTATE as text.
    #[must_use]
    pub fn state(&self) -> &str {
        std::str::from_utf8(&self.sqlstate).unwrap_or("HY000")
    }

    fn head(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + self.message.len());
        out.push(ERR);
        out.extend_from_slice(&self.code.to_le_bytes());
        out
    }
}
