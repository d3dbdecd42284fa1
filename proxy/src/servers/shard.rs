//! One shard: who its confirmed writer is, and how many reads the writer has taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use pointsman_shard_map::{ServerId, ShardId, ShardSpec};
use tokio::sync::{Notify, watch};

use super::{Moment, Server};
use crate::config::ShardSettings;

/// Bits of [`Shard::confirmed`] for the server; the rest is the moment of expiry in milliseconds.
const SERVER_BITS: u32 = 17;
const SERVER_MASK: u64 = (1 << SERVER_BITS) - 1;

/// One shard. Shared by all cores; everything that changes is atomic.
#[derive(Debug)]
pub struct Shard {
    pub id: ShardId,
    pub name: String,
    pub masters: Vec<ServerId>,
    pub replicas: Vec<ServerId>,
    /// Masters, then replicas.
    pub servers: Vec<Arc<Server>>,
    settings: ArcSwap<ShardSettings>,
    /// As in `settings`; asked for each read.
    standby_reads: AtomicBool,
    /// Expiry and server in one word, so that neither is ever read without the other. 0: none.
    confirmed: AtomicU64,
    /// Confirmations that rest on older sights are void.
    distrusted_at: AtomicU64,
    epoch: AtomicU64,
    writer_news: watch::Sender<u64>,
    reprobe: Notify,
    spilled: AtomicU32,
    read_news: Notify,
    no_writer_reason: ArcSwapOption<&'static str>,
    /// When the monitor found that there is no writer. 0: there is one, or nobody has found out.
    writer_missing_since: AtomicU64,
}

/// One read that the writer has taken over; gives the place back when dropped.
#[derive(Debug)]
pub struct SpillPermit(Arc<Shard>);

impl Drop for SpillPermit {
    fn drop(&mut self) {
        self.0.spilled.fetch_sub(1, Ordering::AcqRel);
        self.0.read_news.notify_one();
    }
}

impl Shard {
    pub(super) fn new(spec: &ShardSpec, settings: ShardSettings, all: &[Arc<Server>]) -> Self {
        let own = spec.masters.iter().chain(&spec.replicas).map(|id| Arc::clone(&all[id.index()]));
        Self {
            id: spec.id,
            name: spec.name.clone(),
            masters: spec.masters.clone(),
            replicas: spec.replicas.clone(),
            servers: own.collect(),
            standby_reads: AtomicBool::new(settings.standby_reads),
            settings: ArcSwap::from_pointee(settings),
            confirmed: AtomicU64::new(0),
            distrusted_at: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            writer_news: watch::Sender::new(0),
            reprobe: Notify::new(),
            spilled: AtomicU32::new(0),
            read_news: Notify::new(),
            no_writer_reason: ArcSwapOption::empty(),
            writer_missing_since: AtomicU64::new(0),
        }
    }

    /// The limits of this shard; a reload replaces them.
    #[must_use]
    pub fn settings(&self) -> arc_swap::Guard<Arc<ShardSettings>> {
        self.settings.load()
    }

    /// Whether the standby answers reads beside the replicas.
    #[must_use]
    pub fn standby_reads(&self) -> bool {
        self.standby_reads.load(Ordering::Relaxed)
    }

    /// The only server that may be sent a write, while its confirmation is not older than `writer_confirm_ms`.
    #[must_use]
    pub fn confirmed_writer(&self) -> Option<ServerId> {
        self.confirmed_writer_at(Moment::now())
    }

    #[must_use]
    pub fn confirmed_writer_at(&self, now: Moment) -> Option<ServerId> {
        let word = self.confirmed.load(Ordering::SeqCst);
        let until_ms = word >> SERVER_BITS;
        if now.as_micros() / 1000 >= until_ms { None } else { server_of(word) }
    }

    /// Who was confirmed last, also where that has run out since; None after a contradiction.
    #[must_use]
    pub fn last_confirmed(&self) -> Option<ServerId> {
        server_of(self.confirmed.load(Ordering::SeqCst))
    }

    /// Grows each time another server becomes the writer; what was begun under an older one is lost.
    #[must_use]
    pub fn writer_epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// The confirmed writer together with the epoch under which it is that. Whoever keeps a connection to it beyond
    /// this moment keeps the epoch too, and compares it with [`Self::writer_epoch`] before each further write.
    #[must_use]
    pub fn writer_and_epoch(&self) -> Option<(ServerId, u64)> {
        // The epoch first: it grows while no writer is confirmed, so a new writer is never taken for one of an old
        // epoch's peers. At worst the pair is (new, old epoch), which the next comparison refuses.
        let epoch = self.writer_epoch();
        self.confirmed_writer().map(|writer| (writer, epoch))
    }

    /// For error messages and `/readyz`: why no writer is confirmed.
    #[must_use]
    pub fn no_writer_reason(&self) -> &'static str {
        self.no_writer_reason.load().as_ref().map_or("the servers have not been asked yet", |r| **r)
    }

    pub(crate) fn set_no_writer_reason(&self, reason: Option<&'static str>) {
        let since = if reason.is_some() { Moment::now().as_micros() } else { 0 };
        self.no_writer_reason.store(reason.map(Arc::new));
        let before = self.writer_missing_since.load(Ordering::SeqCst);
        if (before == 0) != (since == 0) {
            self.writer_missing_since.store(since, Ordering::SeqCst);
            self.writer_news.send_modify(|n| *n += 1);
        }
    }

    /// How long the monitor has known that there is no writer. None: there is one, or it has only not been confirmed
    /// again in time.
    #[must_use]
    pub fn writer_missing_for(&self) -> Option<Duration> {
        let since = self.writer_missing_since.load(Ordering::SeqCst);
        let missing = since != 0 && self.confirmed_writer().is_none();
        missing.then(|| Duration::from_micros(Moment::now().as_micros().saturating_sub(since)))
    }

    /// Waits until a writer is confirmed. Without end, unless the caller sets one.
    pub async fn wait_for_writer(&self) -> Option<ServerId> {
        let mut news = self.writer_news.subscribe();
        loop {
            // Subscribed before asking, so that news between the two is not missed.
            if let Some(writer) = self.confirmed_writer() {
                return Some(writer);
            }
            if news.changed().await.is_err() {
                return self.confirmed_writer();
            }
        }
    }

    /// Waits until a writer is confirmed, or the monitor finds that there is none.
    pub async fn wait_for_writer_or_loss(&self) -> Option<ServerId> {
        let mut news = self.writer_news.subscribe();
        loop {
            let writer = self.confirmed_writer();
            if writer.is_some() || self.writer_missing_for().is_some() || news.changed().await.is_err() {
                return writer;
            }
        }
    }

    /// The server has refused a write as read-only (error 1290 that names the read-only option): its confirmation
    /// ends now, and only what is seen from now on can confirm it again. The servers are asked at once.
    pub fn distrust(&self, server: ServerId) {
        if server_of(self.confirmed.load(Ordering::SeqCst)) == Some(server) {
            self.distrusted_at.store(Moment::now().as_micros(), Ordering::SeqCst);
            self.confirmed.store(0, Ordering::SeqCst);
        }
        self.reprobe();
    }

    /// Has the monitor ask the shard's servers now instead of at the next poll.
    pub fn reprobe(&self) {
        self.reprobe.notify_waiters();
    }

    /// Resolves when somebody wants the servers asked at once.
    pub(crate) fn reprobe_wanted(&self) -> tokio::sync::futures::Notified<'_> {
        self.reprobe.notified()
    }

    /// Confirms a writer on the grounds of sights none of which is older than `seen`. Gives the writer before it
    /// if that was another one.
    pub(crate) fn confirm(&self, writer: ServerId, seen: Moment, until: Moment) -> Confirmation {
        let before = self.confirmed.load(Ordering::SeqCst);
        let was_current = self.confirmed_writer().is_some();
        if seen.as_micros() <= self.distrusted_at.load(Ordering::SeqCst) {
            return Confirmation::Refused;
        }
        let word = ((until.as_micros() / 1000) << SERVER_BITS) | (u64::from(writer.0) + 1);
        self.confirmed.store(word, Ordering::SeqCst);
        // A distrust between the check and the store has cleared nothing yet.
        if seen.as_micros() <= self.distrusted_at.load(Ordering::SeqCst) {
            self.confirmed.store(0, Ordering::SeqCst);
            return Confirmation::Refused;
        }
        if was_current && server_of(before) == Some(writer) {
            return Confirmation::Renewed;
        }
        self.writer_news.send_modify(|n| *n += 1);
        self.read_news.notify_waiters();
        Confirmation::New
    }

    /// Ends the confirmation: the servers contradict it. Whether there was one.
    pub(crate) fn unconfirm(&self) -> bool {
        let was_current = self.confirmed_writer().is_some();
        self.confirmed.store(0, Ordering::SeqCst);
        was_current
    }

    /// Another server than before is about to be the writer. The old one's confirmation ends first, so that nobody
    /// sees the old writer under the new epoch.
    pub(crate) fn begin_epoch(&self) {
        self.confirmed.store(0, Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// A place among the reads that the writer takes over, if one is free.
    pub(crate) fn try_spill(self: &Arc<Self>) -> Option<SpillPermit> {
        let limit = self.settings.load().spill_limit;
        let taken = self.spilled.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < limit).then_some(n + 1));
        taken.is_ok().then(|| SpillPermit(Arc::clone(self)))
    }

    /// Resolves when a server may have begun to take reads, or a spill place is free again.
    pub(crate) fn read_news(&self) -> tokio::sync::futures::Notified<'_> {
        self.read_news.notified()
    }

    /// Wakes the reads that wait for a server.
    pub(crate) fn announce_reads(&self) {
        self.read_news.notify_waiters();
    }

    pub(super) fn set_settings(&self, settings: ShardSettings) {
        self.standby_reads.store(settings.standby_reads, Ordering::Relaxed);
        self.settings.store(Arc::new(settings));
        self.read_news.notify_waiters();
    }
}

/// What became of an attempt to confirm a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// As before, for longer.
    Renewed,
    /// There was none, or another one.
    New,
    /// The sights are older than the last distrust.
    Refused,
}

fn server_of(word: u64) -> Option<ServerId> {
    let plus_one = word & SERVER_MASK;
    plus_one.checked_sub(1).and_then(|id| u16::try_from(id).ok()).map(ServerId)
}
