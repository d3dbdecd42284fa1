//! Fuzzing of everything that decodes a peer's bytes: `cargo +nightly fuzz run TARGET`.
//!
//! The entry functions lie in a file of their own, which protocol/tests/entries.rs runs on stable too.

pub mod entries;
