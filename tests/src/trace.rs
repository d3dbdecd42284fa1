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

use crate::error::{Lab, LabError};
use crate::group::Group;
use crate::server::Server;

/// Numbers of markers already given out.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A word that no other statement carries: to be put into a comment, a literal or an alias.
pub fn marker() -> String {
    format!("mark_{}_x", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The `@@server_id` of each server that a client's statement with this marker ran on, in order. A server that applied
/// a change by replication isn't among them: row events leave nothing in the general log.
pub fn who_ran(group: &Group, marker: &str) -> Lab<Vec<u32>> {
    let mut ids = vec![];
    for server in group.servers() {
        if times_run(server, marker)? > 0 {
            ids.push(server.id);
        }
    }
    Ok(ids)
}

/// How often a statement with this marker ran on that server. Preparing it does not count.
pub fn times_run(server: &Server, marker: &str) -> Lab<usize> {
    Ok(statements_with(server, marker)?.len())
}

/// The lines of the server's general log that show the marker being run.
pub fn statements_with(server: &Server, marker: &str) -> Lab<Vec<String>> {
    let path = server.dir().join("general.log");
    let log = fs::read(&path).map_err(LabError::file(path))?;
    let log = String::from_utf8_lossy(&log);
    let run = |line: &&str| line.contains(marker) && (line.contains("Query\t") || line.contains("Execute\t"));
    Ok(log.lines().filter(run).map(str::to_owned).collect())
}
