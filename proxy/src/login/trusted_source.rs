//! Load balancers whose connections begin with a PROXY protocol header.

use std::str::FromStr;

use super::hosts::Peer;
use crate::net::Network;
use crate::net::network::NetworkError;

/// Where connections come from that begin with a header, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedSource {
    /// `unix`: a balancer on this machine.
    Unix,
    Network(Network),
}

impl TrustedSource {
    /// Whether the other end of a socket is such a balancer.
    #[must_use]
    pub fn matches(&self, socket_peer: &Peer) -> bool {
        match (self, socket_peer.ip()) {
            (Self::Unix, None) => true,
            (Self::Network(network), Some(ip)) => network.contains(ip),
            (Self::Unix, Some(_)) | (Self::Network(_), None) => false,
        }
    }
}

impl FromStr for TrustedSource {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text == "unix" { Ok(Self::Unix) } else { text.parse().map(Self::Network) }
    }
}
