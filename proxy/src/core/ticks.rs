//! The ticks of one core: a timer of the kernel's that its runtime polls like a socket.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Source: timerfd_create(2).
pub struct Ticks(AsyncFd<OwnedFd>);

impl Ticks {
    /// The first one after one period. To be made on the core's own runtime.
    #[allow(
        deprecated,
        reason = "an OwnedFd stays open, which is what the newer, unsafe function asks the caller to prove"
    )]
    pub fn every(period: Duration) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let period = Timespec { tv_sec: period.as_secs() as i64, tv_nsec: i64::from(period.subsec_nanos()) };
        let spec = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&fd, TimerfdTimerFlags::empty(), &spec)?;
        Ok(Self(AsyncFd::with_interest(fd, Interest::READABLE)?))
    }

    /// Resolves once at least one period has passed since the last tick; missed ones are not made up for.
    pub async fn tick(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0; 8];
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?));
            // The kernel rings anew at each period, so that nothing is lost by not reading until it says no.
            ready.clear_ready();
            if let Ok(read) = read {
                return read.map(|_| ());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_come_again_and_again() {
        let ticks = Ticks::every(Duration::from_millis(1)).unwrap();
        for _ in 0..5 {
            ticks.tick().await.unwrap();
        }
    }
}
