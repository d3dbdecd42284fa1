//! Connection establishment: the packets that both sides exchange before the first command.
//!
//! Source: MySQL source documentation, "Connection Phase" (page_protocol_connection_phase); MariaDB knowledge
//! base, "Connection" (extended capabilities in the reserved bytes).

mod change_user;
mod failure;
mod greeting;
mod login_request;
mod names;
mod switch;

pub use change_user::ChangeUser;
pub use failure::Failure;
pub use greeting::{Greeting, ServerHello};
pub use login_request::{ClientHello, LoginRequest, SslRequest, decode_attributes, encode_attributes};
pub use switch::AuthSwitch;

#[cfg(test)]
mod tests;

/// For names that are ASCII: what is not can't name anything that we know, so it may as well be replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Appends a string and its NUL. A NUL inside would let a name swallow the fields behind it, so it ends there.
fn put_nul(out: &mut Vec<u8>, bytes: &[u8]) {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    out.extend_from_slice(&bytes[..end]);
    out.push(0);
}
