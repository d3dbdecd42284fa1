//! AuthSwitchRequest: the server asks for another authentication plugin.
//!
//! Source: MySQL source documentation, "Protocol::AuthSwitchRequest".

use super::{put_nul, text};
use crate::error::ProtocolError;
use crate::wire::Cursor;

const SWITCH: u8 = 0xfe;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSwitch {
    pub plugin: String,
    /// The plugin's own data, usually a salt with a NUL behind it.
    pub data: Vec<u8>,
}

impl AuthSwitch {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![SWITCH];
        put_nul(&mut out, self.plugin.as_bytes());
        out.extend_from_slice(&self.data);
        out
    }

    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut c = Cursor::new(payload);
        if c.u8("authentication switch")? != SWITCH {
            return Err(ProtocolError::Invalid("authentication switch"));
        }
        if c.is_empty() {
            return Err(ProtocolError::Unsupported("the password scheme of servers before MySQL 4.1"));
        }
        let plugin = text(c.nul_bytes("authentication plugin")?);
        Ok(Self { plugin, data: c.rest().to_vec() })
    }
}
