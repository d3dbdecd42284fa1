//! Runs one script against one server and keeps every reply.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::connection::{Connection, Reply, StatementId};
use super::corpus::{Action, Cursors, Script, ServerKind, Step};
use super::error::WireError;
use super::parameters::splice;
use super::profile::{Mode, Profile};
use super::reply::{Event, status};
use super::target::Target;

/// Rows asked for by one COM_STMT_FETCH: small, so that most results take several.
const FETCH_ROWS: u32 = 2;
/// More fetches than any cursor of the corpus needs; a server that never says "last row" fails here.
const MAX_FETCHES: usize = 20_000;

/// What one step gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub script: String,
    pub step: Step,
    pub connection: String,
    /// Replies with the command that each answers.
    pub replies: Vec<(&'static str, Reply)>,
}

/// Called before the script goes on with another connection: with replicas behind the proxy, what one session
/// wrote must have arrived before another may be expected to read it.
pub type Settle<'a> = dyn Fn() + 'a;

pub struct Runner<'a> {
    target: &'a Target,
    profile: Profile,
    kind: ServerKind,
    /// Where LOAD DATA LOCAL finds its files.
    files: PathBuf,
    settle: &'a Settle<'a>,
    connections: HashMap<String, Connection>,
    current: String,
}

const FIRST_CONNECTION: &str = "1";

impl<'a> Runner<'a> {
    pub fn new(target: &'a Target, profile: Profile, kind: ServerKind, files: PathBuf, settle: &'a Settle<'a>) -> Self {
        let current = FIRST_CONNECTION.to_owned();
        Self { target, profile, kind, files, settle, connections: HashMap::new(), current }
    }

    /// Runs every step that is meant for this kind of server; its connections end with it.
    pub fn run(mut self, script: &Script) -> Vec<Outcome> {
        let kind = self.kind;
        let steps = script.steps.iter().filter(|step| step.only.is_none_or(|only| only == kind));
        let mut outcomes = Vec::new();
        for step in steps {
            let replies = self.step(step);
            let connection = self.current.clone();
            outcomes.push(Outcome { script: script.name.clone(), step: step.clone(), connection, replies });
        }
        for (_, connection) in self.connections.drain() {
            connection.quit();
        }
        outcomes
    }

    fn step(&mut self, step: &Step) -> Vec<(&'static str, Reply)> {
        match &step.action {
            Action::Connect(name) => {
                (self.settle)();
                name.clone_into(&mut self.current);
                return vec![("login", self.connection().map(|_| Vec::new()))];
            }
            Action::Disconnect(name) => {
                if let Some(connection) = self.connections.remove(name) {
                    connection.quit();
                }
                return Vec::new();
            }
            _ => {}
        }
        let replies = match self.connection() {
            Ok(_) => self.command(step),
            Err(error) => vec![("login", Err(error))],
        };
        // After a failure on the wire the connection is of no more use; the next step logs in anew.
        if replies.iter().any(|(_, reply)| reply.is_err()) {
            self.connections.remove(&self.current);
        }
        replies
    }

    /// The current connection, opened if it is not.
    fn connection(&mut self) -> Result<&mut Connection, WireError> {
        if !self.connections.contains_key(&self.current) {
            let connection = Connection::open(self.target, &self.profile)?;
            self.connections.insert(self.current.clone(), connection);
        }
        Ok(self.connections.get_mut(&self.current).expect("inserted above if it was missing"))
    }

    fn command(&mut self, step: &Step) -> Vec<(&'static str, Reply)> {
        let target = self.target.clone();
        let connection = self.connections.get_mut(&self.current).expect("opened by step");
        let reply = match &step.action {
            Action::Statement(text) => return self.statement(step, text),
            Action::Reset => connection.reset_connection(),
            Action::ChangeUser(schema) => connection.change_user(&target.with_schema(schema)),
            Action::InitDb(schema) => connection.init_db(schema),
            Action::Ping => connection.ping(),
            Action::Statistics => connection.statistics(),
            Action::FieldList(table) => connection.field_list(table),
            Action::MultiStatements(on) => connection.set_multi_statements(*on),
            Action::Command(bytes) => connection.raw_command(bytes[0], &bytes[1..]),
            Action::Connect(_) | Action::Disconnect(_) => Ok(Vec::new()),
        };
        vec![("command", reply)]
    }

    fn statement(&mut self, step: &Step, text: &str) -> Vec<(&'static str, Reply)> {
        if self.profile.mode == Mode::Text || step.text_only {
            return vec![("query", self.query(&splice(text, &step.parameters)))];
        }
        let connection = self.connections.get_mut(&self.current).expect("opened by step");
        let (id, prepared) = connection.prepare(text.as_bytes());
        let mut replies = vec![("prepare", prepared)];
        match id {
            Some(id) => {
                let cursor = self.asks_for_cursor(step, &replies[0].1);
                self.execute(id, step, cursor, &mut replies);
            }
            // Not every statement can be prepared, stacked ones least of all.
            None if replies[0].1.is_ok() => replies.push(("query", self.query(&splice(text, &step.parameters)))),
            None => {}
        }
        replies
    }

    fn query(&mut self, text: &str) -> Reply {
        let files = self.files.clone();
        let connection = self.connections.get_mut(&self.current).expect("opened by step");
        connection.query_with(text.as_bytes(), &|name| fs::read(files.join(name)).ok())
    }

    /// MySQL 9 refuses a cursor for a statement without a result, so drivers ask for none there.
    fn asks_for_cursor(&self, step: &Step, prepared: &Reply) -> bool {
        let has_columns = |event: &Event| matches!(event, Event::Prepared { columns: 1.., .. });
        let has_rows = prepared.as_ref().is_ok_and(|events| events.iter().any(has_columns));
        let asks = match step.cursor {
            Cursors::Never => false,
            Cursors::ForRows => has_rows || self.kind == ServerKind::MariaDb,
            Cursors::Always => true,
        };
        asks && self.profile.mode == Mode::Cursor
    }

    fn execute(&mut self, id: StatementId, step: &Step, cursor: bool, replies: &mut Vec<(&'static str, Reply)>) {
        let files = self.files.clone();
        let connection = self.connections.get_mut(&self.current).expect("opened by step");
        let reply = connection.execute(id, &step.parameters, cursor, &|name| fs::read(files.join(name)).ok());
        let mut open = cursor && has_status(&reply, status::CURSOR_EXISTS);
        replies.push(("execute", reply));
        for _ in 0..MAX_FETCHES {
            if !open {
                break;
            }
            let reply = connection.fetch(id, FETCH_ROWS);
            open = !has_status(&reply, status::LAST_ROW_SENT) && !ended_in_error(&reply);
            replies.push(("fetch", reply));
        }
        if let Err(error) = connection.close_statement(id) {
            replies.push(("close", Err(error)));
        }
    }
}

fn has_status(reply: &Reply, flag: u16) -> bool {
    reply.as_ref().is_ok_and(|events| events.iter().filter_map(Event::status).any(|status| status & flag != 0))
}

fn ended_in_error(reply: &Reply) -> bool {
    reply.as_ref().map_or(true, |events| matches!(events.last(), Some(Event::Err(_))))
}
