//! Where clients come from, and which origins an account allows.
//!
//! Source: MySQL manual, "Specifying Account Names": exact hosts, `%` wildcards, netmasks. Names are not resolved,
//! as with skip_name_resolve.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::net::Network;

/// Octets of an IPv4 address.
const OCTETS: usize = 4;

/// The client's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Inet(SocketAddr),
    /// A Unix socket.
    Local,
}

impl Peer {
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip().to_canonical()),
            Self::Local => None,
        }
    }

    /// As error messages show it. A server without skip_name_resolve calls the loopback addresses `localhost` without
    /// asking DNS.
    #[must_use]
    pub fn host(&self, names_loopback: bool) -> String {
        match self.ip() {
            Some(ip) if !(names_loopback && ip.is_loopback()) => ip.to_string(),
            Some(_) | None => "localhost".to_owned(),
        }
    }
}

/// One entry of an account's `hosts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `%`
    Any,
    /// `localhost`: the Unix socket and the loopback addresses.
    Local,
    Network(Network),
}

/// Why a text is no pattern. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostPatternError {
    #[error("'{0}' is no address, no network like 10.0.0.0/8, and no pattern like 10.0.%")]
    NotAPattern(String),
    #[error("host names are not supported ('{0}'): the proxy does not ask DNS about its clients; use addresses")]
    HostName(String),
}

impl HostPattern {
    #[must_use]
    pub fn matches(&self, peer: &Peer) -> bool {
        match (self, peer.ip()) {
            (Self::Any, _) | (Self::Local, None) => true,
            (Self::Local, Some(ip)) => ip.is_loopback(),
            (Self::Network(network), Some(ip)) => network.contains(ip),
            (Self::Network(_), None) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        match text {
            "%" => return Ok(Self::Any),
            "localhost" => return Ok(Self::Local),
            _ => {}
        }
        if let Some(network) = wildcard_network(text) {
            return Ok(Self::Network(network));
        }
        let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(':');
        text.parse().map(Self::Network).map_err(|_| match is_name {
            true => HostPatternError::HostName(text.to_owned()),
            false => HostPatternError::NotAPattern(text.to_owned()),
        })
    }
}

/// `10.0.%` and `10.0.%.%` are 10.0.0.0/16.
fn wildcard_network(text: &str) -> Option<Network> {
    let parts: Vec<&str> = text.split('.').collect();
    let fixed = parts.iter().take_while(|p| **p != "%").count();
    let only_wild_behind = parts[fixed..].iter().all(|p| *p == "%");
    if fixed == parts.len() || parts.len() > OCTETS || !only_wild_behind {
        return None;
    }
    let mut octets = [0u8; OCTETS];
    for (octet, part) in octets.iter_mut().zip(&parts[..fixed]) {
        *octet = part.parse().ok()?;
    }
    Some(Network::v4(Ipv4Addr::from(octets), u8::try_from(fixed * 8).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_mysql() {
        let inet = |ip: &str| Peer::Inet(SocketAddr::new(ip.parse().unwrap(), 1));
        for (pattern, peer, matches) in [
            ("%", inet("10.0.0.1"), true),
            ("%", Peer::Local, true),
            ("10.1.%", inet("10.1.2.3"), true),
            ("10.1.%", inet("10.11.2.3"), false),
            ("10.1.%.%", inet("10.1.2.3"), true),
            ("0.0.0.0/0", inet("1.2.3.4"), true),
            ("0.0.0.0/0", inet("::1"), false),
            ("fd00::/8", inet("fd12::1"), true),
            ("10.0.0.0/255.0.0.0", inet("10.9.9.9"), true),
            ("10.0.0.0/8", Peer::Local, false),
            ("192.0.2.1", inet("::ffff:192.0.2.1"), true),
            ("localhost", Peer::Local, true),
            ("localhost", inet("127.0.0.1"), true),
            ("localhost", inet("10.0.0.1"), false),
            ("localhost", inet("::1"), true),
        ] {
            let parsed: HostPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&peer), matches, "{pattern} {peer:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "10.0.0.0/33", "10.%.0.1", "10.0.0.0.%", "%.%.%.%.%", "db.example", "300.%", "::/129", "%.3"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
