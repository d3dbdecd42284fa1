//! All sessions of the process by the id that their clients see; how one session reaches another (KILL).

use dashmap::DashMap;
use pointsman_shard_map::ServerId;
use rustc_hash::FxBuildHasher;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The proxy's number stands above these bits of a connection id.
const LOCAL_BITS: u32 = 24;

/// Our numbers begin here: a KILL also takes a server's own numbers, which begin at 1, and is not to take one for the
/// other.
const FIRST_LOCAL: u32 = 1 << (LOCAL_BITS - 1);

/// A session as others see it.
#[derive(Debug)]
pub struct SessionHandle {
    pub id: u32,
    /// Only KILL and COM_CHANGE_USER take the lock.
    user: Mutex<String>,
    killed: AtomicU8,
    /// Server and backend thread of the lease, one more than the server's number in the upper half; 0: none.
    lease: AtomicU64,
    /// KILLs on their way to the lease's server.
    killers: AtomicU32,
    /// KILL QUERYs so far, for a statement that waits here and not at a server.
    interrupts: AtomicU32,
}

/// A KILL on its way to the server where a session's statement runs. The connection goes to no other session meanwhile:
/// it would be that one's statement which is stopped.
pub struct Aimed(Arc<SessionHandle>);

impl Drop for Aimed {
    fn drop(&mut self) {
        self.0.killers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SessionHandle {
    /// Where the statement runs that is to be stopped, if one does, for as long as the first value lives.
    #[must_use]
    pub fn aim(self: &Arc<Self>) -> (Aimed, Option<(ServerId, u32)>) {
        // Counted before the lease is read, as the session ends its lease before it reads the count.
        self.killers.fetch_add(1, Ordering::SeqCst);
        let aimed = Aimed(self.clone());
        (aimed, self.lease())
    }

    /// Whether a KILL may still arrive at the connection that the session has just given up.
    #[must_use]
    pub fn is_aimed_at(&self) -> bool {
        self.killers.load(Ordering::SeqCst) != 0
    }

    /// Whether the session is this account's.
    #[must_use]
    pub fn is_of(&self, user: &str) -> bool {
        *self.user() == user
    }

    /// After COM_CHANGE_USER.
    pub fn change_user(&self, user: &str) {
        user.clone_into(&mut self.user());
    }

    fn user(&self) -> MutexGuard<'_, String> {
        self.user.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed) != 0
    }

    /// KILL QUERY, for a statement that has no connection yet.
    pub fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were: a statement is interrupted when there are more than at its beginning.
    #[must_use]
    pub fn interrupts(&self) -> u32 {
        self.interrupts.load(Ordering::Relaxed)
    }

    pub fn lease_taken(&self, server: ServerId, thread: u32) {
        self.lease.store((u64::from(server.0) + 1) << 32 | u64::from(thread), Ordering::SeqCst);
    }

    pub fn lease_ended(&self) {
        self.lease.store(0, Ordering::SeqCst);
    }

    /// Where the session's statement runs, if it holds a lease.
    #[must_use]
    pub fn lease(&self) -> Option<(ServerId, u32)> {
        let packed = self.lease.load(Ordering::SeqCst);
        let server = u16::try_from((packed >> 32).checked_sub(1)?).ok()?;
        Some((ServerId(server), packed as u32))
    }
}

/// The process-wide table.
#[derive(Debug)]
pub struct Registry {
    /// By ids of our own making: nobody can choose them so that they meet.
    sessions: DashMap<u32, Arc<SessionHandle>, FxBuildHasher>,
    next: AtomicU32,
    kills: AtomicU64,
    proxy_id: u8,
}

impl Registry {
    #[must_use]
    pub fn new(proxy_id: u8) -> Self {
        Self { sessions: DashMap::default(), next: AtomicU32::new(1), kills: AtomicU64::new(0), proxy_id }
    }

    /// The next id for a connection: never 0, never one that a live session has.
    pub fn next_id(&self) -> u32 {
        loop {
            let local = self.next.fetch_add(1, Ordering::Relaxed) & (FIRST_LOCAL - 1) | FIRST_LOCAL;
            let id = u32::from(self.proxy_id) << LOCAL_BITS | local;
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    pub fn add(&self, id: u32, user: String) -> Arc<SessionHandle> {
        let user = Mutex::new(user);
        let (lease, killers, interrupts) = (AtomicU64::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let handle = Arc::new(SessionHandle { id, user, killed: AtomicU8::new(0), lease, killers, interrupts });
        self.sessions.insert(id, handle.clone());
        handle
    }

    /// Marks a session as killed; its core finds it at the next tick.
    pub fn kill(&self, session: &SessionHandle) {
        session.killed.store(1, Ordering::Relaxed);
        // Whoever sees the count sees the mark.
        self.kills.fetch_add(1, Ordering::Release);
    }

    /// How many were ever killed: a core whose ticks see the same number need not look for them.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.kills.load(Ordering::Acquire)
    }

    pub fn remove(&self, id: u32) {
        self.sessions.remove(&id);
    }

    #[must_use]
    pub fn get(&self, id: u32) -> Option<Arc<SessionHandle>> {
        self.sessions.get(&id).map(|h| h.value().clone())
    }

    /// The session that holds a server's thread, as SHOW PROCESSLIST numbers it; None also when two servers have
    /// that number in use at once, as nobody can tell which is meant.
    #[must_use]
    pub fn by_server_thread(&self, thread: u32) -> Option<Arc<SessionHandle>> {
        let mut holders = self.sessions.iter().filter(|s| s.lease().is_some_and(|(_, t)| t == thread));
        let first = holders.next()?.value().clone();
        holders.next().is_none().then_some(first)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_proxy_s_number_and_handles_their_lease() {
        let registry = Registry::new(3);
        let id = registry.next_id();
        assert_eq!(id >> 24, 3);
        let handle = registry.add(id, "app".into());
        assert_eq!(handle.lease(), None);
        handle.lease_taken(ServerId(0), 77);
        assert_eq!(registry.get(id).unwrap().lease(), Some((ServerId(0), 77)));
        let (aimed, lease) = handle.aim();
        assert!(lease.is_some() && handle.is_aimed_at());
        drop(aimed);
        assert!(!handle.is_aimed_at());
        handle.lease_ended();
        assert_eq!(handle.lease(), None);
        registry.remove(id);
        assert!(registry.get(id).is_none());
    }
}
