//! The laboratory: real database servers, real replication and the real `pointsman` binary, for tests and the demo.
//!
//! Everything here blocks. What a test starts lives in a directory of its own, listens on a free port of the loopback
//! interface, and is gone when its value is dropped, when the test panics, and when the test run is killed
//! (see [`keeper`]).
//!
//! ```no_run
//! # fn main() -> pointsman_tests::Lab<()> {
//! use pointsman_tests::{Group, Proxy};
//! let group = Group::start()?;                   // master pair + two replicas, MariaDB, replicating
//! let proxy = Proxy::of(&group).start()?;        // config written, `init` run, `serve` ready
//! let mut app = proxy.client()?;                 // user app, password app, schema shop
//! app.sql("INSERT INTO notes (body) VALUES ('x')")?;
//! # Ok(()) }
//! ```

pub mod client;
pub mod differ;
pub mod error;
pub mod general_log;
pub mod group;
pub mod http;
pub mod keeper;
pub mod kind;
pub mod mysql9;
pub mod places;
pub mod ports;
pub mod proxy;
pub mod replication;
pub mod server;
mod skip;
pub mod template;
pub mod trace;
pub mod waiting;

pub use client::{Client, Login, Rows};
pub use error::{Lab, LabError};
pub use group::{Group, GroupPlan};
pub use kind::Kind;
pub use proxy::{Proxy, ProxyPlan, Ready};
pub use server::Server;
pub use skip::skipped;
