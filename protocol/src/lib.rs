//! The MySQL and MariaDB wire protocol, both sides: bytes and values in, bytes and values out.
//!
//! There is no socket, no clock and no randomness here: salts and times are arguments. Bytes of a peer are
//! never trusted: malformed input gives a [`ProtocolError`], never a panic.
//!
//! Reading order: [`capabilities`], [`frame`], [`wire`] (integers and strings), [`command`], [`reply`]
//! (OK, ERR, EOF), [`response`] (where a reply begins and ends), [`stmt`] (prepared statements), [`row`].

pub mod auth;
pub mod capabilities;
pub mod charset;
pub mod command;
pub mod compress;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod proxy_header;
pub mod reply;
pub mod response;
pub mod row;
pub mod stmt;
pub mod wire;

pub use capabilities::Capabilities;
pub use command::Command;
pub use error::ProtocolError;
