//! An exchange that did not come to its end: what the client is told, and what becomes of the connection.

use super::execute::{Attempt, Request};
use super::relay::RelayError;
use super::{Next, Session};
use crate::backend::conn::{BackendConn, BackendError};
use crate::error::ClientError;
use pointsman_planner::{Access, StatementKind};
use pointsman_protocol::reply::Status;
use std::pin::pin;
use std::time::Duration;

/// What a server said before it closed is here already; nobody waits for more.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(100);
/// ER_NET_PACKET_TOO_LARGE.
const ER_PACKET_TOO_LARGE: u16 = 1153;

/// Why an exchange did not come to its end.
pub(super) enum Failure {
    /// A server refused the state that the statement needs; the statement was not run or its reply thrown away.
    Prefix(ClientError),
    /// The session's schema is gone, or its right to it.
    NoSchema(ClientError),
    /// The connection failed while the statement was sent.
    Send(BackendError),
    Relay(RelayError),
}

/// A read, also of the kind that the writer has to answer (SHOW), which leaves nothing behind at its server.
fn may_be_repeated(request: &Request<'_>) -> bool {
    use StatementKind::{Select, Show};
    let analysis = request.analysis;
    match analysis.access() {
        Access::Session | Access::Read => true,
        Access::Writer => {
            analysis.statements.iter().all(|s| matches!(s.kind, Select | Show)) && analysis.effects().next().is_none()
        }
        Access::Write => false,
    }
}

impl Session {
    /// The end of an exchange that did not come to its end.
    pub(super) async fn failed(
        &mut self,
        conn: Box<BackendConn>,
        request: &Request<'_>,
        failure: Failure,
        bound: bool,
    ) -> std::io::Result<Attempt> {
        let server = conn.server.addr.to_string();
        let reading = may_be_repeated(request) && !bound;
        match failure {
            Failure::NoSchema(e) if !bound => {
                self.leave_schema(conn);
                Ok(Attempt::TryWriter(e))
            }
            Failure::Prefix(e) | Failure::NoSchema(e) if bound => {
                self.lease = Some(conn);
                Ok(Attempt::Failed(e))
            }
            Failure::Prefix(e) | Failure::NoSchema(e) => {
                Ok(if reading { Attempt::TryElsewhere(e) } else { Attempt::Failed(e) })
            }
            Failure::Send(e) => self.not_sent(conn, request, &e, bound).await,
            Failure::Relay(RelayError::Server { error: e, sent: false, .. }) => {
                let may_have_run =
                    request.plan.commits || !matches!(request.analysis.access(), Access::Session | Access::Read);
                tracing::warn!(%server, error = %e, "lost a server connection in a statement");
                Ok(self.lost(conn, request, reading, may_have_run, bound))
            }
            Failure::Relay(RelayError::Server { error, sent: true, boundary }) => {
                tracing::warn!(%server, %error, "lost a server connection in the middle of a result");
                drop(conn);
                self.lose_lease();
                self.cut_off(boundary, &server).await
            }
            Failure::Relay(RelayError::ReadOnly) => {
                if request.plan.writes || self.is_at_writer(&conn) {
                    self.shard().distrust(conn.server.id);
                }
                self.let_go(conn);
                Ok(Attempt::TryWriter(ClientError::no_writer(&self.shard().name, 0)))
            }
            Failure::Relay(RelayError::NoSchema) => {
                self.stay_on_writer();
                self.let_go(conn);
                Ok(Attempt::TryWriter(ClientError::no_writer(&self.shard().name, 0)))
            }
            Failure::Relay(RelayError::Client(e)) => {
                Box::pin(self.client_gone(conn, request)).await;
                Err(e)
            }
            Failure::Relay(RelayError::ClientGone) => {
                Box::pin(self.client_gone(conn, request)).await;
                Ok(Attempt::Over(Next::Close))
            }
            Failure::Relay(RelayError::Killed) => {
                Box::pin(self.stop_server_statement(&conn)).await;
                drop(conn);
                self.lose_lease();
                Ok(Attempt::Over(Next::Close))
            }
        }
    }

    /// The server has closed the connection before it had the whole statement, so it has not run it.
    async fn not_sent(
        &mut self,
        mut conn: Box<BackendConn>,
        request: &Request<'_>,
        error: &BackendError,
        bound: bool,
    ) -> std::io::Result<Attempt> {
        let server = conn.server.addr.to_string();
        let last = self.core.shared.timers.timeout(LAST_WORDS_LIMIT, pin!(conn.last_words())).await;
        let Some(e) = last.ok().flatten().filter(|e| e.code == ER_PACKET_TOO_LARGE) else {
            tracing::warn!(%server, %error, "lost a server connection while a statement was sent");
            let reading = may_be_repeated(request) && !bound;
            return Ok(self.lost(conn, request, reading, false, bound));
        };
        drop(conn);
        self.lose_lease();
        let error = ClientError::from_server(e.code, e.sqlstate, &e.message);
        if !bound {
            return Ok(Attempt::Failed(error));
        }
        // What was open is gone with the connection, and the client is to see that: directly its own would end here.
        self.client.send_error(request.client_sequence, &error).await?;
        Ok(Attempt::Over(Next::Close))
    }

    fn lost(
        &mut self,
        conn: Box<BackendConn>,
        request: &Request<'_>,
        reading: bool,
        may_have_run: bool,
        bound: bool,
    ) -> Attempt {
        let server = &conn.server.addr.to_string();
        drop(conn);
        let what = self.pins.reason();
        let in_transaction = self.status.contains(Status::IN_TRANS);
        self.lose_lease();
        match what {
            Some(what) if bound && !in_transaction => Attempt::Failed(ClientError::state_lost(server, what)),
            // What the transaction has become is what the client asks then.
            _ if in_transaction && may_have_run && request.plan.commits => {
                Attempt::Failed(ClientError::server_lost(server, true))
            }
            _ if in_transaction => Attempt::Failed(ClientError::transaction_lost(server)),
            _ if reading => Attempt::TryElsewhere(ClientError::server_lost(server, false)),
            _ => Attempt::Failed(ClientError::server_lost(server, may_have_run)),
        }
    }

    /// The server died in the middle of a result: an error packet where one may stand, else the connection ends.
    async fn cut_off(&mut self, boundary: Option<u8>, server: &str) -> std::io::Result<Attempt> {
        match boundary {
            Some(sequence) => {
                self.client.send_error(sequence, &ClientError::server_lost(server, true)).await?;
                Ok(Attempt::Over(Next::Command))
            }
            None => Ok(Attempt::Over(Next::Close)),
        }
    }
}
