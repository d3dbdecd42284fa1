//! Proof by difference: one corpus of statements, run directly and through the proxy, compared to the byte.
//!
//! The client in here is our own and shares no code with the proxy: a driver would hide what we look for
//! (status flags, packet numbers, column flags), and the proxy's own decoders would share its mistakes.
//!
//! Reading order: [`corpus`] (what is run), [`profile`] (as which client), [`runner`] (running it),
//! [`reply`] (what came back), [`compare`] (where two runs differ), [`baseline`] (putting a server back),
//! [`campaign`] (all of it), [`known`] (which differences may be).
//!
//! Sources: MySQL source documentation, "Client/Server Protocol"; MariaDB knowledge base, the same title.

pub mod auth;
pub mod baseline;
pub mod bytes;
pub mod campaign;
pub mod compare;
pub mod connection;
pub mod corpus;
pub mod error;
pub mod known;
pub mod login;
pub mod packets;
pub mod parameters;
pub mod profile;
pub mod reply;
pub mod runner;
pub mod target;

pub use baseline::Baseline;
pub use campaign::{Campaign, Report};
pub use compare::{Difference, compare, summary};
pub use connection::Connection;
pub use corpus::{Script, ServerKind};
pub use error::WireError;
pub use known::{Known, Setting, Verdict};
pub use profile::{Mode, Profile};
pub use runner::{Outcome, Runner};
pub use target::Target;
