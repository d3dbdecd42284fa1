//! A MySQL server that does nothing: it lets everybody in and answers from memory, with real session trackers
//! for those who ask for them. What a proxy in front of it costs is the proxy's own cost.

use std::io;
use std::rc::Rc;

use pointsman_protocol::Capabilities;
use pointsman_protocol::command::{Command, parse_query};
use pointsman_protocol::frame::{HEADER_LEN, Scan, put_packet, scan_packet};
use pointsman_protocol::handshake::{ClientHello, Greeting};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::answers::{Answers, BIG_TABLE, Dialect};
use crate::error::Bench;

/// What it says it is: the kind and version decide how a proxy talks to it.
pub const VERSION: &str = "10.11.14-MariaDB-null";
const BUFFER: usize = 16 * 1024;

/// What it tells monitors of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Writer,
    /// Read-only, and always as new as the writer.
    Replica,
}

/// Serves on this listener until the task is dropped; to be run in a `LocalSet`.
pub async fn serve(listener: TcpListener, role: Role) -> io::Result<()> {
    let mut all = Vec::new();
    for deprecate_eof in [false, true] {
        for tracks in [false, true] {
            let dialect = Dialect { deprecate_eof, tracks };
            all.push((dialect, Rc::new(Answers::new(dialect))));
        }
    }
    let all = Rc::new(all);
    let mut id = 0_u32;
    loop {
        let (stream, _) = listener.accept().await?;
        id = id.wrapping_add(1).max(1);
        let all = all.clone();
        tokio::task::spawn_local(async move {
            // A client that breaks off ends its own connection and nothing else.
            let _ = client(stream, id, role, &all).await;
        });
    }
}

fn offered() -> Capabilities {
    Capabilities::FOUND_ROWS
        | Capabilities::LONG_FLAG
        | Capabilities::CONNECT_WITH_DB
        | Capabilities::LOCAL_FILES
        | Capabilities::PROTOCOL_41
        | Capabilities::TRANSACTIONS
        | Capabilities::SECURE_CONNECTION
        | Capabilities::MULTI_STATEMENTS
        | Capabilities::MULTI_RESULTS
        | Capabilities::PS_MULTI_RESULTS
        | Capabilities::PLUGIN_AUTH
        | Capabilities::CONNECT_ATTRS
        | Capabilities::PLUGIN_AUTH_LENENC
        | Capabilities::SESSION_TRACK
        | Capabilities::DEPRECATE_EOF
}

async fn client(mut stream: TcpStream, id: u32, role: Role, all: &[(Dialect, Rc<Answers>)]) -> Bench<()> {
    stream.set_nodelay(true)?;
    let greeting = Greeting {
        server_version: VERSION.to_owned(),
        connection_id: id,
        salt: *b"01234567890123456789",
        capabilities: offered(),
        charset: 45,
        status: 2,
        auth_plugin: "mysql_native_password".to_owned(),
    };
    let mut wire = Vec::new();
    put_packet(&mut wire, 0, &greeting.encode());
    stream.write_all(&wire).await?;
    let mut input = Input { stream, data: vec![0; BUFFER], end: 0 };
    let Some(len) = input.packet().await? else { return Ok(()) };
    let ClientHello::Login(login) = ClientHello::parse(&input.data[HEADER_LEN..len], offered())? else {
        return Ok(());
    };
    input.consume(len);
    let capabilities = login.capabilities & offered();
    let dialect = Dialect::of(capabilities);
    let Some((_, answers)) = all.iter().find(|(d, _)| *d == dialect) else { return Ok(()) };
    // Whatever the password is.
    let mut ok = answers.ok.clone();
    ok[3] = 2;
    input.stream.write_all(&ok).await?;
    commands(input, role, answers, capabilities).await
}

async fn commands(mut input: Input, role: Role, answers: &Answers, capabilities: Capabilities) -> Bench<()> {
    let mut statements = 0;
    while let Some(len) = input.packet().await? {
        let body = &input.data[HEADER_LEN..len];
        let command = body.first().map(|b| Command::from_byte(*b));
        match command {
            Some(Command::Query) => {
                let text = parse_query(body, capabilities)?.text;
                match usual(answers, text) {
                    Some(answer) => input.stream.write_all(answer).await?,
                    None => input.stream.write_all(&housekeeping(answers, role, text)).await?,
                }
            }
            Some(Command::StmtExecute) => input.stream.write_all(&answers.point_binary).await?,
            Some(Command::StmtPrepare) => {
                statements += 1;
                let parameters = body.iter().filter(|b| **b == b'?').count() as u16;
                input.stream.write_all(&answers.prepared(statements, parameters)).await?;
            }
            Some(Command::InitDb) => input.stream.write_all(&answers.schema(&body[1..])).await?,
            Some(Command::StmtClose | Command::StmtSendLongData) => {}
            Some(Command::Quit) | None => return Ok(()),
            Some(_) => input.stream.write_all(&answers.ok).await?,
        }
        input.consume(len);
    }
    Ok(())
}

/// The statements of a load, by how they begin.
fn usual<'a>(answers: &'a Answers, text: &[u8]) -> Option<&'a [u8]> {
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    if begins(b"SELECT") {
        if text.windows(BIG_TABLE.len()).any(|w| w == BIG_TABLE) {
            return Some(&answers.big);
        }
        // The proxies ask for globals and the schema; applications here for rows.
        let internal = [&b"SELECT @@"[..], b"SELECT ID FROM information_schema", b"SELECT 1 FROM `"];
        let internal = internal.iter().any(|head| text.starts_with(head));
        return (!internal).then_some(&answers.point);
    }
    if begins(b"BEGIN") || begins(b"START TRANSACTION") {
        return Some(&answers.begin);
    }
    if begins(b"SET NAMES") {
        return Some(&answers.names);
    }
    if begins(b"SHOW") {
        return None;
    }
    let writes = begins(b"COMMIT") || begins(b"INSERT") || begins(b"UPDATE") || begins(b"DELETE");
    Some(if writes { &answers.commit } else { &answers.ok })
}

/// What monitors ask.
fn housekeeping(answers: &Answers, role: Role, text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let row = |values: &[&str]| values.iter().map(|v| Some((*v).to_owned())).collect::<Vec<_>>();
    let (read_only, server_id) = match role {
        Role::Writer => ("0", "1"),
        Role::Replica => ("1", "2"),
    };
    if text.starts_with("SELECT ID FROM") {
        return answers.table(&["ID"], &[row(&["45"])]);
    }
    if text.starts_with("SELECT @@GLOBAL.read_only") {
        let mut vitals = row(&[read_only, server_id, "0-1-7", "1000000"]);
        vitals.push(None);
        return answers.table(&["a", "b", "c", "d", "e"], &[vitals]);
    }
    if text.starts_with("SHOW ALL SLAVES STATUS") && role == Role::Replica {
        let channel = [
            ("Slave_IO_Running", "Yes"),
            ("Slave_SQL_Running", "Yes"),
            ("Master_Server_Id", "1"),
            ("Seconds_Behind_Master", "0"),
        ];
        return answers.table(&channel.map(|c| c.0), &[row(&channel.map(|c| c.1))]);
    }
    if text.starts_with("SHOW GLOBAL STATUS") {
        return answers.table(&["Variable_name", "Value"], &[row(&["Uptime", "100000"])]);
    }
    if text.starts_with("SHOW GLOBAL VARIABLES") {
        let globals = [
            ["version", VERSION],
            ["read_only", if role == Role::Replica { "ON" } else { "OFF" }],
            ["server_id", server_id],
            ["max_connections", "10000"],
            ["max_prepared_stmt_count", "100000"],
            ["wait_timeout", "28800"],
            ["max_allowed_packet", "1073741824"],
            ["sql_mode", "STRICT_TRANS_TABLES"],
            ["autocommit", "ON"],
        ];
        return answers.table(&["Variable_name", "Value"], &globals.map(|g| row(&g)));
    }
    answers.table(&["x"], &[])
}

/// The bytes of one client.
struct Input {
    stream: TcpStream,
    data: Vec<u8>,
    end: usize,
}

impl Input {
    /// The wire length of the packet at the front; None at the end of the stream.
    async fn packet(&mut self) -> Bench<Option<usize>> {
        loop {
            let need = match scan_packet(&self.data[..self.end]) {
                Scan::Whole(span) => return Ok(Some(span.wire_len)),
                Scan::NeedBytes(n) => n,
            };
            if need > self.data.len() {
                self.data.resize(need.max(2 * self.data.len()), 0);
            }
            match self.stream.read(&mut self.data[self.end..]).await? {
                0 => return Ok(None),
                n => self.end += n,
            }
        }
    }

    fn consume(&mut self, len: usize) {
        self.data.copy_within(len..self.end, 0);
        self.end -= len;
    }
}
