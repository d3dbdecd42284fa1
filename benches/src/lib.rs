//! The load harness: a server that costs nothing, a load tool, and what is needed to compare proxies with them.
//!
//! Reading order: [`answers`] (prebuilt replies), [`null_backend`] (the server that gives them), [`client`] (one
//! client), [`load`] (many), [`process`] (what a proxy costs), [`contender`] (the proxies), [`pairs`] (ratios).

pub mod answers;
pub mod client;
pub mod contender;
pub mod error;
pub mod load;
pub mod null_backend;
pub mod pairs;
pub mod process;

pub use error::{Bench, BenchError};
