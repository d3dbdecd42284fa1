//! A client's way in: greeting, TLS, authentication, account checks. The final OK is the caller's.
//!
//! Source: MySQL source documentation, "Connection Phase".

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use pointsman_protocol::auth::{Nonces, Plugin, Secret};
use pointsman_protocol::compress::Algorithm;
use pointsman_protocol::frame::put_packet;
use pointsman_protocol::handshake::{ClientHello, Failure, Greeting, LoginRequest};
use pointsman_protocol::proxy_header::{self, HeaderScan, ProxiedPeer};
use pointsman_protocol::{Capabilities, ProtocolError};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::accounts::{Account, AccountSlot, Accounts};
pub use super::change_user::{ChangeUserContext, ChangedUser, change_user};
use super::hosts::Peer;
use super::rsa_key::RsaKeySource;
use super::throttle::Throttle;
use super::trusted_source::TrustedSource;
use super::verify::{Claim, Verified, verify};
use super::{failures, fresh_nonces};
use crate::net::packet::read_exact;
use crate::net::tls::ServerTls;
use crate::net::{Compressed, PacketError, Packets, Socket, Stream};
use crate::timers::Timers;

/// What all clients are told and held to.
#[derive(Clone, Debug)]
pub struct ClientLoginSettings {
    pub server_version: String,
    /// What the session can do. CLIENT_SSL is added where there is a certificate; MariaDB's extended ones go out
    /// only without CLIENT_LONG_PASSWORD.
    pub capabilities: Capabilities,
    /// [`Plugin::Native`] or [`Plugin::CachingSha2`].
    pub auth_plugin: Plugin,
    /// Low byte of the default collation's id.
    pub charset: u8,
    pub status: u16,
    /// For the whole login (connect_timeout).
    pub deadline: Duration,
    /// Only TLS, or a Unix socket, is let in.
    pub require_tls: bool,
    /// Connections from here begin with a PROXY header, always.
    pub balancers: Vec<TrustedSource>,
    /// The servers have no skip_name_resolve, and call the loopback addresses `localhost` in their errors.
    pub names_loopback: bool,
}

/// MySQL's default connect_timeout.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// What all logins share, across cores.
#[derive(Debug)]
pub struct LoginShared {
    pub accounts: ArcSwap<Accounts>,
    pub tls: ArcSwapOption<ServerTls>,
    pub rsa_key: RsaKeySource,
    pub throttle: Throttle,
    pub timers: Timers,
    /// RSA and password hashing at one time: more would take the cores from the sessions.
    pub(super) slow_steps: Arc<Semaphore>,
}

impl LoginShared {
    #[must_use]
    pub fn new(accounts: Arc<Accounts>, tls: Option<Arc<ServerTls>>, rsa_key: RsaKeySource, timers: Timers) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            accounts: ArcSwap::new(accounts),
            tls: ArcSwapOption::new(tls),
            rsa_key,
            throttle: Throttle::default(),
            timers,
            slow_steps: Arc::new(Semaphore::new(cores)),
        }
    }
}

/// Why a login came to nothing. The client has been told where it could be; nothing has run anywhere, so it
/// may try again.
#[derive(Debug, Error)]
pub enum LoginEnd {
    /// Refused with this error; the client's fault.
    #[error("refused: {} {}", .0.code, .0.message)]
    Refused(Failure),
    #[error("login took longer than allowed")]
    TimedOut,
    #[error("the client closed the connection during login")]
    Closed,
    #[error("network: {0}")]
    Io(io::Error),
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// Error 1043 was sent.
    #[error("bad handshake: {0}")]
    BadHandshake(#[from] ProtocolError),
    #[error("the proxy is shutting down")]
    ShuttingDown,
}

impl From<PacketError> for LoginEnd {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Closed => Self::Closed,
            PacketError::Io(e) => Self::Io(e),
            PacketError::Protocol(e) => Self::BadHandshake(e),
        }
    }
}

/// A client that is who it says. What is missing is the check of its schema and the OK, or ERR, which goes out
/// as packet `next_sequence`.
#[derive(Debug)]
pub struct ClientLogin {
    /// TLS and compression are on; the first packet written (the OK or ERR) goes out uncompressed, as it must.
    pub stream: Stream,
    /// What both sides have.
    pub capabilities: Capabilities,
    pub charset: u8,
    pub account: Arc<Account>,
    /// To be kept as long as the session.
    pub slot: AccountSlot,
    pub backend_secret: Secret,
    /// Asked for by the client, else the account's default.
    pub schema: Option<String>,
    /// Connection attributes, raw.
    pub attributes: Vec<u8>,
    pub max_packet: u32,
    pub next_sequence: u8,
    pub peer: Peer,
    /// COM_CHANGE_USER of clients without CLIENT_PLUGIN_AUTH answers to it once more.
    pub salt: [u8; 20],
}

/// Takes a fresh connection through the login.
pub async fn accept(
    socket: Socket,
    peer: Peer,
    connection_id: u32,
    settings: &ClientLoginSettings,
    shared: &LoginShared,
) -> Result<ClientLogin, LoginEnd> {
    let login = pin!(run(socket, peer, connection_id, settings, shared));
    shared.timers.timeout(settings.deadline, login).await.unwrap_or(Err(LoginEnd::TimedOut))
}

async fn run(
    socket: Socket,
    own: Peer,
    connection_id: u32,
    settings: &ClientLoginSettings,
    shared: &LoginShared,
) -> Result<ClientLogin, LoginEnd> {
    let mut stream = Stream::Plain(socket);
    let behind_balancer = settings.balancers.iter().any(|source| source.matches(&own));
    let peer = match behind_balancer {
        true => proxied(&mut stream, own).await?,
        false => own,
    };
    if let Some(left) = peer.ip().and_then(|ip| shared.throttle.blocked(ip, Instant::now())) {
        let failure = failures::host_blocked(&peer, left);
        refuse(&mut stream, &failure).await;
        return Err(LoginEnd::Refused(failure));
    }
    let tls = shared.tls.load_full();
    let mut offered = settings.capabilities;
    offered.set(Capabilities::SSL, tls.is_some());
    let nonces = fresh_nonces();
    let mut sequence = greet(&mut stream, connection_id, settings, offered, &nonces).await?;
    let (mut stream, request) = read_request(stream, &mut sequence, offered, tls).await?;
    if settings.require_tls && !stream.is_secure() {
        let end = LoginEnd::Refused(failures::tls_required());
        return Err(tell(&mut stream, sequence, end).await);
    }
    let mut packets = Packets::new(&mut stream, sequence);
    let verified = verify(&mut packets, claim(&request, peer, nonces, settings, offered), shared).await;
    let sequence = packets.sequence;
    match verified {
        Ok(verified) => Ok(finish(stream, request, verified, offered, sequence, peer, nonces)),
        Err(end) => Err(tell(&mut stream, sequence, end).await),
    }
}

fn claim<'a>(
    request: &'a LoginRequest,
    peer: Peer,
    nonces: Nonces,
    settings: &ClientLoginSettings,
    offered: Capabilities,
) -> Claim<'a> {
    Claim {
        user: &request.user,
        peer,
        nonces,
        greeted_plugin: settings.auth_plugin,
        plugin: &request.auth_plugin,
        response: &request.auth_response,
        can_switch: (request.capabilities & offered).contains(Capabilities::PLUGIN_AUTH),
        names_loopback: settings.names_loopback,
    }
}

/// Reads the PROXY header and not a byte more. The specification forbids to guess whether there is one.
async fn proxied(stream: &mut Stream, own: Peer) -> Result<Peer, LoginEnd> {
    let mut head = Vec::new();
    loop {
        match proxy_header::scan(&head)? {
            HeaderScan::Whole { peer: ProxiedPeer::Inet(address), .. } => return Ok(Peer::Inet(address)),
            HeaderScan::Whole { peer: ProxiedPeer::Own, .. } => return Ok(own),
            HeaderScan::Need(n) => {
                let have = head.len();
                head.resize(n, 0);
                read_exact(stream, &mut head[have..]).await?;
            }
        }
    }
}

async fn greet(
    stream: &mut Stream,
    connection_id: u32,
    settings: &ClientLoginSettings,
    offered: Capabilities,
    nonces: &Nonces,
) -> Result<u8, LoginEnd> {
    let greeting = Greeting {
        server_version: settings.server_version.clone(),
        connection_id,
        salt: nonces.greeted,
        capabilities: offered,
        charset: settings.charset,
        status: settings.status,
        auth_plugin: settings.auth_plugin.name().to_owned(),
    };
    let mut packets = Packets::new(stream, 0);
    packets.write(&greeting.encode()).await?;
    Ok(packets.sequence)
}

/// Reads the login request, behind TLS if the client asks for that first.
async fn read_request(
    mut stream: Stream,
    sequence: &mut u8,
    offered: Capabilities,
    tls: Option<Arc<ServerTls>>,
) -> Result<(Stream, LoginRequest), LoginEnd> {
    match (read_hello(&mut stream, sequence, offered).await?, tls) {
        (ClientHello::Login(request), _) => return Ok((stream, request)),
        (ClientHello::Ssl(_), Some(tls)) => stream = upgrade(stream, &tls).await?,
        (ClientHello::Ssl(_), None) => return Err(bad_handshake(&mut stream, *sequence, "TLS request").await),
    }
    match read_hello(&mut stream, sequence, offered).await? {
        ClientHello::Login(request) => Ok((stream, request)),
        ClientHello::Ssl(_) => Err(bad_handshake(&mut stream, *sequence, "second TLS request").await),
    }
}

async fn read_hello(stream: &mut Stream, sequence: &mut u8, offered: Capabilities) -> Result<ClientHello, LoginEnd> {
    let mut packets = Packets::new(stream, *sequence);
    let hello = match packets.read().await {
        Ok(payload) => ClientHello::parse(&payload, offered).map_err(LoginEnd::from),
        Err(error) => Err(error.into()),
    };
    *sequence = packets.sequence;
    match hello {
        Ok(hello) => Ok(hello),
        Err(end) => Err(tell(stream, *sequence, end).await),
    }
}

async fn upgrade(stream: Stream, tls: &ServerTls) -> Result<Stream, LoginEnd> {
    match stream {
        Stream::Plain(socket) => tls.accept(socket).await.map_err(LoginEnd::Tls),
        Stream::Tls(_) | Stream::Compressed(_) => Err(ProtocolError::Invalid("TLS request").into()),
    }
}

async fn bad_handshake(stream: &mut Stream, sequence: u8, what: &'static str) -> LoginEnd {
    tell(stream, sequence, ProtocolError::Invalid(what).into()).await
}

/// Sends the error that belongs to `end`, if the client can still hear it.
pub(super) async fn tell(stream: &mut Stream, sequence: u8, end: LoginEnd) -> LoginEnd {
    let failure = match &end {
        LoginEnd::Refused(failure) => failure.clone(),
        LoginEnd::BadHandshake(_) => failures::bad_handshake(),
        LoginEnd::TimedOut | LoginEnd::Closed | LoginEnd::Io(_) | LoginEnd::Tls(_) | LoginEnd::ShuttingDown => {
            return end;
        }
    };
    let mut wire = Vec::new();
    put_packet(&mut wire, sequence, &failure.encode());
    say_goodbye(stream, &wire).await;
    end
}

fn finish(
    stream: Stream,
    request: LoginRequest,
    verified: Verified,
    offered: Capabilities,
    next_sequence: u8,
    peer: Peer,
    nonces: Nonces,
) -> ClientLogin {
    let default_schema = || verified.account.spec().default_schema.clone();
    let capabilities = request.capabilities & offered;
    ClientLogin {
        stream: compress(stream, capabilities, request.zstd_level),
        capabilities,
        charset: request.charset,
        schema: request.schema.or_else(default_schema),
        account: verified.account,
        slot: verified.slot,
        backend_secret: verified.backend_secret,
        attributes: request.attributes,
        max_packet: request.max_packet,
        next_sequence,
        peer,
        salt: nonces.greeted,
    }
}

/// Compression begins behind the final OK or ERR. MySQL's clients set one of the two bits; of both, zlib wins as
/// at MySQL with its default order of protocol_compression_algorithms.
fn compress(stream: Stream, agreed: Capabilities, zstd_level: u8) -> Stream {
    let algorithm = if agreed.contains(Capabilities::COMPRESS) {
        Algorithm::Zlib
    } else if agreed.contains(Capabilities::ZSTD) {
        Algorithm::Zstd(zstd_level)
    } else {
        return stream;
    };
    Stream::Compressed(Box::new(Compressed::server(stream, algorithm)))
}

/// Sends an error in place of a greeting (1040 and its like) and closes.
pub async fn refuse(stream: &mut Stream, failure: &Failure) {
    let mut wire = Vec::new();
    put_packet(&mut wire, 0, &failure.encode_instead_of_greeting());
    say_goodbye(stream, &wire).await;
}

/// Sends the last bytes and closes. That they got lost changes nothing any more. How long a client may take to read
/// them is the caller's to say.
async fn say_goodbye(stream: &mut Stream, wire: &[u8]) {
    let _ = stream.write_all(wire).await;
    stream.shutdown().await;
}
