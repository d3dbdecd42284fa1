//! Opening a connection at a server: socket, greeting, TLS, authentication, the final OK.
//!
//! Source: MySQL source documentation, "Connection Phase".

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use pointsman_protocol::auth::rand_core::OsRng;
use pointsman_protocol::auth::{AuthError, ClientAuth, ClientStep, Plugin, Secret};
use pointsman_protocol::compress::Algorithm;
use pointsman_protocol::handshake::{Failure, Greeting, LoginRequest, ServerHello, SslRequest};
use pointsman_protocol::wire::Cursor;
use pointsman_protocol::{Capabilities, ProtocolError};
use socket2::SockRef;
use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};

use crate::net::tls::BackendTls;
use crate::net::{Compressed, PacketError, Packets, Socket, Stream, keepalive};
use crate::timers::Timers;

/// What we say we accept: the protocol's largest, as the client's own limit is kept elsewhere.
const MAX_PACKET: u32 = 1 << 30;

/// What every backend connection has where the server offers it.
const ALWAYS: Capabilities = Capabilities::PROTOCOL_41
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::PLUGIN_AUTH_LENENC)
    .union(Capabilities::TRANSACTIONS)
    .union(Capabilities::LONG_FLAG)
    .union(Capabilities::CONNECT_ATTRS)
    .union(Capabilities::SESSION_TRACK)
    .union(Capabilities::DEPRECATE_EOF);
/// What [`connect`] itself decides on.
const OURS: Capabilities = Capabilities::SSL
    .union(Capabilities::COMPRESS)
    .union(Capabilities::ZSTD)
    .union(Capabilities::CONNECT_WITH_DB)
    .union(Capabilities::LONG_PASSWORD);
const MARIADB_EXTENDED: Capabilities = Capabilities::from_bits_retain(0xffff_ffff_0000_0000);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackendAddress {
    /// All that the server's name has, tried in this order.
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    #[default]
    None,
    Zlib,
    /// With a level from 1 to 22. MySQL only.
    Zstd(u8),
}

/// One server and how it is reached.
#[derive(Clone, Debug)]
pub struct BackendTarget {
    pub address: BackendAddress,
    /// The name that its certificate must have (verify_identity).
    pub host: String,
    pub tls: BackendTls,
    /// Used where the server offers it.
    pub compression: Compression,
    /// For everything up to the final OK.
    pub connect_timeout: Duration,
    /// Bytes that the server has not acknowledged for this long are lost with the connection. None: as the kernel has
    /// it.
    pub user_timeout: Option<Duration>,
}

/// Who logs in, and as what.
#[derive(Clone, Debug)]
pub struct BackendLogin {
    pub user: String,
    pub secret: Secret,
    pub schema: Option<String>,
    pub charset: u8,
    /// Asked for where offered, besides what every connection has.
    pub capabilities: Capabilities,
    /// Connection attributes, raw: the client's, the proxy's own, or both one behind the other.
    pub attributes: Vec<u8>,
}

/// A connection that takes commands.
#[derive(Debug)]
pub struct BackendReady {
    pub stream: Stream,
    pub greeting: Greeting,
    /// What both sides have.
    pub capabilities: Capabilities,
    pub thread_id: u32,
    /// Of the final OK.
    pub status: u16,
}

/// Why a server can't be logged in at. No command has run: a retry is always safe.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("unreachable: {0}")]
    Unreachable(io::Error),
    #[error("no complete login within {0:?}")]
    TimedOut(Duration),
    /// The server said no, and why.
    #[error("refused: {} ({}) {}", .0.code, .0.state(), .0.message)]
    Refused(Failure),
    /// The connection broke during the login.
    #[error("connection lost during login: {0}")]
    Lost(PacketError),
    #[error("authentication: {0}")]
    Auth(#[from] AuthError),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("TLS is required and the server has none")]
    TlsNotOffered,
}

impl From<PacketError> for ConnectError {
    fn from(error: PacketError) -> Self {
        Self::Lost(error)
    }
}

impl From<ProtocolError> for ConnectError {
    fn from(error: ProtocolError) -> Self {
        Self::Lost(error.into())
    }
}

/// Opens a connection and logs in.
pub async fn connect(
    target: &BackendTarget,
    login: &BackendLogin,
    timers: &Timers,
) -> Result<BackendReady, ConnectError> {
    let all = async {
        let socket = open(target, timers).await.map_err(ConnectError::Unreachable)?;
        log_in(socket, target, login).await
    };
    let limit = target.connect_timeout;
    timers.timeout(limit, pin!(all)).await.unwrap_or(Err(ConnectError::TimedOut(limit)))
}

pub(super) async fn open(target: &BackendTarget, timers: &Timers) -> io::Result<Socket> {
    match &target.address {
        BackendAddress::Unix(path) => Ok(Socket::from(UnixStream::connect(path).await?)),
        BackendAddress::Tcp(addresses) => {
            let tcp = connect_to_any(addresses, target.connect_timeout, timers).await?;
            tcp.set_nodelay(true)?;
            let options = SockRef::from(&tcp);
            options.set_tcp_keepalive(&keepalive())?;
            options.set_tcp_user_timeout(target.user_timeout)?;
            Ok(Socket::from(tcp))
        }
    }
}

/// The first that answers. One that is silent must leave time for those behind it.
async fn connect_to_any(addresses: &[SocketAddr], limit: Duration, timers: &Timers) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    for address in addresses {
        match timers.timeout(share, pin!(TcpStream::connect(address))).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(e)) => failure = e,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

async fn log_in(socket: Socket, target: &BackendTarget, login: &BackendLogin) -> Result<BackendReady, ConnectError> {
    let mut stream = Stream::Plain(socket);
    let mut packets = Packets::new(&mut stream, 0);
    let greeting = match ServerHello::parse(&packets.read().await?)? {
        ServerHello::Greeting(greeting) => greeting,
        ServerHello::Refused(failure) => return Err(ConnectError::Refused(failure)),
    };
    let mut sequence = packets.sequence;
    let capabilities = agree(&greeting, target, login)?;
    if capabilities.contains(Capabilities::SSL) {
        let request = SslRequest { capabilities, max_packet: MAX_PACKET, charset: login.charset };
        let mut packets = Packets::new(&mut stream, sequence);
        packets.write(&request.encode()).await?;
        sequence = packets.sequence;
        stream = upgrade(stream, target).await?;
    }
    let status = authenticate(&mut stream, sequence, &greeting, capabilities, target, login).await?;
    let thread_id = greeting.connection_id;
    let stream = compress(stream, capabilities, target.compression);
    Ok(BackendReady { stream, greeting, capabilities, thread_id, status })
}

/// What of the wishes the server offers.
fn agree(greeting: &Greeting, target: &BackendTarget, login: &BackendLogin) -> Result<Capabilities, ConnectError> {
    let offered = greeting.capabilities;
    let mut wanted = ALWAYS | (login.capabilities - OURS);
    wanted.set(Capabilities::CONNECT_WITH_DB, login.schema.is_some());
    wanted.set(Capabilities::SSL, target.tls.is_wanted());
    match target.compression {
        Compression::None => {}
        Compression::Zlib => wanted |= Capabilities::COMPRESS,
        Compression::Zstd(_) => wanted |= Capabilities::ZSTD,
    }
    let mut agreed = wanted & offered;
    // The bit, set, says "MySQL's client" to MariaDB, which then ignores the extended capabilities.
    agreed.set(Capabilities::LONG_PASSWORD, !agreed.intersects(MARIADB_EXTENDED));
    if target.tls.is_required() && !agreed.contains(Capabilities::SSL) {
        return Err(ConnectError::TlsNotOffered);
    }
    Ok(agreed)
}

async fn upgrade(stream: Stream, target: &BackendTarget) -> Result<Stream, ConnectError> {
    match stream {
        Stream::Plain(socket) => target.tls.connect(socket, &target.host).await.map_err(ConnectError::Tls),
        cold @ (Stream::Tls(_) | Stream::Compressed(_)) => Ok(cold),
    }
}

fn compress(stream: Stream, agreed: Capabilities, wish: Compression) -> Stream {
    let algorithm = match wish {
        Compression::Zlib if agreed.contains(Capabilities::COMPRESS) => Algorithm::Zlib,
        Compression::Zstd(level) if agreed.contains(Capabilities::ZSTD) => Algorithm::Zstd(level),
        Compression::None | Compression::Zlib | Compression::Zstd(_) => return stream,
    };
    Stream::Compressed(Box::new(Compressed::client(stream, algorithm)))
}

/// From the login request to the final OK, whose status flags it gives.
async fn authenticate(
    stream: &mut Stream,
    sequence: u8,
    greeting: &Greeting,
    capabilities: Capabilities,
    target: &BackendTarget,
    login: &BackendLogin,
) -> Result<u16, ConnectError> {
    let greeted = Plugin::from_name(&greeting.auth_plugin);
    let (mut auth, first) = ClientAuth::start(login.secret.clone(), greeted, greeting.salt, stream.is_secure());
    let request = LoginRequest {
        capabilities,
        max_packet: MAX_PACKET,
        charset: login.charset,
        user: login.user.clone(),
        auth_response: first,
        schema: login.schema.clone(),
        auth_plugin: auth.plugin().name().to_owned(),
        attributes: login.attributes.clone(),
        zstd_level: match target.compression {
            Compression::Zstd(level) => level,
            Compression::None | Compression::Zlib => 0,
        },
    };
    let mut packets = Packets::new(stream, sequence);
    packets.write(&request.encode()).await?;
    loop {
        let payload = packets.read().await?;
        match auth.on_packet(&payload, &mut OsRng)? {
            ClientStep::Send(bytes) => packets.write(&bytes).await?,
            ClientStep::Read => {}
            ClientStep::Done => return Ok(status_of_ok(&payload)?),
            ClientStep::Refused(failure) => return Err(ConnectError::Refused(failure)),
        }
    }
}

/// Status flags of an OK packet. Source: MySQL source documentation, "OK_Packet".
fn status_of_ok(payload: &[u8]) -> Result<u16, ProtocolError> {
    let mut c = Cursor::new(payload);
    c.u8("OK packet")?;
    c.lenenc("affected rows")?;
    c.lenenc("insert id")?;
    c.u16("status")
}
