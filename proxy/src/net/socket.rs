//! A connected TCP or Unix socket.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A peer that vanished without a word is noticed after this much silence, and
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// this many unanswered probes
const KEEPALIVE_PROBES: u32 = 3;
/// so far apart.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// What all TCP connections have, of clients as of servers. Servers only switch it on for their clients and leave the
/// times to the kernel, whose two hours a session of a vanished client would keep its locks.
#[must_use]
pub fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY).with_retries(KEEPALIVE_PROBES)
}

/// What lies under TLS and compression.
#[derive(Debug)]
pub struct Socket {
    pub(super) io: Io,
    /// Bytes that were read too early, and come again before any others. Never empty.
    ahead: Option<Box<[u8]>>,
}

#[derive(Debug)]
pub(super) enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Self {
        Self { io: Io::Tcp(tcp), ahead: None }
    }
}

impl From<UnixStream> for Socket {
    fn from(unix: UnixStream) -> Self {
        Self { io: Io::Unix(unix), ahead: None }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.io {
            Io::Tcp(tcp) => tcp.as_fd(),
            Io::Unix(unix) => unix.as_fd(),
        }
    }
}

impl Socket {
    /// One that was accepted in this turn of its task. The runtime takes it for readable until a read has been in vain;
    /// but servers speak first, and the runtime will be told what has come: it has not asked the kernel since.
    #[must_use]
    pub fn accepted(io: impl Into<Self>) -> Self {
        let socket = io.into();
        let _: io::Result<()> = socket.try_read(|| Err(io::ErrorKind::WouldBlock.into()));
        socket
    }

    pub(super) fn has_unread(&self) -> bool {
        self.ahead.is_some()
    }

    /// Gives bytes back that were read, before any others are read.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let behind = self.ahead.take().unwrap_or_default();
            self.ahead = Some([bytes, &behind[..]].concat().into());
        }
    }

    #[cold]
    fn read_ahead(&mut self, buf: &mut ReadBuf<'_>) {
        let ahead = self.ahead.take().unwrap_or_default();
        let (now, later) = ahead.split_at(ahead.len().min(buf.remaining()));
        buf.put_slice(now);
        self.ahead = (!later.is_empty()).then(|| later.into());
    }

    fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.io {
            Io::Tcp(tcp) => tcp.try_io(Interest::READABLE, read),
            Io::Unix(unix) => unix.try_io(Interest::READABLE, read),
        }
    }

    /// The other end's address; a Unix socket has none worth naming.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        match &self.io {
            Io::Tcp(tcp) => tcp.peer_addr().ok(),
            Io::Unix(_) => None,
        }
    }

    /// Whether nobody but this machine's administrator can listen in.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.io, Io::Unix(_))
    }
}

/// What can be read, without taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    Nothing,
    Bytes,
    /// The other side has closed, or the connection has failed.
    End,
}

impl Socket {
    /// Looks at what can be read. Asks the kernel only when the runtime has been told of something, and leaves no
    /// waker behind.
    pub fn peek(&self) -> Pending {
        if self.ahead.is_some() {
            return Pending::Bytes;
        }
        let mut byte = [MaybeUninit::uninit()];
        match self.try_read(|| SockRef::from(self).peek(&mut byte)) {
            Ok(0) => Pending::End,
            Ok(_) => Pending::Bytes,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Pending::Nothing,
            Err(_) => Pending::End,
        }
    }
}

impl Socket {
    /// Whether the other side has closed, also behind bytes that nobody has read.
    pub fn has_closed(&self) -> bool {
        match self.peek() {
            Pending::Nothing => false,
            Pending::Bytes => is_hung_up(self),
            Pending::End => true,
        }
    }
}

/// Source: poll(2), POLLRDHUP.
fn is_hung_up(socket: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(socket, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // POLLHUP and POLLERR are told without being asked for.
    poll(&mut asked, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_some() {
            this.read_ahead(buf);
            return Poll::Ready(Ok(()));
        }
        match &mut this.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Io::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
