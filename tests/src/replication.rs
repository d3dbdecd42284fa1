//! Replication by GTID in the words of each kind of server.
//!
//! MariaDB: <https://mariadb.com/kb/en/change-master-to/>, `MASTER_GTID_WAIT`. MySQL: manual, "CHANGE REPLICATION
//! SOURCE TO" and "WAIT_FOR_EXECUTED_GTID_SET".

use std::time::Duration;

use crate::client::Client;
use crate::error::{Lab, LabError};
use crate::kind::Kind;
use crate::server::Server;
use crate::template::REPLICATION;

/// How long a replica may take to catch up in a test, as long as it applies nothing.
const SYNC_LIMIT: Duration = Duration::from_secs(30);

/// Lets `replica` replicate from `source`, from where it is.
pub fn follow(replica: &Server, source: &Server) -> Lab<()> {
    stop(replica)?;
    let (user, password) = REPLICATION;
    let port = source.port;
    let statement = match replica.kind {
        Kind::MariaDb => format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}', \
             MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        ),
        Kind::MySql9 => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}', \
             SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, \
             GET_SOURCE_PUBLIC_KEY=1"
        ),
    };
    replica.sql(&statement)?;
    start(replica)
}

/// Both threads of replication begin.
pub fn start(replica: &Server) -> Lab<()> {
    replica.sql(&format!("START {}", word(replica.kind))).map(drop)
}

/// Both threads of replication end; the server goes on answering from what it has.
pub fn stop(replica: &Server) -> Lab<()> {
    replica.sql(&format!("STOP {}", word(replica.kind))).map(drop)
}

/// From now on `replica` applies everything that many seconds after its source wrote it.
pub fn delay(replica: &Server, seconds: u32) -> Lab<()> {
    stop(replica)?;
    let statement = match replica.kind {
        Kind::MariaDb => format!("CHANGE MASTER TO MASTER_DELAY = {seconds}"),
        Kind::MySql9 => format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}"),
    };
    replica.sql(&statement)?;
    start(replica)
}

/// Where a server is: all that it has written to its binary log.
pub fn position(server: &Server) -> Lab<String> {
    match server.kind {
        Kind::MariaDb => server.value("SELECT @@global.gtid_binlog_pos"),
        Kind::MySql9 => server.value("SELECT REPLACE(@@global.gtid_executed, '\n', '')"),
    }
}

/// Waits until `replica` has applied `goal` of its source, as long as it gets on: a slow disk may take minutes for what
/// a benchmark has loaded.
pub fn wait_for(replica: &Server, goal: &str) -> Lab<()> {
    let seconds = SYNC_LIMIT.as_secs();
    let mut before = position(replica)?;
    loop {
        let answer = match replica.kind {
            Kind::MariaDb => replica.value(&format!("SELECT MASTER_GTID_WAIT('{goal}', {seconds})"))?,
            Kind::MySql9 => replica.value(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{goal}', {seconds})"))?,
        };
        if answer == "0" {
            return Ok(());
        }
        let now = position(replica)?;
        if now == before {
            return Err(LabError::Timeout { what: format!("server {} applies {goal}", replica.id), seconds });
        }
        before = now;
    }
}

/// Holds up what `replica` applies, while it goes on answering reads: lag grows until the guard is dropped.
pub fn block(replica: &Server) -> Lab<Blocked> {
    let mut holder = replica.client()?;
    holder.sql("FLUSH TABLES WITH READ LOCK")?;
    Ok(Blocked { _holder: holder })
}

/// A replica that applies nothing. The lock goes with its connection.
pub struct Blocked {
    _holder: Client,
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "SLAVE",
        Kind::MySql9 => "REPLICA",
    }
}
