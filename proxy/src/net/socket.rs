//! A connected TCP or Unix socket.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;
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
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// The other end's address; a Unix socket has none worth naming.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Whether nobody but this machine's administrator can listen in.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
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
        let mut byte = [MaybeUninit::uninit()];
        let peeked = match self {
            Self::Tcp(tcp) => tcp.try_io(Interest::READABLE, || SockRef::from(tcp).peek(&mut byte)),
            Self::Unix(unix) => unix.try_io(Interest::READABLE, || SockRef::from(unix).peek(&mut byte)),
        };
        match peeked {
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
            Pending::Bytes => match self {
                Self::Tcp(tcp) => is_hung_up(tcp),
                Self::Unix(unix) => is_hung_up(unix),
            },
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
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Self::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
