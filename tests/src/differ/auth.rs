//! Answers to the servers' authentication challenges.
//!
//! Sources: MySQL source documentation, "Native Authentication" and "Caching SHA-2 Authentication".

use rsa::pkcs8::DecodePublicKey;
use rsa::{Oaep, RsaPublicKey};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::error::WireError;

/// The challenge has this many bytes; a NUL follows it on the wire.
pub const SALT_LEN: usize = 20;

/// The first answer to `plugin`'s challenge.
pub fn answer(plugin: &str, password: &str, salt: &[u8]) -> Result<Vec<u8>, WireError> {
    let salt = &salt[..salt.len().min(SALT_LEN)];
    match plugin {
        _ if password.is_empty() => Ok(Vec::new()),
        "mysql_native_password" => Ok(native(password, salt)),
        "caching_sha2_password" => Ok(caching_sha2(password, salt)),
        other => Err(WireError::UnknownPlugin(other.to_owned())),
    }
}

/// SHA1(password) XOR SHA1(salt, SHA1(SHA1(password))).
fn native(password: &str, salt: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password.as_bytes());
    let mixed = Sha1::new().chain_update(salt).chain_update(Sha1::digest(once)).finalize();
    xor(&once, &mixed)
}

/// SHA256(password) XOR SHA256(SHA256(SHA256(password)), salt).
fn caching_sha2(password: &str, salt: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password.as_bytes());
    let mixed = Sha256::new().chain_update(Sha256::digest(Sha256::digest(once))).chain_update(salt).finalize();
    xor(&once, &mixed)
}

/// The password for the full exchange on a plain socket, under the server's public key.
pub fn rsa_password(password: &str, salt: &[u8], public_key_pem: &[u8]) -> Result<Vec<u8>, WireError> {
    const WHAT: WireError = WireError::Malformed("public key");
    let pem = std::str::from_utf8(public_key_pem).map_err(|_| WHAT)?;
    let key = RsaPublicKey::from_public_key_pem(pem.trim()).map_err(|_| WHAT)?;
    let mut clear = password.as_bytes().to_vec();
    clear.push(0);
    let salt = &salt[..salt.len().min(SALT_LEN)];
    let masked: Vec<u8> = clear.iter().zip(salt.iter().cycle()).map(|(a, b)| a ^ b).collect();
    key.encrypt(&mut rsa::rand_core::OsRng, Oaep::new::<Sha1>(), &masked).map_err(|_| WHAT)
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}
