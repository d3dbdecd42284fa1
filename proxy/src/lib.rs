//! The proxy itself: sockets, sessions, pools, monitoring, configuration. The only crate that does I/O.
//!
//! The data path is [`listener`], [`session`], [`backend`]; [`core`] is what sessions of one thread share. The
//! control path hands it whole immutable values.

pub mod backend;
pub mod core;
pub mod error;
pub mod listener;
pub mod registry;
pub mod session;
pub mod worker;

pub mod login;
pub mod net;

pub mod balance;
pub mod cli;
pub mod config;
pub mod control;
pub mod http;
pub mod live;
pub mod monitor;
pub mod runtime;
pub mod servers;
pub mod timers;
