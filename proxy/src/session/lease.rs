//! Which connection a statement runs on: the one in hand where it must or may, else one of the right server.

use super::Session;
use super::sync::Needs;
use super::watch::Heard;
use crate::backend::conn::{BackendConn, PoolKey};
use crate::backend::open::Identity;
use crate::backend::pool::Acquired;
use crate::balance::{ReadRequest, ReadTarget, any_server, choose_reader, wait_for_reader};
use crate::error::ClientError;
use crate::servers::{Lag, Server, Shard, SpillPermit};
use pointsman_planner::{Demand, Reads, Role, RoutePlan, RouteReason};
use pointsman_protocol::Capabilities;
use pointsman_protocol::reply::Status;
use pointsman_shard_map::{GtidSet, ServerId};
use std::sync::Arc;
use std::time::Duration;

/// Between two attempts to reach a writer that is confirmed and can't be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(50);

/// Why there is no connection.
pub enum NoLease {
    /// `server`: the one that could not be reached; another may do.
    Refused { error: ClientError, server: Option<ServerId> },
    /// The session was killed or its client is gone: nothing may be sent any more.
    Over,
}

impl From<ClientError> for NoLease {
    fn from(error: ClientError) -> Self {
        Self::Refused { error, server: None }
    }
}

impl From<Heard> for NoLease {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Killed | Heard::ClientGone => Self::Over,
            Heard::Interrupted | Heard::ServerGone => ClientError::interrupted().into(),
        }
    }
}

impl NoLease {
    /// For those who can only pass an error on; a session that is over ends by itself then.
    pub fn into_error(self) -> ClientError {
        match self {
            Self::Refused { error, .. } => error,
            Self::Over => ClientError::interrupted(),
        }
    }
}

/// A connection for one statement.
pub struct Lease {
    pub conn: Box<BackendConn>,
    /// Held while a read runs on the writer because no replica qualifies.
    pub spill: Option<SpillPermit>,
}

impl Session {
    /// The connection for a statement. `exclude`: a server that has just failed it.
    pub(super) async fn lease(
        &mut self,
        plan: &RoutePlan,
        reads: Reads,
        exclude: Option<ServerId>,
    ) -> Result<Lease, NoLease> {
        self.state.wanted.reads_user_vars = reads.intersects(Reads::USER_VARS | Reads::ANYTHING);
        if let Some(mut conn) = self.lease.take() {
            if self.results.insert_id_is_doubtful() && reads.intersects(Reads::LAST_INSERT_ID | Reads::ANYTHING) {
                // A failure shows again with the statement itself.
                let _ = Box::pin(self.learn_insert_id(&mut conn)).await;
            }
            // What a server says unasked is that it has ended the session (a timeout, a KILL).
            if conn.io.has_pending_input() {
                self.refuse_lost_state(&conn.server)?;
            } else if self.is_bound() {
                return self.bound(conn, plan).await;
            } else if self.may_keep(&conn, plan, reads) {
                return Ok(Lease { conn, spill: None });
            } else {
                Box::pin(self.settle(conn, reads)).await;
            }
        }
        match plan.role {
            Role::Held | Role::Writer => self.writer().await,
            Role::WriterIfAny => self.writer_if_any(plan, exclude).await,
            Role::Replica => self.reader(plan, exclude).await,
            Role::Any => self.any().await,
        }
    }

    /// The server has ended the connection in hand. An error where it carried more than the last results.
    fn refuse_lost_state(&mut self, server: &Server) -> Result<(), ClientError> {
        let name = server.addr.to_string();
        let in_transaction = self.status.contains(Status::IN_TRANS);
        let pin = self.pins.reason();
        self.lose_lease();
        match pin {
            _ if in_transaction => Err(ClientError::transaction_lost(&name)),
            Some(what) => Err(ClientError::state_lost(&name, what)),
            None => Ok(()),
        }
    }

    /// A transaction or a pin stays where it is; if that was the writer and no longer is, it is over.
    async fn bound(&mut self, conn: Box<BackendConn>, plan: &RoutePlan) -> Result<Lease, NoLease> {
        let commits = plan.commits && self.has_written;
        let read_only = self.status.contains(Status::IN_TRANS_READONLY);
        if read_only && plan.demand != Demand::Writer || self.is_at_writer(&conn) {
            return Ok(Lease { conn, spill: None });
        }
        let needs_writer = plan.writes || commits || plan.demand == Demand::Writer;
        if !needs_writer && plan.demand == Demand::Nothing {
            return Ok(Lease { conn, spill: None });
        }
        if !needs_writer {
            return self.bound_read(conn, plan);
        }
        let shard = self.shard();
        let (writer, waited) = match self.confirmed_writer(&shard).await {
            Ok(found) => found,
            Err(heard) => {
                self.lease = Some(conn);
                return Err(heard.into());
            }
        };
        match writer {
            Some(writer) if writer == conn.server.id => Ok(Lease { conn, spill: None }),
            Some(_) if self.status.contains(Status::IN_TRANS) => {
                self.lose_lease();
                Err(ClientError::writer_changed(&shard.name).into())
            }
            // A pin on a replica (a computed variable, say) can't follow a write to the writer.
            Some(_) => {
                let what = self.pins.reason().unwrap_or("state");
                let error = ClientError::pinned_elsewhere(&conn.server.addr.to_string(), what);
                self.lease = Some(conn);
                Err(error.into())
            }
            // Closed, so that the server rolls back: who is told that a COMMIT failed does not try it again.
            None if commits => {
                drop(conn);
                self.lose_lease();
                Err(ClientError::not_committed(&shard.name, waited).into())
            }
            None => {
                self.lease = Some(conn);
                Err(ClientError::no_writer(&shard.name, waited).into())
            }
        }
    }

    /// A read where a transaction or a pin holds the session at a server that is not the confirmed writer. With nobody
    /// in the writer's place there is nothing newer that it could have missed.
    fn bound_read(&mut self, conn: Box<BackendConn>, plan: &RoutePlan) -> Result<Lease, NoLease> {
        let shard = self.shard();
        let replaced = shard.confirmed_writer().is_some_and(|writer| writer != conn.server.id);
        if !replaced || !self.status.contains(Status::IN_TRANS) && self.is_fresh_at(&conn, plan) {
            return Ok(Lease { conn, spill: None });
        }
        if self.status.contains(Status::IN_TRANS) {
            self.lose_lease();
            return Err(ClientError::writer_changed(&shard.name).into());
        }
        let what = self.pins.reason().unwrap_or("a transaction");
        let error = ClientError::stale_where_pinned(&conn.server.addr.to_string(), what);
        self.lease = Some(conn);
        Err(error.into())
    }

    /// Whether reads of this session may go to the server, as to any replica.
    fn is_fresh_at(&self, conn: &BackendConn, plan: &RoutePlan) -> bool {
        let has_applied = |token: &GtidSet| conn.server.has_applied(token);
        self.core.clock.now_ms() >= self.freshness.writer_until_ms
            && conn.server.takes_reads()
            && is_within(conn, plan)
            && self.freshness.token.as_deref().is_none_or(has_applied)
    }

    /// Whether the connection that still holds the last statement's results serves this one too.
    fn may_keep(&self, conn: &BackendConn, plan: &RoutePlan, reads: Reads) -> bool {
        if self.results.needs_connection(reads) && !plan.writes {
            return true;
        }
        let always_switch = self.core.config().always_switch;
        let on_writer = || self.is_at_writer(conn);
        let right_server = match plan.role {
            Role::Any => true,
            Role::Held | Role::Writer => on_writer(),
            Role::WriterIfAny if conn.server.takes_reads() => {
                self.shard().writer_missing_for().is_some() && is_within(conn, plan)
            }
            Role::WriterIfAny => on_writer(),
            Role::Replica if conn.server.takes_reads() => is_within(conn, plan),
            // A read may stay on the writer for the moment; it is always fresh enough there.
            Role::Replica => {
                self.core.clock.now_ms() < self.hold_until && on_writer() && !self.is_asked_elsewhere(plan)
            }
        };
        right_server && !always_switch && self.state.wanted.reachable_from(&conn.actual)
    }

    /// A hint says that a read is not for the writer, and another server can answer reads.
    fn is_asked_elsewhere(&self, plan: &RoutePlan) -> bool {
        let shard = self.shard();
        plan.reason == RouteReason::Hint && !(shard.replicas.is_empty() && shard.masters.len() == 1)
    }

    pub(super) fn shard(&self) -> Arc<Shard> {
        self.core.shared.servers.shard(self.shard).clone()
    }

    /// Whether this connection leads to the confirmed writer.
    pub(super) fn is_at_writer(&self, conn: &BackendConn) -> bool {
        self.core.is_at_writer(&conn.server)
    }

    /// The confirmed writer, waited for as long as configured; and how long that was.
    pub(super) async fn confirmed_writer(&self, shard: &Shard) -> Result<(Option<ServerId>, u64), Heard> {
        if let Some(writer) = shard.confirmed_writer() {
            return Ok((Some(writer), 0));
        }
        let wait = self.core.config().monitor.no_writer_wait;
        let news = self.heeded(wait, shard.wait_for_writer()).await?;
        Ok((news.or_else(|| shard.confirmed_writer()), wait.as_millis() as u64))
    }

    /// Whether there is a confirmed writer, after a wait for it.
    pub(super) async fn has_writer(&self) -> bool {
        matches!(self.confirmed_writer(&self.shard()).await, Ok((Some(_), _)))
    }

    pub(super) async fn writer(&mut self) -> Result<Lease, NoLease> {
        let leased = self.writer_now().await;
        if is_unreachable(&leased) { Box::pin(self.writer_later(None)).await } else { leased }
    }

    async fn writer_now(&mut self) -> Result<Lease, NoLease> {
        let shard = self.shard();
        let (writer, waited) = self.confirmed_writer(&shard).await?;
        let writer = writer.ok_or_else(|| ClientError::no_writer(&shard.name, waited))?;
        self.lease_from(writer, None).await
    }

    /// The writer for what only reads, else a replica.
    async fn writer_if_any(&mut self, plan: &RoutePlan, exclude: Option<ServerId>) -> Result<Lease, NoLease> {
        let leased = self.writer_if_any_now(plan, exclude).await;
        if is_unreachable(&leased) { Box::pin(self.writer_later(Some((plan, exclude)))).await } else { leased }
    }

    async fn writer_if_any_now(&mut self, plan: &RoutePlan, exclude: Option<ServerId>) -> Result<Lease, NoLease> {
        match self.shard().confirmed_writer() {
            Some(writer) => self.lease_from(writer, None).await,
            None => Box::pin(self.instead_of_writer(plan, exclude)).await,
        }
    }

    /// A question is answered by a replica as soon as the writer is known to be gone. A read that opens a transaction,
    /// with autocommit off, could be followed by a write, which must fail there: it waits as long as a switch of the
    /// writer may take, counted from when it was lost.
    async fn instead_of_writer(&mut self, plan: &RoutePlan, exclude: Option<ServerId>) -> Result<Lease, NoLease> {
        let shard = self.shard();
        let patience = self.core.config().monitor.no_writer_wait;
        let writer = if plan.reason == RouteReason::AutocommitOff {
            let left = patience.saturating_sub(shard.writer_missing_for().unwrap_or_default());
            self.heeded(left, shard.wait_for_writer()).await?.or_else(|| shard.confirmed_writer())
        } else {
            self.heeded(patience, shard.wait_for_writer_or_loss()).await?
        };
        match writer {
            Some(writer) => self.lease_from(writer, None).await,
            None => self.reader(plan, exclude).await,
        }
    }

    /// What a wait for the writer gives within the limit, unless the session ends meanwhile.
    async fn heeded(
        &self,
        limit: Duration,
        wait: impl Future<Output = Option<ServerId>>,
    ) -> Result<Option<ServerId>, Heard> {
        let news = self.client.heed(self.core.shared.timers.timeout(limit, Box::pin(wait)));
        Ok(Box::pin(news).await?.unwrap_or(None))
    }

    /// The confirmed writer can't be reached: it may have died a moment ago, and another one be confirmed soon. Nothing
    /// has been sent to anybody. `question`: what a replica may answer once the writer is known to be gone.
    async fn writer_later(&mut self, question: Option<(&RoutePlan, Option<ServerId>)>) -> Result<Lease, NoLease> {
        let until = self.core.clock.now_ms() + self.core.config().monitor.no_writer_wait.as_millis() as u64;
        loop {
            self.shard().reprobe();
            self.client.heed(self.core.shared.timers.sleep(UNREACHABLE_PAUSE)).await?;
            let leased = match question {
                Some((plan, exclude)) => self.writer_if_any_now(plan, exclude).await,
                None => self.writer_now().await,
            };
            if !is_unreachable(&leased) || self.core.clock.now_ms() >= until {
                return leased;
            }
        }
    }

    /// Any server that answers; a replica first, so that session housekeeping does not fall on the writer. It has to
    /// have what the session wrote all the same: the schema that is now USEd, say. Without a writer any will do, as
    /// nothing of this needs one: a schema that it lacks is asked of the writer in any case.
    async fn any(&mut self) -> Result<Lease, NoLease> {
        let shard = self.shard();
        let random = self.core.random();
        if self.core.clock.now_ms() >= self.freshness.writer_until_ms {
            let token = self.freshness.token.as_deref();
            let request = ReadRequest { token, random, ..ReadRequest::default() };
            match self.lease_at(choose_reader(&shard, &request)).await {
                Some(Ok(lease)) => return Ok(lease),
                Some(Err(NoLease::Refused { server: Some(_), .. })) | None => {}
                Some(Err(over)) => return Err(over),
            }
        }
        match any_server(&shard, random) {
            Some(id) if shard.confirmed_writer().is_none() => self.lease_from(id, None).await,
            _ => self.writer().await,
        }
    }

    async fn reader(&mut self, plan: &RoutePlan, exclude: Option<ServerId>) -> Result<Lease, NoLease> {
        if self.core.clock.now_ms() < self.freshness.writer_until_ms {
            return self.writer().await;
        }
        let shard = self.shard();
        let max_lag = plan.max_lag_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        let request =
            ReadRequest { token: self.freshness.token.as_deref(), max_lag, exclude, random: self.core.random() };
        let target = match choose_reader(&shard, &request) {
            ReadTarget::NoneQualifies => {
                let wait = self.core.config().pool.wait_timeout;
                let reader = self.core.shared.timers.timeout(wait, Box::pin(wait_for_reader(&shard, &request)));
                Box::pin(self.client.heed(reader)).await?.unwrap_or(ReadTarget::NoneQualifies)
            }
            target => target,
        };
        match self.lease_at(target).await {
            Some(lease) => lease,
            None => {
                let waited = self.core.config().pool.wait_timeout.as_millis() as u64;
                Err(ClientError::no_reader(&shard.name, waited).into())
            }
        }
    }

    async fn lease_at(&mut self, target: ReadTarget) -> Option<Result<Lease, NoLease>> {
        let id = target.server()?;
        let spill = match target {
            ReadTarget::WriterSpill(_, permit) => Some(permit),
            _ => None,
        };
        Some(self.lease_from(id, spill).await)
    }

    async fn lease_from(&mut self, id: ServerId, spill: Option<SpillPermit>) -> Result<Lease, NoLease> {
        let usual = !self.core.config().always_switch;
        if let Some(conn) = usual.then(|| self.core.acquire_now(self.key(id), &self.state.wanted)).flatten() {
            self.client.cell.handle.lease_taken(id, conn.thread_id);
            return Ok(Lease { conn, spill });
        }
        let server = self.core.shared.servers.server(id).clone();
        let conn = Box::pin(self.connection(&server)).await?;
        Ok(Lease { conn, spill })
    }

    /// Whether the session has a connection in hand, or gets one of a server that takes reads without waiting for its
    /// turn.
    pub(super) async fn has_connection_at_once(&mut self) -> bool {
        if self.lease.is_some() || self.is_bound() || self.core.config().always_switch {
            return true;
        }
        let (shard, random) = (self.shard(), self.core.random());
        let request = ReadRequest { token: self.freshness.token.as_deref(), random, ..ReadRequest::default() };
        let Some(id) = choose_reader(&shard, &request).server().or_else(|| any_server(&shard, random)) else {
            return false;
        };
        let server = self.core.shared.servers.server(id).clone();
        self.lease = Box::pin(self.connection_slowly(&server, Duration::ZERO)).await.ok();
        if let Some(conn) = &self.lease {
            self.client.cell.handle.lease_taken(id, conn.thread_id);
        }
        self.lease.is_some()
    }

    pub(super) fn key(&self, server: ServerId) -> PoolKey {
        let class = self.client.capabilities & Capabilities::LOGIN_CLASS;
        PoolKey { server, account: self.identity.number, class: class.bits() }
    }

    /// A connection of this session's kind to this server.
    pub(super) async fn connection(&mut self, server: &Arc<Server>) -> Result<Box<BackendConn>, NoLease> {
        let wait = self.core.config().pool.wait_timeout;
        let conn = self.connection_slowly(server, wait).await?;
        let conn = if self.core.config().always_switch { Box::pin(self.stained(conn)).await } else { conn };
        self.client.cell.handle.lease_taken(server.id, conn.thread_id);
        Ok(conn)
    }

    /// `debug.always_switch`: the connection after a hostile session has used it.
    async fn stained(&self, mut conn: Box<BackendConn>) -> Box<BackendConn> {
        let writer = self.is_at_writer(&conn);
        let stain = self.core.stain(&mut conn, &self.state.wanted, writer).await;
        let cleaned = match stain {
            Ok(true) => self.reset(&mut conn).await,
            Ok(false) => Ok(()),
            Err(e) => Err(e),
        };
        if let Err(error) = cleaned {
            // The statement will find the connection dead, as it might without this mode.
            tracing::debug!(server = %conn.server.addr, %error, "lost a connection while it was stained");
        }
        conn
    }

    async fn connection_slowly(&mut self, server: &Arc<Server>, wait: Duration) -> Result<Box<BackendConn>, NoLease> {
        self.follow_account();
        let key = self.key(server.id);
        let error = match self.client.heed(self.core.acquire(key, &self.state.wanted, wait)).await? {
            Acquired::Idle(conn) => return Ok(conn),
            Acquired::Slot(slot) => {
                let open = self.core.open(server, key, &self.identity, self.state.wanted.charset, slot);
                match self.client.heed(open).await? {
                    Ok(conn) => return Ok(conn),
                    Err(e) => {
                        tracing::warn!(server = %server.addr, error = %e, "no connection for a session");
                        e.to_client(server, &self.identity.user)
                    }
                }
            }
            Acquired::TimedOut => ClientError::pool_timeout(&server.addr.to_string(), wait.as_millis() as u64),
        };
        Err(NoLease::Refused { error, server: Some(server.id) })
    }

    /// A reload may have changed who this user is at the servers. The session itself goes on, as it would at a server
    /// whose account changes; so it does when the account is gone.
    fn follow_account(&mut self) {
        let accounts = self.core.shared.login.accounts.load();
        let Some(account) = accounts.find(self.account.name()) else { return };
        if Arc::ptr_eq(account, &self.account) {
            return;
        }
        let user = account.backend_user().to_owned();
        let secret = account.backend_secret(self.identity.secret.clone());
        self.identity = Identity { number: self.core.shared.identities.number(&user, &secret), user, secret };
        self.account = Arc::clone(account);
    }

    /// The connection in hand is gone, and all that it alone knew.
    pub(super) fn lose_lease(&mut self) {
        self.lease = None;
        self.hold_until = u64::MAX;
        self.pins.clear();
        self.results.connection_lost();
        self.state.forget_computed_user_vars();
        self.status.remove(Status::IN_TRANS | Status::IN_TRANS_READONLY);
        self.client.cell.handle.lease_ended();
        if let Some(statements) = &mut self.statements {
            statements.close_cursors();
        }
    }

    /// What this statement needs of its connection beyond variables.
    pub(super) fn needs(&self, reads: Reads) -> Needs {
        let mut needs = Needs::of(reads);
        if reads.intersects(Reads::LAST_INSERT_ID | Reads::ANYTHING) {
            needs.last_insert_id = self.results.last_insert_id.known();
        }
        needs.empty_diagnostics =
            reads.contains(Reads::DIAGNOSTICS) && self.results.diagnostics == super::results::Diagnostics::Empty;
        needs
    }
}

fn is_unreachable(leased: &Result<Lease, NoLease>) -> bool {
    matches!(leased, Err(NoLease::Refused { error, .. }) if error.is_unreachable())
}

/// Whether the server is as fresh as a hint asks.
fn is_within(conn: &BackendConn, plan: &RoutePlan) -> bool {
    plan.max_lag_ms.is_none_or(|ms| match conn.server.lag() {
        Lag::Known(lag) => lag <= Duration::from_millis(u64::from(ms)),
        Lag::Unknown | Lag::Broken => false,
    })
}
