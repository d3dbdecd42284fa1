//! One raw connection: sends a command, collects every packet of its reply.

use super::bytes::Reader;
use super::error::WireError;
use super::login::{self, Login};
use super::packets::Packets;
use super::parameters::{self, Parameter};
use super::profile::{Profile, capability as cap};
use super::reply::{Column, ErrPacket, Event, OkPacket, read_eof, status};
use super::target::Target;

/// MySQL source documentation, "Command Phase".
mod command {
    pub const QUIT: u8 = 0x01;
    pub const INIT_DB: u8 = 0x02;
    pub const QUERY: u8 = 0x03;
    pub const FIELD_LIST: u8 = 0x04;
    pub const STATISTICS: u8 = 0x09;
    pub const PING: u8 = 0x0e;
    pub const CHANGE_USER: u8 = 0x11;
    pub const STMT_PREPARE: u8 = 0x16;
    pub const STMT_EXECUTE: u8 = 0x17;
    pub const STMT_SEND_LONG_DATA: u8 = 0x18;
    pub const STMT_CLOSE: u8 = 0x19;
    pub const STMT_RESET: u8 = 0x1a;
    pub const SET_OPTION: u8 = 0x1b;
    pub const STMT_FETCH: u8 = 0x1c;
    pub const RESET_CONNECTION: u8 = 0x1f;
}

/// All packets of one reply.
pub type Reply = Result<Vec<Event>, WireError>;

/// Gives the contents of a file that the server asks for.
pub type LocalFiles<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// A server-side prepared statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementId(pub u32);

#[derive(Debug)]
pub struct Connection {
    packets: Packets,
    capabilities: u32,
    target: Target,
    pub login: Login,
}

impl Connection {
    pub fn open(target: &Target, profile: &Profile) -> Result<Self, WireError> {
        let mut packets = Packets::connect(&target.host, target.port)?;
        let login = login::login(&mut packets, target, profile)?;
        Ok(Self { packets, capabilities: profile.capabilities, target: target.clone(), login })
    }

    /// Text protocol, without local files.
    pub fn query(&mut self, statement: &[u8]) -> Reply {
        self.query_with(statement, &|_| None)
    }

    /// The row of a query that has one, as text; a server's error is [`WireError::Refused`].
    pub fn row(&mut self, statement: &str) -> Result<Vec<String>, WireError> {
        let mut row = Vec::new();
        for event in self.query(statement.as_bytes())? {
            match event {
                Event::Err(e) => return Err(WireError::Refused { code: e.code, state: e.state, message: e.message }),
                Event::Row(bytes) => {
                    let mut reader = Reader(&bytes);
                    while !reader.0.is_empty() {
                        row.push(reader.value("value")?.map_or_else(|| "NULL".to_owned(), super::bytes::printable));
                    }
                }
                _ => {}
            }
        }
        Ok(row)
    }

    pub fn query_with(&mut self, statement: &[u8], files: LocalFiles<'_>) -> Reply {
        self.send(command::QUERY, statement)?;
        self.results(files)
    }

    /// Sends a query and does not wait: its reply is read by [`Self::results`].
    pub fn send_query(&mut self, statement: &[u8]) -> Result<(), WireError> {
        self.send(command::QUERY, statement)
    }

    pub fn init_db(&mut self, schema: &str) -> Reply {
        self.send(command::INIT_DB, schema.as_bytes())?;
        self.results(&|_| None)
    }

    pub fn ping(&mut self) -> Reply {
        self.send(command::PING, &[])?;
        self.results(&|_| None)
    }

    pub fn statistics(&mut self) -> Reply {
        self.send(command::STATISTICS, &[])?;
        Ok(vec![Event::Statistics(super::bytes::printable(&self.packets.read()?))])
    }

    pub fn reset_connection(&mut self) -> Reply {
        self.send(command::RESET_CONNECTION, &[])?;
        self.results(&|_| None)
    }

    /// COM_SET_OPTION: stacked statements on or off.
    pub fn set_multi_statements(&mut self, on: bool) -> Reply {
        self.send(command::SET_OPTION, &u16::from(!on).to_le_bytes())?;
        self.results(&|_| None)
    }

    /// A command byte of the caller's choice, answered with OK, EOF or ERR.
    pub fn raw_command(&mut self, command: u8, body: &[u8]) -> Reply {
        self.send(command, body)?;
        self.results(&|_| None)
    }

    /// A command byte of the caller's choice that has no answer.
    pub fn send_raw(&mut self, command: u8, body: &[u8]) -> Result<(), WireError> {
        self.send(command, body)
    }

    /// COM_FIELD_LIST: column definitions with defaults, then EOF.
    pub fn field_list(&mut self, table: &str) -> Reply {
        let mut body = table.as_bytes().to_vec();
        body.push(0);
        self.send(command::FIELD_LIST, &body)?;
        let mut events = Vec::new();
        loop {
            let packet = self.packets.read()?;
            match packet.first() {
                Some(0xff) => events.push(Event::Err(ErrPacket::read(&packet)?)),
                Some(0xfe) if packet.len() < 9 => events.push(self.end_of_rows(&packet)?),
                _ => {
                    events.push(Event::Column(Column::read(&packet)?));
                    continue;
                }
            }
            return Ok(events);
        }
    }

    /// COM_CHANGE_USER to `target`'s user and schema, with an empty first answer, so that the server switches.
    pub fn change_user(&mut self, target: &Target) -> Reply {
        let mut body = target.user.as_bytes().to_vec();
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(target.schema.as_bytes());
        body.push(0);
        body.extend_from_slice(&45_u16.to_le_bytes());
        body.extend_from_slice(b"mysql_native_password\0");
        if self.has(cap::CONNECT_ATTRS) {
            body.push(0);
        }
        self.send(command::CHANGE_USER, &body)?;
        let ok = login::finish(&mut self.packets, &target.password, &[], self.capabilities)?;
        self.target = target.clone();
        Ok(vec![Event::Ok(ok)])
    }

    /// Says goodbye; the server sends nothing back.
    pub fn quit(mut self) {
        // A connection that is gone already needs no goodbye.
        let _ = self.send(command::QUIT, &[]);
    }

    pub fn prepare(&mut self, statement: &[u8]) -> (Option<StatementId>, Reply) {
        let mut id = None;
        let reply = self.prepare_into(statement, &mut id);
        (id, reply)
    }

    fn prepare_into(&mut self, statement: &[u8], id: &mut Option<StatementId>) -> Reply {
        self.send(command::STMT_PREPARE, statement)?;
        let packet = self.packets.read()?;
        if packet.first() == Some(&0xff) {
            return Ok(vec![Event::Err(ErrPacket::read(&packet)?)]);
        }
        let mut reader = Reader(&packet);
        reader.take(1, "prepare header")?;
        *id = Some(StatementId(reader.u32("statement id")?));
        let columns = reader.u16("prepared columns")?;
        let parameters = reader.u16("prepared parameters")?;
        reader.take(1, "filler")?;
        let warnings = reader.u16("warnings")?;
        let mut events = vec![Event::Prepared { columns, parameters, warnings }];
        self.definitions(u64::from(parameters), &mut events)?;
        self.definitions(u64::from(columns), &mut events)?;
        Ok(events)
    }

    pub fn execute(&mut self, id: StatementId, parameters: &[Parameter], cursor: bool, files: LocalFiles<'_>) -> Reply {
        for (index, parameter) in parameters.iter().enumerate() {
            if let Parameter::Long(bytes) = parameter {
                self.send_long_data(id, index as u16, bytes)?;
            }
        }
        let mut body = id.0.to_le_bytes().to_vec();
        body.push(u8::from(cursor));
        body.extend_from_slice(&1_u32.to_le_bytes());
        parameters::put(&mut body, parameters);
        self.send(command::STMT_EXECUTE, &body)?;
        self.results(files)
    }

    fn send_long_data(&mut self, id: StatementId, index: u16, bytes: &[u8]) -> Result<(), WireError> {
        let mut body = id.0.to_le_bytes().to_vec();
        body.extend_from_slice(&index.to_le_bytes());
        body.extend_from_slice(bytes);
        self.send(command::STMT_SEND_LONG_DATA, &body)
    }

    /// COM_STMT_FETCH of up to `rows` rows of an open cursor.
    pub fn fetch(&mut self, id: StatementId, rows: u32) -> Reply {
        let mut body = id.0.to_le_bytes().to_vec();
        body.extend_from_slice(&rows.to_le_bytes());
        self.send(command::STMT_FETCH, &body)?;
        let mut events = Vec::new();
        self.rows(&mut events)?;
        Ok(events)
    }

    pub fn reset_statement(&mut self, id: StatementId) -> Reply {
        self.send(command::STMT_RESET, &id.0.to_le_bytes())?;
        self.results(&|_| None)
    }

    /// The server does not answer a close.
    pub fn close_statement(&mut self, id: StatementId) -> Result<(), WireError> {
        self.send(command::STMT_CLOSE, &id.0.to_le_bytes())
    }

    fn send(&mut self, command: u8, body: &[u8]) -> Result<(), WireError> {
        let mut packet = Vec::with_capacity(body.len() + 1);
        packet.push(command);
        packet.extend_from_slice(body);
        self.packets.restart_sequence();
        self.packets.write(&packet)
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities & capability != 0
    }

    /// Every result of a command, up to the one that announces no more.
    pub fn results(&mut self, files: LocalFiles<'_>) -> Reply {
        let mut events = Vec::new();
        loop {
            self.result(&mut events, files)?;
            let more = events.last().and_then(Event::status).is_some_and(|s| s & status::MORE_RESULTS != 0);
            if !more {
                return Ok(events);
            }
        }
    }

    fn result(&mut self, events: &mut Vec<Event>, files: LocalFiles<'_>) -> Result<(), WireError> {
        let packet = self.packets.read()?;
        match packet.first() {
            Some(0x00) => events.push(Event::Ok(OkPacket::read(&packet, self.capabilities)?)),
            Some(0xff) => events.push(Event::Err(ErrPacket::read(&packet)?)),
            // COM_SET_OPTION is answered with EOF.
            Some(0xfe) if packet.len() < 9 => events.push(self.end_of_rows(&packet)?),
            Some(0xfb) => {
                let name = super::bytes::printable(&packet[1..]);
                let content = files(&name);
                events.push(Event::LocalInfile(name));
                self.send_file(content.as_deref())?;
                return self.result(events, files);
            }
            Some(_) => return self.result_set(&packet, events),
            None => return Err(WireError::Malformed("empty packet")),
        }
        Ok(())
    }

    /// The file in a few packets (so that more than one is tested), then an empty one.
    fn send_file(&mut self, content: Option<&[u8]>) -> Result<(), WireError> {
        const CHUNK: usize = 16 * 1024;
        for chunk in content.unwrap_or_default().chunks(CHUNK) {
            self.packets.write(chunk)?;
        }
        self.packets.write(&[])
    }

    fn result_set(&mut self, head: &[u8], events: &mut Vec<Event>) -> Result<(), WireError> {
        let columns = Reader(head).lenenc("column count")?;
        events.push(Event::Columns(columns));
        self.definitions(columns, events)?;
        // With a cursor the EOF after the columns is the last packet, and an error may come in its place.
        let cursor = !self.has(cap::DEPRECATE_EOF)
            && events.last().and_then(Event::status).is_some_and(|s| s & status::CURSOR_EXISTS != 0);
        let failed = matches!(events.last(), Some(Event::Err(_)));
        if cursor || failed { Ok(()) } else { self.rows(events) }
    }

    /// `count` column definitions and, for clients that want it, the EOF behind them.
    fn definitions(&mut self, count: u64, events: &mut Vec<Event>) -> Result<(), WireError> {
        for _ in 0..count {
            events.push(Event::Column(Column::read(&self.packets.read()?)?));
        }
        if count > 0 && !self.has(cap::DEPRECATE_EOF) {
            let packet = self.packets.read()?;
            let failed = packet.first() == Some(&0xff);
            events.push(if failed { Event::Err(ErrPacket::read(&packet)?) } else { read_eof(&packet)? });
        }
        Ok(())
    }

    fn rows(&mut self, events: &mut Vec<Event>) -> Result<(), WireError> {
        loop {
            let packet = self.packets.read()?;
            match packet.first() {
                Some(0xff) => events.push(Event::Err(ErrPacket::read(&packet)?)),
                // A row may begin with 0xfe too, but is then longer than any end packet.
                Some(0xfe) if packet.len() < self.longest_end() => events.push(self.end_of_rows(&packet)?),
                _ => {
                    events.push(Event::Row(packet));
                    continue;
                }
            }
            return Ok(());
        }
    }

    fn longest_end(&self) -> usize {
        if self.has(cap::DEPRECATE_EOF) { super::packets::MAX_FRAME } else { 9 }
    }

    fn end_of_rows(&self, packet: &[u8]) -> Result<Event, WireError> {
        if self.has(cap::DEPRECATE_EOF) {
            Ok(Event::Ok(OkPacket::read(packet, self.capabilities)?))
        } else {
            read_eof(packet)
        }
    }
}
