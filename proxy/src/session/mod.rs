//! One client's session: the loop that takes commands, and the state that outlives a statement.
//!
//! Reading order: this file, [`query`] and [`stmt`] (the two kinds of statement), [`execute`] (running one of
//! them on a server), [`lease`] (which connection), [`sync`] (its state), [`relay`] (its reply).

pub mod client;
mod commands;
mod conditions;
pub mod definitions;
mod diagnostics;
mod execute;
mod execution;
mod failure;
mod freshness;
mod infile;
mod kill;
mod lease;
mod literals;
mod long_data;
mod names;
pub mod outcome;
pub mod pins;
mod query;
mod read_only;
mod refused;
mod relay;
pub mod results;
mod role;
mod schema;
mod settle;
pub mod state;
mod stmt;
pub mod sync;
mod text_statements;
pub mod tracking;
pub mod vars;
mod watch;

use crate::backend::conn::BackendConn;
use crate::backend::open::Identity;
use crate::core::Core;
use crate::error::ClientError;
use crate::login::client::ClientLogin;
use crate::login::{Account, AccountSlot, Peer};
use client::{ClientSide, Input, payload};
use pins::Pins;
use pointsman_protocol::Command;
use pointsman_protocol::frame::{PacketSpan, join_payload};
use pointsman_protocol::reply::Status;
use pointsman_shard_map::ShardId;
use results::ResultState;
use state::SessionState;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use stmt::StatementTable;

/// What becomes of the session after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Command,
    Close,
}

/// A session ends when its client's socket fails, and otherwise by [`Next::Close`].
pub type Step = io::Result<Next>;

pub struct Session {
    core: Rc<Core>,
    client: ClientSide,
    account: Arc<Account>,
    /// Counts the session against the account's limit as long as it lives.
    account_slot: AccountSlot,
    identity: Identity,
    peer: Peer,
    salt: [u8; 20],
    /// The shard of tables that are listed nowhere; the only one until keyspaces exist.
    shard: ShardId,
    state: SessionState,
    /// As the client last saw it.
    status: Status,
    /// The connection in hand: of a transaction, a pin, or the last statement's results.
    lease: Option<Box<BackendConn>>,
    /// When a lease kept only for results is given back.
    hold_until: u64,
    pins: Pins,
    results: ResultState,
    /// The open transaction may have written: its end needs the confirmed writer, as its writes did.
    has_written: bool,
    freshness: freshness::Freshness,
    statements: Option<Box<StatementTable>>,
    preparing: Option<Box<stmt::Preparing>>,
    /// COM_CHANGE_USERs that were refused.
    failed_changes: u8,
}

impl Session {
    /// A session for a client that has logged in; the caller runs it.
    pub fn new(core: Rc<Core>, client: ClientSide, login: LoginParts) -> Self {
        let number = core.shared.identities.number(login.account.backend_user(), &login.secret);
        let identity = Identity { number, user: login.account.backend_user().to_owned(), secret: login.secret };
        let state = SessionState::new(&core, login.charset, client.capabilities);
        Self {
            client,
            account: login.account,
            account_slot: login.slot,
            identity,
            peer: login.peer,
            salt: login.salt,
            shard: ShardId(0),
            state,
            status: core.initial_status(),
            lease: None,
            hold_until: u64::MAX,
            pins: Pins::default(),
            results: ResultState::default(),
            has_written: false,
            freshness: freshness::Freshness::default(),
            statements: None,
            preparing: None,
            failed_changes: 0,
            core,
        }
    }

    /// Checks the character set and the schema of the login and says OK, or the error: then no commands are served.
    pub async fn start(&mut self, schema: Option<String>, sequence: u8) -> Step {
        match self.core.handshake_collation(self.state.wanted.charset) {
            Ok(id) => self.state.set_handshake_collation(&self.core, id),
            Err(e) => return self.fail(sequence, &e).await,
        }
        if let Some(schema) = schema.filter(|s| !s.is_empty()) {
            if let Err(e) = Box::pin(self.change_schema(&schema)).await {
                self.client.send_error(sequence, &e).await?;
                return Ok(Next::Close);
            }
        }
        self.client.send_login_ok(sequence, self.status, self.state.wanted.schema.as_deref()).await?;
        Ok(Next::Command)
    }

    /// Takes commands until the end. An error of the client's socket ends the session like a COM_QUIT: there is nobody
    /// to tell.
    pub async fn serve(&mut self) -> io::Result<()> {
        loop {
            self.set_idle_deadline();
            let limit = self.core.config().session.max_allowed_packet as usize;
            let next = match self.client.next_command(limit).await? {
                // Its bytes may be here before the tick that would have told of the KILL.
                Input::Packet(_) if self.client.cell.handle.is_killed() => Next::Close,
                Input::Packet(span) => self.command(span).await?,
                Input::Closed => Next::Close,
                Input::Alarm => Box::pin(self.alarm()).await?,
                Input::TooLarge => self.fail(1, &ClientError::packet_too_large(limit)).await?,
                Input::OutOfOrder => self.fail(1, &ClientError::out_of_order()).await?,
            };
            if next == Next::Close {
                return Ok(());
            }
        }
    }

    /// An error after which the connection can't go on.
    async fn fail(&mut self, sequence: u8, error: &ClientError) -> Step {
        self.client.send_error(sequence, error).await?;
        Ok(Next::Close)
    }

    async fn command(&mut self, span: PacketSpan) -> Step {
        let Some(buf) = self.client.buf.take() else { return Ok(Next::Close) };
        self.client.cell.set_deadline(u64::MAX);
        let wire = &buf.filled()[..span.wire_len];
        // Only a packet of 16 MiB and more is in pieces; it is put together once, for the analysis.
        let joined = span.split.then(|| join_payload(wire, span.payload_len));
        let body = joined.as_deref().unwrap_or_else(|| payload(wire));
        let sequence = span.last_sequence.wrapping_add(1);
        let step = match body.first().map(|b| Command::from_byte(*b)) {
            Some(Command::Query) => self.query(wire, body, sequence).await,
            Some(Command::StmtExecute) => self.stmt_execute(body, sequence).await,
            Some(Command::Quit) => {
                self.client.has_quit = true;
                Ok(Next::Close)
            }
            Some(command) => Box::pin(self.other_command(command, wire, body, sequence)).await,
            None => self.fail(sequence, &ClientError::malformed()).await,
        };
        self.client.finish(buf, span.wire_len);
        step
    }

    /// Answers a statement that failed here.
    async fn answer_error(&mut self, sequence: u8, error: &ClientError) -> Step {
        self.client.send_error(sequence, error).await?;
        Ok(Next::Command)
    }

    /// Whether the lease must be kept whatever comes next.
    fn is_bound(&self) -> bool {
        self.status.contains(Status::IN_TRANS) || self.pins.is_pinned()
    }
}

/// What of the login outlives it.
pub struct LoginParts {
    pub account: Arc<Account>,
    pub slot: AccountSlot,
    pub secret: pointsman_protocol::auth::Secret,
    pub charset: u16,
    pub peer: Peer,
    pub salt: [u8; 20],
}

impl LoginParts {
    /// Splits a login into the stream with what belongs to it, and the rest.
    pub fn split(
        login: ClientLogin,
    ) -> (crate::net::Stream, pointsman_protocol::Capabilities, Option<String>, u8, Self) {
        let parts = Self {
            account: login.account,
            slot: login.slot,
            secret: login.backend_secret,
            charset: u16::from(login.charset),
            peer: login.peer,
            salt: login.salt,
        };
        (login.stream, login.capabilities, login.schema, login.next_sequence, parts)
    }
}
