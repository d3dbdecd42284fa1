//! A socket that belongs to no runtime, on its way from one core's to another's.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::socket::{Io, Socket};
use super::stream::Stream;

/// A plain connection between two runtimes. If taking it off the first one failed, the second learns so.
#[derive(Debug)]
pub struct ParkedStream(io::Result<Parked>);

#[derive(Debug)]
enum Parked {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl ParkedStream {
    pub(super) fn park(socket: Socket) -> Self {
        Self(match socket.io {
            Io::Tcp(tcp) => tcp.into_std().map(Parked::Tcp),
            Io::Unix(unix) => unix.into_std().map(Parked::Unix),
        })
    }

    /// Registers the connection with this thread's runtime.
    pub fn unpark(self) -> io::Result<Stream> {
        let socket = match self.0? {
            Parked::Tcp(tcp) => Socket::from(tokio::net::TcpStream::from_std(tcp)?),
            Parked::Unix(unix) => Socket::from(tokio::net::UnixStream::from_std(unix)?),
        };
        Ok(Stream::Plain(socket))
    }
}
