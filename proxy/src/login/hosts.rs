//! Where clients come from, and which origins an account allows.
//!
//! Source: MySQL manual, "Specifying Account Names": exact hosts, `%` and `_` wildcards, netmasks. Names are
//! not resolved, as with skip_name_resolve.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::net::Network;

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

    /// As error messages and process lists show it.
    #[must_use]
    pub fn host(&self) -> String {
        self.ip().map_or_else(|| "localhost".to_owned(), |ip| ip.to_string())
    }
}

/// One entry of an account's `hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `localhost`: Unix sockets and loopback addresses.
    Localhost,
    Network(Network),
    /// `%` is any string, `_` any character of the address's text.
    Wildcard(String),
}

impl FromStr for HostPattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Localhost);
        }
        Ok(text.parse().map_or_else(|_| Self::Wildcard(text.to_owned()), Self::Network))
    }
}

impl HostPattern {
    #[must_use]
    pub fn matches(&self, peer: &Peer) -> bool {
        match (self, peer.ip()) {
            (Self::Localhost, None) => true,
            (Self::Localhost, Some(ip)) => ip.is_loopback(),
            (Self::Network(network), Some(ip)) => network.contains(ip),
            (Self::Network(_), None) => false,
            (Self::Wildcard(pattern), _) => like(pattern.as_bytes(), peer.host().as_bytes()),
        }
    }
}

/// SQL's LIKE without escapes, in time proportional to both lengths' product at worst.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'%') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'_' || c.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'%')
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
            ("10.1._.3", inet("10.1.2.3"), true),
            ("%.3", inet("10.3.3.3"), true),
            ("%.3", inet("10.3.3.4"), false),
            ("10.0.0.0/255.0.0.0", inet("10.9.9.9"), true),
            ("10.0.0.0/8", Peer::Local, false),
            ("192.0.2.1", inet("::ffff:192.0.2.1"), true),
            ("localhost", Peer::Local, true),
            ("localhost", inet("127.0.0.1"), true),
            ("localhost", inet("10.0.0.1"), false),
            ("", inet("10.0.0.1"), false),
        ] {
            let parsed: HostPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&peer), matches, "{pattern} {peer:?}");
        }
    }
}
