//! What a session begins with at the servers: their global variables, as the monitor has read them last.

use super::Core;
use crate::servers::ServerInfo;
use pointsman_planner::ServerKind;
use pointsman_protocol::reply::Status;
use std::sync::Arc;

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
        self.server_info().map_or(Status::AUTOCOMMIT, |info| initial_status(&info))
    }
}

fn initial_status(info: &ServerInfo) -> Status {
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
