//! The PROXY protocol's header, versions 1 and 2: who the client behind a load balancer is.
//!
//! Source: "The PROXY protocol, Versions 1 & 2" (HAProxy, doc/proxy-protocol.txt).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::ProtocolError;
use crate::wire::Cursor;

const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_HEAD: usize = 16;
const V1_PREFIX: &[u8] = b"PROXY ";
/// "The maximum line lengths the receiver must support including the CRLF are 107 chars."
const V1_MAX: usize = 107;
/// Addresses take up to 216 bytes, the rest is TLVs (a TLS certificate's name, a cloud's endpoint id); the
/// specification lets a receiver refuse what it finds too long.
const V2_MAX_BODY: usize = 4096;

/// Who the header says the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxiedPeer {
    Inet(SocketAddr),
    /// UNKNOWN, LOCAL (the balancer's own health check) or a Unix socket: the connection's own address counts.
    Own,
}

/// What the bytes so far make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderScan {
    /// The header takes `len` bytes.
    Whole { peer: ProxiedPeer, len: usize },
    /// That many bytes in all can be read without taking any that lie behind the header.
    Need(usize),
}

/// Reads the header at the front of a connection. Ask again with more bytes until it is whole.
pub fn scan(bytes: &[u8]) -> Result<HeaderScan, ProtocolError> {
    let v1 = bytes.iter().zip(V1_PREFIX).all(|(a, b)| a == b);
    let v2 = bytes.iter().zip(&V2_SIGNATURE).all(|(a, b)| a == b);
    match (v1, v2) {
        // Nothing read yet: both versions are longer than the shorter prefix.
        (true, true) => Ok(HeaderScan::Need(V1_PREFIX.len())),
        (true, false) => scan_v1(bytes),
        (false, true) => scan_v2(bytes),
        (false, false) => Err(ProtocolError::Invalid("PROXY header")),
    }
}

fn scan_v1(bytes: &[u8]) -> Result<HeaderScan, ProtocolError> {
    let head = &bytes[..bytes.len().min(V1_MAX)];
    match memchr::memchr(b'\n', head) {
        Some(end) => Ok(HeaderScan::Whole { peer: parse_line(&head[..end])?, len: end + 1 }),
        None if bytes.len() >= V1_MAX => Err(ProtocolError::Invalid("PROXY header")),
        // The line may end with the very next byte.
        None => Ok(HeaderScan::Need(bytes.len() + 1)),
    }
}

fn parse_line(line: &[u8]) -> Result<ProxiedPeer, ProtocolError> {
    let bad = || ProtocolError::Invalid("PROXY header");
    let line = line.strip_suffix(b"\r").ok_or_else(bad)?;
    let mut words = std::str::from_utf8(line).map_err(|_| bad())?.split(' ').skip(1);
    let mut word = || words.next().ok_or_else(bad);
    let family = word()?;
    if family == "UNKNOWN" {
        return Ok(ProxiedPeer::Own);
    }
    let (source, _destination) = (word()?, word()?);
    let port: u16 = word()?.parse().map_err(|_| bad())?;
    let ip = match family {
        "TCP4" => source.parse::<Ipv4Addr>().map(IpAddr::V4),
        "TCP6" => source.parse::<Ipv6Addr>().map(IpAddr::V6),
        _ => return Err(bad()),
    };
    Ok(ProxiedPeer::Inet(SocketAddr::new(ip.map_err(|_| bad())?, port)))
}

fn scan_v2(bytes: &[u8]) -> Result<HeaderScan, ProtocolError> {
    let Some(head) = bytes.first_chunk::<V2_HEAD>() else { return Ok(HeaderScan::Need(V2_HEAD)) };
    let body_len = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if body_len > V2_MAX_BODY {
        return Err(ProtocolError::TooLarge { length: body_len, limit: V2_MAX_BODY });
    }
    let len = V2_HEAD + body_len;
    let Some(body) = bytes.get(V2_HEAD..len) else { return Ok(HeaderScan::Need(len)) };
    Ok(HeaderScan::Whole { peer: parse_v2(head[12], head[13], body)?, len })
}

fn parse_v2(command: u8, family: u8, body: &[u8]) -> Result<ProxiedPeer, ProtocolError> {
    let mut c = Cursor::new(body);
    match (command, family) {
        // LOCAL: the receiver "must discard the protocol block including the family".
        (0x20, _) => Ok(ProxiedPeer::Own),
        // AF_INET over STREAM: both addresses, then both ports, in network order.
        (0x21, 0x11) => {
            let source = Ipv4Addr::from(c.array::<4>("PROXY header")?);
            c.array::<4>("PROXY header")?;
            Ok(ProxiedPeer::Inet(SocketAddr::new(source.into(), port(&mut c)?)))
        }
        (0x21, 0x21) => {
            let source = Ipv6Addr::from(c.array::<16>("PROXY header")?);
            c.array::<16>("PROXY header")?;
            Ok(ProxiedPeer::Inet(SocketAddr::new(source.into(), port(&mut c)?)))
        }
        // UNSPEC and AF_UNIX.
        (0x21, 0x00 | 0x31) => Ok(ProxiedPeer::Own),
        _ => Err(ProtocolError::Invalid("PROXY header")),
    }
}

fn port(c: &mut Cursor<'_>) -> Result<u16, ProtocolError> {
    Ok(u16::from_be_bytes(c.array("PROXY header")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut out = V2_SIGNATURE.to_vec();
        out.extend_from_slice(&[command, family]);
        out.extend_from_slice(&(body.len() as u16).to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    /// Reads byte-exactly, as the driver does.
    fn feed(bytes: &[u8]) -> Result<(ProxiedPeer, usize), ProtocolError> {
        let mut have = 0;
        loop {
            match scan(&bytes[..have])? {
                HeaderScan::Whole { peer, len } => {
                    assert_eq!(have, len, "read beyond the header");
                    return Ok((peer, len));
                }
                HeaderScan::Need(n) if n > bytes.len() => return Err(ProtocolError::Truncated("PROXY header")),
                HeaderScan::Need(n) => {
                    assert!(n > have);
                    have = n;
                }
            }
        }
    }

    #[test]
    fn headers_say_who_the_client_is() {
        let inet = |s: &str| ProxiedPeer::Inet(s.parse().unwrap());
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0x0c, 0xea];
        let mut with_tlv = four.to_vec();
        with_tlv.extend_from_slice(&[0xea, 0, 3, b'v', b'p', b'c']);
        let mut six = [0; 36];
        (six[15], six[33]) = (1, 80);
        for (wire, peer) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 3306\r\n".to_vec(), inet("192.0.2.7:8080")),
            (b"PROXY TCP6 fd00::1 fd00::2 1 2\r\n".to_vec(), inet("[fd00::1]:1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), ProxiedPeer::Own),
            (b"PROXY UNKNOWN ff ff 1 2\r\n".to_vec(), ProxiedPeer::Own),
            (v2(0x21, 0x11, &four), inet("192.0.2.7:8080")),
            (v2(0x21, 0x11, &with_tlv), inet("192.0.2.7:8080")),
            (v2(0x21, 0x21, &six), inet("[::1]:80")),
            (v2(0x20, 0x00, &[]), ProxiedPeer::Own),
            (v2(0x20, 0x11, &four), ProxiedPeer::Own),
            (v2(0x21, 0x31, &[0; 216]), ProxiedPeer::Own),
        ] {
            let mut followed = wire.clone();
            followed.extend_from_slice(b"\x01\0\0\x01behind");
            assert_eq!(feed(&followed), Ok((peer, wire.len())));
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for wire in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 300.0.2.7 10.0.0.1 8080 3306\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 3306\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 3306\n".to_vec(),
            [V1_PREFIX, &[b'x'; 200]].concat(),
            v2(0x21, 0x11, &[1, 2]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x31, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x11, &[0; V2_MAX_BODY + 1]),
        ] {
            assert!(feed(&wire).is_err(), "{:?}", String::from_utf8_lossy(&wire));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, version in 0..3) {
            let front: &[u8] = match version { 0 => b"", 1 => V1_PREFIX, _ => &V2_SIGNATURE };
            let _ = feed(&[front, &bytes].concat());
        }
    }
}
