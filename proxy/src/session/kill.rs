//! KILL: ending another session or its statement, and stopping a statement on its server.

use super::execute::Request;
use super::{Session, Step};
use crate::backend::conn::BackendConn;
use crate::error::ClientError;
use crate::login::backend::{BackendLogin, connect};
use pointsman_planner::{Access, Effect};
use pointsman_protocol::Capabilities;
use pointsman_protocol::command::put_query;
use pointsman_protocol::frame::{begin_packet, end_packet};
use pointsman_shard_map::ServerId;
use std::time::Duration;

/// A KILL goes over a connection of its own; it must not wait for the pool that the victim may be filling.
const KILL_LIMIT: Duration = Duration::from_secs(3);

/// How long the end of a write is waited for whose client has gone; the server finishes it in any case.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Reads on until the server has nothing more to say for a moment or closes.
async fn drain(conn: &mut BackendConn) {
    let mut sink = vec![0; 16 * 1024];
    // One answer is the end of an autocommit write: it is done then, whatever it says.
    let _ = conn.io.read(&mut sink).await;
}

/// What of the victim is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KillWhat {
    Connection,
    Query,
}

impl Session {
    /// KILL [CONNECTION | QUERY] id, with the ids that clients of this proxy see.
    pub(super) async fn kill(&mut self, id: u64, what: KillWhat, sequence: u8) -> Step {
        let victim = u32::try_from(id).ok().and_then(|id| self.core.shared.registry.get(id));
        let Some(victim) = victim else {
            return self.answer_error(sequence, &ClientError::no_such_thread(id)).await;
        };
        if victim.user != self.account.name() {
            return self.answer_error(sequence, &ClientError::kill_denied(id)).await;
        }
        if what == KillWhat::Connection {
            victim.kill();
            if victim.id == self.client.cell.handle.id {
                return self.fail(sequence, &ClientError::interrupted()).await;
            }
        } else if victim.id == self.client.cell.handle.id {
            return self.answer_error(sequence, &ClientError::interrupted()).await;
        }
        if let Some((server, thread)) = victim.lease() {
            self.kill_thread(server, thread).await;
        }
        self.client.send_ok(sequence, self.status).await?;
        Ok(super::Next::Command)
    }

    /// The client has gone in the middle of a statement: a read, or a wait for a lock, is stopped on its
    /// server, a write goes to its end as it would directly.
    pub(super) async fn client_gone(&mut self, mut conn: Box<BackendConn>, request: &Request<'_>) {
        let waits = request.analysis.effects().any(|e| matches!(e, Effect::GetLock { .. }));
        if request.analysis.access() <= Access::Read || waits {
            self.stop_server_statement(&conn).await;
        } else if tokio::time::timeout(DRAIN_LIMIT, drain(&mut conn)).await.is_err() {
            tracing::warn!(server = %conn.server.addr, "a statement whose client has gone still runs");
        }
        drop(conn);
        self.lose_lease();
    }

    /// Stops what runs on a connection whose client is gone or was killed.
    pub(super) async fn stop_server_statement(&self, conn: &BackendConn) {
        self.kill_thread(conn.server.id, conn.thread_id).await;
    }

    /// KILL QUERY with the session's own account, which may always stop its own threads.
    async fn kill_thread(&self, server: ServerId, thread: u32) {
        let attempt = tokio::time::timeout(KILL_LIMIT, self.try_kill_thread(server, thread)).await;
        if !matches!(attempt, Ok(Ok(()))) {
            tracing::warn!(%server, thread, "could not stop a statement on its server");
        }
    }

    async fn try_kill_thread(&self, server: ServerId, thread: u32) -> Result<(), String> {
        let server = self.core.shared.servers.server(server).clone();
        let target = self.core.target(&server).await.map_err(|e| e.to_string())?;
        let login = BackendLogin {
            user: self.identity.user.clone(),
            secret: self.identity.secret.clone(),
            schema: None,
            charset: 45,
            capabilities: Capabilities::default(),
            attributes: Vec::new(),
        };
        let mut ready = connect(&target, &login).await.map_err(|e| e.to_string())?;
        let mut wire = Vec::new();
        let start = begin_packet(&mut wire, 0);
        put_query(&mut wire, format!("KILL QUERY {thread}").as_bytes(), ready.capabilities);
        end_packet(&mut wire, start);
        ready.stream.write_all(&wire).await.map_err(|e| e.to_string())?;
        let mut answer = [0; 512];
        // Any answer will do: either it is stopped, or it had ended by itself (1094).
        ready.stream.read(&mut answer).await.map_err(|e| e.to_string())?;
        Ok(())
    }
}
