//! Fuzzing of everything that decodes a peer's bytes and reads its statements: `cargo +nightly fuzz run TARGET`.
//!
//! The entry functions lie in files of their own, which protocol/tests/entries.rs and planner/tests/entries.rs run on
//! stable too.

pub mod entries;
pub mod planner;
