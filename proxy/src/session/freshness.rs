//! Read-your-writes: what a session has written, so that a replica which lacks it does not answer its reads.

use super::Session;
use super::execute::Request;
use super::outcome::Outcome;
use super::schema::is_missing_schema;
use crate::backend::conn::{BackendConn, BackendError};
use crate::config::Consistency;
use crate::core::Core;
use crate::servers::Server;
use pointsman_planner::{Effect, ServerKind};
use pointsman_protocol::command::COM_PING;
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::row::text_values;
use pointsman_shard_map::{GtidSet, ServerId};

/// How new a replica must be for this session's reads.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The last write's GTID.
    pub token: Option<Box<GtidSet>>,
    /// Where no GTID tells: reads stay on the writer until then.
    pub writer_until_ms: u64,
    unclear: Option<Unclear>,
}

/// A statement that failed, of which the connection can tell whether it has written anything.
#[derive(Clone, Copy, Debug)]
struct Unclear {
    server: ServerId,
    thread_id: u32,
    /// What [`Freshness::writer_until_ms`] was before.
    writer_until_ms: u64,
}

impl Freshness {
    /// Whether a connection is to be asked what a statement has written ([`Session::clear_up`]).
    pub fn is_unclear(&self) -> bool {
        self.unclear.is_some()
    }
}

impl Unclear {
    fn is_on(&self, conn: &BackendConn) -> bool {
        self.server == conn.server.id && self.thread_id == conn.thread_id
    }
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
    pub(super) fn note_writes(&mut self, request: &Request<'_>, outcome: &Outcome, before: Status, conn: &BackendConn) {
        let gtids = outcome.gtids.as_deref();
        let written = written(request, outcome, before);
        let goes_on = before.contains(Status::IN_TRANS) && (written == Written::Nothing || request.plan.writes);
        self.has_written =
            self.status.contains(Status::IN_TRANS) && (request.plan.writes || goes_on && self.has_written);
        match written {
            Written::Nothing if gtids.is_none() => {}
            Written::Unknown => self.note_unclear(gtids, conn),
            Written::Nothing | Written::Told => self.note_write(gtids, false, &conn.server),
        }
    }

    /// The time rule holds until [`Self::clear_up`].
    fn note_unclear(&mut self, gtids: Option<&[u8]>, conn: &BackendConn) {
        let before = self.freshness.writer_until_ms;
        self.note_write(gtids, true, &conn.server);
        let known = self.freshness.unclear.filter(|u| u.is_on(conn));
        self.freshness.unclear = conn.server.info().is_some_and(|i| i.gtid_mode).then(|| Unclear {
            server: conn.server.id,
            thread_id: conn.thread_id,
            writer_until_ms: known.map_or(before, |u| u.writer_until_ms),
        });
    }

    /// Asks the connection what a statement that failed has written, before it is given back: MariaDB has the last GTID
    /// in a variable, MySQL tells of new ones with the next OK. Then replicas may be read from as after any write.
    pub(super) async fn clear_up(&mut self, conn: &mut BackendConn) -> Result<(), BackendError> {
        let Some(unclear) = self.freshness.unclear.take().filter(|u| u.is_on(conn)) else { return Ok(()) };
        let pool = &self.core.buffers;
        let gtids = match self.state.reading.server {
            ServerKind::MariaDb => {
                let reply = conn.query(b"SELECT @@last_gtid LIMIT 1", pool).await?;
                reply.rows.first().and_then(|row| text_values(row).next()?.ok()?.map(<[u8]>::to_vec))
            }
            ServerKind::MySql => {
                let mut ping = Vec::with_capacity(8);
                BackendConn::put_command(&mut ping, COM_PING, &[]);
                conn.roundtrip(&ping, ReplyKind::Single, pool).await?;
                conn.late_gtids.take()
            }
        };
        self.freshness.writer_until_ms = unclear.writer_until_ms;
        if let Some(gtids) = gtids {
            self.note_write(Some(&gtids), false, &conn.server.clone());
        }
        Ok(())
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
            self.stay_on_writer();
        }
    }

    /// Until all servers that take reads by then have what the writer has now.
    pub(super) fn stay_on_writer(&mut self) {
        let settle = self.core.config().settle_time(&self.shard().settings());
        self.freshness.writer_until_ms = self.core.clock.now_ms() + settle.as_millis() as u64;
    }

    fn consistency(&self) -> Consistency {
        let config = self.core.config();
        config.user(self.account.name()).map_or(config.session.consistency, |u| u.consistency)
    }
}

impl Core {
    /// Whether the error may only mean that a schema, or a right to it, has not reached this server yet.
    pub(super) fn may_lack_schema(&self, code: u16, server: &Server) -> bool {
        is_missing_schema(code) && !self.is_at_writer(server)
    }

    /// Whether this is the confirmed writer of its shard.
    pub(super) fn is_at_writer(&self, server: &Server) -> bool {
        self.shared.servers.shard(server.shard).confirmed_writer() == Some(server.id)
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
