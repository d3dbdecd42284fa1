//! The server's greeting (protocol version 10), written to clients and read from servers.
//!
//! Source: MySQL source documentation, "Protocol::HandshakeV10"; MariaDB knowledge base, "Connection: initial
//! handshake packet".

use super::{Failure, put_nul, text};
use crate::capabilities::Capabilities;
use crate::error::ProtocolError;
use crate::wire::Cursor;

const PROTOCOL_VERSION: u8 = 10;
/// Bytes of the salt in front of the capabilities; the rest comes behind them.
const FIRST_SALT_PART: usize = 8;
/// The salt and its NUL; the length that servers announce.
const SALT_AND_NUL: u8 = 21;
/// The announced length counts at least this many bytes behind the reserved ones, NUL included.
const MIN_SECOND_PART: usize = 13;

/// Initial handshake packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// As sent; MariaDB may put `5.5.5-` in front of its own.
    pub server_version: String,
    pub connection_id: u32,
    pub salt: [u8; 20],
    pub capabilities: Capabilities,
    /// Low byte of the server's default collation id.
    pub charset: u8,
    pub status: u16,
    /// Empty when the server has no CLIENT_PLUGIN_AUTH; mysql_native_password is meant then.
    pub auth_plugin: String,
}

/// The first packet of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerHello {
    Greeting(Greeting),
    /// The server refuses before it greets: 1040 (too many connections), 1129 and 1130 (host blocked).
    Refused(Failure),
}

impl Greeting {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let bits = self.capabilities.bits();
        let mut out = Vec::with_capacity(64 + self.server_version.len() + self.auth_plugin.len());
        out.push(PROTOCOL_VERSION);
        put_nul(&mut out, self.server_version.as_bytes());
        out.extend_from_slice(&self.connection_id.to_le_bytes());
        out.extend_from_slice(&self.salt[..FIRST_SALT_PART]);
        out.push(0);
        out.extend_from_slice(&bits.to_le_bytes()[..2]);
        out.push(self.charset);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&bits.to_le_bytes()[2..4]);
        out.push(if self.capabilities.contains(Capabilities::PLUGIN_AUTH) { SALT_AND_NUL } else { 0 });
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.extended_bytes());
        out.extend_from_slice(&self.salt[FIRST_SALT_PART..]);
        out.push(0);
        if self.capabilities.contains(Capabilities::PLUGIN_AUTH) {
            put_nul(&mut out, self.auth_plugin.as_bytes());
        }
        out
    }

    /// MariaDB's extended capabilities, which only a server without the CLIENT_MYSQL bit may send.
    fn extended_bytes(&self) -> [u8; 4] {
        if self.capabilities.contains(Capabilities::LONG_PASSWORD) {
            return [0; 4];
        }
        ((self.capabilities.bits() >> 32) as u32).to_le_bytes()
    }

    fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        if c.u8("protocol version")? != PROTOCOL_VERSION {
            return Err(ProtocolError::Unsupported("a protocol version other than 10"));
        }
        let server_version = text(c.nul_bytes("server version")?);
        let connection_id = c.u32("connection id")?;
        let first: [u8; FIRST_SALT_PART] = c.array("salt")?;
        c.u8("filler")?;
        let low = c.u16("capabilities")?;
        let charset = c.u8("collation")?;
        let status = c.u16("status")?;
        let high = c.u16("capabilities")?;
        let auth_len = usize::from(c.u8("salt length")?);
        c.bytes(6, "reserved bytes")?;
        let extended = c.u32("extended capabilities")?;
        let capabilities = join(low, high, extended);
        if !capabilities.contains(Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION) {
            return Err(ProtocolError::Unsupported("a server older than MySQL 4.1"));
        }
        let second = c.bytes(MIN_SECOND_PART.max(auth_len.saturating_sub(FIRST_SALT_PART)), "salt")?;
        let mut salt = [0; 20];
        salt[..FIRST_SALT_PART].copy_from_slice(&first);
        salt[FIRST_SALT_PART..].copy_from_slice(&second[..12]);
        let auth_plugin = match capabilities.contains(Capabilities::PLUGIN_AUTH) {
            // Servers before 5.5.10 left out the NUL.
            true => text(c.rest().split(|b| *b == 0).next().unwrap_or_default()),
            false => String::new(),
        };
        Ok(Self { server_version, connection_id, salt, capabilities, charset, status, auth_plugin })
    }
}

fn join(low: u16, high: u16, extended: u32) -> Capabilities {
    let bits = u64::from(low) | u64::from(high) << 16;
    let base = Capabilities::from_bits_retain(bits);
    match base.contains(Capabilities::LONG_PASSWORD) {
        true => base,
        false => Capabilities::from_bits_retain(bits | u64::from(extended) << 32),
    }
}

impl ServerHello {
    /// Reads a server's first packet.
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        if Failure::is_failure(payload) {
            return Ok(Self::Refused(Failure::parse(payload)?));
        }
        Ok(Self::Greeting(Greeting::parse(payload)?))
    }
}
