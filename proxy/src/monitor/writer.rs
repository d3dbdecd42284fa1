//! Which master of a shard may be sent writes. Pure: the rule that nothing may break, in one place.
//!
//! It rests on `read_only` (MySQL reference manual, "Server System Variables"; MariaDB knowledge base, "read_only"):
//! a server that has it set refuses the writes of ordinary accounts with error 1290.

use std::time::Duration;

use pointsman_shard_map::ServerId;

use super::sight::{Reach, Sight, View};
use crate::servers::Moment;

/// What the sights of a shard's masters amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterVerdict {
    Confirmed {
        writer: ServerId,
        /// The oldest sight that it rests on.
        seen: Moment,
        until: Moment,
    },
    None(NoWriter),
}

/// Why no server may be sent writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWriter {
    /// No master was seen within `writer_confirm_ms`.
    NotSeen,
    /// Each master that was seen says read_only.
    AllReadOnly,
    /// Both masters are writable: nobody can tell which of them the applications have written to.
    BothWritable,
    /// The candidate's partner was neither seen lately, nor found unreachable yet.
    PartnerPending,
    /// The partner can't be asked, but the candidate may still be receiving from it: it lives, and may be the writer.
    PartnerHidden,
}

impl NoWriter {
    /// For logs and `/readyz`.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::NotSeen => "no master answers",
            Self::AllReadOnly => "every master that answers says read_only",
            Self::BothWritable => "both masters say read_only=0",
            Self::PartnerPending => "the other master has not been seen lately",
            Self::PartnerHidden => "the other master can't be asked, yet the candidate may be replicating from it",
        }
    }
}

/// Decides by the last views of the one or two masters.
#[must_use]
pub fn decide(masters: &[(ServerId, &View)], now: Moment, confirm: Duration) -> WriterVerdict {
    let fresh = |view: &View| view.sight.as_ref().is_some_and(|s| now.since(s.asked) < confirm);
    let seen: Vec<(ServerId, &Sight)> =
        masters.iter().filter(|(_, v)| fresh(v)).filter_map(|(id, v)| v.sight.as_ref().map(|s| (*id, s))).collect();
    let mut writable = seen.iter().filter(|(_, s)| !s.read_only);
    let (writer, sight) = match (writable.next(), writable.next()) {
        (None, _) if seen.is_empty() => return WriterVerdict::None(NoWriter::NotSeen),
        (None, _) => return WriterVerdict::None(NoWriter::AllReadOnly),
        (Some(_), Some(_)) => return WriterVerdict::None(NoWriter::BothWritable),
        (Some(&(id, sight)), None) => (id, sight),
    };
    let partner = masters.iter().find(|(id, _)| *id != writer).map(|(_, view)| *view);
    let seen_since = match partner {
        None => sight.asked,
        Some(view) if fresh(view) => view.sight.as_ref().map_or(sight.asked, |s| s.asked.min(sight.asked)),
        Some(view) if view.reach != Reach::Failed => return WriterVerdict::None(NoWriter::PartnerPending),
        Some(view) if sight.replication.may_receive_from(view.sight.as_ref().map(|s| s.server_id)) => {
            return WriterVerdict::None(NoWriter::PartnerHidden);
        }
        Some(_) => sight.asked,
    };
    WriterVerdict::Confirmed { writer, seen: seen_since, until: seen_since.plus(confirm) }
}

#[cfg(test)]
mod tests {
    use super::super::sight::{Channel, Heartbeat, Receiver, Replication};
    use super::*;

    const CONFIRM: Duration = Duration::from_millis(1000);
    const NOW: u64 = 100_000_000;

    fn ago(ms: u64) -> Moment {
        Moment::from_micros(NOW - ms * 1000)
    }

    fn view(asked_ms_ago: u64, read_only: bool, receiver: Receiver, source: u32, reach: Reach) -> View {
        let channel =
            Channel { receiver, applier_runs: true, source_server_id: Some(source), seconds_behind: Some(0), error: 0 };
        let sight = Sight {
            asked: ago(asked_ms_ago),
            read_only,
            server_id: 3 - source,
            applied: None,
            clock: 0,
            heartbeat: Heartbeat::Off,
            replication: Replication::Channels(vec![channel]),
        };
        View { sight: Some(sight), reach }
    }

    fn verdict(masters: &[&View]) -> WriterVerdict {
        let masters: Vec<_> = masters.iter().zip(0..).map(|(v, i)| (ServerId(i), *v)).collect();
        decide(&masters, Moment::from_micros(NOW), CONFIRM)
    }

    fn confirmed(writer: u16, seen_ms_ago: u64) -> WriterVerdict {
        let seen = ago(seen_ms_ago);
        WriterVerdict::Confirmed { writer: ServerId(writer), seen, until: seen.plus(CONFIRM) }
    }

    #[test]
    fn one_master_needs_only_to_be_writable() {
        use Receiver::Stopped;
        assert_eq!(verdict(&[&view(10, false, Stopped, 2, Reach::Answered)]), confirmed(0, 10));
        assert_eq!(
            verdict(&[&view(10, true, Stopped, 2, Reach::Answered)]),
            WriterVerdict::None(NoWriter::AllReadOnly)
        );
        assert_eq!(verdict(&[&view(1000, false, Stopped, 2, Reach::Answered)]), WriterVerdict::None(NoWriter::NotSeen));
        assert_eq!(verdict(&[&View::default()]), WriterVerdict::None(NoWriter::NotSeen));
    }

    #[test]
    fn of_a_pair_exactly_one_may_be_writable() {
        use Receiver::Connected;
        let rw = |ms| view(ms, false, Connected, 2, Reach::Answered);
        let ro = |ms| view(ms, true, Connected, 1, Reach::Answered);
        assert_eq!(verdict(&[&rw(10), &ro(300)]), confirmed(0, 300));
        assert_eq!(verdict(&[&ro(300), &rw(10)]), confirmed(1, 300));
        assert_eq!(verdict(&[&rw(10), &rw(300)]), WriterVerdict::None(NoWriter::BothWritable));
        assert_eq!(verdict(&[&ro(10), &ro(300)]), WriterVerdict::None(NoWriter::AllReadOnly));
        assert_eq!(verdict(&[&rw(10), &ro(1000)]), WriterVerdict::None(NoWriter::PartnerPending));
        assert_eq!(verdict(&[&rw(10), &View::default()]), WriterVerdict::None(NoWriter::PartnerPending));
    }

    #[test]
    fn without_its_partner_the_candidate_must_not_receive_from_it() {
        use Receiver::{Connected, Connecting, Stopped};
        let lost = |ro| view(5000, ro, Connected, 1, Reach::Failed);
        let never = View { sight: None, reach: Reach::Failed };
        for (receiver, source, partner, expected) in [
            (Connected, 2, lost(true), WriterVerdict::None(NoWriter::PartnerHidden)),
            (Connecting, 2, lost(true), confirmed(0, 10)),
            (Stopped, 2, lost(true), confirmed(0, 10)),
            // It was writable when last seen, but that is too long ago to matter.
            (Stopped, 2, lost(false), confirmed(0, 10)),
            // Connected, but to a third server.
            (Connected, 3, lost(true), confirmed(0, 10)),
            // Who the partner is was never learned, so any source may be it.
            (Connected, 3, never.clone(), WriterVerdict::None(NoWriter::PartnerHidden)),
            (Connecting, 2, never, confirmed(0, 10)),
        ] {
            let mut candidate = view(10, false, receiver, 2, Reach::Answered);
            if let Some(Replication::Channels(c)) = candidate.sight.as_mut().map(|s| &mut s.replication) {
                c[0].source_server_id = Some(source);
            }
            assert_eq!(verdict(&[&candidate, &partner]), expected, "{receiver:?} {source}");
        }
        let mut silent = view(10, false, Connected, 2, Reach::Answered);
        if let Some(s) = silent.sight.as_mut() {
            s.replication = Replication::Unknown;
        }
        assert_eq!(verdict(&[&silent, &lost(true)]), WriterVerdict::None(NoWriter::PartnerHidden));
    }

    #[test]
    fn a_partner_that_was_just_seen_writable_still_counts_when_it_fails() {
        let rw = view(10, false, Receiver::Stopped, 2, Reach::Answered);
        let just_lost = view(900, false, Receiver::Stopped, 1, Reach::Failed);
        assert_eq!(verdict(&[&rw, &just_lost]), WriterVerdict::None(NoWriter::BothWritable));
        let just_lost = view(900, true, Receiver::Stopped, 1, Reach::Failed);
        assert_eq!(verdict(&[&rw, &just_lost]), confirmed(0, 900));
    }
}
