//! The proxy itself: sockets, sessions, pools, monitoring, configuration. The only crate that does I/O.

pub mod balance;
pub mod cli;
pub mod config;
pub mod control;
pub mod http;
pub mod live;
pub mod monitor;
pub mod runtime;
pub mod servers;
