//! Which server ran a statement: found by a marker in the servers' general logs.
//!
//! Asking the session (`SELECT @@server_id`) would prove nothing about another statement, because the proxy sends it to
//! the writer by design; counters of the whole server also count the proxy's own monitors.
//!
//! ```no_run
//! # fn main() -> pointsman_tests::Lab<()> {
//! # use pointsman_tests::{Group, Proxy, trace};
//! # let group = Group::start()?; let mut app = Proxy::of(&group).start()?.client()?;
//! app.sql("SELECT 1 /* mark-7 */")?;
//! assert!(trace::who_ran(&group, "mark-7")?.iter().all(|id| *id > 2), "a read goes to a replica");
//! # Ok(()) }
//! ```

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Lab, LabError};
use crate::general_log;
use crate::group::Group;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::waiting;

/// Numbers of markers already given out.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A word that no other statement carries: to be put into a comment, a literal or an alias.
pub fn marker() -> String {
    format!("mark_{}_x", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The `@@server_id` of each server that a client's statement with this marker ran on, in order. A server that applied
/// a change by replication isn't among them.
pub fn who_ran(group: &Group, marker: &str) -> Lab<Vec<u32>> {
    let mut ids = vec![];
    for server in group.servers() {
        if times_run(server, marker)? > 0 {
            ids.push(server.id);
        }
    }
    Ok(ids)
}

/// Waits until the proxy sends reads to exactly these servers and to no other: after a start, a failure or a recovery
/// its monitors need a few polls. Several reads in a row must have gone there, and each server had one of them.
pub fn wait_for_readers(proxy: &Proxy, group: &Group, readers: &[&Server]) -> Lab<()> {
    const LIMIT: Duration = Duration::from_secs(20);
    const SETTLED: usize = 24;
    let mut expected: Vec<u32> = readers.iter().map(|server| server.id).collect();
    expected.sort_unstable();
    let mut seen = vec![];
    let all_there = waiting::until("reads go where they belong", LIMIT, || {
        let marker = marker();
        seen = read_often(proxy, &marker, SETTLED).and_then(|()| who_ran(group, &marker)).unwrap_or_default();
        seen == expected
    });
    all_there.map_err(|_| LabError::Timeout {
        what: format!("reads at servers {expected:?}, but they went to {seen:?}"),
        seconds: LIMIT.as_secs(),
    })
}

/// Waits until the proxy sends writes to this server and to no other, by rows in the text column `b` of table `t`.
pub fn wait_for_writer(proxy: &Proxy, group: &Group, writer: &Server) -> Lab<()> {
    const LIMIT: Duration = Duration::from_secs(20);
    waiting::until(&format!("writes reach server {}", writer.id), LIMIT, || {
        let marker = marker();
        let written = proxy.client().and_then(|mut new| new.sql(&format!("INSERT INTO t (b) VALUES ('{marker}')")));
        written.is_ok() && who_ran(group, &marker).is_ok_and(|ran| ran == [writer.id])
    })
}

/// Each read on a connection of its own: a session may prefer the server that it had before.
fn read_often(proxy: &Proxy, marker: &str, times: usize) -> Lab<()> {
    (0..times).try_for_each(|_| proxy.client()?.sql(&format!("SELECT 1 FROM DUAL /* {marker} */")).map(drop))
}

/// How often a statement with this marker ran on that server. Preparing it does not count.
pub fn times_run(server: &Server, marker: &str) -> Lab<usize> {
    Ok(statements_with(server, marker)?.len())
}

/// The statements with the marker that clients ran on that server.
pub fn statements_with(server: &Server, marker: &str) -> Lab<Vec<String>> {
    let path = server.dir().join("general.log");
    let log = fs::read(&path).map_err(LabError::file(path))?;
    let mut statements = general_log::client_statements(&String::from_utf8_lossy(&log));
    statements.retain(|statement| statement.contains(marker));
    Ok(statements)
}
