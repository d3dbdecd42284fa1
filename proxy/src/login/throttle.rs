//! Failed logins per address: each further one is answered later, and many of them not at all for a while.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// Typing errors and one wrong configuration file are answered at once.
const FREE_FAILURES: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Below the login deadline, so that the error still reaches the client.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// MySQL's default max_connect_errors.
const BLOCK_AFTER: u32 = 100;
const BLOCK_FOR: Duration = Duration::from_secs(30);
/// Without a further failure an address is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(300);
/// About 5 MB at most. Beyond it the entry of some other address is dropped for a new one.
const MAX_ADDRESSES: usize = 65_536;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// The failures of all addresses.
#[derive(Debug, Default)]
pub struct Throttle {
    table: Mutex<HashMap<IpAddr, Failures>>,
    /// Size of the table: while it is empty, logins take no lock.
    size: AtomicUsize,
}

impl Throttle {
    /// Addresses with failures, for metrics.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// How long the address stays blocked, if it is.
    #[must_use]
    pub fn blocked(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        if self.size.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = table.get(&key(address)).filter(|f| f.count >= BLOCK_AFTER)?;
        BLOCK_FOR.checked_sub(now.duration_since(failures.last)).filter(|left| !left.is_zero())
    }

    /// Notes a failed login; gives how long its answer is to wait.
    pub fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_ADDRESSES && !table.contains_key(&key(address)) {
            make_room(&mut table, now);
        }
        let failures = table.entry(key(address)).or_insert(Failures { count: 0, last: now });
        if now.duration_since(failures.last) >= FORGET_AFTER {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let count = failures.count;
        self.size.store(table.len(), Ordering::Relaxed);
        drop(table);
        if count == BLOCK_AFTER {
            let seconds = BLOCK_FOR.as_secs();
            warn!(%address, failures = count, "logins from here are refused (1129) until {seconds} s pass without one");
        }
        delay(count)
    }

    /// Forgets an address after a login that worked.
    pub fn succeeded(&self, address: IpAddr) {
        if self.size.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.remove(&key(address));
        self.size.store(table.len(), Ordering::Relaxed);
    }
}

fn delay(count: u32) -> Duration {
    match count.checked_sub(FREE_FAILURES + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(1 << doublings.min(8)).min(LONGEST_DELAY),
    }
}

/// One customer's IPv6 network is one address: its holder has 2^64 of them.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

fn make_room(table: &mut HashMap<IpAddr, Failures>, now: Instant) {
    table.retain(|_, failures| now.duration_since(failures.last) < FORGET_AFTER);
    if table.len() < MAX_ADDRESSES {
        return;
    }
    if let Some(any) = table.keys().next().copied() {
        table.remove(&any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_delay_then_block_then_are_forgotten() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let here: IpAddr = "192.0.2.7".parse().unwrap();
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.failed(here, start), Duration::ZERO);
        }
        assert_eq!(throttle.failed(here, start), FIRST_DELAY);
        assert_eq!(throttle.failed(here, start), FIRST_DELAY * 2);
        assert_eq!(throttle.blocked(here, start), None);
        for _ in 0..BLOCK_AFTER {
            assert!(throttle.failed(here, start) <= LONGEST_DELAY);
        }
        assert_eq!(throttle.blocked(here, start), Some(BLOCK_FOR));
        assert_eq!(throttle.blocked("192.0.2.8".parse().unwrap(), start), None);
        assert_eq!(throttle.blocked(here, start + BLOCK_FOR), None);
        assert_eq!(throttle.failed(here, start + FORGET_AFTER), Duration::ZERO);
        throttle.succeeded(here);
        assert_eq!(throttle.size.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_table_is_bounded_and_knows_networks() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..MAX_ADDRESSES as u32 + 10 {
            throttle.failed(std::net::Ipv4Addr::from_bits(n).into(), now);
        }
        assert_eq!(throttle.size.load(Ordering::Relaxed), MAX_ADDRESSES);
        assert_eq!(key("fd00::1".parse().unwrap()), key("fd00::ffff:1".parse().unwrap()));
        assert_eq!(key("::ffff:1.2.3.4".parse().unwrap()), key("1.2.3.4".parse().unwrap()));
    }
}
