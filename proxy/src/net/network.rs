//! Address ranges, as configuration lists them: `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `fd00::/8`, `192.0.2.1`.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use thiserror::Error;

/// Not a network; whoever configured it has to look.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is neither an address nor a network like 10.0.0.0/8")]
pub struct NetworkError(String);

/// All addresses that share the first bits of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: u128,
    /// Of 128; IPv4 addresses are taken as IPv4-mapped ones.
    bits: u8,
}

/// IPv4 addresses lie behind this many bits of an IPv4-mapped one.
const MAPPED_BITS: u8 = 96;

impl Network {
    /// The IPv4 addresses that share the first `bits` of this one.
    #[must_use]
    pub fn v4(address: Ipv4Addr, bits: u8) -> Self {
        let bits = MAPPED_BITS + bits.min(32);
        Self { first: mapped(address.into()) & mask(bits), bits }
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        (mapped(address) ^ self.first) & mask(self.bits) == 0
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self { first: mapped(address), bits: 128 }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let bad = || NetworkError(text.to_owned());
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(IpAddr::into).map_err(|_| bad());
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let (offset, width) = if address.is_ipv4() { (MAPPED_BITS, 32) } else { (0, 128) };
        let length = match length.parse::<Ipv4Addr>() {
            Ok(netmask) if address.is_ipv4() => netmask_length(netmask).ok_or_else(bad)?,
            _ => length.parse::<u8>().ok().filter(|n| *n <= width).ok_or_else(bad)?,
        };
        let bits = offset + length;
        Ok(Self { first: mapped(address) & mask(bits), bits })
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

fn netmask_length(netmask: Ipv4Addr) -> Option<u8> {
    let bits = netmask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros().min(32) == 32 || bits == 0).then(|| bits.leading_ones() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_they_say() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("192.168.4.0/255.255.252.0", "192.168.7.255", "192.168.8.0"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("0.0.0.0/0", "1.2.3.4", "fd00::1"),
            ("::/0", "1.2.3.4", ""),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?} {inside}");
            if let Ok(outside) = outside.parse() {
                assert!(!network.contains(outside), "{network:?} {outside}");
            }
        }
        for bad in ["", "10.0.0.0/33", "fd00::/129", "10.0.0.0/255.0.255.0", "host", "10.0.0.0/", "fd00::/255.0.0.0"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
