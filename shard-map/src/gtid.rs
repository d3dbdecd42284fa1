//! GTIDs of both server families: what a server has executed, and what a session must see.
//!
//! MariaDB writes a position as `domain-server-sequence[,...]` with one entry for each domain
//! (<https://mariadb.com/kb/en/gtid/>). MySQL writes a set as `uuid[:tag]:first-last[:...][,...]`
//! (reference manual, "GTID Format and Storage"; tags came with 8.3).
//!
//! One type serves as a server's position and as a session's token, because tokens grow by merging:
//! the token of a session is normally a single entry and needs no heap.

use std::fmt;

use smallvec::{SmallVec, smallvec};

/// Holes that a session's token keeps for one source; see [`GtidSet::absorb`].
pub const MAX_TOKEN_INTERVALS: usize = 4;

/// Longest tag that MySQL allows.
const MAX_TAG_LEN: usize = 32;

/// Transactions, as a server names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GtidSet {
    /// Sorted by domain; an entry stands for itself and all before it in its domain.
    MariaDb(SmallVec<[DomainPosition; 1]>),
    /// Sorted by source and tag.
    MySql(SmallVec<[SourceSet; 1]>),
}

/// The last transaction of one MariaDB replication domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainPosition {
    pub domain: u32,
    pub server: u32,
    pub sequence: u64,
}

/// The transactions of one MySQL source, for one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSet {
    uuid: u128,
    tag: Option<Box<str>>,
    /// Sorted, apart from each other, never empty.
    intervals: SmallVec<[Interval; 1]>,
}

/// `first..=last`, as MySQL prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    first: u64,
    last: u64,
}

/// Why a text is no GTID set. The server's fault (or that of who wrote the text); asking again gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a GTID set: {0}")]
pub struct GtidError(&'static str);

impl GtidSet {
    /// No transaction, of either family.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::MariaDb(domains) => domains.is_empty(),
            Self::MySql(sources) => sources.is_empty(),
        }
    }

    /// MariaDB's `@@last_gtid`, `@@gtid_current_pos` and the like; the empty text is the empty position.
    pub fn parse_mariadb(text: &str) -> Result<Self, GtidError> {
        let mut set = Self::MariaDb(SmallVec::new());
        for entry in entries(text) {
            set.merge(&Self::MariaDb(smallvec![DomainPosition::parse(entry)?]));
        }
        Ok(set)
    }

    /// MySQL's `@@gtid_executed` and session trackers; the empty text is the empty set.
    pub fn parse_mysql(text: &str) -> Result<Self, GtidError> {
        let mut set = Self::MySql(SmallVec::new());
        for entry in entries(text) {
            set.merge(&Self::MySql(parse_source(entry)?));
        }
        Ok(set)
    }

    /// Whether everything in `token` is in this set. Sets of different families never contain each other,
    /// except that everything contains the empty token.
    #[must_use]
    pub fn contains(&self, token: &Self) -> bool {
        match (self, token) {
            (Self::MariaDb(have), Self::MariaDb(want)) => want.iter().all(|w| {
                have.binary_search_by_key(&w.domain, |h| h.domain).is_ok_and(|i| have[i].sequence >= w.sequence)
            }),
            (Self::MySql(have), Self::MySql(want)) => want
                .iter()
                .all(|w| have.binary_search_by(|h| h.key().cmp(&w.key())).is_ok_and(|i| have[i].contains_all(w))),
            (_, token) => token.is_empty(),
        }
    }

    /// Adds all of `other`. Of different families the newer one replaces the older: a session whose shard was
    /// moved to the other family can be judged only by what it wrote there.
    pub fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::MariaDb(mine), Self::MariaDb(theirs)) => {
                for t in theirs {
                    match mine.binary_search_by_key(&t.domain, |m| m.domain) {
                        Ok(i) if mine[i].sequence < t.sequence => mine[i] = *t,
                        Ok(_) => {}
                        Err(i) => mine.insert(i, *t),
                    }
                }
            }
            (Self::MySql(mine), Self::MySql(theirs)) => {
                for t in theirs {
                    match mine.binary_search_by(|m| m.key().cmp(&t.key())) {
                        Ok(i) => t.intervals.iter().for_each(|n| mine[i].add(*n)),
                        Err(i) => mine.insert(i, t.clone()),
                    }
                }
            }
            _ if other.is_empty() => {}
            _ => *self = other.clone(),
        }
    }

    /// Adds what a session has just written to its token, which stays small for however long the session lives:
    /// beyond [`MAX_TOKEN_INTERVALS`] the oldest holes are closed. That asks for more than was written, never less.
    pub fn absorb(&mut self, written: &Self) {
        self.merge(written);
        if let Self::MySql(sources) = self {
            for source in sources {
                source.close_oldest_holes(MAX_TOKEN_INTERVALS);
            }
        }
    }
}

impl DomainPosition {
    fn parse(text: &str) -> Result<Self, GtidError> {
        let mut parts = text.as_bytes().split(|b| *b == b'-');
        let position = Self {
            domain: number(parts.next(), "domain")?,
            server: number(parts.next(), "server id")?,
            sequence: number(parts.next(), "sequence number")?,
        };
        if parts.next().is_some() {
            return Err(GtidError("more than domain-server-sequence"));
        }
        Ok(position)
    }
}

impl SourceSet {
    fn key(&self) -> (u128, Option<&str>) {
        (self.uuid, self.tag.as_deref())
    }

    fn contains_all(&self, other: &Self) -> bool {
        other.intervals.iter().all(|o| {
            // The only interval that can hold it is the last that does not begin after it.
            let after = self.intervals.partition_point(|i| i.first <= o.first);
            after > 0 && self.intervals[after - 1].last >= o.last
        })
    }

    fn add(&mut self, new: Interval) {
        // Neighbours (5-6 and 7-8) melt as well as overlaps, so that sets have one form only.
        let from = self.intervals.partition_point(|i| i.last.saturating_add(1) < new.first);
        let to = self.intervals.partition_point(|i| i.first <= new.last.saturating_add(1));
        if from == to {
            self.intervals.insert(from, new);
            return;
        }
        self.intervals[from] = Interval {
            first: new.first.min(self.intervals[from].first),
            last: new.last.max(self.intervals[to - 1].last),
        };
        self.intervals.drain(from + 1..to);
    }

    fn close_oldest_holes(&mut self, keep: usize) {
        let excess = self.intervals.len().saturating_sub(keep);
        if excess > 0 {
            self.intervals[0].last = self.intervals[excess].last;
            self.intervals.drain(1..=excess);
        }
    }
}

/// Comma-separated entries; MySQL puts a newline behind each comma.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|e| !e.is_empty())
}

/// `uuid:1-5:7:tag:1-3`: intervals belong to the last tag named before them.
fn parse_source(text: &str) -> Result<SmallVec<[SourceSet; 1]>, GtidError> {
    let mut parts = text.split(':').map(str::trim);
    let uuid = parse_uuid(parts.next().unwrap_or_default())?;
    let mut out: SmallVec<[SourceSet; 1]> = SmallVec::new();
    let mut tag: Option<Box<str>> = None;
    for part in parts {
        if part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            tag = Some(parse_tag(part)?);
            continue;
        }
        let interval = parse_interval(part)?;
        match out.iter_mut().find(|s: &&mut SourceSet| s.tag == tag) {
            Some(source) => source.add(interval),
            None => out.push(SourceSet { uuid, tag: tag.clone(), intervals: smallvec![interval] }),
        }
    }
    if out.is_empty() {
        return Err(GtidError("a source without an interval"));
    }
    out.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok(out)
}

fn parse_uuid(text: &str) -> Result<u128, GtidError> {
    let dashes_fit = text.len() == 36 && [8, 13, 18, 23].iter().all(|&i| text.as_bytes()[i] == b'-');
    if !dashes_fit {
        return Err(GtidError("a source is no UUID"));
    }
    let mut value = 0u128;
    for (i, byte) in text.bytes().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or(GtidError("a source is no UUID"))?;
        value = value << 4 | u128::from(digit);
    }
    Ok(value)
}

fn parse_tag(text: &str) -> Result<Box<str>, GtidError> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || text.len() > MAX_TAG_LEN {
        return Err(GtidError("a tag has more than 32 characters, or others than letters, digits and _"));
    }
    Ok(text.to_ascii_lowercase().into_boxed_str())
}

fn parse_interval(text: &str) -> Result<Interval, GtidError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| number(Some(text.as_bytes()), "interval");
    let interval = Interval { first: number(first)?, last: number(last)? };
    if interval.first == 0 || interval.first > interval.last {
        return Err(GtidError("an interval runs backwards or begins at 0"));
    }
    Ok(interval)
}

/// Digits and nothing else (`str::parse` would take a leading plus sign, and costs more: each write brings a GTID).
fn number<T: TryFrom<u64>>(text: Option<&[u8]>, what: &'static str) -> Result<T, GtidError> {
    let digits = text.unwrap_or_default().trim_ascii();
    let add = |value: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    };
    let value = digits.iter().try_fold(0, add).filter(|_| !digits.is_empty());
    value.and_then(|value| T::try_from(value).ok()).ok_or(GtidError(what))
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MariaDb(domains) => {
                for (i, d) in domains.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{}-{}-{}", d.domain, d.server, d.sequence)?;
                }
            }
            Self::MySql(sources) => {
                for (i, s) in sources.iter().enumerate() {
                    write!(f, "{}{s}", if i == 0 { "" } else { "," })?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for SourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.uuid);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        for i in &self.intervals {
            write!(f, ":{}", i.first)?;
            if i.last > i.first {
                write!(f, "-{}", i.last)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
