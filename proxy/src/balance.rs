//! Which server of a shard answers a read. The choice itself is pure but for the atomics it reads; waiting for a
//! server that qualifies is the one asynchronous function here.

use std::sync::Arc;
use std::time::Duration;

use pointsman_shard_map::{GtidSet, ServerId};
use smallvec::SmallVec;

use crate::servers::{Lag, Moment, Server, Shard, SpillPermit};

/// Candidates kept without heap; shards with more replicas pay one allocation for each read.
const INLINE_CANDIDATES: usize = 16;

/// What one read asks of its server.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadRequest<'a> {
    /// What the session has written and must see; None under eventual consistency.
    pub token: Option<&'a GtidSet>,
    /// From a hint; otherwise the shard's own limit holds, with hysteresis.
    pub max_lag: Option<Duration>,
    /// The server on which this read has just failed.
    pub exclude: Option<ServerId>,
    /// Any number; two reads with the same one choose alike.
    pub random: u64,
}

/// Where a read goes, and why.
#[derive(Debug)]
pub enum ReadTarget {
    /// A replica, or the standby.
    Replica(ServerId),
    /// The shard has no replicas: its writer answers all reads.
    WriterNoReplicas(ServerId),
    /// No replica is fresh enough; the writer helps out while the permit lives.
    WriterSpill(ServerId, SpillPermit),
    /// Fresh replicas have not applied yet what the session has written.
    WriterForConsistency(ServerId),
    /// Nobody may answer now; see [`wait_for_reader`].
    NoneQualifies,
}

impl ReadTarget {
    /// The chosen server.
    #[must_use]
    pub fn server(&self) -> Option<ServerId> {
        match self {
            Self::Replica(id)
            | Self::WriterNoReplicas(id)
            | Self::WriterSpill(id, _)
            | Self::WriterForConsistency(id) => Some(*id),
            Self::NoneQualifies => None,
        }
    }
}

type Candidates<'a> = SmallVec<[&'a Server; INLINE_CANDIDATES]>;

/// Chooses now, without waiting.
#[must_use]
pub fn choose_reader(shard: &Arc<Shard>, request: &ReadRequest<'_>) -> ReadTarget {
    let now = Moment::now();
    let writer = shard.confirmed_writer_at(now);
    let mut fresh = readers(shard, writer).filter(|s| is_fresh(s, request.max_lag, now)).collect::<Candidates<'_>>();
    if let Some(token) = request.token {
        let any_fresh = !fresh.is_empty();
        fresh.retain(|s| s.has_applied(token));
        if any_fresh && fresh.is_empty() {
            return writer.map_or(ReadTarget::NoneQualifies, ReadTarget::WriterForConsistency);
        }
    }
    // A retry prefers another server, but the same one is better than none.
    if fresh.iter().any(|s| Some(s.id) != request.exclude) {
        fresh.retain(|s| Some(s.id) != request.exclude);
    }
    match pick(&fresh, request.random, now) {
        Some(id) => ReadTarget::Replica(id),
        None => without_replica(shard, request, writer, now),
    }
}

/// A server that answers, however far behind: for what needs no data.
#[must_use]
pub fn any_server(shard: &Shard, random: u64) -> Option<ServerId> {
    let now = Moment::now();
    let up = shard.servers.iter().map(Arc::as_ref).filter(|s| s.is_up_at(now)).collect::<Candidates<'_>>();
    pick(&up, random, now)
}

/// Chooses, waiting for a replica to become fresh or a spill place to be free. Without end, unless the caller sets one.
pub async fn wait_for_reader(shard: &Arc<Shard>, request: &ReadRequest<'_>) -> ReadTarget {
    loop {
        let news = shard.read_news();
        tokio::pin!(news);
        // Registered before choosing, so that news between the two is not missed.
        news.as_mut().enable();
        let target = choose_reader(shard, request);
        if !matches!(target, ReadTarget::NoneQualifies) {
            return target;
        }
        news.await;
    }
}

/// All servers that may ever answer reads beside the writer.
fn readers(shard: &Shard, writer: Option<ServerId>) -> impl Iterator<Item = &Server> {
    let masters = if shard.standby_reads() { 0 } else { shard.masters.len() };
    shard.servers[masters..].iter().map(Arc::as_ref).filter(move |s| Some(s.id) != writer)
}

fn is_fresh(server: &Server, max_lag: Option<Duration>, now: Moment) -> bool {
    match max_lag {
        None => server.takes_reads_at(now),
        Some(limit) => server.is_up_at(now) && matches!(server.lag(), Lag::Known(lag) if lag <= limit),
    }
}

/// No replica qualifies: the writer, a stale replica, or nobody.
fn without_replica(shard: &Arc<Shard>, request: &ReadRequest<'_>, writer: Option<ServerId>, now: Moment) -> ReadTarget {
    if shard.replicas.is_empty() {
        // A lone master is read from even when it takes no writes: there is no fresher copy.
        let lone = (shard.masters.len() == 1).then(|| shard.servers[0].as_ref()).filter(|s| s.is_up_at(now));
        let target = writer.or_else(|| lone.map(|s| s.id));
        return target.map_or(ReadTarget::NoneQualifies, ReadTarget::WriterNoReplicas);
    }
    if shard.settings().stale_reads && request.token.is_none() && request.max_lag.is_none() {
        let mut stale = readers(shard, writer).filter(|s| s.is_up_at(now)).collect::<Candidates<'_>>();
        if stale.iter().any(|s| Some(s.id) != request.exclude) {
            stale.retain(|s| Some(s.id) != request.exclude);
        }
        if let Some(id) = pick(&stale, request.random, now) {
            return ReadTarget::Replica(id);
        }
    }
    match writer.and_then(|w| shard.try_spill().map(|permit| (w, permit))) {
        Some((writer, permit)) => ReadTarget::WriterSpill(writer, permit),
        None => ReadTarget::NoneQualifies,
    }
}

/// Power of two choices: of two candidates drawn by weight, the less loaded one. Near ones first.
fn pick(candidates: &[&Server], random: u64, now: Moment) -> Option<ServerId> {
    if let [only] = candidates {
        return Some(only.id);
    }
    let near = candidates.iter().any(|s| s.near && s.weight.0 > 0);
    let weighted: SmallVec<[(&Server, u64); INLINE_CANDIDATES]> =
        candidates.iter().filter(|s| s.near || !near).map(|s| (*s, s.read_weight(now))).collect();
    let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    if total == 0 {
        // Only servers of weight 0 are left: they take over.
        return candidates.iter().min_by_key(|s| load(s, 1)).map(|s| s.id);
    }
    // The two halves of the random number draw independently.
    let first = draw(&weighted, (random >> 32) % total)?;
    let second = draw(&weighted, (random & 0xffff_ffff) % total)?;
    let better = if load(second.0, second.1) < load(first.0, first.1) { second } else { first };
    Some(better.0.id)
}

fn draw<'a>(weighted: &[(&'a Server, u64)], mut point: u64) -> Option<(&'a Server, u64)> {
    for &(server, weight) in weighted {
        if point < weight {
            return Some((server, weight));
        }
        point -= weight;
    }
    None
}

/// Expected wait: statements in flight times the usual time of one, relative to the weight.
fn load(server: &Server, weight: u64) -> u64 {
    let in_flight = u64::from(server.in_flight.load(std::sync::atomic::Ordering::Relaxed)) + 1;
    // Scaled, so that small products stay apart after the division.
    in_flight * u64::from(server.latency_us().max(1)) * 1000 / weight.max(1)
}

#[cfg(test)]
mod tests;
