//! What a session hears while it waits for something else than a command: a KILL, the end of its client, and that its
//! client takes nothing of what it is sent.

use super::client::ClientSide;
use super::relay::RelayError;
use super::vars::Vars;
use crate::core::Core;
use crate::registry::SessionHandle;
use crate::servers::Server;
use pointsman_shard_map::Role;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A client that has gone is looked for only when a wait has lasted this long, and again after as long.
pub(super) const WATCH_CLIENT_AFTER_MS: u64 = 50;
/// A client that takes nothing is looked at again after this time.
const WATCH_STALL_AFTER_MS: u64 = 500;
/// The monitor has called the server down at this many looks in a row. (One second; a server that is merely busy answers
/// the monitor before.)
const GIVE_UP_AFTER_LOOKS: u32 = 20;
/// While the proxy drains, a client that is owed a reply or owes data is waited for no longer.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// MySQL's and MariaDB's default, for a server that has not been asked.
const NET_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
const NET_WRITE_TIMEOUT_NAME: &str = "net_write_timeout";

/// What is still hoped for of a server that has been sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hope {
    /// Only the writer may do it: once another server is that, what a dead one may yet say counts no longer.
    AsWriter,
    /// Another server can do it as well: this one is left as soon as it is down.
    Elsewhere,
    /// It has to be this server, for as long as that lives.
    Here,
}

/// Looks at a server whose answer is long in coming.
#[derive(Debug)]
pub(super) struct ServerWatch {
    hope: Hope,
    looks_down: u32,
}

impl ServerWatch {
    pub(super) fn new(hope: Hope) -> Self {
        Self { hope, looks_down: 0 }
    }

    /// Whether nothing good can come any more. A writer that is merely slow, or down with nobody in its place, is waited
    /// for; one that has been replaced may still acknowledge what is then lost.
    pub(super) fn is_hopeless(&mut self, core: &Core, server: &Server) -> bool {
        let writer = core.shared.servers.shard(server.shard).confirmed_writer();
        let replaced = writer.is_some_and(|writer| writer != server.id);
        // One that still lives is read-only: what it says of a statement is true.
        if replaced && self.hope == Hope::AsWriter {
            return !server.is_up();
        }
        let replaceable = replaced || server.role == Role::Replica || self.hope == Hope::Elsewhere;
        self.looks_down = if replaceable && !server.is_up() { self.looks_down + 1 } else { 0 };
        self.looks_down >= GIVE_UP_AFTER_LOOKS
    }
}

/// What came instead of what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Killed,
    ClientGone,
    /// KILL QUERY: the session goes on.
    Interrupted,
    /// The server that is waited for is down or has been replaced.
    ServerGone,
}

/// Why bytes did not reach the client.
#[derive(Debug)]
pub(super) enum Undelivered {
    Io(io::Error),
    Killed,
    /// It has taken nothing for as long as a server would wait for it.
    Stalled,
}

impl From<Undelivered> for RelayError {
    fn from(why: Undelivered) -> Self {
        match why {
            Undelivered::Killed => Self::Killed,
            Undelivered::Io(_) | Undelivered::Stalled => Self::Client(why.into()),
        }
    }
}

impl From<Undelivered> for io::Error {
    fn from(why: Undelivered) -> Self {
        match why {
            Undelivered::Io(e) => e,
            Undelivered::Killed => io::ErrorKind::ConnectionAborted.into(),
            Undelivered::Stalled => io::ErrorKind::TimedOut.into(),
        }
    }
}

impl ClientSide {
    /// The future's output, unless the session is to do something else before. Cancel safe if the future is.
    pub(super) async fn heed<F: Future>(&self, future: F) -> Result<F::Output, Heard> {
        self.heed_as(future, SessionHandle::interrupts, || false).await
    }

    /// The same while a server is waited for: KILL QUERY is its business then, and it may turn out to be past hope.
    pub(super) async fn heed_server<F: Future>(
        &self,
        server: &Server,
        hope: Hope,
        future: F,
    ) -> Result<F::Output, Heard> {
        let mut watch = ServerWatch::new(hope);
        self.heed_as(future, |_| 0, || watch.is_hopeless(&self.core, server)).await
    }

    async fn heed_as<F: Future>(
        &self,
        future: F,
        interrupts: fn(&SessionHandle) -> u32,
        mut is_hopeless: impl FnMut() -> bool,
    ) -> Result<F::Output, Heard> {
        let mut future = pin!(future);
        let mut waiting = None;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let before = *waiting.get_or_insert_with(|| interrupts(&self.cell.handle));
            self.poll_heard(cx, || interrupts(&self.cell.handle) != before, &mut is_hopeless).map(Err)
        })
        .await;
        let Some(before) = waiting else { return ended };
        self.cell.set_deadline(u64::MAX);
        // What was waited for may have come in the same moment.
        match self.heard(|| interrupts(&self.cell.handle) != before) {
            Some(heard) => Err(heard),
            None => ended,
        }
    }

    fn poll_heard(
        &self,
        cx: &Context<'_>,
        is_interrupted: impl Fn() -> bool,
        is_hopeless: impl FnOnce() -> bool,
    ) -> Poll<Heard> {
        self.cell.park(cx);
        if self.cell.handle.is_killed() {
            return Poll::Ready(Heard::Killed);
        }
        let now = self.core.clock.now_ms();
        let first = self.cell.deadline() == u64::MAX;
        if !first && now < self.cell.deadline() {
            return Poll::Pending;
        }
        self.cell.set_deadline(now + WATCH_CLIENT_AFTER_MS);
        let heard = if first { None } else { self.heard(is_interrupted) };
        let heard = heard.or_else(|| (!first && is_hopeless()).then_some(Heard::ServerGone));
        heard.map_or(Poll::Pending, Poll::Ready)
    }

    fn heard(&self, is_interrupted: impl Fn() -> bool) -> Option<Heard> {
        if self.cell.handle.is_killed() {
            Some(Heard::Killed)
        } else if self.stream.has_peer_closed() {
            Some(Heard::ClientGone)
        } else {
            is_interrupted().then_some(Heard::Interrupted)
        }
    }

    /// Sends both strings. `limit` is asked for only when the client does not take them at once: how long it may take
    /// nothing at all.
    pub(super) async fn deliver(
        &mut self,
        mut a: &[u8],
        mut b: &[u8],
        limit: impl FnOnce() -> Duration,
    ) -> Result<(), Undelivered> {
        let joined = self.stream.joined(a, b);
        if let Some(joined) = &joined {
            (a, b) = (joined, &[]);
        }
        match poll_fn(|cx| Poll::Ready(self.stream.poll_write_two(cx, &mut a, &mut b))).await {
            Poll::Ready(sent) => sent.map_err(Undelivered::Io),
            // In a box of its own: what a client seldom waits for would lie in the task of each.
            Poll::Pending => Box::pin(self.deliver_slowly(a, b, limit())).await,
        }
    }

    async fn deliver_slowly(&mut self, mut a: &[u8], mut b: &[u8], limit: Duration) -> Result<(), Undelivered> {
        let mut left = a.len() + b.len();
        let mut since = self.core.clock.now_ms();
        let ended = poll_fn(|cx| {
            if let Poll::Ready(sent) = self.stream.poll_write_two(cx, &mut a, &mut b) {
                return Poll::Ready(sent.map_err(Undelivered::Io));
            }
            let now = self.core.clock.now_ms();
            if a.len() + b.len() < left {
                (left, since) = (a.len() + b.len(), now);
            }
            self.cell.park(cx);
            if self.cell.handle.is_killed() {
                return Poll::Ready(Err(Undelivered::Killed));
            }
            if now.saturating_sub(since) >= self.patience(limit) {
                return Poll::Ready(Err(Undelivered::Stalled));
            }
            self.cell.set_deadline(now + WATCH_STALL_AFTER_MS);
            Poll::Pending
        })
        .await;
        self.cell.set_deadline(u64::MAX);
        if let Err(Undelivered::Stalled) = &ended {
            tracing::info!(id = self.cell.handle.id, "a client takes nothing of its reply, and is disconnected");
        }
        ended
    }

    /// In milliseconds: `limit`, and less while the proxy drains.
    pub(super) fn patience(&self, limit: Duration) -> u64 {
        let limit = if self.core.is_shutting_down() { limit.min(DRAIN_PATIENCE) } else { limit };
        limit.as_millis() as u64
    }
}

/// How long this server would wait for a client that takes nothing: the session's own net_write_timeout, or the
/// server's.
pub(super) fn write_limit(vars: &Vars, server: &Server) -> Duration {
    let own = vars.get(NET_WRITE_TIMEOUT_NAME).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
    let of_server = || {
        let info = server.info()?;
        let (_, value) = info.session_defaults.iter().find(|(name, _)| name == NET_WRITE_TIMEOUT_NAME)?;
        value.parse().ok()
    };
    own.or_else(of_server).map_or(NET_WRITE_TIMEOUT, Duration::from_secs)
}

/// The same for what the proxy itself has to say, of which no server knows.
pub(super) fn usual_write_limit() -> Duration {
    NET_WRITE_TIMEOUT
}
