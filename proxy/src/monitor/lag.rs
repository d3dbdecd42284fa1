//! How far a server is behind the writer, by the heartbeat row or else by its own word; and behind the newest of the
//! others, while nobody can ask the writer. Pure.

use std::time::Duration;

use pointsman_shard_map::GtidSet;

use super::sight::{Heartbeat, Replication, Sight};
use crate::servers::{Lag, Moment};

/// Where a shard's newest heartbeat stands, as its writer showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The row's time.
    pub written: i64,
    /// When it was read.
    pub asked: Moment,
}

/// The time limits that the judgement needs.
#[derive(Clone, Copy, Debug)]
pub struct LagRules {
    /// A row at the writer older than this was not renewed: nothing can be told from it.
    pub pulse_max_age: Duration,
    /// A sight of the writer older than this says nothing of now.
    pub sight_max_age: Duration,
}

/// By what the lag was measured; a change of it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Heartbeat,
    /// Seconds_Behind_Master.
    Status,
    /// The newest of the servers that answer.
    Newest,
}

/// What is known of a shard while its writer can't be asked. Nothing newer than this can be read anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Newest<'a> {
    /// The latest heartbeat that the writer has shown before, or that any server shows now.
    pub heartbeat: Option<i64>,
    /// What the servers that answer have applied.
    pub applied: &'a [&'a GtidSet],
    /// The server's own lag when it was last measured against the writer; None if it never was.
    pub before: Option<Lag>,
}

/// The pulse in a sight of the writer; None when the row there is old or absent.
#[must_use]
pub fn pulse_of(writer: &Sight, rules: &LagRules) -> Option<Pulse> {
    let Heartbeat::At(written) = writer.heartbeat else { return None };
    let age = writer.clock.saturating_sub(written).unsigned_abs();
    (Duration::from_micros(age) <= rules.pulse_max_age).then_some(Pulse { written, asked: writer.asked })
}

/// The lag of a server that is not the writer.
#[must_use]
pub fn lag_of(sight: &Sight, pulse: Option<Pulse>, rules: &LagRules) -> (Lag, Measure) {
    let measured = match (pulse, sight.heartbeat) {
        (Some(pulse), Heartbeat::At(shown)) if sight.asked.since(pulse.asked) <= rules.sight_max_age => {
            let behind = u64::try_from(pulse.written.saturating_sub(shown)).unwrap_or(0);
            Some(Duration::from_micros(behind))
        }
        _ => None,
    };
    match (sight.replication.runs(), measured) {
        (Some(false), Some(_)) => (Lag::Broken, Measure::Heartbeat),
        (Some(false), None) => (Lag::Broken, Measure::Status),
        (_, Some(behind)) => (Lag::Known(behind), Measure::Heartbeat),
        // The server cuts fractions off: 1 may be almost 2. Only 0 stands for itself.
        (_, None) => match sight.replication.seconds_behind() {
            Some(0) => (Lag::Known(Duration::ZERO), Measure::Status),
            Some(seconds) => (Lag::Known(Duration::from_secs(seconds.saturating_add(1))), Measure::Status),
            None => (Lag::Unknown, Measure::Status),
        },
    }
}

/// The lag of a server while the shard's writer can't be asked: by the heartbeat, else by GTIDs, else as it was before.
#[must_use]
pub fn lag_behind_newest(sight: &Sight, newest: &Newest<'_>) -> (Lag, Measure) {
    let lag = if sight.replication.runs() == Some(false) && !sight.replication.is_cut_off() {
        Lag::Broken
    } else if let (Heartbeat::At(shown), Some(latest)) = (sight.heartbeat, newest.heartbeat) {
        Lag::Known(Duration::from_micros(u64::try_from(latest.saturating_sub(shown)).unwrap_or(0)))
    } else if sight.replication == Replication::Unknown {
        // Whether it still applies can't be told.
        Lag::Unknown
    } else {
        let has_all = |applied: &GtidSet| newest.applied.iter().all(|other| applied.contains(other));
        match (sight.applied.as_deref(), newest.before) {
            (Some(applied), before) if has_all(applied) => before.unwrap_or(Lag::Known(Duration::ZERO)),
            (None, Some(before)) if newest.applied.is_empty() => before,
            _ => Lag::Unknown,
        }
    };
    (lag, Measure::Newest)
}

#[cfg(test)]
mod tests {
    use super::super::sight::{Channel, Receiver};
    use super::*;

    const RULES: LagRules =
        LagRules { pulse_max_age: Duration::from_millis(400), sight_max_age: Duration::from_millis(1000) };

    fn sight(asked_ms: u64, heartbeat: Heartbeat, replication: Replication) -> Sight {
        let asked = Moment::from_micros(asked_ms * 1000);
        Sight { asked, read_only: true, server_id: 2, applied: None, clock: 5_000_000, heartbeat, replication }
    }

    fn channel(receiver: Receiver, applier_runs: bool, seconds_behind: Option<u64>) -> Replication {
        Replication::Channels(vec![Channel {
            receiver,
            applier_runs,
            source_server_id: Some(1),
            seconds_behind,
            error: 0,
        }])
    }

    #[test]
    fn an_old_row_at_the_writer_is_no_pulse() {
        let at = |micros| pulse_of(&sight(1, Heartbeat::At(micros), Replication::Unknown), &RULES);
        assert!(at(4_900_000).is_some());
        assert!(at(4_599_999).is_none());
        assert!(at(5_500_000).is_none(), "written in the future");
        assert!(pulse_of(&sight(1, Heartbeat::Missing, Replication::Unknown), &RULES).is_none());
    }

    #[test]
    fn by_heartbeat_first_then_by_status_and_never_when_broken() {
        use Heartbeat::{At, Missing};
        use Receiver::{Connected, Connecting};
        let pulse = Some(Pulse { written: 5_000_000, asked: Moment::from_micros(1_000_000) });
        let ms = |n| Lag::Known(Duration::from_millis(n));
        let fine = || channel(Connected, true, Some(3));
        for (heartbeat, replication, pulse, expected) in [
            (At(4_700_000), fine(), pulse, (ms(300), Measure::Heartbeat)),
            (At(5_100_000), fine(), pulse, (ms(0), Measure::Heartbeat)),
            (At(4_700_000), Replication::Unknown, pulse, (ms(300), Measure::Heartbeat)),
            (At(4_700_000), fine(), None, (ms(4000), Measure::Status)),
            (Missing, fine(), pulse, (ms(4000), Measure::Status)),
            (Missing, channel(Connected, true, Some(0)), pulse, (ms(0), Measure::Status)),
            (Missing, channel(Connected, true, None), pulse, (Lag::Unknown, Measure::Status)),
            (Missing, Replication::Unknown, pulse, (Lag::Unknown, Measure::Status)),
            (At(5_000_000), channel(Connected, false, None), pulse, (Lag::Broken, Measure::Heartbeat)),
            (At(5_000_000), channel(Connecting, true, None), pulse, (Lag::Broken, Measure::Heartbeat)),
            (At(5_000_000), Replication::Channels(vec![]), pulse, (Lag::Broken, Measure::Heartbeat)),
        ] {
            let sight = sight(1500, heartbeat, replication);
            assert_eq!(lag_of(&sight, pulse, &RULES), expected, "{sight:?}");
        }
    }

    #[test]
    fn without_a_writer_the_newest_server_counts_as_fresh() {
        use Heartbeat::{At, Missing};
        use Receiver::{Connecting, Stopped};
        let gtids = |text| GtidSet::parse_mariadb(text).unwrap();
        let (old, new) = (gtids("0-1-9"), gtids("0-1-10"));
        let ms = |n| Lag::Known(Duration::from_millis(n));
        let cut = || channel(Connecting, true, None);
        let latest = Some(5_000_000);
        for (heartbeat, replication, applied, newest, before, expected) in [
            (At(5_000_000), cut(), None, latest, None, ms(0)),
            (At(4_300_000), channel(Stopped, true, None), None, latest, None, ms(700)),
            (At(5_000_000), channel(Connecting, false, None), None, latest, None, Lag::Broken),
            (At(5_000_000), Replication::Channels(vec![]), None, latest, None, Lag::Broken),
            (At(4_900_000), Replication::Unknown, None, latest, None, ms(100)),
            (Missing, cut(), Some(&new), latest, Some(ms(30)), ms(30)),
            (Missing, cut(), Some(&new), None, None, ms(0)),
            (Missing, cut(), Some(&new), None, Some(Lag::Broken), Lag::Broken),
            (Missing, cut(), Some(&old), None, Some(ms(0)), Lag::Unknown),
            (Missing, cut(), None, None, Some(ms(0)), Lag::Unknown),
            (Missing, Replication::Unknown, Some(&new), None, Some(ms(0)), Lag::Unknown),
        ] {
            let sight = Sight { applied: applied.cloned().map(Into::into), ..sight(1500, heartbeat, replication) };
            let others = [&new];
            let newest = Newest { heartbeat: newest, applied: &others, before };
            assert_eq!(lag_behind_newest(&sight, &newest), (expected, Measure::Newest), "{sight:?} {before:?}");
        }
        let no_gtids = Newest { heartbeat: None, applied: &[], before: Some(ms(0)) };
        assert_eq!(lag_behind_newest(&sight(1500, Missing, cut()), &no_gtids).0, ms(0));
    }

    #[test]
    fn a_pulse_read_long_ago_measures_nothing() {
        let pulse = Some(Pulse { written: 5_000_000, asked: Moment::from_micros(1_000_000) });
        let late = sight(2001, Heartbeat::At(5_000_000), channel(Receiver::Connected, true, Some(0)));
        assert_eq!(lag_of(&late, pulse, &RULES).1, Measure::Status);
    }
}
