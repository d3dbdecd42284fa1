//! How many connections the process may have at each server, and the queue of those who wait for one.
//!
//! Cores keep their own idle connections and take no lock to use them. Only opening, closing and waiting come
//! here. A core that gives a connection back looks at one counter; when somebody waits, the connection (or,
//! where it can't change cores or users, its place) goes to the first in the queue that may have it.

use super::conn::{Parked, PoolKey};
use pointsman_shard_map::ServerId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// What a waiter is given.
pub enum Grant {
    /// A connection of the same key from another session.
    Conn(Box<Parked>),
    /// The right to open one.
    Slot(Slot),
}

struct Waiter {
    key: PoolKey,
    to: oneshot::Sender<Grant>,
}

struct State {
    limit: PoolLimit,
    open: usize,
    by_account: FxHashMap<u32, usize>,
    queue: VecDeque<Waiter>,
}

impl State {
    fn close(&mut self, account: u32) {
        self.open = self.open.saturating_sub(1);
        if let Some(n) = self.by_account.get_mut(&account) {
            *n = n.saturating_sub(1);
        }
    }
}

/// How many connections there may be at one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimit {
    pub per_server: usize,
    /// Of these, for one account.
    pub per_account: usize,
}

impl PoolLimit {
    /// Whether it allows less than another one in any respect.
    #[must_use]
    pub fn is_below(self, other: Self) -> bool {
        self.per_server < other.per_server || self.per_account < other.per_account
    }
}

/// Limits of one server.
pub struct ServerLimit {
    waiting: AtomicUsize,
    state: Mutex<State>,
    /// One for each core: rung when somebody waits, so that idle connections are given up.
    bells: Arc<[Notify]>,
}

/// The place of one open connection. Dropping it lets the next one in.
pub struct Slot {
    /// None once the place was taken back by the queue itself, and outside of all limits.
    limit: Option<Arc<ServerLimit>>,
    account: u32,
}

impl Slot {
    /// The place of a connection that counts nowhere: for the few words of a KILL.
    #[must_use]
    pub fn outside() -> Self {
        Self { limit: None, account: 0 }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(limit) = self.limit.take() {
            limit.freed(self.account);
        }
    }
}

impl ServerLimit {
    #[must_use]
    pub fn new(limit: PoolLimit, bells: Arc<[Notify]>) -> Arc<Self> {
        let state = State { limit, open: 0, by_account: FxHashMap::default(), queue: VecDeque::new() };
        Arc::new(Self { waiting: AtomicUsize::new(0), state: Mutex::new(state), bells })
    }

    /// Another limit from now on. Those who wait get what a larger one allows at once; what is open beyond a smaller
    /// one is the caller's to close.
    pub fn set(self: &Arc<Self>, limit: PoolLimit) {
        let mut state = self.lock();
        state.limit = limit;
        self.serve(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody waits; the one thing that the release of a connection looks at.
    #[must_use]
    pub fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// A place for one more connection, if there is one and nobody is before us.
    pub fn try_open(self: &Arc<Self>, account: u32) -> Option<Slot> {
        let mut state = self.lock();
        if !state.queue.is_empty() {
            return None;
        }
        self.admit(&mut state, account)
    }

    fn admit(self: &Arc<Self>, state: &mut State, account: u32) -> Option<Slot> {
        let mine = state.by_account.entry(account).or_default();
        if state.open >= state.limit.per_server || *mine >= state.limit.per_account {
            return None;
        }
        *mine += 1;
        state.open += 1;
        Some(Slot { limit: Some(self.clone()), account })
    }

    /// Joins the queue and asks all cores to give up idle connections.
    pub fn wait(self: &Arc<Self>, key: PoolKey) -> oneshot::Receiver<Grant> {
        let (to, from) = oneshot::channel();
        let mut state = self.lock();
        state.queue.push_back(Waiter { key, to });
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // A place may have come free between the failed attempt and this.
        self.serve(&mut state);
        drop(state);
        for bell in self.bells.iter() {
            bell.notify_one();
        }
        from
    }

    fn freed(self: &Arc<Self>, account: u32) {
        let mut state = self.lock();
        state.close(account);
        self.serve(&mut state);
    }

    /// Gives free places to those in front that may have them.
    fn serve(self: &Arc<Self>, state: &mut State) {
        let mut at = 0;
        while at < state.queue.len() && state.open < state.limit.per_server {
            if state.queue[at].to.is_closed() {
                self.leave(state, at);
                continue;
            }
            let account = state.queue[at].key.account;
            let Some(slot) = self.admit(state, account) else {
                at += 1;
                continue;
            };
            if let Some(waiter) = self.leave(state, at) {
                if let Err(Grant::Slot(mut slot)) = waiter.to.send(Grant::Slot(slot)) {
                    // The waiter gave up this moment; dropping its place would come back into this lock.
                    slot.limit = None;
                    state.close(slot.account);
                }
            }
        }
    }

    fn leave(&self, state: &mut State, at: usize) -> Option<Waiter> {
        let waiter = state.queue.remove(at);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        waiter
    }

    /// Offers a connection to the first waiter with its key. Given back when nobody can use it as it is.
    pub fn offer(self: &Arc<Self>, key: PoolKey, conn: Box<Parked>) -> Result<(), Box<Parked>> {
        let mut state = self.lock();
        let mut conn = conn;
        loop {
            while state.queue.front().is_some_and(|w| w.to.is_closed()) {
                self.leave(&mut state, 0);
            }
            // Strictly first come, first served: if the first has another key, the place is what it needs.
            if state.queue.front().is_none_or(|w| w.key != key) {
                return Err(conn);
            }
            let Some(waiter) = self.leave(&mut state, 0) else { return Err(conn) };
            match waiter.to.send(Grant::Conn(conn)) {
                Ok(()) => return Ok(()),
                Err(Grant::Conn(back)) => conn = back,
                Err(Grant::Slot(_)) => return Ok(()),
            }
        }
    }
}

/// The limits of all servers, by their number.
pub struct Limits {
    servers: Vec<Arc<ServerLimit>>,
    pub bells: Arc<[Notify]>,
}

impl Limits {
    #[must_use]
    pub fn new(servers: usize, cores: usize, limit: PoolLimit) -> Self {
        let bells: Arc<[Notify]> = (0..cores).map(|_| Notify::new()).collect();
        let servers = (0..servers).map(|_| ServerLimit::new(limit, bells.clone())).collect();
        Self { servers, bells }
    }

    /// The same limit for each server, from now on.
    pub fn set(&self, limit: PoolLimit) {
        self.servers.iter().for_each(|server| server.set(limit));
    }

    #[must_use]
    pub fn of(&self, server: ServerId) -> &Arc<ServerLimit> {
        &self.servers[server.index()]
    }

    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &Arc<ServerLimit>)> {
        self.servers.iter().enumerate().map(|(i, l)| (ServerId(i as u16), l))
    }
}
