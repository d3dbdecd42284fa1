//! A checked reader of protocol fields, and the writers for what the client sends.

use super::error::WireError;

/// What is left of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(WireError::Malformed(what))?;
        self.0 = tail;
        Ok(head)
    }

    /// A little-endian integer of `width` bytes.
    pub fn int(&mut self, width: usize, what: &'static str) -> Result<u64, WireError> {
        let bytes = self.take(width, what)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub fn u8(&mut self, what: &'static str) -> Result<u8, WireError> {
        Ok(self.take(1, what)?[0])
    }

    pub fn u16(&mut self, what: &'static str) -> Result<u16, WireError> {
        Ok(self.int(2, what)? as u16)
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, WireError> {
        Ok(self.int(4, what)? as u32)
    }

    /// A length-encoded integer; `None` is the NULL marker of text rows.
    pub fn lenenc_or_null(&mut self, what: &'static str) -> Result<Option<u64>, WireError> {
        Ok(Some(match self.u8(what)? {
            small @ 0..=0xfa => u64::from(small),
            0xfb => return Ok(None),
            0xfc => self.int(2, what)?,
            0xfd => self.int(3, what)?,
            0xfe => self.int(8, what)?,
            0xff => return Err(WireError::Malformed(what)),
        }))
    }

    pub fn lenenc(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.lenenc_or_null(what)?.ok_or(WireError::Malformed(what))
    }

    /// A length-encoded string; `None` is NULL.
    pub fn value(&mut self, what: &'static str) -> Result<Option<&'a [u8]>, WireError> {
        match self.lenenc_or_null(what)? {
            Some(length) => Ok(Some(self.take(length as usize, what)?)),
            None => Ok(None),
        }
    }

    pub fn text(&mut self, what: &'static str) -> Result<String, WireError> {
        Ok(printable(self.value(what)?.ok_or(WireError::Malformed(what))?))
    }

    pub fn until_nul(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(WireError::Malformed(what))?;
        let head = self.take(end, what)?;
        self.take(1, what)?;
        Ok(head)
    }
}

/// Bytes as text that hides nothing: UTF-8 as it is, anything else escaped.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n') => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

pub fn put_lenenc(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

pub fn put_value(out: &mut Vec<u8>, bytes: &[u8]) {
    put_lenenc(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
