//! Whether a server takes reads, with hysteresis: out at the limit, in again only well below it for a while. Pure.

use std::time::Duration;

use crate::servers::{Lag, Moment};

/// A server that was out comes in again below this share of the limit; at the limit itself it would flap.
const READMIT_PERCENT: u32 = 70;

/// ... and must stay below it for this long.
const READMIT_AFTER: Duration = Duration::from_secs(1);

/// One server's standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Not judged yet: the first good sight admits it.
    #[default]
    New,
    Fresh,
    Stale,
    /// Well below the limit since then, but not for long enough.
    Recovering(Moment),
}

impl Freshness {
    /// The standing after one more measurement. `lag` is None for a server that is down.
    #[must_use]
    pub fn after(self, lag: Option<Lag>, max_lag: Duration, now: Moment) -> Self {
        let Some(Lag::Known(lag)) = lag else { return Self::Stale };
        let low = lag <= max_lag * READMIT_PERCENT / 100;
        match self {
            Self::New | Self::Fresh if lag <= max_lag => Self::Fresh,
            Self::New | Self::Fresh => Self::Stale,
            Self::Stale if low => Self::Recovering(now),
            Self::Recovering(since) if low && now.since(since) >= READMIT_AFTER => Self::Fresh,
            Self::Recovering(since) if low => Self::Recovering(since),
            Self::Stale | Self::Recovering(_) => Self::Stale,
        }
    }

    #[must_use]
    pub fn takes_reads(self) -> bool {
        self == Self::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_out_at_the_limit_and_comes_back_slowly() {
        let max = Duration::from_millis(1000);
        let known = |ms| Some(Lag::Known(Duration::from_millis(ms)));
        let mut state = Freshness::New;
        for (at_ms, lag, takes_reads) in [
            (0, known(1000), true),
            (100, known(1001), false),
            (200, known(900), false),
            (300, known(700), false),
            (1200, known(700), false),
            (1300, known(700), true),
            (1400, known(950), true),
            (1500, Some(Lag::Broken), false),
            (1600, known(0), false),
            (2000, known(800), false),
            (2100, known(0), false),
            (3000, known(0), false),
            (3100, known(0), true),
            (3200, None, false),
            (3300, known(0), false),
            (4300, known(0), true),
            (4400, Some(Lag::Unknown), false),
        ] {
            state = state.after(lag, max, Moment::from_micros(at_ms * 1000));
            assert_eq!(state.takes_reads(), takes_reads, "at {at_ms} ms");
        }
        assert!(!Freshness::New.after(known(1001), max, Moment::NEVER).takes_reads());
    }
}
