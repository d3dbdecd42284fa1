//! The commands beside statements: schema, ping, options, reset, change of user, and what is refused.

use super::execute::Request;
use super::kill::KillWhat;
use super::lease::NoLease;
use super::outcome::Outcome;
use super::results::ResultState;
use super::stmt::StatementTable;
use super::sync::{CLIENT_CHARSET, SERVER_DEFAULT};
use super::tracking::ClientTracking;
use super::{Next, Session, Step};
use crate::backend::conn::{BackendConn, BackendError, SmallReply};
use crate::backend::open::{Identity, schema_name};
use crate::error::ClientError;
use crate::login::client::{ChangeUserContext, LoginEnd, change_user};
use crate::login::{Account, AccountSlot};
use pointsman_planner::{
    Access, Analysis, Effect, FoundRows, Reads, Role, RoutePlan, RouteReason, ServerKind, Statement, StatementKind,
};
use pointsman_protocol::Command;
use pointsman_protocol::command::COM_INIT_DB;
use pointsman_protocol::reply::OkPacket;
use pointsman_protocol::response::ReplyKind;
use std::mem::replace;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Failed COM_CHANGE_USERs of one connection, after which servers refuse the command (MDEV-3915).
const FAILED_CHANGES: u8 = 3;
/// A login waits this long for a connection on which its schema can be looked at.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Why a session may not stand in a schema.
struct Refusal {
    error: ClientError,
    /// The server said so that may not have the schema yet.
    may_lag: bool,
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self { error, may_lag: false }
    }
}

impl Session {
    pub(super) async fn other_command(&mut self, command: Command, wire: &[u8], body: &[u8], sequence: u8) -> Step {
        match command {
            Command::Ping => self.ok(sequence).await,
            Command::InitDb => self.init_db(wire, body, sequence).await,
            Command::StmtPrepare => self.stmt_prepare(wire, body, sequence).await,
            Command::StmtFetch => self.stmt_fetch(wire, body, sequence).await,
            Command::StmtClose => self.stmt_close(body).await,
            Command::StmtReset => self.stmt_reset(body, sequence).await,
            Command::StmtSendLongData => self.stmt_long_data(body).await,
            Command::SetOption => self.set_option(body, sequence).await,
            Command::ResetConnection => self.reset_connection(sequence).await,
            Command::ChangeUser => self.change_user(body, sequence).await,
            Command::ProcessKill => self.process_kill(body, sequence).await,
            Command::Statistics => self.forward(wire, ReplyKind::Text, Role::WriterIfAny, sequence).await,
            Command::FieldList => self.field_list(wire, sequence).await,
            Command::ProcessInfo => self.forward(wire, ReplyKind::Results, Role::Writer, sequence).await,
            Command::Refresh | Command::Debug => self.forward(wire, ReplyKind::Single, Role::Writer, sequence).await,
            Command::BinlogDump | Command::BinlogDumpGtid | Command::RegisterReplica => {
                self.answer_error(sequence, &ClientError::not_supported("replication protocol")).await
            }
            Command::Shutdown => self.answer_error(sequence, &ClientError::not_supported("COM_SHUTDOWN")).await,
            Command::Clone => self.answer_error(sequence, &ClientError::not_supported("COM_CLONE")).await,
            Command::StmtBulkExecute => {
                self.answer_error(sequence, &ClientError::not_supported("bulk execution")).await
            }
            Command::TableDump | Command::Query | Command::StmtExecute | Command::Quit | Command::Unknown(_) => {
                self.answer_error(sequence, &ClientError::unknown_command()).await
            }
        }
    }

    async fn ok(&mut self, sequence: u8) -> Step {
        let ok = OkPacket { status: self.status, warnings: self.warnings_told().await, ..OkPacket::default() };
        let mut wire = Vec::with_capacity(32);
        self.client.put_ok(&mut wire, sequence, &ok);
        self.client.send(&wire).await?;
        Ok(Next::Command)
    }

    /// The warning count of a command that is no statement: MySQL counts those of the last statement again.
    async fn warnings_told(&mut self) -> u16 {
        if self.state.reading.server == ServerKind::MariaDb {
            return 0;
        }
        if let Some(count) = self.results.diagnostics.told() {
            return count;
        }
        let Some(mut conn) = self.lease.take() else { return 0 };
        // A connection that fails here is found dead by the next statement.
        let told = Box::pin(self.told_by(&mut conn)).await.unwrap_or(0);
        self.lease = Some(conn);
        told
    }

    /// Sends a command to the writer (or the connection in hand) as it is and relays the reply. `role`: without one.
    async fn forward(&mut self, wire: &[u8], kind: ReplyKind, role: Role, sequence: u8) -> Step {
        let analysis = Rc::new(plain_analysis(StatementKind::Show, Vec::new()));
        let role = if self.is_bound() { Role::Held } else { role };
        self.forward_to(Packets::as_sent(wire, kind, sequence), role, &analysis).await
    }

    /// MySQL warns that the command is deprecated, behind the warnings of the last statement.
    async fn field_list(&mut self, wire: &[u8], sequence: u8) -> Step {
        if self.state.reading.server == ServerKind::MariaDb {
            return self.forward(wire, ReplyKind::Rows, Role::WriterIfAny, sequence).await;
        }
        let before = self.take_captured();
        let mut packets = Packets::as_sent(wire, ReplyKind::Rows, sequence);
        packets.reads = Reads::DIAGNOSTICS;
        let role = if self.is_bound() { Role::Held } else { Role::WriterIfAny };
        let analysis = Rc::new(plain_analysis(StatementKind::Show, Vec::new()));
        let step = self.forward_to(packets, role, &analysis).await?;
        self.continue_captured(before).await;
        Ok(step)
    }

    pub(super) async fn forward_to(&mut self, packets: Packets<'_>, role: Role, analysis: &Rc<Analysis>) -> Step {
        let request = Request {
            wire: packets.wire,
            kind: packets.kind,
            client_sequence: packets.client_sequence,
            server_sequence: packets.server_sequence,
            cursor: None,
            statement_id: None,
            analysis,
            plan: RoutePlan::without_data(role, RouteReason::NeedsWriter),
            reads: packets.reads,
            execute: None,
        };
        Ok(self.execute(&request, &mut Outcome::default()).await?.0)
    }

    /// COM_INIT_DB is checked by a server, whose tracker then tells the new schema.
    async fn init_db(&mut self, wire: &[u8], body: &[u8], sequence: u8) -> Step {
        let schema = String::from_utf8_lossy(&body[1..]).into_owned();
        let analysis = Rc::new(plain_analysis(StatementKind::Use, vec![Effect::Use { schema }]));
        let role = if self.is_bound() { Role::Held } else { Role::Any };
        self.forward_to(Packets::as_sent(wire, ReplyKind::Single, sequence), role, &analysis).await
    }

    /// The schema of a login. A connection of this account that stands in it has proved that it may. A server that
    /// lacks it may lag: the writer is asked, if there is one.
    pub(super) async fn change_schema(&mut self, schema: &str) -> Result<(), ClientError> {
        let before = self.state.wanted.schema.replace(schema.into());
        let plan = RoutePlan::without_data(Role::Any, RouteReason::SessionOnly);
        let asked = self.check_schema(&plan).await;
        let result = match asked {
            Err(Refusal { may_lag: true, .. }) if self.has_writer().await => {
                self.stay_on_writer();
                self.check_schema(&RoutePlan { role: Role::Writer, ..plan }).await
            }
            asked => asked,
        };
        let result = result.map_err(|refusal| refusal.error);
        if result.is_err() {
            self.state.wanted.schema = before;
        }
        result
    }

    /// A login is not kept out by a full pool: somebody must get in to KILL who fills it. Where there is no such schema, the
    /// first statement that needs it is told so.
    async fn check_schema(&mut self, plan: &RoutePlan) -> Result<(), Refusal> {
        let shared = self.core.shared.clone();
        let lease = shared.timers.timeout(LOOK_LIMIT, pin!(self.lease(plan, Reads::default(), None))).await;
        let mut conn = match lease {
            Ok(Ok(lease)) => lease.conn,
            Ok(Err(NoLease::Refused { error, .. })) if error.is_full() => return Ok(()),
            Ok(Err(e)) => return Err(e.into_error().into()),
            Err(_) => return Ok(()),
        };
        if conn.actual.schema != self.state.wanted.schema {
            let schema = self.state.wanted.schema.clone();
            let name = schema.as_deref().unwrap_or("");
            let reply = self.use_schema(&mut conn, name).await;
            let server = conn.server.addr.to_string();
            let reply = reply.map_err(|_| ClientError::server_lost(&server, false))?;
            if let Some(e) = reply.error {
                let may_lag = self.core.may_lack_schema(e.code, &conn.server);
                self.let_go(conn);
                return Err(Refusal { error: ClientError::from_server(e.code, e.sqlstate, &e.message), may_lag });
            }
            conn.actual.schema = schema_name(name.as_bytes());
        }
        self.let_go(conn);
        Ok(())
    }

    async fn use_schema(&self, conn: &mut BackendConn, name: &str) -> Result<SmallReply, BackendError> {
        let pool = &self.core.buffers;
        if !name.is_ascii() {
            // Servers read the name in the connection's character set, which may be any session's.
            conn.query(format!("SET {CLIENT_CHARSET}=utf8mb4").as_bytes(), pool).await?;
            conn.actual.vars = self.core.interner.intern(conn.actual.vars.with(CLIENT_CHARSET, b"utf8mb4"));
        }
        let mut wire = Vec::new();
        BackendConn::put_command(&mut wire, COM_INIT_DB, name.as_bytes());
        conn.roundtrip(&wire, ReplyKind::Single, pool).await
    }

    /// COM_SET_OPTION: MULTI_STATEMENTS on or off; each connection is told when it is used.
    async fn set_option(&mut self, body: &[u8], sequence: u8) -> Step {
        match body.get(1..3) {
            Some([0, 0]) => self.state.set_multi_statements(&self.core.clone(), true),
            Some([1, 0]) => self.state.set_multi_statements(&self.core.clone(), false),
            Some(_) => return self.answer_error(sequence, &ClientError::unknown_command()).await,
            None => return self.fail(sequence, &ClientError::malformed()).await,
        }
        let end = OkPacket { status: self.status, warnings: self.warnings_told().await, ..OkPacket::default() };
        let mut wire = Vec::with_capacity(16);
        self.client.put_end(&mut wire, sequence, &end);
        self.client.send(&wire).await?;
        Ok(Next::Command)
    }

    async fn reset_connection(&mut self, sequence: u8) -> Step {
        // MySQL goes back to its own character set, not to that of the login.
        let mysql = self.state.reading.server == ServerKind::MySql;
        let charset = if mysql { SERVER_DEFAULT } else { self.state.wanted.charset };
        self.forget_session(charset).await;
        self.ok(sequence).await
    }

    /// Everything that COM_RESET_CONNECTION forgets; the connection in hand is cleaned for others.
    async fn forget_session(&mut self, charset: u16) {
        if let Some(conn) = self.lease.take() {
            self.clean_up(conn).await;
        }
        self.pins.clear();
        self.results = ResultState::default();
        self.statements = None::<Box<StatementTable>>;
        self.status = self.core.initial_status();
        self.client.tracking = ClientTracking::default();
        self.hold_until = u64::MAX;
        self.state.reset(&self.core.clone(), charset, self.client.capabilities);
    }

    async fn change_user(&mut self, body: &[u8], sequence: u8) -> Step {
        if self.failed_changes >= FAILED_CHANGES {
            return self.answer_error(sequence, &ClientError::unknown_command()).await;
        }
        let context = ChangeUserContext { capabilities: self.client.capabilities, peer: self.peer, salt: self.salt };
        let shared = self.core.shared.clone();
        let settings = self.core.login_settings();
        let changed = change_user(&mut self.client.stream, body, sequence, &context, &settings, &shared.login).await;
        let changed = match changed {
            Ok(changed) => changed,
            Err(LoginEnd::Io(e)) => return Err(e),
            // The client has been told.
            Err(LoginEnd::Refused(_)) => return Ok(self.change_refused(None).await),
            Err(_) => return Ok(Next::Close),
        };
        let charset = match changed.charset.map(|id| self.core.handshake_collation(id)) {
            Some(Err(e)) => {
                self.client.send_error(changed.next_sequence, &e).await?;
                return Ok(self.change_refused(None).await);
            }
            Some(Ok(id)) => id,
            None => self.state.wanted.charset,
        };
        self.forget_session(charset).await;
        let number = shared.identities.number(changed.account.backend_user(), &changed.backend_secret);
        let user = changed.account.backend_user().to_owned();
        let identity = Identity { number, user, secret: changed.backend_secret };
        let before = self.become_user(changed.account, changed.slot, identity);
        let missing_before = self.state.missing_schema.take();
        let schema_before = self.state.wanted.schema.take().or(missing_before);
        if let Some(schema) = changed.schema.filter(|s| !s.is_empty()) {
            if let Err(e) = self.change_schema(&schema).await {
                self.client.send_error(changed.next_sequence, &e).await?;
                self.become_user(before.0, before.1, before.2);
                return Ok(self.change_refused(schema_before).await);
            }
        }
        self.client.cell.handle.change_user(self.account.name());
        self.client.send_login_ok(changed.next_sequence, self.status, self.state.wanted.schema.as_deref()).await?;
        Ok(Next::Command)
    }

    /// Who the session was before.
    fn become_user(
        &mut self,
        account: Arc<Account>,
        slot: AccountSlot,
        identity: Identity,
    ) -> (Arc<Account>, AccountSlot, Identity) {
        let slot = replace(&mut self.account_slot, slot);
        (replace(&mut self.account, account), slot, replace(&mut self.identity, identity))
    }

    /// As at a server: MySQL ends the session; at MariaDB it goes on as the user that it was, without its state.
    async fn change_refused(&mut self, schema: Option<Rc<str>>) -> Next {
        if self.state.reading.server == ServerKind::MySql {
            return Next::Close;
        }
        self.failed_changes += 1;
        self.forget_session(self.state.wanted.charset).await;
        self.state.wanted.schema = schema.or(self.state.wanted.schema.take());
        Next::Command
    }

    async fn process_kill(&mut self, body: &[u8], sequence: u8) -> Step {
        let Some(id) = body.get(1..5).and_then(|b| b.first_chunk::<4>()) else {
            return self.fail(sequence, &ClientError::malformed()).await;
        };
        self.kill(u64::from(u32::from_le_bytes(*id)), KillWhat::Connection, sequence).await
    }
}

/// What is sent to a server, and what kind of reply is passed back.
#[derive(Clone, Copy)]
pub(super) struct Packets<'a> {
    pub wire: &'a [u8],
    pub kind: ReplyKind,
    /// The number that the client expects on the reply, and the one that the server will use.
    pub client_sequence: u8,
    pub server_sequence: u8,
    pub reads: Reads,
}

impl<'a> Packets<'a> {
    /// The client's own command.
    fn as_sent(wire: &'a [u8], kind: ReplyKind, sequence: u8) -> Self {
        Self { wire, kind, client_sequence: sequence, server_sequence: sequence, reads: Reads::default() }
    }
}

/// What is known of a command that is no statement.
pub(super) fn plain_analysis(kind: StatementKind, effects: Vec<Effect>) -> Analysis {
    let session = matches!(kind, StatementKind::Use | StatementKind::Signal);
    let access = if session { Access::Session } else { Access::Writer };
    let (reads, found_rows) = (Reads::default(), FoundRows::default());
    let statement = Statement { kind, access, reads, user_vars_read: Vec::new(), effects, found_rows };
    Analysis { statements: vec![statement], cacheable: false }
}
