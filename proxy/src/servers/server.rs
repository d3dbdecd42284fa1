//! One server: what was configured, and what the monitor and the data path have learned of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pointsman_shard_map::{GtidSet, Role, ServerAddr, ServerId, ServerSpec, ShardId, Weight};

use super::{Moment, ServerInfo};

/// Weight of a new sample in the moving average of latency: 1/8, as TCP does for its round trips (RFC 6298).
const LATENCY_SHIFT: u32 = 3;

/// Share of its weight with which a server that has come back begins.
const SLOW_START_PERCENT: u64 = 10;

/// MySQL's and MariaDB's default of max_prepared_stmt_count, while a server has not been asked.
const DEFAULT_MAX_PREPARED: u32 = 16_382;

/// More than any server takes (a year).
const WAIT_UNKNOWN: u32 = u32::MAX;

const LAG_UNKNOWN: u64 = u64::MAX;
const LAG_BROKEN: u64 = u64::MAX - 1;

/// How far behind the writer a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    Known(Duration),
    /// Not measured: nothing to measure by, or nobody asked yet.
    Unknown,
    /// Replication does not run; the distance grows.
    Broken,
}

impl std::fmt::Display for Lag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(lag) => write!(f, "{} ms", lag.as_millis()),
            Self::Unknown => f.write_str("unknown"),
            Self::Broken => f.write_str("replication is broken"),
        }
    }
}

/// What the monitor has concluded about a server; holds until a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub up: bool,
    pub lag: Lag,
    /// Up and fresh enough, with hysteresis.
    pub takes_reads: bool,
    /// Nobody believes it any longer then.
    pub until: Moment,
}

/// One server. Shared by all cores; everything that changes is atomic.
#[derive(Debug)]
pub struct Server {
    pub id: ServerId,
    pub shard: ShardId,
    pub addr: ServerAddr,
    pub role: Role,
    pub weight: Weight,
    pub zone: Option<String>,
    /// Stands in the proxy's own zone, or no zone is preferred.
    pub near: bool,
    /// Statements of this proxy that the server is working on; kept by the data path.
    pub in_flight: AtomicU32,
    /// Statements that this proxy keeps prepared there.
    prepared: AtomicI64,
    up_until: AtomicU64,
    reads_until: AtomicU64,
    lag: AtomicU64,
    /// Between these two moments the server's share of reads grows.
    slow_start: [AtomicU64; 2],
    latency_us: AtomicU32,
    /// Why it is not up, as the last probe saw it.
    down_reason: ArcSwapOption<String>,
    info: ArcSwapOption<ServerInfo>,
    /// As in `info`.
    wait_timeout_s: AtomicU32,
    applied_gtid: ArcSwapOption<GtidSet>,
    pool_generation: AtomicU64,
    /// Its globals have been changed since they were read.
    globals_changed: AtomicBool,
}

impl Server {
    pub(super) fn new(spec: &ServerSpec, proxy_zone: Option<&str>) -> Self {
        Self {
            id: spec.id,
            shard: spec.shard,
            addr: spec.addr.clone(),
            role: spec.role,
            weight: spec.weight,
            zone: spec.zone.clone(),
            near: proxy_zone.is_none() || proxy_zone == spec.zone.as_deref(),
            in_flight: AtomicU32::new(0),
            prepared: AtomicI64::new(0),
            up_until: AtomicU64::new(0),
            reads_until: AtomicU64::new(0),
            lag: AtomicU64::new(LAG_UNKNOWN),
            slow_start: [const { AtomicU64::new(0) }; 2],
            latency_us: AtomicU32::new(0),
            down_reason: ArcSwapOption::empty(),
            info: ArcSwapOption::empty(),
            wait_timeout_s: AtomicU32::new(WAIT_UNKNOWN),
            applied_gtid: ArcSwapOption::empty(),
            pool_generation: AtomicU64::new(0),
            globals_changed: AtomicBool::new(false),
        }
    }

    /// Statements that this proxy keeps prepared there, on all its connections.
    #[must_use]
    pub fn prepared_count(&self) -> i64 {
        self.prepared.load(Ordering::Relaxed)
    }

    pub(crate) fn count_prepared(&self, more: i64) {
        self.prepared.fetch_add(more, Ordering::Relaxed);
    }

    /// Statements that one of so many proxies may keep prepared there: together half of what the server takes, the
    /// other half is for those who come past the proxies.
    #[must_use]
    pub fn prepared_budget(&self, proxies: u16) -> i64 {
        let limit = self.info().map_or(DEFAULT_MAX_PREPARED, |info| info.max_prepared_stmt_count);
        i64::from(limit / 2 / u32::from(proxies.max(1)))
    }

    /// Answered its last probe, not long ago.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up_at(Moment::now())
    }

    #[must_use]
    pub fn is_up_at(&self, now: Moment) -> bool {
        now.as_micros() < self.up_until.load(Ordering::Acquire)
    }

    /// Up, replicating, and within its shard's lag limit for long enough.
    #[must_use]
    pub fn takes_reads(&self) -> bool {
        self.takes_reads_at(Moment::now())
    }

    #[must_use]
    pub fn takes_reads_at(&self, now: Moment) -> bool {
        now.as_micros() < self.reads_until.load(Ordering::Acquire)
    }

    /// Why the last probe failed; None after one that was answered.
    #[must_use]
    pub fn down_reason(&self) -> Option<Arc<String>> {
        self.down_reason.load_full()
    }

    pub(crate) fn set_down_reason(&self, why: Option<&str>) {
        // Compared first: the same reason comes with each probe.
        if self.down_reason.load().as_deref().map(String::as_str) != why {
            self.down_reason.store(why.map(|w| Arc::new(w.to_owned())));
        }
    }

    /// As measured by the last probe.
    #[must_use]
    pub fn lag(&self) -> Lag {
        match self.lag.load(Ordering::Acquire) {
            LAG_UNKNOWN => Lag::Unknown,
            LAG_BROKEN => Lag::Broken,
            micros => Lag::Known(Duration::from_micros(micros)),
        }
    }

    /// None until the server was reached once.
    #[must_use]
    pub fn info(&self) -> Option<Arc<ServerInfo>> {
        self.info.load_full()
    }

    /// How long the server lets a session be idle. Asked for each statement.
    #[must_use]
    pub fn wait_timeout_s(&self) -> Option<u32> {
        let seconds = self.wait_timeout_s.load(Ordering::Relaxed);
        (seconds != WAIT_UNKNOWN).then_some(seconds)
    }

    /// What the server has applied and shows to readers. None where GTIDs are not in use.
    #[must_use]
    pub fn applied_gtid(&self) -> Option<Arc<GtidSet>> {
        self.applied_gtid.load_full()
    }

    /// Whether it shows everything in the token, without a reference count of its own.
    #[must_use]
    pub fn has_applied(&self, token: &GtidSet) -> bool {
        self.applied_gtid.load().as_ref().is_some_and(|applied| applied.contains(token))
    }

    /// Adds one answer's time to the moving average. Two cores at one time may lose a sample, which is harmless.
    pub fn record_latency(&self, micros: u32) {
        let old = self.latency_us.load(Ordering::Relaxed);
        let new = match old {
            0 => micros,
            _ => old - (old >> LATENCY_SHIFT) + (micros >> LATENCY_SHIFT),
        };
        self.latency_us.store(new.max(1), Ordering::Relaxed);
    }

    /// Moving average of answer times; 0 before the first.
    #[must_use]
    pub fn latency_us(&self) -> u32 {
        self.latency_us.load(Ordering::Relaxed)
    }

    /// Its weight now: less while it warms up, never 0 unless configured so.
    #[must_use]
    pub fn read_weight(&self, now: Moment) -> u64 {
        let full = u64::from(self.weight.0);
        let [from, to] = [0, 1].map(|i| self.slow_start[i].load(Ordering::Relaxed));
        if full == 0 || now.as_micros() >= to || to <= from {
            return full;
        }
        let gone = now.as_micros().saturating_sub(from) * 100 / (to - from);
        (full * gone.max(SLOW_START_PERCENT) / 100).max(1)
    }

    /// Connections of an older generation must not be used again (SET GLOBAL, restart, new credentials).
    #[must_use]
    pub fn pool_generation(&self) -> u64 {
        self.pool_generation.load(Ordering::Acquire)
    }

    /// Makes every pooled connection one of an older generation.
    pub fn recycle_pools(&self) {
        self.pool_generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A session has changed its globals: pooled connections have the old ones, and so has [`Self::info`].
    pub fn globals_changed(&self) {
        self.globals_changed.store(true, Ordering::Release);
        self.recycle_pools();
    }

    /// Whether the globals have to be read again; asked once.
    pub(crate) fn take_globals_changed(&self) -> bool {
        self.globals_changed.swap(false, Ordering::AcqRel)
    }

    /// The monitor's conclusion. A server that begins to take reads is given them slowly.
    pub(crate) fn publish(&self, verdict: Verdict, slow_start: Duration) {
        let now = Moment::now();
        let lag = match verdict.lag {
            Lag::Known(lag) => u64::try_from(lag.as_micros()).unwrap_or(LAG_BROKEN).min(LAG_BROKEN - 1),
            Lag::Unknown => LAG_UNKNOWN,
            Lag::Broken => LAG_BROKEN,
        };
        if verdict.takes_reads && !self.takes_reads_at(now) {
            self.slow_start[0].store(now.as_micros(), Ordering::Relaxed);
            self.slow_start[1].store(now.plus(slow_start).as_micros(), Ordering::Relaxed);
        }
        let until = |holds: bool| if holds { verdict.until.as_micros() } else { 0 };
        self.lag.store(lag, Ordering::Release);
        self.up_until.store(until(verdict.up), Ordering::Release);
        self.reads_until.store(until(verdict.takes_reads), Ordering::Release);
    }

    pub(crate) fn set_info(&self, info: Arc<ServerInfo>) {
        self.wait_timeout_s.store(info.wait_timeout, Ordering::Relaxed);
        self.info.store(Some(info));
    }

    pub(crate) fn set_applied_gtid(&self, applied: Option<Arc<GtidSet>>) {
        self.applied_gtid.store(applied);
    }
}
