//! One core's idle connections, and how a session gets one.
//!
//! In the usual case a session takes an idle connection of its own core, without a lock. Otherwise it opens one
//! if the process may have more, else it gives up an idle one of another key, else it waits in line.

use super::conn::{BackendConn, Parked, PoolKey, Readiness};
use super::limits::{Grant, ServerLimit, Slot};
use crate::core::Core;
use crate::session::sync::Wanted;
use pointsman_protocol::reply::Status;
use pointsman_shard_map::ServerId;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How many idle connections are looked at for one in the wanted state; beyond, the last used is as good.
const MATCH_DEPTH: usize = 16;

/// A connection that the server has closed, or said something on, is found out at once; younger ones than this
/// the server can't have timed out.
const WAIT_TIMEOUT_MARGIN: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct Pools {
    // Boxed, because connections move between here and sessions with each statement.
    #[allow(clippy::vec_box, reason = "a connection is some hundred bytes and moves often")]
    idle: RefCell<FxHashMap<PoolKey, Vec<Box<BackendConn>>>>,
}

/// What an acquisition came to.
pub enum Acquired {
    Idle(Box<BackendConn>),
    /// May open a connection.
    Slot(Slot),
    TimedOut,
}

impl Core {
    /// An idle connection, or the right to open one, or a wait for either.
    pub async fn acquire(&self, key: PoolKey, wanted: &Wanted, wait: Duration) -> Acquired {
        if let Some(conn) = self.take_idle(key, wanted) {
            return Acquired::Idle(conn);
        }
        let limit = self.shared.limits.of(key.server);
        if let Some(slot) = limit.try_open(key.account) {
            return Acquired::Slot(slot);
        }
        // An idle connection in the wrong state or of another key would keep its place from us.
        self.drop_one_idle(key.server);
        if let Some(slot) = limit.try_open(key.account) {
            return Acquired::Slot(slot);
        }
        let grant = limit.wait(key);
        match self.shared.timers.timeout(wait, pin!(grant)).await {
            Ok(Ok(Grant::Slot(slot))) => Acquired::Slot(slot),
            Ok(Ok(Grant::Conn(parked))) => self.adopt(*parked, wanted),
            Ok(Err(_)) | Err(_) => Acquired::TimedOut,
        }
    }

    /// The usual case, without a wait: an idle connection of this core.
    pub fn acquire_now(&self, key: PoolKey, wanted: &Wanted) -> Option<Box<BackendConn>> {
        if self.shared.limits.of(key.server).has_waiters() {
            return None;
        }
        self.take_idle(key, wanted)
    }

    fn adopt(&self, parked: Parked, wanted: &Wanted) -> Acquired {
        match parked.unpark(self.clock.now_ms(), &self.interner) {
            Ok(conn) if wanted.reachable_from(&conn.actual) => Acquired::Idle(conn),
            Ok(conn) => Acquired::Slot(conn.slot),
            Err(_) => Acquired::TimedOut,
        }
    }

    /// The best idle connection: in the wanted state if one of the last used is, else the last used.
    fn take_idle(&self, key: PoolKey, wanted: &Wanted) -> Option<Box<BackendConn>> {
        let always_switch = self.config().always_switch;
        let mut pools = self.pools.idle.borrow_mut();
        let idle = pools.get_mut(&key)?;
        loop {
            let at = if always_switch {
                // The longest idle: never the session's own, which is the last; and an only one may be its own.
                let mut usable = idle.iter().enumerate().filter(|(_, c)| wanted.reachable_from(&c.actual));
                let first = usable.next().map(|(i, _)| i);
                usable.next().and(first)
            } else {
                let from = idle.len().saturating_sub(MATCH_DEPTH);
                let exact = idle[from..].iter().rposition(|c| wanted.matches(&c.actual)).map(|i| i + from);
                exact.or_else(|| idle.iter().rposition(|c| wanted.reachable_from(&c.actual)))
            }?;
            let mut conn = if always_switch { idle.remove(at) } else { idle.swap_remove(at) };
            if self.is_usable(&mut conn) {
                return Some(conn);
            }
            conn.quit();
        }
    }

    /// Nothing has been heard from an idle connection: not its end, not an unsolicited packet (MySQL's 4031).
    fn is_usable(&self, conn: &mut BackendConn) -> bool {
        !self.is_expired(conn) && !conn.io.has_pending_input()
    }

    /// The connections of this key that lie ready on this core.
    #[must_use]
    pub fn idle_count(&self, key: PoolKey) -> usize {
        self.pools.idle.borrow().get(&key).map_or(0, Vec::len)
    }

    fn idle_ms(&self, conn: &BackendConn) -> u64 {
        self.clock.now_ms().saturating_sub(conn.idle_since_ms)
    }

    fn is_expired(&self, conn: &BackendConn) -> bool {
        let config = self.config();
        let now = self.clock.now_ms();
        let server_limit = conn.server.wait_timeout_s().map_or(u64::MAX, |seconds| {
            u64::from(seconds).saturating_sub(WAIT_TIMEOUT_MARGIN.as_secs()).saturating_mul(1000)
        });
        conn.generation != conn.server.pool_generation()
            || now.saturating_sub(conn.opened_ms) > config.pool.max_age.as_millis() as u64
            || self.idle_ms(conn) > server_limit
    }

    /// Gives a connection back: to whoever waits, else to the idle ones. Anything but a ready one is closed.
    pub fn release(&self, mut conn: Box<BackendConn>) {
        // Whoever holds it ends its transaction first; another session's rows in it would be lost with it.
        if conn.readiness != Readiness::Ready || conn.status.contains(Status::IN_TRANS) {
            return;
        }
        // What has merely grown old is found when it is taken again, or by the sweep.
        if conn.generation != conn.server.pool_generation() || self.is_shutting_down() {
            conn.quit();
            return;
        }
        let limit = self.shared.limits.of(conn.key.server);
        if limit.has_waiters() {
            self.hand_over(limit, conn);
            return;
        }
        conn.idle_since_ms = self.clock.now_ms();
        self.pools.idle.borrow_mut().entry(conn.key).or_default().push(conn);
    }

    /// To the first in line if it wants just this connection; else closed, which gives the place away.
    fn hand_over(&self, limit: &Arc<ServerLimit>, conn: Box<BackendConn>) {
        let key = conn.key;
        if let Ok(parked) = conn.park(self.clock.now_ms()) {
            if let Err(back) = limit.offer(key, parked) {
                let Ok(mut conn) = back.unpark(self.clock.now_ms(), &self.interner) else { return };
                if limit.has_waiters() {
                    conn.quit();
                } else {
                    self.pools.idle.borrow_mut().entry(key).or_default().push(conn);
                }
            }
        }
    }

    fn drop_one_idle(&self, server: ServerId) {
        let mut pools = self.pools.idle.borrow_mut();
        let victim = pools.iter_mut().filter(|(k, v)| k.server == server && !v.is_empty()).max_by_key(|(_, v)| v.len());
        if let Some((_, idle)) = victim {
            idle.remove(0).quit();
        }
    }

    /// Somebody waits for a connection somewhere: gives up idle ones to them.
    pub fn serve_waiters(&self) {
        for (server, limit) in self.shared.limits.iter() {
            while limit.has_waiters() {
                let conn = {
                    let mut pools = self.pools.idle.borrow_mut();
                    pools.iter_mut().find(|(k, v)| k.server == server && !v.is_empty()).and_then(|(_, v)| v.pop())
                };
                let Some(conn) = conn else { break };
                self.hand_over(limit, conn);
            }
        }
    }

    /// Closes what has been idle or open for too long, and what the server has closed. Of each key `pool.min_idle`
    /// connections may be idle for longer.
    pub fn sweep_idle(&self) {
        let max_idle_ms = self.config().pool.max_idle.as_millis() as u64;
        let min_idle = self.min_idle();
        let mut pools = self.pools.idle.borrow_mut();
        for idle in pools.values_mut() {
            idle.retain_mut(|c| self.is_usable(c) || quits(c));
            let mut spare = idle.len().saturating_sub(min_idle);
            idle.retain_mut(|c| {
                let closes = spare > 0 && self.idle_ms(c) > max_idle_ms;
                spare -= usize::from(closes);
                !closes || quits(c)
            });
        }
        pools.retain(|_, v| !v.is_empty());
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        let pools = std::mem::take(&mut *self.pools.idle.borrow_mut());
        for mut conn in pools.into_values().flatten() {
            conn.quit();
        }
    }
}

/// For `retain_mut`: says goodbye to one that is not kept.
fn quits(conn: &mut BackendConn) -> bool {
    conn.quit();
    false
}
