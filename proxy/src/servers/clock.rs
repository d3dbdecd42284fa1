//! Moments of a clock that never jumps and goes on while the machine sleeps: CLOCK_BOOTTIME of clock_gettime(2).
//! A virtual machine that was suspended must not believe what it knew before.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

impl Moment {
    /// Before every other moment.
    pub const NEVER: Self = Self(0);

    #[must_use]
    pub fn now() -> Self {
        let t = clock_gettime(ClockId::Boottime);
        // The kernel never gives a negative boot time.
        let seconds = u64::try_from(t.tv_sec).unwrap_or_default();
        let nanos = u64::try_from(t.tv_nsec).unwrap_or_default();
        Self(seconds * 1_000_000 + nanos / 1000)
    }

    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Zero when `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}
