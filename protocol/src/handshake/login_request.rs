//! The client's answer to the greeting, and the short packet that asks for TLS before it.
//!
//! Source: MySQL source documentation, "Protocol::HandshakeResponse41" and "Protocol::SSLRequest".

use super::names::name;
use super::{put_nul, text};
use crate::capabilities::Capabilities;
use crate::error::ProtocolError;
use crate::wire::{Cursor, put_lenenc, put_lenenc_bytes};

/// Reserved bytes in front of MariaDB's extended capabilities.
const RESERVED: usize = 19;
/// Flags, packet limit, collation and reserved bytes: all of an SSLRequest.
const SSL_REQUEST_LEN: usize = 32;

/// What comes first from a client: an SSLRequest (TLS follows at once) or the whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientHello {
    Ssl(SslRequest),
    Login(LoginRequest),
}

/// The head of a login request, sent alone to ask for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SslRequest {
    pub capabilities: Capabilities,
    pub max_packet: u32,
    pub charset: u8,
}

/// HandshakeResponse41.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// As the client sent them, MariaDB's extended ones included.
    pub capabilities: Capabilities,
    pub max_packet: u32,
    /// Low byte of the collation id; the only part of a larger id that clients can send.
    pub charset: u8,
    pub user: String,
    pub auth_response: Vec<u8>,
    pub schema: Option<String>,
    /// Empty when the client named none.
    pub auth_plugin: String,
    /// The connection attributes as they came: length-encoded keys and values, without the length of it all.
    pub attributes: Vec<u8>,
    pub zstd_level: u8,
}

impl ClientHello {
    /// Reads a client's first packet; `offered` is what the greeting said.
    ///
    /// Clients lay the packet out by the capabilities that both sides have (PyMySQL and libmysqlclient send
    /// bits that they then do not honour when the server lacks them).
    pub fn parse(payload: &[u8], offered: Capabilities) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        let head = SslRequest::read(&mut c)?;
        if head.capabilities.contains(Capabilities::SSL) && payload.len() == SSL_REQUEST_LEN {
            return Ok(Self::Ssl(head));
        }
        Ok(Self::Login(LoginRequest::read(head, &mut c, offered)?))
    }
}

impl SslRequest {
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SSL_REQUEST_LEN);
        self.put(&mut out);
        out
    }

    fn put(self, out: &mut Vec<u8>) {
        let bits = self.capabilities.bits().to_le_bytes();
        out.extend_from_slice(&bits[..4]);
        out.extend_from_slice(&self.max_packet.to_le_bytes());
        out.push(self.charset);
        out.extend_from_slice(&[0; RESERVED]);
        let mysql_client = self.capabilities.contains(Capabilities::LONG_PASSWORD);
        out.extend_from_slice(if mysql_client { &[0; 4] } else { &bits[4..] });
    }

    fn read(c: &mut Cursor<'_>) -> Result<Self, ProtocolError> {
        let low = c.u32("client capabilities")?;
        let base = Capabilities::from_bits_retain(u64::from(low));
        if !base.contains(Capabilities::PROTOCOL_41) {
            return Err(ProtocolError::Unsupported("a client older than MySQL 4.1"));
        }
        let max_packet = c.u32("maximum packet size")?;
        let charset = c.u8("collation")?;
        c.bytes(RESERVED, "reserved bytes")?;
        let extended = c.u32("extended capabilities")?;
        let capabilities = match base.contains(Capabilities::LONG_PASSWORD) {
            true => base,
            false => Capabilities::from_bits_retain(u64::from(low) | u64::from(extended) << 32),
        };
        Ok(Self { capabilities, max_packet, charset })
    }
}

impl LoginRequest {
    /// Writes the request by its own capabilities, which must already be cut to what the server offers. Names go out in
    /// UTF-8: beyond ASCII they need such a `charset`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let has = |flag| self.capabilities.contains(flag);
        let mut out = Vec::with_capacity(128 + self.attributes.len());
        let head = SslRequest { capabilities: self.capabilities, max_packet: self.max_packet, charset: self.charset };
        head.put(&mut out);
        put_nul(&mut out, self.user.as_bytes());
        if has(Capabilities::PLUGIN_AUTH_LENENC) {
            put_lenenc_bytes(&mut out, &self.auth_response);
        } else {
            // Without the flag the length is one byte; no plugin's first answer is longer.
            let auth = &self.auth_response[..self.auth_response.len().min(255)];
            out.push(auth.len() as u8);
            out.extend_from_slice(auth);
        }
        if has(Capabilities::CONNECT_WITH_DB) {
            put_nul(&mut out, self.schema.as_deref().unwrap_or_default().as_bytes());
        }
        if has(Capabilities::PLUGIN_AUTH) {
            put_nul(&mut out, self.auth_plugin.as_bytes());
        }
        if has(Capabilities::CONNECT_ATTRS) {
            put_lenenc(&mut out, self.attributes.len() as u64);
            out.extend_from_slice(&self.attributes);
        }
        if has(Capabilities::ZSTD) {
            out.push(self.zstd_level);
        }
        out
    }

    fn read(head: SslRequest, c: &mut Cursor<'_>, offered: Capabilities) -> Result<Self, ProtocolError> {
        let agreed = head.capabilities & offered;
        let has = |flag| agreed.contains(flag);
        let user = name(c.nul_bytes("user name")?, u16::from(head.charset));
        let auth_response = if has(Capabilities::PLUGIN_AUTH_LENENC) {
            c.lenenc_bytes("authentication data")?
        } else if has(Capabilities::SECURE_CONNECTION) {
            let n = usize::from(c.u8("authentication data")?);
            c.bytes(n, "authentication data")?
        } else {
            c.nul_bytes("authentication data")?
        }
        .to_vec();
        let schema = match has(Capabilities::CONNECT_WITH_DB) {
            true => Some(name(last_nul_bytes(c), u16::from(head.charset))).filter(|s| !s.is_empty()),
            false => None,
        };
        let auth_plugin = if has(Capabilities::PLUGIN_AUTH) { text(last_nul_bytes(c)) } else { String::new() };
        let attributes = match has(Capabilities::CONNECT_ATTRS) && !c.is_empty() {
            true => c.lenenc_bytes("connection attributes")?.to_vec(),
            false => Vec::new(),
        };
        let zstd_level = if has(Capabilities::ZSTD) && !c.is_empty() { c.u8("zstd level")? } else { 0 };
        Ok(Self {
            capabilities: head.capabilities,
            max_packet: head.max_packet,
            charset: head.charset,
            user,
            auth_response,
            schema,
            auth_plugin,
            attributes,
            zstd_level,
        })
    }
}

/// A string up to a NUL or, as some clients leave it out at the end, up to the end of the packet.
pub(super) fn last_nul_bytes<'a>(c: &mut Cursor<'a>) -> &'a [u8] {
    match c.nul_bytes("string") {
        Ok(bytes) => bytes,
        Err(_) => {
            let rest = c.rest();
            *c = Cursor::new(&[]);
            rest
        }
    }
}

/// The pairs inside [`LoginRequest::attributes`].
pub fn decode_attributes(raw: &[u8]) -> Result<Vec<(String, String)>, ProtocolError> {
    let mut c = Cursor::new(raw);
    let mut pairs = Vec::new();
    while !c.is_empty() {
        let key = text(c.lenenc_bytes("attribute name")?);
        let value = text(c.lenenc_bytes("attribute value")?);
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Connection attributes as [`LoginRequest::attributes`] wants them.
#[must_use]
pub fn encode_attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        put_lenenc_bytes(&mut out, key.as_bytes());
        put_lenenc_bytes(&mut out, value.as_bytes());
    }
    out
}
