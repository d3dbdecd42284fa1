//! Where a server listens: `host:port`, `[ipv6]:port` or `unix:/path`.

use std::fmt;
use std::str::FromStr;

/// The port of a MySQL server when the address names none.
pub const DEFAULT_PORT: u16 = 3306;

/// An address as the operator wrote it; names are resolved at each connect, so that DNS changes are followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerAddr {
    Tcp { host: String, port: u16 },
    Unix { path: String },
}

/// Why a text is no address. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("'{0}' names no host")]
    NoHost(String),
    #[error("'{0}' has no valid port after the ':'")]
    BadPort(String),
    #[error("'{0}' needs an absolute path after 'unix:'")]
    BadPath(String),
    #[error("'{0}' is an IPv6 address without brackets; write [address]:port")]
    BareIpv6(String),
}

impl ServerAddr {
    /// The host of a TCP address, the path of a socket.
    #[must_use]
    pub fn host_or_path(&self) -> &str {
        match self {
            Self::Tcp { host, .. } => host,
            Self::Unix { path } => path,
        }
    }
}

impl FromStr for ServerAddr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let absolute = path.starts_with('/') && path.len() > 1;
            return if absolute {
                Ok(Self::Unix { path: path.to_owned() })
            } else {
                Err(AddressError::BadPath(text.to_owned()))
            };
        }
        let (host, port) = split_host_port(text)?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(AddressError::NoHost(text.to_owned()));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(p) => match p.parse::<u16>() {
                Ok(p) if p > 0 => p,
                _ => return Err(AddressError::BadPort(text.to_owned())),
            },
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

/// Brackets come off an IPv6 host; the port stays text.
fn split_host_port(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| AddressError::NoHost(text.to_owned()))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(AddressError::BadPort(text.to_owned())),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, port)) if port.contains(':') => Err(AddressError::BareIpv6(text.to_owned())),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_every_form() {
        for (text, printed) in [
            ("127.0.0.1:13306", "127.0.0.1:13306"),
            ("db1", "db1:3306"),
            ("db1.example:3307", "db1.example:3307"),
            ("[::1]:3306", "[::1]:3306"),
            ("[fe80::1]", "[fe80::1]:3306"),
            ("unix:/run/mysqld.sock", "unix:/run/mysqld.sock"),
        ] {
            assert_eq!(text.parse::<ServerAddr>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", ":3306", "db:", "db:0", "db:70000", "::1", "[::1", "[::1]x", "unix:", "unix:rel", "a b:1"] {
            assert!(text.parse::<ServerAddr>().is_err(), "{text}");
        }
    }
}
