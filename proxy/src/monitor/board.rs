//! The latest views of one shard's servers, and what follows from them: each new view is judged at once, and the
//! judgement published for the data path.

use std::sync::Arc;
use std::time::Duration;

use pointsman_shard_map::{GtidSet, ServerId};
use tracing::{debug, info, warn};

use super::freshness::Freshness;
use super::lag::{self, LagRules, Measure, Newest, Pulse};
use super::sight::{Heartbeat, Reach, Replication, Sight, View};
use super::writer::{self, NoWriter, WriterVerdict};
use crate::config::Monitoring;
use crate::servers::{Confirmation, Lag, Moment, Server, Shard, Verdict};

/// Heartbeats that may be missed before a row counts as not renewed.
const MISSED_PULSES: u32 = 3;

/// Polls that may be missed before a sight of the writer says nothing of now.
const MISSED_POLLS: u32 = 3;

/// Reasons that are logged until a server is up again: with each probe another one could fill the disk.
const MAX_TOLD: usize = 4;

/// One shard under watch.
#[derive(Debug)]
pub struct Board {
    shard: Arc<Shard>,
    /// In the order of the shard's servers.
    entries: Vec<Entry>,
    pulse: Option<Pulse>,
    writer: Option<ServerId>,
    /// The reason that was logged last; None while there is a writer.
    no_writer: Option<NoWriter>,
}

#[derive(Debug, Default)]
struct Entry {
    view: View,
    /// Why it is down, as logged since it was up.
    told: Vec<String>,
    freshness: Freshness,
    measure: Option<Measure>,
    lag: Option<Lag>,
    /// Since when it is known to receive nothing from its source.
    cut_off: Option<Moment>,
    /// Its lag when it was last measured against the writer.
    followed: Option<Lag>,
}

impl Board {
    #[must_use]
    pub fn new(shard: Arc<Shard>) -> Self {
        let entries = shard.servers.iter().map(|_| Entry::default()).collect();
        Self { shard, entries, pulse: None, writer: None, no_writer: None }
    }

    /// A server has answered.
    pub fn answered(&mut self, server: &Server, sight: Sight, config: &Monitoring) {
        let Some(index) = self.index(server.id) else { return };
        if self.entries[index].view.reach == Reach::Failed {
            info!(shard = %self.shard.name, server = %server.addr, "server is up");
        }
        self.entries[index].told.clear();
        server.set_applied_gtid(sight.applied.clone());
        server.set_down_reason(None);
        let entry = &mut self.entries[index];
        let since = entry.cut_off.unwrap_or_else(Moment::now);
        entry.cut_off = sight.replication.is_cut_off().then_some(since);
        entry.view = View { sight: Some(sight), reach: Reach::Answered };
        self.judge(index, config);
    }

    /// A server has not answered, or with an error.
    pub fn failed(&mut self, server: &Server, why: &str, config: &Monitoring) {
        let Some(index) = self.index(server.id) else { return };
        let entry = &mut self.entries[index];
        // The first failure is often only a lost connection; why it does not come back is told too.
        if !entry.told.iter().any(|told| told == why) && entry.told.len() < MAX_TOLD {
            entry.told.push(why.to_owned());
            warn!(shard = %self.shard.name, server = %server.addr, why, "server is down");
        }
        entry.view.reach = Reach::Failed;
        server.set_down_reason(Some(why));
        self.judge(index, config);
    }

    /// Every server was asked at least once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.entries.iter().all(|e| e.view.reach != Reach::Untried)
    }

    fn index(&self, server: ServerId) -> Option<usize> {
        self.shard.servers.iter().position(|s| s.id == server)
    }

    /// The new view may change who the writer is, which changes the standing of the others too.
    fn judge(&mut self, index: usize, config: &Monitoring) {
        let before = self.writer;
        self.judge_writer(config);
        if self.writer == before {
            self.judge_reads(index, config);
        } else {
            for i in 0..self.entries.len() {
                if self.entries[i].view.reach != Reach::Untried {
                    self.judge_reads(i, config);
                }
            }
        }
    }

    fn judge_writer(&mut self, config: &Monitoring) {
        let now = Moment::now();
        let masters: Vec<(ServerId, &View)> =
            self.shard.masters.iter().copied().zip(self.entries.iter().map(|e| &e.view)).collect();
        match writer::decide(&masters, now, config.writer_confirm) {
            WriterVerdict::Confirmed { writer, seen, until } => self.confirm(writer, seen, until),
            WriterVerdict::None(why) => self.give_up_writer(why),
        }
        self.note_pulse(config);
    }

    fn confirm(&mut self, writer: ServerId, seen: Moment, until: Moment) {
        let changed = self.writer != Some(writer);
        if changed {
            self.shard.begin_epoch();
        }
        match self.shard.confirm(writer, seen, until) {
            Confirmation::Refused => return,
            Confirmation::Renewed if !changed && self.no_writer.is_none() => return,
            Confirmation::Renewed | Confirmation::New => {}
        }
        let logged_loss = self.no_writer.take().is_some();
        if changed || logged_loss {
            let addr = self.addr(writer);
            let before = self.writer.map(|w| self.addr(w)).unwrap_or_default();
            let epoch = self.shard.writer_epoch();
            info!(shard = %self.shard.name, writer = %addr, %before, epoch, "writer confirmed");
        }
        self.writer = Some(writer);
        self.shard.set_no_writer_reason(None);
    }

    fn give_up_writer(&mut self, why: NoWriter) {
        self.shard.unconfirm();
        self.shard.set_no_writer_reason(Some(why.explain()));
        // At start nothing is known yet, which is no loss.
        let starting = !self.is_complete() && why != NoWriter::BothWritable;
        if self.no_writer != Some(why) && !starting {
            warn!(shard = %self.shard.name, why = why.explain(), "no confirmed writer: writes wait");
            self.no_writer = Some(why);
        }
    }

    fn addr(&self, server: ServerId) -> String {
        self.index(server).map(|i| self.shard.servers[i].addr.to_string()).unwrap_or_default()
    }

    /// Keeps the newest pulse that the confirmed writer has shown.
    fn note_pulse(&mut self, config: &Monitoring) {
        let writer = self.shard.confirmed_writer().and_then(|w| self.index(w));
        let sight = writer.and_then(|i| self.entries[i].view.sight.as_ref());
        if let Some(sight) = sight {
            self.pulse = lag::pulse_of(sight, &rules(config));
        }
    }

    /// Whether the writer, or a master that may be it by now, was seen after that moment. A replica that has lost its
    /// source lags as soon as the source is known to live.
    fn writer_seen_after(&self, moment: Moment, but: usize) -> bool {
        self.entries[..self.shard.masters.len()].iter().enumerate().any(|(i, e)| {
            let may_write = |s: &Sight| !s.read_only || self.writer == Some(self.shard.servers[i].id);
            i != but && e.view.sight.as_ref().is_some_and(|s| s.asked > moment && may_write(s))
        })
    }

    /// Measured against the writer; against the newest of the others where nobody can have anything newer to show.
    fn lag_of(&self, index: usize, sight: &Sight, rules: &LagRules) -> (Lag, Measure) {
        let lost_source = match (&sight.replication, self.entries[index].cut_off) {
            // It does not tell, so all that counts is whether the writer still answers here.
            (Replication::Unknown, _) => Some(sight.asked.minus(rules.sight_max_age)),
            (_, since) => since,
        };
        match lost_source {
            Some(since) if !self.writer_seen_after(since, index) => self.lag_behind_newest(index, sight),
            _ => lag::lag_of(sight, self.pulse, rules),
        }
    }

    fn lag_behind_newest(&self, index: usize, sight: &Sight) -> (Lag, Measure) {
        let answering = || self.entries.iter().filter(|e| e.view.reach == Reach::Answered);
        let sights = || answering().filter_map(|e| e.view.sight.as_ref());
        let shown = sights().filter_map(|s| match s.heartbeat {
            Heartbeat::At(written) => Some(written),
            Heartbeat::Missing | Heartbeat::Off => None,
        });
        let heartbeat = shown.chain(self.pulse.map(|p| p.written)).max();
        let applied: Vec<&GtidSet> = sights().filter_map(|s| s.applied.as_deref()).collect();
        let before = self.entries[index].followed;
        lag::lag_behind_newest(sight, &Newest { heartbeat, applied: &applied, before })
    }

    fn judge_reads(&mut self, index: usize, config: &Monitoring) {
        let settings = self.shard.settings();
        let server = &self.shard.servers[index];
        let is_writer = self.shard.confirmed_writer() == Some(server.id);
        let view = &self.entries[index].view;
        let sight = view.sight.as_ref().filter(|_| view.reach == Reach::Answered);
        let seen = sight.map_or(Moment::NEVER, |s| s.asked);
        let judged = sight.map(|s| match is_writer {
            true => (Lag::Known(Duration::ZERO), None),
            false => {
                let (lag, measure) = self.lag_of(index, s, &rules(config));
                (lag, Some(measure))
            }
        });
        let entry = &mut self.entries[index];
        if let Some((lag, Some(Measure::Heartbeat | Measure::Status))) = judged {
            entry.followed = Some(lag);
        }
        let before = entry.freshness;
        entry.freshness = before.after(judged.map(|(lag, _)| lag), settings.max_lag, Moment::now());
        let takes_reads = entry.freshness.takes_reads() && !is_writer;
        let lag = judged.map_or(Lag::Unknown, |(lag, _)| lag);
        let until = seen.plus(config.poll * MISSED_POLLS + config.probe_timeout * 2);
        let had_reads = server.takes_reads();
        server.publish(Verdict { up: judged.is_some(), lag, takes_reads, until }, config.slow_start);
        if takes_reads && !had_reads {
            self.shard.announce_reads();
        }
        if !is_writer {
            log_reads(&self.shard.name, server, entry, before, judged);
        }
    }
}

fn rules(config: &Monitoring) -> LagRules {
    LagRules {
        pulse_max_age: config.heartbeat_interval * MISSED_PULSES + config.poll,
        sight_max_age: config.poll * MISSED_POLLS,
    }
}

/// Says once each time a server begins or ceases to take reads, and by what its lag is measured.
fn log_reads(
    shard: &str,
    server: &Server,
    entry: &mut Entry,
    before: Freshness,
    judged: Option<(Lag, Option<Measure>)>,
) {
    let Some((lag, measure)) = judged else { return };
    let (was, is) = (before.takes_reads(), entry.freshness.takes_reads());
    let broken_anew = lag == Lag::Broken && entry.lag != Some(Lag::Broken);
    if is && !was {
        info!(shard, server = %server.addr, %lag, "server takes reads");
    } else if was && !is || broken_anew || before == Freshness::New && !is {
        warn!(shard, server = %server.addr, %lag, "server takes no reads");
    }
    entry.lag = Some(lag);
    if entry.measure != measure {
        // Follows every change of the writer for a moment, which is nothing for an operator.
        debug!(shard, server = %server.addr, ?measure, "lag is now measured by this");
        entry.measure = measure;
    }
}

#[cfg(test)]
mod tests;
