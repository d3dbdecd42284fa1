//! The RSA key pair with which caching_sha2_password hides a password on a connection without TLS.
//!
//! Source: MySQL source documentation, "Caching_sha2_password information": the password and its NUL, XORed
//! with the salt, encrypted with RSAES-OAEP (SHA-1).

use std::fmt;

use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use rsa::rand_core::CryptoRngCore;
use rsa::{Oaep, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use thiserror::Error;

use super::Password;

/// What MySQL's own generated keys have.
const KEY_BITS: usize = 2048;

/// What can be wrong with a key; the key's owner has to look.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error("RSA key can't be read: {0}")]
    Unreadable(String),
    #[error("RSA key can't be made: {0}")]
    Generation(rsa::Error),
}

/// The private key of a server and its public half as clients get it.
pub struct RsaServerKey {
    private: RsaPrivateKey,
    public_pem: String,
}

impl fmt::Debug for RsaServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaServerKey(hidden)")
    }
}

impl RsaServerKey {
    /// Makes a key. Takes up to seconds of a core: not for a thread that serves others.
    pub fn generate(rng: &mut impl CryptoRngCore) -> Result<Self, KeyError> {
        Self::new(RsaPrivateKey::new(rng, KEY_BITS).map_err(KeyError::Generation)?)
    }

    /// Reads a PKCS#1 or PKCS#8 private key in PEM (the server's private_key.pem).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let private = RsaPrivateKey::from_pkcs8_pem(pem)
            .or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem))
            .map_err(|e| KeyError::Unreadable(e.to_string()))?;
        Self::new(private)
    }

    fn new(private: RsaPrivateKey) -> Result<Self, KeyError> {
        let public_pem = private
            .to_public_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|e| KeyError::Unreadable(e.to_string()))?;
        Ok(Self { private, public_pem })
    }

    /// The public key as it goes to clients.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The password inside a client's message; `None` if it was not made with this key and salt.
    ///
    /// Blinding keeps the time taken from telling about the key.
    pub fn decrypt(&self, message: &[u8], salt: &[u8; 20], rng: &mut impl CryptoRngCore) -> Option<Password> {
        let mut plain = self.private.decrypt_blinded(rng, Oaep::new::<Sha1>(), message).ok()?;
        xor_cycled(&mut plain, salt);
        (plain.pop()? == 0).then(|| Password::new(plain))
    }
}

/// Encrypts a password for a server's public key.
pub fn encrypt(
    password: &Password,
    salt: &[u8; 20],
    public_pem: &[u8],
    rng: &mut impl CryptoRngCore,
) -> Result<Vec<u8>, KeyError> {
    let unreadable = |e: String| KeyError::Unreadable(e);
    let pem = std::str::from_utf8(public_pem).map_err(|e| unreadable(e.to_string()))?;
    let key = RsaPublicKey::from_public_key_pem(pem.trim_end_matches('\0')).map_err(|e| unreadable(e.to_string()))?;
    let mut plain = password.bytes().to_vec();
    plain.push(0);
    xor_cycled(&mut plain, salt);
    key.encrypt(rng, Oaep::new::<Sha1>(), &plain).map_err(|e| unreadable(e.to_string()))
}

fn xor_cycled(bytes: &mut [u8], salt: &[u8; 20]) {
    bytes.iter_mut().zip(salt.iter().cycle()).for_each(|(b, s)| *b ^= s);
}
