//! Connections to the servers: opening them, keeping them, lending them.

pub mod conn;
pub mod limits;
pub mod open;
pub mod pool;
pub mod prepared;
pub mod stain;
pub mod warm;
