//! Authentication, both sides, as state machines: the peer's packets in, the packets to send out.
//!
//! [`ServerAuth`] verifies a client, [`ClientAuth`] logs in at a server; [`Plugin`] names what both speak.

mod client;
mod ed25519;
mod native;
mod plugin;
mod rsa_key;
mod secret;
mod server;
mod sha2;

pub use client::{AuthError, ClientAuth, ClientStep};
pub use ed25519::NONCE_LEN as ED25519_NONCE_LEN;
pub use plugin::Plugin;
pub use rsa::rand_core;
pub use rsa_key::{KeyError, RsaServerKey};
pub use secret::{AccountSecret, Password, Secret, SecretError};
pub use server::{Nonces, Offer, Remembered, ServerAuth, ServerStep};
pub use sha2::StoredHash;

#[cfg(test)]
mod tests;

/// Exclusive or of two strings of equal length; the scrambles of both old and new plugins are built on it.
fn xor<const N: usize>(a: &[u8; N], b: &[u8; N]) -> [u8; N] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
