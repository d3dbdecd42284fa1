//! Where clients come in: a listening socket for each core, and one hand-over to a core with less to do.

use crate::config::{Config, ListenAddr, ListenTls};
use crate::core::Core;
use crate::core::alarm::SessionCell;
use crate::core::defaults::initial_status;
use crate::error::ClientError;
use crate::login::Peer;
use crate::login::client::{ClientLogin, ClientLoginSettings, LoginEnd, accept, refuse};
use crate::net::{Socket, Stream, keepalive};
use crate::registry::SessionHandle;
use crate::servers::ServerInfo;
use crate::session::client::ClientSide;
use crate::session::{LoginParts, Next, Session};
use pointsman_planner::ServerKind;
use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::Plugin;
use pointsman_protocol::handshake::Failure;
use socket2::{Domain, Protocol, Type};
use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Connections on their way to another core; when they are this many, each core keeps its own.
const HAND_OVER_QUEUE: usize = 256;
/// accept(2) fails like this when descriptors have run out; trying at once would only burn the core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a client that is turned away may take to hear why.
const GOODBYE: Duration = Duration::from_secs(1);

/// Mode of a Unix socket's file.
const ANYBODY: u32 = 0o777;

/// One core's listening sockets, bound but not yet part of a runtime.
pub struct CoreListeners {
    tcp: Vec<std::net::TcpListener>,
    unix: Vec<StdUnixListener>,
    /// Connections that other cores pass on to this one.
    handed: mpsc::Receiver<Passed>,
    /// To all cores, by index.
    others: Vec<mpsc::Sender<Passed>>,
}

/// A fresh connection on its way to another core.
type Passed = (std::net::TcpStream, SocketAddr);

/// A fresh connection, and where it comes from: as accept(2) has said, so that nobody asks again.
struct Arrival {
    socket: Socket,
    peer: Peer,
}

impl Arrival {
    fn tcp(stream: TcpStream, from: SocketAddr) -> Self {
        Self { socket: Socket::accepted(stream), peer: Peer::Inet(from) }
    }
}

/// Binds every address once for each core, so that a mistake is found before anything starts.
pub fn bind(config: &Config, cores: usize) -> io::Result<Vec<CoreListeners>> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores).map(|_| mpsc::channel(HAND_OVER_QUEUE)).unzip();
    let mut all: Vec<CoreListeners> = receivers
        .into_iter()
        .map(|handed| CoreListeners { tcp: Vec::new(), unix: Vec::new(), handed, others: senders.clone() })
        .collect();
    for addr in &config.listen.mysql {
        match addr {
            ListenAddr::Tcp(addr) => {
                bind_alone(*addr).map_err(|e| at(addr, &e))?;
                for core in &mut all {
                    core.tcp.push(bind_tcp(*addr, config.listen.backlog).map_err(|e| at(addr, &e))?);
                }
            }
            ListenAddr::Unix(path) => {
                let first = bind_unix(path).map_err(|e| at(path.display(), &e))?;
                for core in &mut all {
                    core.unix.push(first.try_clone()?);
                }
            }
        }
    }
    Ok(all)
}

fn at(addr: impl std::fmt::Display, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("listen.mysql: {addr}: {e}"))
}

/// Fails where anybody listens already, under this or a wider address: with SO_REUSEPORT the kernel would let us share it.
fn bind_alone(addr: SocketAddr) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())
}

fn bind_tcp(addr: SocketAddr, backlog: u32) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Without it each small reply could wait for the client's delayed ACK. Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    // Inherited too.
    socket.set_tcp_keepalive(&keepalive())?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<StdUnixListener> {
    // A socket that a killed process left behind; the lock file says that nobody serves it. Nothing else is removed.
    if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = StdUnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    // As at the servers: everybody on the machine may connect, and logs in then.
    std::fs::set_permissions(path, Permissions::from_mode(ANYBODY))?;
    Ok(listener)
}

/// Removes the files of the Unix sockets; a later client finds nobody there instead of nobody listening.
pub fn remove_sockets(config: &Config) {
    for addr in &config.listen.mysql {
        if let ListenAddr::Unix(path) = addr {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The accepting tasks of one core.
pub struct Accepting(Vec<JoinHandle<()>>);

impl Accepting {
    /// Closes the listening sockets.
    pub fn stop(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Starts accepting on this core.
pub fn serve(core: &Rc<Core>, listeners: CoreListeners) -> io::Result<Accepting> {
    let CoreListeners { tcp, unix, mut handed, others } = listeners;
    let mut tasks = Vec::new();
    for listener in tcp {
        let listener = TcpListener::from_std(listener)?;
        tasks.push(tokio::task::spawn_local(accept_tcp(core.clone(), listener, others.clone())));
    }
    for listener in unix {
        let listener = UnixListener::from_std(listener)?;
        tasks.push(tokio::task::spawn_local(accept_unix(core.clone(), listener)));
    }
    let core = core.clone();
    tasks.push(tokio::task::spawn_local(async move {
        while let Some((stream, from)) = handed.recv().await {
            if let Ok(stream) = TcpStream::from_std(stream) {
                start(&core, Arrival { socket: stream.into(), peer: Peer::Inet(from) });
            }
        }
    }));
    Ok(Accepting(tasks))
}

async fn accept_tcp(core: Rc<Core>, listener: TcpListener, others: Vec<mpsc::Sender<Passed>>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => place(&core, stream, from, &others),
            Err(e) => pause(&core, &e).await,
        }
    }
}

async fn accept_unix(core: Rc<Core>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => start(&core, Arrival { socket: Socket::accepted(stream), peer: Peer::Local }),
            Err(e) => pause(&core, &e).await,
        }
    }
}

async fn pause(core: &Core, e: &io::Error) {
    tracing::warn!(why = %e, "accept failed");
    core.shared.timers.sleep(ACCEPT_PAUSE).await;
}

/// SO_REUSEPORT spreads few connections unevenly: a core with a quarter more than the mean passes one on.
fn place(core: &Rc<Core>, stream: TcpStream, from: SocketAddr, others: &[mpsc::Sender<Passed>]) {
    let loads = &core.shared.loads;
    let load = |i: usize| loads[i].load(Ordering::Relaxed);
    if load(core.index) * loads.len() * 4 <= core.shared.clients() * 5 {
        return start(core, Arrival::tcp(stream, from));
    }
    let least = (0..loads.len()).min_by_key(|i| load(*i)).unwrap_or(core.index);
    if least == core.index {
        return start(core, Arrival::tcp(stream, from));
    }
    let Ok(stream) = stream.into_std() else { return };
    if let Err(back) = others[least].try_send((stream, from)) {
        let (stream, from) = match back {
            mpsc::error::TrySendError::Full(s) | mpsc::error::TrySendError::Closed(s) => s,
        };
        if let Ok(stream) = TcpStream::from_std(stream) {
            start(core, Arrival::tcp(stream, from));
        }
    }
}

/// Counts a session on its core for as long as it lives.
struct Load(Rc<Core>);

impl Load {
    fn new(core: &Rc<Core>) -> Self {
        core.shared.loads[core.index].fetch_add(1, Ordering::Relaxed);
        Self(core.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.shared.loads[self.0.index].fetch_sub(1, Ordering::Relaxed);
    }
}

/// A session as the tick and KILL find it. Also one that panics is gone then, or a drain would wait for it for ever.
struct Presence {
    core: Rc<Core>,
    cell: Rc<SessionCell>,
}

impl Presence {
    fn new(core: &Rc<Core>, handle: Arc<SessionHandle>) -> Self {
        Self { core: core.clone(), cell: core.cells.add(handle) }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.core.cells.remove(&self.cell);
        self.core.shared.registry.remove(self.cell.handle.id);
    }
}

fn start(core: &Rc<Core>, arrival: Arrival) {
    let load = Load::new(core);
    tokio::task::spawn_local(client(core.clone(), Box::new(arrival), load));
}

/// One client from its first byte to its last.
async fn client(core: Rc<Core>, arrival: Box<Arrival>, load: Load) {
    let id = core.shared.registry.next_id();
    let most = core.shared.room_for_clients.min(core.config().listen.max_client_connections as usize);
    if core.shared.clients() > most {
        let _ = core.shared.timers.timeout(GOODBYE, Box::pin(turn_away(arrival.socket))).await;
        return;
    }
    let Some(login) = Box::pin(log_in(&core, arrival, id)).await else { return };
    let handle = core.shared.registry.add(id, login.account.name().to_owned());
    let presence = Presence::new(&core, handle);
    let (stream, capabilities, schema, sequence, parts) = LoginParts::split(*login);
    let side = ClientSide::new(stream, capabilities, presence.cell.clone(), core.clone());
    let mut session = Session::new(core.clone(), side, parts);
    // What is done once is boxed: it would lie in the task of each idle client.
    if matches!(Box::pin(session.start(schema, sequence)).await, Ok(Next::Command)) {
        let _ = session.serve().await;
    }
    Box::pin(session.end()).await;
    drop(session);
    drop(presence);
    drop(load);
}

async fn log_in(core: &Rc<Core>, arrival: Box<Arrival>, id: u32) -> Option<Box<ClientLogin>> {
    let settings = core.login_settings();
    match accept(arrival.socket, arrival.peer, id, &settings, &core.shared.login).await {
        Ok(login) => Some(Box::new(login)),
        Err(LoginEnd::Closed) => None,
        Err(end) => {
            tracing::debug!(why = %end, "login failed");
            None
        }
    }
}

async fn turn_away(socket: Socket) {
    let e = ClientError::too_many_clients();
    let failure = Failure::new(e.code, e.sqlstate, e.message.into_owned());
    refuse(&mut Stream::Plain(socket), &failure).await;
}

impl Core {
    /// What the next client is told and held to. Follows the writer's version unless one is configured.
    #[must_use]
    pub fn login_settings(&self) -> ClientLoginSettings {
        let config = self.config();
        let info = self.server_info();
        let kind = info.as_ref().map_or(ServerKind::MariaDb, |i| i.kind);
        let version = config.listen.server_version.clone().or_else(|| info.as_ref().map(|i| greeted_version(i)));
        let mut capabilities = offered(kind);
        capabilities.set(Capabilities::COMPRESS, config.listen.zlib);
        capabilities.set(Capabilities::ZSTD, config.listen.zstd && kind == ServerKind::MySql);
        ClientLoginSettings {
            server_version: version.unwrap_or_else(|| UNKNOWN_VERSION.to_owned()),
            capabilities,
            auth_plugin: if kind == ServerKind::MySql { Plugin::CachingSha2 } else { Plugin::Native },
            charset: info.as_ref().and_then(|i| u8::try_from(i.default_collation).ok()).unwrap_or(UTF8MB4_GENERAL_CI),
            status: initial_status(info.as_deref()).bits(),
            deadline: config.listen.connect_timeout,
            require_tls: matches!(config.listen.tls, ListenTls::On { required: true, .. }),
            balancers: config.listen.proxy_protocol_networks.clone(),
            names_loopback: info.as_ref().is_none_or(|i| !i.skip_name_resolve),
        }
    }
}

/// MariaDB before 11 puts this in front of its version in the greeting (RPL_VERSION_HACK), not in VERSION().
const VERSION_HACK: &str = "5.5.5-";

fn greeted_version(info: &ServerInfo) -> String {
    let hack = info.kind == ServerKind::MariaDb && info.version.starts_with("10.");
    [if hack { VERSION_HACK } else { "" }, &info.version].concat()
}

/// In the greeting while no server has been reached yet.
const UNKNOWN_VERSION: &str = "8.0.0-pointsman";
const UTF8MB4_GENERAL_CI: u8 = 45;

/// What a session can do with servers of this kind behind it.
fn offered(kind: ServerKind) -> Capabilities {
    let both = Capabilities::FOUND_ROWS
        | Capabilities::LONG_FLAG
        | Capabilities::CONNECT_WITH_DB
        | Capabilities::NO_SCHEMA
        | Capabilities::ODBC
        | Capabilities::LOCAL_FILES
        | Capabilities::IGNORE_SPACE
        | Capabilities::PROTOCOL_41
        | Capabilities::INTERACTIVE
        | Capabilities::IGNORE_SIGPIPE
        | Capabilities::TRANSACTIONS
        | Capabilities::RESERVED
        | Capabilities::SECURE_CONNECTION
        | Capabilities::MULTI_STATEMENTS
        | Capabilities::MULTI_RESULTS
        | Capabilities::PS_MULTI_RESULTS
        | Capabilities::PLUGIN_AUTH
        | Capabilities::CONNECT_ATTRS
        | Capabilities::PLUGIN_AUTH_LENENC
        | Capabilities::CAN_HANDLE_EXPIRED_PASSWORDS
        | Capabilities::SESSION_TRACK
        | Capabilities::DEPRECATE_EOF;
    match kind {
        // Without LONG_PASSWORD the extended capabilities of MariaDB are read; bulk execution is not offered.
        ServerKind::MariaDb => both | Capabilities::MARIADB_EXTENDED_METADATA,
        ServerKind::MySql => both | Capabilities::LONG_PASSWORD | Capabilities::QUERY_ATTRIBUTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle client costs its task, its socket's registration, and little else: what a session does rarely is boxed
    /// while it runs, so that ten thousand idle ones don't hold the room for it.
    const ALLOWED_TASK: usize = 2_304;

    fn size_of_future<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn accepted_sockets_send_small_replies_at_once_and_notice_a_lost_client() {
        let listener = bind_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = std::iter::repeat_with(|| listener.accept()).find_map(Result::ok).unwrap().0;
        assert!(accepted.nodelay().unwrap());
        assert!(socket2::SockRef::from(&accepted).keepalive().unwrap());
    }

    #[test]
    fn the_task_of_a_client_stays_small() {
        let size = size_of_future(client);
        println!("{size} bytes; of them the session {}", size_of::<Session>());
        assert!(size <= ALLOWED_TASK, "the task of a client has grown to {size} bytes");
    }
}
