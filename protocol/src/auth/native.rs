//! mysql_native_password: `SHA1(password) XOR SHA1(salt, SHA1(SHA1(password)))`.
//!
//! Source: MySQL source documentation, "Native Authentication".

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::xor;

/// SHA1 of the password: enough to log in.
#[must_use]
pub fn stage1(password: &[u8]) -> [u8; 20] {
    Sha1::digest(password).into()
}

/// What servers store (`*HEX`): SHA1 of stage 1, enough to verify.
#[must_use]
pub fn stage2(stage1: &[u8; 20]) -> [u8; 20] {
    Sha1::digest(stage1).into()
}

/// The answer to a salt.
#[must_use]
pub fn scramble(stage1: &[u8; 20], salt: &[u8; 20]) -> [u8; 20] {
    xor(stage1, &mask(&stage2(stage1), salt))
}

/// Verifies an answer against the stored hash. A right one gives stage 1 away, which is then usable to log in
/// elsewhere.
#[must_use]
pub fn verify(answer: &[u8; 20], salt: &[u8; 20], stored: &[u8; 20]) -> Option<[u8; 20]> {
    let candidate = xor(answer, &mask(stored, salt));
    bool::from(stage2(&candidate).ct_eq(stored)).then_some(candidate)
}

fn mask(stage2: &[u8; 20], salt: &[u8; 20]) -> [u8; 20] {
    Sha1::new().chain_update(salt).chain_update(stage2).finalize().into()
}
