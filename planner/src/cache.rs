//! Analyses by fingerprint: bounded, for one core, without allocation on a hit.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::analysis::Analysis;
use crate::analyze::analyze;
use crate::reading::Reading;
use crate::routines::Routines;
use crate::scan::{Fingerprint, scan};

/// Applications have hundreds of distinct statements, rarely thousands; an entry is some hundred bytes.
pub const DEFAULT_CAPACITY: usize = 4_096;

/// What the cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
}

/// A fingerprint is a good hash already.
#[derive(Clone, Copy, Debug, Default)]
struct FingerprintHasher(u64);

impl Hasher for FingerprintHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }
}

#[derive(Clone, Debug)]
struct Slot {
    fingerprint: Fingerprint,
    analysis: Rc<Analysis>,
    /// Used since the clock's hand went by.
    used: bool,
}

/// Remembers analyses, and forgets those that are not used (second chance, as a clock's hand goes round).
#[derive(Clone, Debug)]
pub struct AnalysisCache {
    index: HashMap<Fingerprint, usize, BuildHasherDefault<FingerprintHasher>>,
    slots: Vec<Slot>,
    hand: usize,
    capacity: usize,
    counts: CacheCounts,
}

impl Default for AnalysisCache {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl AnalysisCache {
    /// A cache of at most `capacity` analyses (at least one).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { index: HashMap::default(), slots: Vec::new(), hand: 0, capacity, counts: CacheCounts::default() }
    }

    /// The analysis of `text`. `routines` must be the same for the cache's whole life, or `clear` be called.
    pub fn get_or_analyze(&mut self, text: &[u8], reading: &Reading, routines: &Routines) -> Rc<Analysis> {
        let fingerprint = scan(text, reading);
        if let Some(slot) = self.index.get(&fingerprint).and_then(|&at| self.slots.get_mut(at)) {
            slot.used = true;
            self.counts.hits += 1;
            return Rc::clone(&slot.analysis);
        }
        self.miss(fingerprint, text, reading, routines)
    }

    #[cold]
    fn miss(&mut self, key: Fingerprint, text: &[u8], reading: &Reading, routines: &Routines) -> Rc<Analysis> {
        self.counts.misses += 1;
        let analysis = Rc::new(analyze(text, reading, routines));
        if analysis.cacheable {
            self.store(Slot { fingerprint: key, analysis: Rc::clone(&analysis), used: false });
        }
        analysis
    }

    fn store(&mut self, slot: Slot) {
        if self.slots.len() < self.capacity {
            self.index.insert(slot.fingerprint, self.slots.len());
            self.slots.push(slot);
            return;
        }
        let victim = self.turn_hand();
        self.index.remove(&self.slots[victim].fingerprint);
        self.index.insert(slot.fingerprint, victim);
        self.slots[victim] = slot;
        self.counts.evictions += 1;
    }

    /// The next slot that was not used since the hand went by it last.
    fn turn_hand(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.slots.len();
            if !std::mem::take(&mut self.slots[at].used) {
                return at;
            }
        }
    }

    /// Forgets everything, as when the declared routines change. The counts go on.
    pub fn clear(&mut self) {
        self.index.clear();
        self.slots.clear();
        self.hand = 0;
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{ClientCharset, ServerKind};

    fn get(cache: &mut AnalysisCache, text: &str) -> Rc<Analysis> {
        let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
        cache.get_or_analyze(text.as_bytes(), &reading, &Routines::default())
    }

    #[test]
    fn literals_share_an_entry() {
        let mut cache = AnalysisCache::default();
        let first = get(&mut cache, "SELECT * FROM t WHERE a = 1");
        let second = get(&mut cache, "SELECT  * FROM t WHERE a = 22 -- x");
        assert!(Rc::ptr_eq(&first, &second));
        assert_eq!(cache.counts(), CacheCounts { hits: 1, misses: 1, evictions: 0 });
    }

    #[test]
    fn what_carries_literals_is_not_kept() {
        let mut cache = AnalysisCache::default();
        assert_ne!(get(&mut cache, "SET @a = 1"), get(&mut cache, "SET @a = 2"));
        assert!(cache.is_empty());
    }

    #[test]
    fn the_unused_go_first() {
        let mut cache = AnalysisCache::new(2);
        get(&mut cache, "SELECT a");
        get(&mut cache, "SELECT b");
        get(&mut cache, "SELECT a");
        get(&mut cache, "SELECT c");
        get(&mut cache, "SELECT a");
        assert_eq!(cache.counts(), CacheCounts { hits: 2, misses: 3, evictions: 1 });
        assert_eq!(cache.len(), 2);
        cache.clear();
        assert!(cache.is_empty());
    }
}
