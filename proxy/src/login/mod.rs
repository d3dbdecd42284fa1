//! Connection establishment: clients verified against the account list, connections opened at servers.

pub mod accounts;
pub mod backend;
mod change_user;
pub mod client;
mod failures;
mod hosts;
mod rsa_key;
mod throttle;
mod trusted_source;
mod verify;

pub use accounts::{Account, AccountSlot, AccountSpec, Accounts};
pub use failures::host_not_allowed;
pub use hosts::{HostPattern, Peer};
pub use rsa_key::RsaKeySource;
pub use throttle::Throttle;
pub use trusted_source::TrustedSource;

use pointsman_protocol::auth::Nonces;
use rand::RngExt as _;

/// Salts for one exchange: printable-range bytes without NUL and `$`, as MySQL's own
/// (generate_user_salt): clients treat them as C strings.
fn fresh_nonces() -> Nonces {
    Nonces { greeted: salt(), switched: salt(), ed25519: salt() }
}

fn salt<const N: usize>() -> [u8; N] {
    const SEVEN_BITS: u8 = 0x7f;
    let mut rng = rand::rng();
    let mut salt = [0; N];
    rng.fill(&mut salt[..]);
    for byte in &mut salt {
        *byte &= SEVEN_BITS;
        // Drawn again, so that all others stay equally likely.
        while matches!(*byte, 0 | b'$') {
            *byte = rng.random::<u8>() & SEVEN_BITS;
        }
    }
    salt
}

#[cfg(test)]
mod tests;
