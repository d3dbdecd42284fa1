//! client_ed25519 (MariaDB): Ed25519 signatures whose secret key is the password itself, whatever its length.
//!
//! Sources: MariaDB knowledge base, "Authentication Plugin - ed25519"; RFC 8032, which it follows but for the
//! length of the secret.

use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

/// The salt that the server sends.
pub const NONCE_LEN: usize = 32;
/// A point and a scalar.
pub const SIGNATURE_LEN: usize = 64;

struct KeyPair {
    scalar: Scalar,
    /// Second half of the expanded secret; it seeds the signature's nonce.
    prefix: [u8; 32],
    public: [u8; 32],
}

impl KeyPair {
    fn from_password(password: &[u8]) -> Self {
        let expanded: [u8; 64] = Sha512::digest(password).into();
        let (mut low, mut prefix) = ([0; 32], [0; 32]);
        low.copy_from_slice(&expanded[..32]);
        prefix.copy_from_slice(&expanded[32..]);
        let clamped = curve25519_dalek::scalar::clamp_integer(low);
        let scalar = Scalar::from_bytes_mod_order(clamped);
        Self { scalar, prefix, public: EdwardsPoint::mul_base(&scalar).compress().to_bytes() }
    }
}

/// Signs the server's salt.
#[must_use]
pub fn sign(password: &[u8], nonce: &[u8; NONCE_LEN]) -> [u8; SIGNATURE_LEN] {
    let key = KeyPair::from_password(password);
    let r = Scalar::from_bytes_mod_order_wide(&hash(&[&key.prefix, nonce]));
    let point = EdwardsPoint::mul_base(&r).compress().to_bytes();
    let k = challenge(&point, &key.public, nonce);
    let mut signature = [0; SIGNATURE_LEN];
    signature[..32].copy_from_slice(&point);
    signature[32..].copy_from_slice(&(r + k * key.scalar).to_bytes());
    signature
}

/// Verifies a signature with the password at hand. Ed25519 is deterministic, so the expected signature is
/// made and compared; there is no malleable encoding to think of.
#[must_use]
pub fn verify(password: &[u8], nonce: &[u8; NONCE_LEN], signature: &[u8; SIGNATURE_LEN]) -> bool {
    sign(password, nonce).ct_eq(signature).into()
}

fn challenge(point: &[u8; 32], public: &[u8; 32], nonce: &[u8; NONCE_LEN]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash(&[point, public, nonce]))
}

fn hash(parts: &[&[u8]]) -> [u8; 64] {
    let mut h = Sha512::new();
    parts.iter().for_each(|part| h.update(part));
    h.finalize().into()
}
