//! Text rows of small internal results (captures, probes); relayed rows are never decoded.

use crate::error::ProtocolError;
use crate::wire::Cursor;

/// The values of a text-protocol row in order; None is NULL.
pub fn text_values(payload: &[u8]) -> impl Iterator<Item = Result<Option<&[u8]>, ProtocolError>> {
    let mut c = Cursor::new(payload);
    std::iter::from_fn(move || {
        let first = *c.rest().first()?;
        if first == 0xfb {
            let _ = c.u8("NULL");
            return Some(Ok(None));
        }
        Some(c.lenenc_bytes("text value").map(Some)).inspect(|r| {
            if r.is_err() {
                c = Cursor::new(&[]);
            }
        })
    })
}
