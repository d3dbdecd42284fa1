//! Read-your-writes: what a session has written, so that a replica which lacks it does not answer its reads.

use super::Session;
use super::execute::Request;
use super::relay::Outcome;
use crate::config::Consistency;
use crate::servers::Server;
use pointsman_planner::{Effect, ServerKind};
use pointsman_protocol::reply::Status;
use pointsman_shard_map::GtidSet;

/// How new a replica must be for this session's reads.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The last write's GTID.
    pub token: Option<Box<GtidSet>>,
    /// Where no GTID tells: reads stay on the writer until then.
    pub writer_until_ms: u64,
}

/// What a reply tells of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    /// Where GTIDs are tracked the reply has named it, if there was anything.
    Told,
    /// An error carries no GTID, and what ran before it may have been committed.
    Unknown,
}

impl Session {
    /// Notes what a statement has written. `before`: the session's status when it began.
    pub(super) fn note_writes(&mut self, request: &Request<'_>, outcome: &Outcome, before: Status, server: &Server) {
        let gtids = outcome.gtids.as_deref();
        let written = written(request, outcome, before);
        let goes_on = before.contains(Status::IN_TRANS) && (written == Written::Nothing || request.plan.writes);
        self.has_written =
            self.status.contains(Status::IN_TRANS) && (request.plan.writes || goes_on && self.has_written);
        match written {
            Written::Nothing if gtids.is_none() => {}
            Written::Unknown => self.note_write(gtids, true, server),
            Written::Nothing | Written::Told => self.note_write(gtids, false, server),
        }
    }

    fn note_write(&mut self, gtids: Option<&[u8]>, incomplete: bool, server: &Server) {
        if self.consistency() == Consistency::Eventual {
            return;
        }
        let parsed = gtids.and_then(|g| std::str::from_utf8(g).ok()).filter(|g| !g.is_empty()).and_then(|g| {
            let mysql = server.info().is_some_and(|i| i.kind == ServerKind::MySql);
            if mysql { GtidSet::parse_mysql(g).ok() } else { GtidSet::parse_mariadb(g).ok() }
        });
        let tracked = gtids.is_none() && server.info().is_some_and(|i| i.gtid_mode);
        let known = parsed.is_some() || tracked;
        match (parsed, &mut self.freshness.token) {
            (Some(new), Some(token)) => token.absorb(&new),
            (Some(new), none) => *none = Some(Box::new(new)),
            (None, _) => {}
        }
        // The server tracks no GTIDs, or nobody can tell: the time rule holds.
        if !known || incomplete {
            let settle = self.core.config().settle_time(&self.shard().settings());
            self.freshness.writer_until_ms = self.core.clock.now_ms() + settle.as_millis() as u64;
        }
    }

    fn consistency(&self) -> Consistency {
        let config = self.core.config();
        config.user(self.account.name()).map_or(config.session.consistency, |u| u.consistency)
    }
}

/// A transaction's writes are there when it ends, by whatever statement: COMMIT, BEGIN, SET autocommit=1.
fn written(request: &Request<'_>, outcome: &Outcome, before: Status) -> Written {
    let was_open = before.contains(Status::IN_TRANS) && !before.contains(Status::IN_TRANS_READONLY);
    if outcome.error.is_some() {
        // The statement itself is undone with its transaction, or will be committed with it.
        return if request.plan.writes && !was_open { Written::Unknown } else { Written::Nothing };
    }
    let ends = |e: &Effect| matches!(e, Effect::EndTransaction { .. } | Effect::Begin { .. } | Effect::ImplicitCommit);
    let ended = was_open && (!outcome.status.contains(Status::IN_TRANS) || request.analysis.effects().any(ends));
    if request.plan.writes || ended { Written::Told } else { Written::Nothing }
}
