//! caching_sha2_password: the fast scramble, and the stored `$A$005$` hash that a full login is checked against.
//!
//! Sources: MySQL source documentation, "Caching_sha2_password information"; U. Drepper, "Unix crypt using
//! SHA-256 and SHA-512" (2008), which the stored hash follows with a 20-byte salt.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::xor;

const SALT_LEN: usize = 20;
/// 32 bytes in crypt's base 64.
const DIGEST_LEN: usize = 43;
const PREFIX: &[u8] = b"$A$";
/// The three hexadecimal digits count thousands of rounds.
const ROUNDS_UNIT: u32 = 1000;
/// caching_sha2_password_digest_rounds is at most 4,095,000; a larger stored value is not MySQL's.
const MAX_ROUNDS: u32 = 4_095_000;

/// SHA256 of the password.
#[must_use]
pub fn stage1(password: &[u8]) -> [u8; 32] {
    Sha256::digest(password).into()
}

/// SHA256 of stage 1: what a server's cache holds.
#[must_use]
pub fn stage2(stage1: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(stage1).into()
}

/// The answer to a salt.
#[must_use]
pub fn scramble(stage1: &[u8; 32], salt: &[u8; 20]) -> [u8; 32] {
    xor(stage1, &mask(&stage2(stage1), salt))
}

/// Verifies an answer against SHA256(SHA256(password)); a right one gives stage 1 away.
#[must_use]
pub fn verify(answer: &[u8; 32], salt: &[u8; 20], stage2_known: &[u8; 32]) -> Option<[u8; 32]> {
    let candidate = xor(answer, &mask(stage2_known, salt));
    bool::from(stage2(&candidate).ct_eq(stage2_known)).then_some(candidate)
}

fn mask(stage2: &[u8; 32], salt: &[u8; 20]) -> [u8; 32] {
    Sha256::new().chain_update(stage2).chain_update(salt).finalize().into()
}

/// authentication_string of a caching_sha2_password account.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    rounds: u32,
    salt: [u8; SALT_LEN],
    digest: [u8; DIGEST_LEN],
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash(hidden)")
    }
}

impl StoredHash {
    /// Reads `$A$005$`, 20 bytes of salt, 43 of digest.
    #[must_use]
    pub fn parse(stored: &[u8]) -> Option<Self> {
        let rest = stored.strip_prefix(PREFIX)?;
        let (count, rest) = rest.split_first_chunk::<3>()?;
        let rest = rest.strip_prefix(b"$")?;
        let (salt, rest) = rest.split_first_chunk::<SALT_LEN>()?;
        let digest: [u8; DIGEST_LEN] = rest.try_into().ok()?;
        let rounds = u32::from_str_radix(std::str::from_utf8(count).ok()?, 16).ok()? * ROUNDS_UNIT;
        (ROUNDS_UNIT..=MAX_ROUNDS).contains(&rounds).then_some(Self { rounds, salt: *salt, digest })
    }

    /// A hash made from a password, as the server would store it.
    #[must_use]
    pub fn from_password(password: &[u8], salt: [u8; SALT_LEN]) -> Self {
        let rounds = 5 * ROUNDS_UNIT;
        Self { rounds, salt, digest: sha256_crypt(password, &salt, rounds) }
    }

    /// A hash that costs as much as `self` to check and that no known password fits.
    #[must_use]
    pub fn decoy(&self, random: [u8; SALT_LEN]) -> Self {
        // `.` is 0 in crypt's base 64, so this is the all-zero digest: nobody has a password for it.
        Self { rounds: self.rounds, salt: random, digest: [b'.'; DIGEST_LEN] }
    }

    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        sha256_crypt(password, &self.salt, self.rounds).ct_eq(&self.digest).into()
    }
}

/// SHA-256 crypt of Drepper's paper; the numbers in comments are its steps.
fn sha256_crypt(key: &[u8], salt: &[u8], rounds: u32) -> [u8; DIGEST_LEN] {
    let b = Sha256::new().chain_update(key).chain_update(salt).chain_update(key).finalize(); // 4-8
    let mut a = Sha256::new().chain_update(key).chain_update(salt); // 1-3
    a.update(repeat_to(&b, key.len())); // 9-10
    let mut bits = key.len(); // 11
    while bits > 0 {
        if bits & 1 == 1 {
            a.update(b)
        } else {
            a.update(key)
        }
        bits >>= 1;
    }
    let mut c: [u8; 32] = a.finalize().into(); // 12
    let mut dp = Sha256::new(); // 13-14
    (0..key.len()).for_each(|_| dp.update(key));
    let p = repeat_to(&dp.finalize(), key.len()); // 15-16
    let mut ds = Sha256::new(); // 17-18
    (0..16 + usize::from(c[0])).for_each(|_| ds.update(salt));
    let s = repeat_to(&ds.finalize(), salt.len()); // 19-20
    for round in 0..rounds {
        c = stretch(round, &c, &p, &s); // 21
    }
    encode(&c)
}

fn stretch(round: u32, c: &[u8; 32], p: &[u8], s: &[u8]) -> [u8; 32] {
    let odd = round & 1 == 1;
    let mut h = Sha256::new();
    h.update(if odd { p } else { c });
    if !round.is_multiple_of(3) {
        h.update(s);
    }
    if !round.is_multiple_of(7) {
        h.update(p);
    }
    h.update(if odd { c } else { p });
    h.finalize().into()
}

fn repeat_to(block: &[u8], len: usize) -> Vec<u8> {
    block.iter().copied().cycle().take(len).collect()
}

/// Step 22: crypt's own base 64 over bytes in its own order.
fn encode(c: &[u8; 32]) -> [u8; DIGEST_LEN] {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = [0; DIGEST_LEN];
    let mut put = |at: usize, n: usize, mut word: u32| {
        for slot in &mut out[at..at + n] {
            *slot = ALPHABET[(word & 63) as usize];
            word >>= 6;
        }
    };
    let (mut x, mut y, mut z) = (0, 10, 20);
    for group in 0..10 {
        put(group * 4, 4, u32::from(c[x]) << 16 | u32::from(c[y]) << 8 | u32::from(c[z]));
        (x, y, z) = (z + 1, x + 1, y + 1);
    }
    put(40, 3, u32::from(c[31]) << 8 | u32::from(c[30]));
    out
}
