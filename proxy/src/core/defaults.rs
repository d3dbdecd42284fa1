//! What a session begins with at the servers: their global variables, as the monitor has read them last.

use super::Core;
use crate::error::ClientError;
use crate::servers::ServerInfo;
use crate::session::sync::{SERVER_DEFAULT, family};
use pointsman_planner::ServerKind;
use pointsman_protocol::charset::Collation;
use pointsman_protocol::reply::Status;
use std::sync::Arc;

/// The collation of the character set for names of files, which MariaDB lists nowhere.
const FILENAME: u16 = 17;

/// Statements can't be written in these: no client may have them.
const NO_CLIENT_CHARSETS: [&str; 4] = ["ucs2", "utf16", "utf16le", "utf32"];

impl Core {
    /// The facts of the writer; while none is confirmed, of any server that has been reached.
    #[must_use]
    pub fn server_info(&self) -> Option<Arc<ServerInfo>> {
        let servers = &self.shared.servers;
        let writer = servers.shards().first().and_then(|s| s.confirmed_writer());
        writer.and_then(|id| servers.server(id).info()).or_else(|| servers.all().iter().find_map(|s| s.info()))
    }

    /// The status in the greeting and in the OK of a login, which follows from the globals as well.
    #[must_use]
    pub fn initial_status(&self) -> Status {
        initial_status(self.server_info().as_deref())
    }

    /// What the servers make of the collation id of a handshake.
    pub fn handshake_collation(&self, id: u16) -> Result<u16, ClientError> {
        let Some(info) = self.server_info() else { return Ok(id) };
        if id == FILENAME && info.kind == ServerKind::MariaDb {
            return Err(ClientError::no_client_charset("filename"));
        }
        if info.collations.binary_search(&id).is_err() {
            return Ok(SERVER_DEFAULT);
        }
        let charset = Collation::by_id(id, family(info.kind)).map_or("", |c| c.charset());
        if NO_CLIENT_CHARSETS.contains(&charset) { Err(ClientError::no_client_charset(charset)) } else { Ok(id) }
    }
}

/// The same of a server whose facts are at hand.
pub(crate) fn initial_status(info: Option<&ServerInfo>) -> Status {
    let Some(info) = info else { return Status::AUTOCOMMIT };
    let mut status = Status::empty();
    // MySQL says AUTOCOMMIT at each login, and until the session sets the variable itself.
    status.set(Status::AUTOCOMMIT, info.kind == ServerKind::MySql || !begins_without_autocommit(info));
    let escapes = info.sql_mode.split(',').any(|mode| mode == "NO_BACKSLASH_ESCAPES");
    status.set(Status::NO_BACKSLASH_ESCAPES, escapes);
    status
}

pub(crate) fn begins_without_autocommit(info: &ServerInfo) -> bool {
    info.session_default("autocommit") == Some("OFF")
}
