//! Ranges of client addresses: for PROXY protocol sources and for the hosts a user may come from.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An address range in CIDR form (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

/// A host that a user may come from, in the manner of MySQL's account names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `%`
    Any,
    /// `localhost`: the Unix socket and the loopback addresses.
    Local,
    Network(Network),
}

/// A load balancer whose connections begin with a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedSource {
    Unix,
    Network(Network),
}

/// Why a text is no range. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("'{0}' is no address, no network like 10.0.0.0/8, and no pattern like 10.0.%")]
    NotANetwork(String),
    #[error("host names are not supported ('{0}'): the proxy does not ask DNS about its clients; use addresses")]
    HostName(String),
}

impl Network {
    /// Whether the address lies inside. An IPv4 address that arrived through an IPv6 socket counts as IPv4.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(a)) => {
                same_bits(u128::from(net.to_bits()), u128::from(a.to_bits()), self.prefix, 32)
            }
            (IpAddr::V6(net), IpAddr::V6(a)) => same_bits(net.to_bits(), a.to_bits(), self.prefix, 128),
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

fn same_bits(a: u128, b: u128, prefix: u8, width: u8) -> bool {
    prefix == 0 || (a ^ b) >> (width - prefix) == 0
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let bad = || NetworkError::NotANetwork(text.to_owned());
        let (addr, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let addr: IpAddr = addr.parse().map_err(|_| bad())?;
        let width = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(p) => p.parse().ok().filter(|p| *p <= width).ok_or_else(bad)?,
        };
        Ok(Self { addr, prefix })
    }
}

impl HostPattern {
    /// `peer` is None for the Unix socket.
    #[must_use]
    pub fn allows(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Self::Any, _) | (Self::Local, None) => true,
            (Self::Local, Some(addr)) => addr.to_canonical().is_loopback(),
            (Self::Network(network), Some(addr)) => network.contains(addr),
            (Self::Network(_), None) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text {
            "%" => Ok(Self::Any),
            "localhost" => Ok(Self::Local),
            _ => match wildcard_network(text) {
                Some(network) => Ok(Self::Network(network)),
                None if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') => {
                    Err(NetworkError::HostName(text.to_owned()))
                }
                None => text.parse().map(Self::Network),
            },
        }
    }
}

/// `10.0.%` and `10.0.%.%` are 10.0.0.0/16.
fn wildcard_network(text: &str) -> Option<Network> {
    let mut octets = [0u8; 4];
    let mut fixed = 0;
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next_if(|p| *p != "%") {
        *octets.get_mut(fixed)? = part.parse().ok()?;
        fixed += 1;
    }
    let wild = parts.clone().count();
    let only_wild = parts.all(|p| p == "%");
    let fits = only_wild && (1..=4 - fixed.min(4)).contains(&wild);
    fits.then(|| Network {
        addr: IpAddr::V4(Ipv4Addr::from(octets)),
        prefix: u8::try_from(fixed * 8).expect("at most four octets"),
    })
}

impl TrustedSource {
    /// `peer` is None for the Unix socket.
    #[must_use]
    pub fn matches(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Self::Unix, None) => true,
            (Self::Network(network), Some(addr)) => network.contains(addr),
            _ => false,
        }
    }
}

impl FromStr for TrustedSource {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text == "unix" { Ok(Self::Unix) } else { text.parse().map(Self::Network) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_allow_what_they_say() {
        for (pattern, peer, allowed) in [
            ("%", Some("8.8.8.8"), true),
            ("%", None, true),
            ("localhost", None, true),
            ("localhost", Some("127.0.0.1"), true),
            ("localhost", Some("::1"), true),
            ("localhost", Some("10.0.0.1"), false),
            ("10.0.%", Some("10.0.9.1"), true),
            ("10.0.%.%", Some("10.1.9.1"), false),
            ("10.0.0.0/8", Some("::ffff:10.9.9.9"), true),
            ("0.0.0.0/0", Some("1.2.3.4"), true),
            ("0.0.0.0/0", Some("::1"), false),
            ("fd00::/8", Some("fd12::1"), true),
            ("10.0.0.1", Some("10.0.0.1"), true),
            ("10.0.0.1", None, false),
        ] {
            let parsed: HostPattern = pattern.parse().unwrap();
            assert_eq!(parsed.allows(peer.map(|p| p.parse().unwrap())), allowed, "{pattern} {peer:?}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "10.0.0.0/33", "10.%.0.1", "10.0.0.0.%", "%.%.%.%.%", "db.example", "300.%", "::/129"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
