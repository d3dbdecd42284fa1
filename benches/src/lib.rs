//! The load harness: a server that costs nothing, a load tool, and what is needed to compare proxies with them.
//!
//! Reading order: [`answers`] (prebuilt replies), [`null_backend`] (the server that gives them), [`client`] (one
//! client), [`load`] (many), [`process`] (what a proxy costs), [`contender`] (the proxies), [`pairs`] (ratios),
//! [`chart`] (their picture), [`sysbench`] (real databases).

pub mod answers;
pub mod chart;
pub mod client;
pub mod contender;
pub mod error;
pub mod load;
pub mod null_backend;
pub mod pacer;
pub mod pairs;
pub mod process;
pub mod sysbench;

pub use error::{Bench, BenchError};
