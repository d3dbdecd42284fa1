//! One shard: a master pair that replicates from each other, and replicas of the writer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::client::Rows;
use crate::error::{Lab, LabError};
use crate::kind::Kind;
use crate::replication::{self, Blocked};
use crate::server::{Server, ServerPlan};

/// What a group is to be like.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    pub kind: Kind,
    /// One or two.
    pub masters: usize,
    pub replicas: usize,
    /// See [`ServerPlan::general_log`].
    pub general_log: bool,
    /// More arguments for every server's command line.
    pub extra: Vec<String>,
}

impl GroupPlan {
    /// A pair and two replicas.
    pub fn new(kind: Kind) -> Self {
        Self { kind, masters: 2, replicas: 2, general_log: true, extra: vec![] }
    }

    #[must_use]
    pub fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Another argument for every server, such as `--wait-timeout=5`.
    #[must_use]
    pub fn extra(mut self, argument: &str) -> Self {
        self.extra.push(argument.to_owned());
        self
    }

    pub fn start(&self) -> Lab<Group> {
        let servers = self.start_servers()?;
        let group = Group { kind: self.kind, servers, masters: self.masters, writer: AtomicUsize::new(0) };
        group.replicate()?;
        Ok(group)
    }

    /// [`GroupPlan::start`], or `None` after a line `skipped: why` where this machine can't have such servers (MySQL 9
    /// needs root, and the network at its first use).
    pub fn start_or_skip(&self) -> Lab<Option<Group>> {
        match self.start() {
            Err(LabError::Unavailable(why)) => {
                crate::skipped(&why);
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// All at once: most of a server's start is waiting.
    fn start_servers(&self) -> Lab<Vec<Server>> {
        // Made before the threads start, so that they don't all make it.
        crate::template::Template::of(self.kind)?;
        thread::scope(|scope| {
            let starts: Vec<_> = self.server_plans().map(|plan| scope.spawn(move || Server::start_as(&plan))).collect();
            let died = |_panic| LabError::Connection("a thread that starts a server panicked".to_owned());
            starts.into_iter().map(|start| start.join().map_err(died)?).collect()
        })
    }

    fn server_plans(&self) -> impl Iterator<Item = ServerPlan> {
        let count = self.masters + self.replicas;
        (0..count).map(|index| ServerPlan {
            kind: self.kind,
            // From 1 upwards: server_id 0 means "no replication".
            id: index as u32 + 1,
            read_only: index != 0,
            general_log: self.general_log,
            extra: self.extra.clone(),
        })
    }
}

/// A running group. Servers are counted from 0: the masters first, then the replicas; their `@@server_id` is one more.
pub struct Group {
    pub kind: Kind,
    servers: Vec<Server>,
    masters: usize,
    writer: AtomicUsize,
}

impl Group {
    /// A MariaDB pair and two replicas.
    pub fn start() -> Lab<Self> {
        GroupPlan::new(Kind::MariaDb).start()
    }

    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub fn server(&self, index: usize) -> &Server {
        &self.servers[index]
    }

    pub fn masters(&self) -> &[Server] {
        &self.servers[..self.masters]
    }

    pub fn replicas(&self) -> &[Server] {
        &self.servers[self.masters..]
    }

    /// The master that takes writes.
    pub fn writer(&self) -> &Server {
        &self.servers[self.writer_index()]
    }

    /// The master that doesn't; the writer itself in a group of one master.
    pub fn standby(&self) -> &Server {
        self.masters().iter().find(|master| master.port != self.writer().port).unwrap_or(self.writer())
    }

    /// All servers but the writer: those that reads may go to.
    pub fn readers(&self) -> Vec<&Server> {
        self.servers.iter().filter(|server| server.port != self.writer().port).collect()
    }

    /// Runs a statement as root on the writer, in the application's schema.
    pub fn sql(&self, statement: &str) -> Lab<Rows> {
        let mut client = self.writer().client()?;
        client.sql("USE shop")?;
        client.sql(statement)
    }

    /// [`Group::sql`], and every other server has applied it.
    pub fn sql_everywhere(&self, statement: &str) -> Lab<()> {
        self.sql(statement)?;
        self.wait_for_sync()
    }

    /// Waits until all other servers have applied what the writer has written so far.
    pub fn wait_for_sync(&self) -> Lab<()> {
        self.wait_for_sync_of(&self.readers())
    }

    /// The same for some servers, when others are blocked or down.
    pub fn wait_for_sync_of(&self, servers: &[&Server]) -> Lab<()> {
        let position = replication::position(self.writer())?;
        servers.iter().try_for_each(|server| replication::wait_for(server, &position))
    }

    /// Both threads of that server's replication end.
    pub fn stop_replication(&self, index: usize) -> Lab<()> {
        replication::stop(self.server(index))
    }

    pub fn start_replication(&self, index: usize) -> Lab<()> {
        replication::start(self.server(index))
    }

    /// That server applies nothing, and lags, until the guard is dropped.
    pub fn block_replica(&self, index: usize) -> Lab<Blocked> {
        replication::block(self.server(index))
    }

    /// That server applies everything so many seconds late.
    pub fn delay_replication(&self, index: usize, seconds: u32) -> Lab<()> {
        replication::delay(self.server(index), seconds)
    }

    /// Makes master `index` the writer: the old one becomes read-only and is waited for (if it lives), then the new one
    /// becomes writable and the replicas follow it.
    pub fn set_writer(&self, index: usize) -> Lab<()> {
        let old = self.writer();
        let new = &self.masters()[index];
        if old.port == new.port {
            return new.set_read_only(false);
        }
        if old.is_alive() {
            old.set_read_only(true)?;
            self.wait_for_sync_of(&[new])?;
        } else {
            old.set_read_only_at_start(true);
        }
        new.set_read_only(false)?;
        self.writer.store(index, Ordering::Relaxed);
        self.replicas().iter().filter(|replica| replica.is_alive()).try_for_each(|r| replication::follow(r, new))
    }

    fn writer_index(&self) -> usize {
        self.writer.load(Ordering::Relaxed)
    }

    fn replicate(&self) -> Lab<()> {
        if let [first, second] = self.masters() {
            replication::follow(first, second)?;
            replication::follow(second, first)?;
        }
        self.replicas().iter().try_for_each(|replica| replication::follow(replica, self.writer()))
    }
}
