//! Where clients connect, and on which terms.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::form::{ClientTls, Compression, ListenForm};
use super::problem::Problems;
use crate::login::TrustedSource;

/// A local address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a text is no listen address. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither address:port (like 0.0.0.0:6033 or [::]:6033) nor unix:/path")]
pub struct ListenAddrError(String);

/// Section `[listen]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Never empty.
    pub mysql: Vec<ListenAddr>,
    pub admin: Option<ListenAddr>,
    pub http: Option<SocketAddr>,
    /// Never 0.
    pub cores: usize,
    pub proxy_protocol_networks: Vec<TrustedSource>,
    pub tls: ListenTls,
    pub server_version: Option<String>,
    pub zlib: bool,
    pub zstd: bool,
    pub connect_timeout: Duration,
    pub max_client_connections: u32,
    pub backlog: u32,
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenTls {
    Off,
    On { cert: PathBuf, key: PathBuf, client_ca: Option<PathBuf>, required: bool },
}

impl FromStr for ListenAddr {
    type Err = ListenAddrError;

    fn from_str(text: &str) -> Result<Self, ListenAddrError> {
        let bad = || ListenAddrError(text.to_owned());
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(bad()),
            // The one name that needs no DNS.
            None => text.replacen("localhost:", "127.0.0.1:", 1).parse().map(Self::Tcp).map_err(|_| bad()),
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What sun_path of unix(7) holds.
const LONGEST_SOCKET_PATH: usize = 107;

/// Checks the section as far as one section can be checked alone.
pub fn check(form: ListenForm, problems: &mut Problems) -> Option<Listen> {
    let tls = check_tls(&form, problems);
    let mysql = check_addresses(form.mysql.into_vec(), problems);
    let admin = optional_address(&form.admin, "listen.admin", problems);
    let http = check_http(&form.http, problems);
    let sources = form.proxy_protocol_networks.iter();
    let networks = sources.filter_map(|n| problems.take("listen.proxy_protocol_networks", n.parse())).collect();
    let offered = check_compression(&form.compression, problems);
    check_apart(mysql.as_deref(), admin.as_ref(), http.as_ref(), problems);
    Some(Listen {
        mysql: mysql?,
        admin: admin?,
        http: http?,
        cores: cores(form.cores),
        proxy_protocol_networks: networks,
        tls: tls?,
        server_version: form.server_version,
        zlib: offered.contains(&Compression::Zlib),
        zstd: offered.contains(&Compression::Zstd),
        connect_timeout: Duration::from_secs(form.connect_timeout_s),
        max_client_connections: form.max_client_connections,
        backlog: form.backlog,
    })
}

fn cores(configured: u16) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => usize::from(n),
    }
}

fn check_addresses(texts: Vec<String>, problems: &mut Problems) -> Option<Vec<ListenAddr>> {
    if texts.is_empty() {
        problems.add("listen.mysql", "at least one address is needed");
    }
    let addresses: Vec<ListenAddr> =
        texts.iter().filter_map(|t| problems.take("listen.mysql", t.parse::<ListenAddr>())).collect();
    for (i, addr) in addresses.iter().enumerate() {
        if addresses[..i].contains(addr) {
            problems.add("listen.mysql", format!("{addr} is listed twice"));
        }
        if let ListenAddr::Unix(path) = addr {
            let length = path.as_os_str().len();
            if length > LONGEST_SOCKET_PATH {
                problems.add(
                    "listen.mysql",
                    format!("a socket's path has at most {LONGEST_SOCKET_PATH} bytes, not {length}"),
                );
            }
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// Each address serves one purpose.
fn check_apart(
    mysql: Option<&[ListenAddr]>,
    admin: Option<&Option<ListenAddr>>,
    http: Option<&Option<SocketAddr>>,
    problems: &mut Problems,
) {
    let mysql = mysql.unwrap_or_default();
    let admin = admin.and_then(Option::as_ref);
    let http = http.copied().flatten().map(ListenAddr::Tcp);
    if let Some(addr) = admin.filter(|addr| mysql.contains(addr)) {
        problems.add("listen.admin", format!("{addr} is listen.mysql already"));
    }
    if let Some(addr) = http.filter(|addr| mysql.contains(addr) || admin == Some(addr)) {
        problems.add("listen.http", format!("{addr} is listen.mysql or listen.admin already"));
    }
}

/// The empty text is nowhere; the outer None is a mistake.
fn optional_address(text: &str, path: &str, problems: &mut Problems) -> Option<Option<ListenAddr>> {
    if text.is_empty() { Some(None) } else { problems.take(path, text.parse()).map(Some) }
}

fn check_http(text: &str, problems: &mut Problems) -> Option<Option<SocketAddr>> {
    match optional_address(text, "listen.http", problems)? {
        Some(ListenAddr::Tcp(addr)) => Some(Some(addr)),
        Some(ListenAddr::Unix(_)) => {
            problems.add("listen.http", "must be address:port");
            None
        }
        None => Some(None),
    }
}

fn check_compression(names: &[String], problems: &mut Problems) -> Vec<Compression> {
    let mut offered = vec![];
    for name in names {
        match name.as_str() {
            "zlib" => offered.push(Compression::Zlib),
            "zstd" => offered.push(Compression::Zstd),
            _ => problems.add("listen.compression", format!("'{name}' is none of zlib, zstd")),
        }
    }
    offered
}

fn check_tls(form: &ListenForm, problems: &mut Problems) -> Option<ListenTls> {
    let required = match form.tls {
        ClientTls::Off => return Some(ListenTls::Off),
        ClientTls::Optional => false,
        ClientTls::Required => true,
    };
    if form.tls_cert.is_none() {
        problems.add("listen.tls_cert", "is needed when listen.tls is not \"off\"");
    }
    if form.tls_key.is_none() {
        problems.add("listen.tls_key", "is needed when listen.tls is not \"off\"");
    }
    Some(ListenTls::On {
        cert: form.tls_cert.as_ref()?.into(),
        key: form.tls_key.as_ref()?.into(),
        client_ca: form.tls_client_ca.as_ref().map(PathBuf::from),
        required,
    })
}
