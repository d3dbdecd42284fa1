//! `debug.always_switch`: a connection is used by a hostile session before the next session gets it, so that
//! nothing but what the proxy tracks can put it right again.
//!
//! The hostile session is an honest one: what it leaves on the connection is learned as of any other session,
//! from the server's trackers; what would pin it is cleaned away as at a session's end.

use super::conn::{BackendConn, BackendError, Readiness};
use crate::core::Core;
use crate::session::state::absorb;
use crate::session::sync::Wanted;
use pointsman_protocol::command::COM_INIT_DB;
use pointsman_protocol::frame::{HEADER_LEN, Header};
use pointsman_protocol::reply::{Change, Changes, OkPacket};
use pointsman_protocol::response::ReplyKind;

/// A schema that every server has and every account sees; hardly a table is found there under its own name.
const SCHEMA: &str = "information_schema";

/// Everything here works on both kinds of server and needs no privilege.
const VARIABLES: &[&[u8]] = &[
    b"SET NAMES gbk",
    b"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    b"SET sql_mode='ANSI,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE', time_zone='-07:45', lc_time_names='de_DE', \
      timestamp=1, sql_select_limit=1, sql_safe_updates=1, sql_auto_is_null=1, foreign_key_checks=0, \
      unique_checks=0, group_concat_max_len=4, max_error_count=3, sql_notes=0, sql_quote_show_create=0, \
      div_precision_increment=0, default_week_format=6, auto_increment_offset=1, autocommit=0",
];

/// Names that applications and this project's tests use, among others.
const USER_VARIABLES: &[&str] = &["a", "b", "i", "id", "n", "s", "x", "y", "hostile"];
const USER_VALUE: &str = "'hostile'";

/// What LAST_INSERT_ID() gives after [`RESULTS`].
const LAST_INSERT_ID: u64 = 4711;
/// Leaves a row count, a warning, a last insert id and FOUND_ROWS behind.
const RESULTS: &[&[u8]] =
    &[b"DO LAST_INSERT_ID(4711)", b"SELECT SQL_CALC_FOUND_ROWS CAST('hostile' AS SIGNED) LIMIT 0"];

/// What would pin a session; a reset takes it away.
const PINNING: &[&[u8]] = &[
    b"CREATE TEMPORARY TABLE t (hostile INT)",
    b"PREPARE s FROM 'SELECT ''hostile'''",
    b"PREPARE stmt FROM 'SELECT ''hostile'''",
    b"DO GET_LOCK('hostile', 0)",
];

/// Every so many hand-overs the hostile session also leaves what pins. A reset costs three round trips, and takes
/// the prepared statements with it, which are to be met as well.
const PIN_EVERY: u64 = 8;

impl Core {
    /// Stains a connection for the session that is about to get it and wants `wanted`: it must stay one that the
    /// pool would have given to it. `writer`: temporary tables may be made here.
    ///
    /// Gives whether the connection has to be reset, as after a session that was pinned.
    pub async fn stain(&self, conn: &mut BackendConn, wanted: &Wanted, writer: bool) -> Result<bool, BackendError> {
        conn.uses += 1;
        if conn.uses.is_multiple_of(PIN_EVERY) {
            for text in PINNING.iter().skip(usize::from(!writer)) {
                // The account may have no right to it; then there is nothing to be met either.
                conn.query(text, &self.buffers).await?;
            }
            return Ok(true);
        }
        if wanted.schema.is_some() {
            self.hostile_schema(conn).await?;
        }
        for text in VARIABLES {
            self.hostile(conn, text).await?;
        }
        self.hostile_user_variables(conn, wanted).await?;
        for text in RESULTS {
            self.hostile(conn, text).await?;
        }
        conn.actual.last_insert_id = Some(LAST_INSERT_ID);
        conn.actual.diagnostics_empty = false;
        Ok(false)
    }

    async fn hostile_user_variables(&self, conn: &mut BackendConn, wanted: &Wanted) -> Result<(), BackendError> {
        // A variable that was ever set differs from one that never was, even when it is NULL again; so a session
        // that reads variables gets no connection with others than its own.
        let meets = |name: &&&str| !wanted.reads_user_vars || wanted.user_vars.iter().any(|(n, _)| n == **name);
        let names: Vec<&str> = USER_VARIABLES.iter().filter(meets).copied().collect();
        if names.is_empty() {
            return Ok(());
        }
        let assignments: Vec<String> = names.iter().map(|n| format!("@{n}={USER_VALUE}")).collect();
        self.hostile(conn, format!("SET {}", assignments.join(",")).as_bytes()).await?;
        for name in names {
            conn.note_user_var(name, USER_VALUE.as_bytes());
        }
        Ok(())
    }

    async fn hostile_schema(&self, conn: &mut BackendConn) -> Result<(), BackendError> {
        let mut wire = Vec::new();
        BackendConn::put_command(&mut wire, COM_INIT_DB, SCHEMA.as_bytes());
        let reply = conn.roundtrip(&wire, ReplyKind::Single, &self.buffers).await?;
        match reply.error {
            Some(e) => refused(conn, "COM_INIT_DB", &e.message),
            None => conn.actual.schema = Some(SCHEMA.into()),
        }
        Ok(())
    }

    /// One statement of the hostile session; what the server says that it changed is noted.
    async fn hostile(&self, conn: &mut BackendConn, text: &[u8]) -> Result<(), BackendError> {
        let reply = conn.query(text, &self.buffers).await?;
        if let Some(e) = &reply.error {
            refused(conn, &String::from_utf8_lossy(text), &e.message);
        }
        let Some(payload) = last_packet(&reply.wire) else { return Ok(()) };
        let Ok(ok) = OkPacket::parse(payload, conn.capabilities) else { return Ok(()) };
        let reported: Vec<_> = Changes::new(ok.changes).filter_map(|change| variable(&change)).collect();
        let vars = absorb(&conn.actual.vars, &reported);
        conn.actual.vars = self.interner.intern(vars);
        Ok(())
    }
}

/// A stain that was refused would leave a connection in a state that nobody knows.
fn refused(conn: &mut BackendConn, what: &str, why: &[u8]) {
    let why = String::from_utf8_lossy(why);
    tracing::warn!(server = %conn.server.addr, what, %why, "debug.always_switch: a stain was refused");
    conn.readiness = Readiness::Broken;
}

fn variable(change: &Change<'_>) -> Option<(String, Vec<u8>)> {
    let Change::SystemVariable { name, value } = change else { return None };
    Some((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

/// The payload of the last packet.
fn last_packet(mut wire: &[u8]) -> Option<&[u8]> {
    let mut last = None;
    while let Some(header) = Header::read(wire) {
        let end = HEADER_LEN + header.length;
        last = wire.get(HEADER_LEN..end);
        wire = wire.get(end..)?;
    }
    last
}
