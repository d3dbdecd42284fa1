//! The only place that chooses words a client will see: codes and SQLSTATEs are MySQL's, texts say what to do.

use pointsman_planner::ServerKind;
use pointsman_protocol::reply::ErrPacket;
use std::borrow::Cow;

/// An error for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({}): {message}", String::from_utf8_lossy(sqlstate))]
pub struct ClientError {
    pub code: u16,
    pub sqlstate: [u8; 5],
    pub message: Cow<'static, str>,
}

impl ClientError {
    fn new(code: u16, sqlstate: &[u8; 5], message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, sqlstate: *sqlstate, message: message.into() }
    }

    /// Appends it as an ERR payload.
    pub fn put(&self, out: &mut Vec<u8>) {
        ErrPacket { code: self.code, sqlstate: self.sqlstate, message: self.message.as_bytes() }.put(out);
    }

    /// ER_CON_COUNT_ERROR.
    #[must_use]
    pub fn too_many_clients() -> Self {
        Self::new(1040, b"08004", "Too many connections (limits listen.max_client_connections, open files)")
    }

    /// ER_CON_COUNT_ERROR, from the pool.
    #[must_use]
    pub fn pool_timeout(server: &str, waited_ms: u64) -> Self {
        let text = format!(
            "Too many connections: none to server {server} came free within {waited_ms} ms \
             (limits pool.max_connections_per_server, pool.max_connections_per_user, pool.wait_timeout_ms)"
        );
        Self::new(1040, b"08004", text)
    }

    /// A limit of connections has been reached, of the proxy's or of a server's.
    #[must_use]
    pub fn is_full(&self) -> bool {
        is_connection_limit(self.code)
    }

    /// ER_UNKNOWN_COM_ERROR.
    #[must_use]
    pub fn unknown_command() -> Self {
        Self::new(1047, b"08S01", "Unknown command")
    }

    /// ER_NOT_SUPPORTED_YET.
    #[must_use]
    pub fn not_supported(what: &str) -> Self {
        Self::new(1235, b"42000", format!("This proxy doesn't support '{what}'; connect to the server itself for it"))
    }

    /// ER_NO_SUCH_THREAD.
    #[must_use]
    pub fn no_such_thread(id: u64) -> Self {
        Self::new(1094, b"HY000", format!("Unknown thread id: {id}"))
    }

    /// ER_KILL_DENIED_ERROR.
    #[must_use]
    pub fn kill_denied(id: u64) -> Self {
        Self::new(1095, b"HY000", format!("You are not owner of thread {id}"))
    }

    /// ER_QUERY_INTERRUPTED.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(1317, b"70100", "Query execution was interrupted")
    }

    /// ER_CONNECTION_KILLED (MariaDB 1927).
    #[must_use]
    pub fn killed() -> Self {
        Self::new(1927, b"70100", "Connection was killed")
    }

    /// ER_OPTION_PREVENTS_STATEMENT, as a server says it that is read-only: no writer is confirmed.
    #[must_use]
    pub fn no_writer(shard: &str, waited_ms: u64) -> Self {
        let text = format!(
            "Shard '{shard}' has no confirmed writer (waited {waited_ms} ms); nothing was executed. \
             Exactly one master must have read_only=0: see the proxy's log and /readyz"
        );
        Self::new(1290, b"HY000", text)
    }

    /// ER_OPTION_PREVENTS_STATEMENT, as a server says it at the end of a transaction that it must not commit.
    #[must_use]
    pub fn not_committed(shard: &str, waited_ms: u64) -> Self {
        let text = format!(
            "Shard '{shard}' has no confirmed writer (waited {waited_ms} ms): the transaction was not committed, it is \
             rolled back. Exactly one master must have read_only=0: see the proxy's log and /readyz"
        );
        Self::new(1290, b"HY000", text)
    }

    /// A session bound to a server that is not the writer can't write.
    #[must_use]
    pub fn pinned_elsewhere(server: &str, what: &str) -> Self {
        let text = format!(
            "The session is bound to MySQL server {server} by {what}, which is not the writer; nothing was executed. \
             End what binds it (or reset the connection) first"
        );
        Self::new(1290, b"HY000", text)
    }

    /// A session bound to a server that is no longer the writer, and not as fresh as a read asks.
    #[must_use]
    pub fn stale_where_pinned(server: &str, what: &str) -> Self {
        let text = format!(
            "The session is bound to MySQL server {server} by {what}; that server is not the writer, and too far behind it \
             for reads; nothing was executed. End what binds it (or reset the connection) first"
        );
        Self::new(1290, b"HY000", text)
    }

    /// Nothing was executed, because the server could not be reached.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.code == 1429
    }

    /// ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION.
    #[must_use]
    pub fn read_only_transaction(kind: ServerKind) -> Self {
        // MySQL's message ends in a full stop.
        let stop = if kind == ServerKind::MySql { "." } else { "" };
        Self::new(1792, b"25006", format!("Cannot execute statement in a READ ONLY transaction{stop}"))
    }

    /// A read-only transaction stays at its replica to its end.
    #[must_use]
    pub fn needs_writer_in_read_only(server: &str) -> Self {
        let text = format!(
            "This statement may take a lock or keep something in its session, which needs the writer, but the READ ONLY transaction runs at replica {server}; \
             nothing was executed. Put /* pointsman: role=writer */ in front of the statement that begins it"
        );
        Self::new(1290, b"HY000", text)
    }

    /// The server of an open transaction is gone, and the transaction with it.
    #[must_use]
    pub fn transaction_lost(server: &str) -> Self {
        let text = format!(
            "Lost connection to MySQL server {server} during a transaction; unless it was just committing it is rolled back"
        );
        Self::new(1158, b"08S01", text)
    }

    /// ER_SERVER_SHUTDOWN: the writer of an open transaction is no longer the writer.
    #[must_use]
    pub fn writer_changed(shard: &str) -> Self {
        let text = format!(
            "The writer of shard '{shard}' changed during the transaction, which is rolled back; start it again"
        );
        Self::new(1053, b"08S01", text)
    }

    /// ER_NET_READ_ERROR (client libraries take a server's 2013 for a malformed packet), with what the client needs to know: whether a retry is safe.
    #[must_use]
    pub fn server_lost(server: &str, may_have_run: bool) -> Self {
        let text = if may_have_run {
            format!("Lost connection to MySQL server {server} during query; the statement may have been executed")
        } else {
            format!("Lost connection to MySQL server {server}; the statement was not executed, it is safe to repeat it")
        };
        Self::new(1158, b"08S01", text)
    }

    /// The lost connection carried session state that no other has.
    #[must_use]
    pub fn state_lost(server: &str, what: &str) -> Self {
        let text = format!("Lost connection to MySQL server {server} and with it {what} of this session");
        Self::new(1158, b"08S01", text)
    }

    /// ER_CONNECT_TO_FOREIGN_DATA_SOURCE, the server-side code for what clients know as 2003.
    #[must_use]
    pub fn unreachable(server: &str, why: &str) -> Self {
        Self::new(1429, b"HY000", format!("Can't connect to MySQL server {server}: {why}; nothing was executed"))
    }

    /// No server of the shard may take the read.
    #[must_use]
    pub fn no_reader(shard: &str, waited_ms: u64) -> Self {
        let text = format!(
            "No server of shard '{shard}' can take reads: replicas are down or too far behind and the writer \
             has no room (waited {waited_ms} ms; limits max_lag_ms, spill_limit, pool.wait_timeout_ms)"
        );
        Self::new(1040, b"08004", text)
    }

    /// ER_NET_PACKET_TOO_LARGE.
    #[must_use]
    pub fn packet_too_large(limit: usize) -> Self {
        let text =
            format!("Got a packet bigger than 'max_allowed_packet' bytes (session.max_allowed_packet = {limit})");
        Self::new(1153, b"08S01", text)
    }

    /// ER_NET_PACKETS_OUT_OF_ORDER.
    #[must_use]
    pub fn out_of_order() -> Self {
        Self::new(1156, b"08S01", "Got packets out of order")
    }

    /// ER_MALFORMED_PACKET.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new(1835, b"HY000", "Malformed communication packet.")
    }

    /// ER_UNKNOWN_STMT_HANDLER.
    #[must_use]
    pub fn unknown_statement(id: u32, command: &str) -> Self {
        Self::new(1243, b"HY000", format!("Unknown prepared statement handler ({id}) given to {command}"))
    }

    /// ER_STMT_HAS_NO_OPEN_CURSOR.
    #[must_use]
    pub fn no_open_cursor(id: u32, server: ServerKind) -> Self {
        let end = if server == ServerKind::MySql { "." } else { "" };
        Self::new(1421, b"HY000", format!("The statement ({id}) has no open cursor{end}"))
    }

    /// ER_MAX_PREPARED_STMT_COUNT_REACHED.
    #[must_use]
    pub fn too_many_statements(limit: usize) -> Self {
        let text = format!(
            "Can't create more than max_prepared_stmt_count statements (current value: {limit}; \
             limit session.max_prepared_statements)"
        );
        Self::new(1461, b"42000", text)
    }

    /// ER_DATA_TOO_LONG-like: COM_STMT_SEND_LONG_DATA beyond what the proxy keeps.
    #[must_use]
    pub fn long_data_too_large(limit: usize) -> Self {
        let text = format!("Parameter of prepared statement longer than session.max_long_data ({limit} bytes)");
        Self::new(1301, b"HY000", text)
    }

    /// ER_WRONG_ARGUMENTS: long data for a parameter that the statement has not.
    #[must_use]
    pub fn no_such_parameter() -> Self {
        Self::new(1210, b"HY000", "Incorrect arguments to mysqld_stmt_send_long_data")
    }

    /// ER_DISK_FULL, before the disk is: see `session.max_spool`.
    #[must_use]
    pub fn spool_full() -> Self {
        Self::new(
            1021,
            b"HY000",
            "Long data of all clients together is more than session.max_spool; nothing was executed",
        )
    }

    /// ER_DISK_FULL or ER_ERROR_ON_WRITE: long data could not be kept.
    #[must_use]
    pub fn spool_failed(why: std::io::ErrorKind) -> Self {
        let code = if why == std::io::ErrorKind::StorageFull { 1021 } else { 3 };
        Self::new(code, b"HY000", format!("Long data can't be kept in proxy.state_dir: {why}; nothing was executed"))
    }

    /// ER_CLIENT_INTERACTION_TIMEOUT (4031).
    #[must_use]
    pub fn idle_timeout() -> Self {
        Self::new(
            4031,
            b"HY000",
            "The client was disconnected because of inactivity (client_idle_timeout_s or wait_timeout)",
        )
    }

    /// ER_CLIENT_INTERACTION_TIMEOUT for a transaction left open.
    #[must_use]
    pub fn idle_transaction() -> Self {
        Self::new(
            4031,
            b"HY000",
            "The transaction was idle for longer than idle_transaction_timeout_ms and was rolled back",
        )
    }

    /// A server answered something that is not the protocol.
    #[must_use]
    pub fn bad_backend(server: &str) -> Self {
        Self::new(1835, b"HY000", format!("Malformed packet from MySQL server {server}"))
    }

    /// A server refused, in its own words.
    #[must_use]
    pub fn from_server(code: u16, sqlstate: [u8; 5], message: &[u8]) -> Self {
        Self { code, sqlstate, message: String::from_utf8_lossy(message).into_owned().into() }
    }

    /// The error of a SELECT that was sent for the id of a KILL, as the KILL would have given it: MariaDB names the
    /// clause by the statement.
    #[must_use]
    pub fn in_kill(mut self) -> Self {
        if let Some(head) = self.message.strip_suffix("'SELECT'") {
            self.message = format!("{head}'KILL'").into();
        }
        self
    }

    /// ER_WRONG_VALUE_FOR_VAR, as a server says it of the character set in a handshake.
    #[must_use]
    pub fn no_client_charset(charset: &str) -> Self {
        let text = format!("Variable 'character_set_client' can't be set to the value of '{charset}'");
        Self::new(1231, b"42000", text)
    }

    /// A server does not let the session's account in: the client's login at the proxy was right, so the fault is in
    /// the accounts. `why` is the server's own word or what it asked for.
    #[must_use]
    pub fn backend_login(server: &str, user: &str, why: &str) -> Self {
        let text = format!(
            "Access denied by MySQL server {server} for its user '{user}' ({why}); the login at the proxy was right and \
             nothing was executed. The account is missing there, has another password or plugin, or may not come from the \
             proxy's host: see pointsman check"
        );
        Self::new(1045, b"28000", text)
    }

    /// A limit of a server's own keeps the account out; with the server's code.
    #[must_use]
    pub fn backend_full(server: &str, code: u16, sqlstate: [u8; 5], message: &str) -> Self {
        Self::new(code, &sqlstate, format!("MySQL server {server} takes no more: {message}; nothing was executed"))
    }
}

/// ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED.
#[must_use]
pub fn is_connection_limit(code: u16) -> bool {
    matches!(code, 1040 | 1203 | 1226)
}
