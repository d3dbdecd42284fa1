//! Beats at a fixed rate, finer than the runtime's timers: for a load that does not wait for answers.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Source: timerfd_create(2).
pub struct Pacer(AsyncFd<OwnedFd>);

impl Pacer {
    #[allow(
        deprecated,
        reason = "an OwnedFd stays open, which is what the newer, unsafe function asks the caller to prove"
    )]
    pub fn every(period: Duration) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        let period = Timespec { tv_sec: period.as_secs() as i64, tv_nsec: i64::from(period.subsec_nanos()) };
        timerfd_settime(&fd, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: period, it_value: period })?;
        Ok(Self(AsyncFd::with_interest(fd, Interest::READABLE)?))
    }

    /// Waits for at least one beat; how many there were since the last call.
    pub async fn beats(&self) -> io::Result<u64> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = [0; 8];
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut count)?));
            ready.clear_ready();
            if let Ok(read) = read {
                return read.map(|_| u64::from_ne_bytes(count));
            }
        }
    }
}
