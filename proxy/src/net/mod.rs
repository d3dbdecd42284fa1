//! Sockets: the one stream type of the data path, TLS, and packets as logins need them.

mod compressed;
pub mod network;
pub mod packet;
mod parked;
mod socket;
mod stream;
pub mod tls;

pub use compressed::Compressed;
pub use network::Network;
pub use packet::{PacketError, Packets};
pub use parked::ParkedStream;
pub use socket::{Socket, keepalive};
pub use stream::Stream;
