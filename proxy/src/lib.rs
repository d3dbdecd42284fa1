//! The proxy itself: sockets, sessions, pools, monitoring, configuration. The only crate that does I/O.

pub mod config;
