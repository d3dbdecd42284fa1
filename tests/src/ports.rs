//! Free TCP ports of the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The first port that is tried. The range ends where Linux's ephemeral ports begin (32768, `ip_local_port_range`):
/// a port taken from the ephemeral ones can be lost to any outgoing connection before the server binds it.
const FIRST: u16 = 15_000;
/// How many ports there are to choose from.
const COUNT: u16 = 17_000;

/// Where this process goes on looking, so that two threads don't find the same port free.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on at this moment.
pub fn free() -> u16 {
    let start = starting_point();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if is_free(port) {
            return port;
        }
    }
}

/// The asked-for port if it is free, else another one.
pub fn free_or(wanted: u16) -> u16 {
    if is_free(wanted) { wanted } else { free() }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The loopback address with that port.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Test runs that go on side by side start to look in different places.
fn starting_point() -> u16 {
    let process = process::id().wrapping_mul(131);
    let boot = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 3600);
    (u64::from(process).wrapping_add(boot) % u64::from(COUNT)) as u16
}
