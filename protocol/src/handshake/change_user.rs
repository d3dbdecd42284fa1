//! COM_CHANGE_USER: a login in the middle of a connection.
//!
//! Source: MySQL source documentation, "COM_CHANGE_USER".

use super::login_request::last_nul_bytes;
use super::names::name;
use super::{put_nul, text};
use crate::capabilities::Capabilities;
use crate::error::ProtocolError;
use crate::wire::{Cursor, put_lenenc_bytes};

const COM_CHANGE_USER: u8 = 0x11;

/// The command with its command byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeUser {
    pub user: String,
    pub auth_response: Vec<u8>,
    pub schema: Option<String>,
    /// A whole collation id, unlike at login. Old clients leave it out: the session keeps its own.
    pub charset: Option<u16>,
    /// Empty when the client named none.
    pub auth_plugin: String,
    pub attributes: Vec<u8>,
}

impl ChangeUser {
    /// Reads the payload of the command; `agreed` is what the login settled.
    pub fn parse(payload: &[u8], agreed: Capabilities) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        if c.u8("command")? != COM_CHANGE_USER {
            return Err(ProtocolError::Invalid("command"));
        }
        let user = c.nul_bytes("user name")?;
        let auth_response = if agreed.contains(Capabilities::SECURE_CONNECTION) {
            let n = usize::from(c.u8("authentication data")?);
            c.bytes(n, "authentication data")?.to_vec()
        } else {
            c.nul_bytes("authentication data")?.to_vec()
        };
        let schema = last_nul_bytes(&mut c);
        let charset = if c.is_empty() { None } else { Some(c.u16("collation")?) };
        let named = |bytes| name(bytes, charset.unwrap_or_default());
        let (user, schema) = (named(user), Some(named(schema)).filter(|s| !s.is_empty()));
        let auth_plugin = match agreed.contains(Capabilities::PLUGIN_AUTH) {
            true => text(last_nul_bytes(&mut c)),
            false => String::new(),
        };
        let attributes = match agreed.contains(Capabilities::CONNECT_ATTRS) && !c.is_empty() {
            true => c.lenenc_bytes("connection attributes")?.to_vec(),
            false => Vec::new(),
        };
        Ok(Self { user, auth_response, schema, charset, auth_plugin, attributes })
    }

    /// The command's payload, command byte included. Names go out in UTF-8, as in a login.
    #[must_use]
    pub fn encode(&self, agreed: Capabilities) -> Vec<u8> {
        let mut out = vec![COM_CHANGE_USER];
        put_nul(&mut out, self.user.as_bytes());
        let auth = &self.auth_response[..self.auth_response.len().min(255)];
        out.push(auth.len() as u8);
        out.extend_from_slice(auth);
        put_nul(&mut out, self.schema.as_deref().unwrap_or_default().as_bytes());
        let Some(charset) = self.charset else { return out };
        out.extend_from_slice(&charset.to_le_bytes());
        if agreed.contains(Capabilities::PLUGIN_AUTH) {
            put_nul(&mut out, self.auth_plugin.as_bytes());
        }
        if agreed.contains(Capabilities::CONNECT_ATTRS) {
            put_lenenc_bytes(&mut out, &self.attributes);
        }
        out
    }
}
