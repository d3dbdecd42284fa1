//! The one stream type of the data path. A plain socket costs a branch; TLS and compression are boxed.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::compressed::Compressed;
use super::parked::ParkedStream;
use super::socket::{Pending, Socket};

/// Copying this much costs less than a TLS record or a compressed frame more.
const JOINED: usize = 16 * 1024;

#[derive(Debug)]
pub enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
    Compressed(Box<Compressed>),
}

/// Idle sessions hold one each; a larger one would cost memory ten thousand times.
const _: () = assert!(size_of::<Stream>() <= 64);

impl Stream {
    /// Whether the other side has closed, or said something nobody asked for, while the connection lay idle.
    /// Costs no system call: the runtime has been told already.
    #[must_use]
    pub fn has_pending_input(&self) -> bool {
        self.socket().peek() != Pending::Nothing
    }

    /// Whether the other side has closed; unread bytes of it (a COM_QUIT, a goodbye of TLS) stay where they are.
    #[must_use]
    pub fn has_peer_closed(&self) -> bool {
        self.socket().has_closed()
    }

    /// Reads what has come; 0 is the end. A plain socket takes one `recv` and, when that filled less than
    /// the buffer, knows without a second one that no more has come.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(buf);
        let done = match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, &mut into),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, &mut into).map(accept_rude_end),
            Self::Compressed(compressed) => return compressed.poll_read(cx, into.initialized_mut()),
        };
        ready!(done)?;
        Poll::Ready(Ok(into.filled().len()))
    }

    /// Gives bytes back that were read too early. Only a plain stream is read like that: TLS and compression have what
    /// comes later in their own buffers, and reading it bit by bit costs no system call.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        if let Self::Plain(socket) = self {
            socket.unread(bytes);
        }
    }

    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }

    /// Takes some of the bytes. Over TLS or compression they may wait here until [`Self::poll_flush`].
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
            Self::Compressed(compressed) => compressed.poll_write(cx, bytes),
        }
    }

    /// Sends what TLS or compression still hold; nothing to do for a plain socket.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
            Self::Compressed(compressed) => compressed.poll_flush(cx),
        }
    }

    /// Sends all of the bytes.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        poll_fn(|cx| self.poll_write_all(cx, &mut bytes)).await
    }

    /// `bytes` is shortened by what was taken.
    fn poll_write_all(&mut self, cx: &mut Context<'_>, bytes: &mut &[u8]) -> Poll<io::Result<()>> {
        while !bytes.is_empty() {
            let n = ready!(self.poll_write(cx, bytes))?;
            *bytes = &bytes[progress(n)?..];
        }
        self.poll_flush(cx)
    }

    /// Both strings as one, where that makes one record or frame of two small ones.
    #[must_use]
    pub fn joined(&self, a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
        let joins = !self.is_plain() && !a.is_empty() && !b.is_empty() && a.len() + b.len() <= JOINED;
        joins.then(|| [a, b].concat())
    }

    /// Sends both strings, a plain socket with one `writev`. Each is shortened by what was taken.
    pub fn poll_write_two(&mut self, cx: &mut Context<'_>, a: &mut &[u8], b: &mut &[u8]) -> Poll<io::Result<()>> {
        if let Self::Plain(socket) = self {
            while !a.is_empty() && !b.is_empty() {
                let parts = [IoSlice::new(a), IoSlice::new(b)];
                let n = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &parts))?;
                let of_a = progress(n)?.min(a.len());
                *a = &a[of_a..];
                *b = &b[n - of_a..];
            }
        }
        if !a.is_empty() {
            ready!(self.poll_write_all(cx, a))?;
        }
        self.poll_write_all(cx, b)
    }

    /// Takes a plain connection off this thread's runtime, so that another core may have it. TLS and
    /// compression stay where they are: their state is not worth moving.
    pub fn into_parked(self) -> Result<ParkedStream, Self> {
        match self {
            Self::Plain(socket) if !socket.has_unread() => Ok(ParkedStream::park(socket)),
            cold => Err(cold),
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref().0,
            Self::Compressed(compressed) => compressed.below().socket(),
        }
    }

    /// The other end's address; `None` for a Unix socket.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.socket().peer()
    }

    /// Whether a password may cross in clear: TLS or a Unix socket.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_local(),
            Self::Tls(_) => true,
            Self::Compressed(compressed) => compressed.below().is_secure(),
        }
    }

    /// Neither TLS nor compression, which have last words of their own.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Says goodbye as far as the layers have a word for it. Errors don't matter any more.
    pub async fn shutdown(&mut self) {
        let _ = poll_fn(|cx| self.poll_shutdown(cx)).await;
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
            Self::Compressed(compressed) => compressed.poll_shutdown(cx),
        }
    }
}

/// Most MySQL clients close without TLS's goodbye. What that could hide, an attacker cutting the stream short,
/// the packets' own lengths show.
fn accept_rude_end(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => other,
    }
}

/// A write of nothing where something was to be written is the end.
fn progress(n: usize) -> io::Result<usize> {
    if n == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(n) }
}

#[cfg(test)]
mod tests;
