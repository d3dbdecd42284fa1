//! The corpus: files of statements, with directives for what a statement can't say.
//!
//! A statement ends at a line that ends with the delimiter (`;` at first), which is not sent; several on one
//! line are therefore one stacked statement. Comments between statements that begin with `-- ` are directives
//! or remarks; `#` and `/*` comments, and anything inside a statement, are sent.
//!
//! Directives for the whole file, before its first statement: `-- server mariadb` or `-- server mysql`.
//! For the next statement or action only: `-- only mariadb|mysql`, `-- sorted` (rows in any order), `-- text`
//! (never prepared), `-- params 1, 'a', NULL`, `-- mask rows,count,message,info,length,trackers,status`.
//! Until changed: `-- delimiter //`, `-- cursors off` (of the next statements, whose cursor would crash a server),
//! `-- cursors always` (also where there are no rows).
//! Actions, each compared like a statement: `-- connection NAME`,
//! `-- disconnect NAME`, `-- reset`, `-- change_user SCHEMA`, `-- init_db SCHEMA`, `-- ping`, `-- statistics`,
//! `-- field_list TABLE`, `-- multi_statements on|off`, `-- command HEX`.

use std::fs;
use std::io;
use std::path::Path;

use super::parameters::{self, Parameter};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    MariaDb,
    MySql,
}

impl ServerKind {
    /// MariaDB says so in its version.
    #[must_use]
    pub fn of_version(version: &str) -> Self {
        if version.contains("MariaDB") { Self::MariaDb } else { Self::MySql }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "mariadb" => Some(Self::MariaDb),
            "mysql" => Some(Self::MySql),
            _ => None,
        }
    }
}

/// What is left out of the comparison, because it can't be equal in two runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    pub rows: bool,
    pub count: bool,
    pub message: bool,
    pub info: bool,
    pub length: bool,
    pub trackers: bool,
    /// Status flags: those on indexes used depend on statistics where the server reads its own tables.
    pub status: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Statement(String),
    Connect(String),
    Disconnect(String),
    Reset,
    ChangeUser(String),
    InitDb(String),
    Ping,
    Statistics,
    FieldList(String),
    MultiStatements(bool),
    Command(Vec<u8>),
}

/// Whether a client that uses cursors asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursors {
    Never,
    ForRows,
    Always,
}

impl Cursors {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Never),
            "on" => Some(Self::ForRows),
            "always" => Some(Self::Always),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub line: usize,
    pub action: Action,
    pub only: Option<ServerKind>,
    pub sorted: bool,
    pub text_only: bool,
    pub cursor: Cursors,
    pub parameters: Vec<Parameter>,
    pub mask: Mask,
}

/// One file of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    pub name: String,
    pub server: Option<ServerKind>,
    pub steps: Vec<Step>,
}

impl Script {
    /// Reads every `*.sql` file of a directory, in the order of their names.
    pub fn read_directory(directory: &Path) -> io::Result<Vec<Self>> {
        let mut paths: Vec<_> =
            fs::read_dir(directory)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    pub fn read(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::parse(&name, &fs::read_to_string(path)?).map_err(|line| {
            io::Error::other(format!("{}:{line}: a directive or statement that makes no sense", path.display()))
        })
    }

    /// The steps of a text, or the number of the line that makes no sense.
    pub fn parse(name: &str, text: &str) -> Result<Self, usize> {
        let mut parser = Parser::new(name);
        for (index, line) in text.lines().enumerate() {
            parser.line(index + 1, line)?;
        }
        parser.finish()
    }

    #[must_use]
    pub fn runs_on(&self, kind: ServerKind) -> bool {
        self.server.is_none_or(|server| server == kind)
    }

    /// How many statements it has.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.action, Action::Statement(_))).count()
    }
}

struct Parser {
    script: Script,
    delimiter: String,
    cursors: Cursors,
    /// The statement being read, and its first line.
    pending: Option<(usize, String)>,
    next: Step,
}

fn blank_step() -> Step {
    Step {
        line: 0,
        action: Action::Ping,
        only: None,
        sorted: false,
        text_only: false,
        cursor: Cursors::ForRows,
        parameters: Vec::new(),
        mask: Mask::default(),
    }
}

impl Parser {
    fn new(name: &str) -> Self {
        let script = Script { name: name.to_owned(), server: None, steps: Vec::new() };
        Self { script, delimiter: ";".to_owned(), cursors: Cursors::ForRows, pending: None, next: blank_step() }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), usize> {
        if self.pending.is_none() {
            if line.trim().is_empty() {
                return Ok(());
            }
            if let Some(directive) = line.strip_prefix("-- ") {
                return self.directive(number, directive.trim()).ok_or(number);
            }
        }
        let (first, mut text) = self.pending.take().unwrap_or((number, String::new()));
        if !text.is_empty() {
            text.push('\n');
        }
        match line.trim_end().strip_suffix(&self.delimiter) {
            Some(head) => {
                text.push_str(head);
                self.push(first, Action::Statement(text));
            }
            None => {
                text.push_str(line);
                self.pending = Some((first, text));
            }
        }
        Ok(())
    }

    fn push(&mut self, line: usize, action: Action) {
        let step = std::mem::replace(&mut self.next, blank_step());
        self.script.steps.push(Step { line, action, cursor: self.cursors, ..step });
    }

    /// `None` if the directive's argument makes no sense; unknown words are remarks.
    fn directive(&mut self, number: usize, directive: &str) -> Option<()> {
        let (word, argument) = directive.split_once(' ').unwrap_or((directive, ""));
        let argument = argument.trim();
        match word {
            "server" => self.script.server = Some(ServerKind::parse(argument)?),
            "delimiter" => argument.clone_into(&mut self.delimiter),
            "only" => self.next.only = Some(ServerKind::parse(argument)?),
            "sorted" => self.next.sorted = true,
            "text" => self.next.text_only = true,
            "cursors" => self.cursors = Cursors::parse(argument)?,
            "params" => self.next.parameters = parameters::parse(argument)?,
            "mask" => self.next.mask = parse_mask(argument)?,
            _ => {
                if let Some(action) = parse_action(word, argument)? {
                    self.push(number, action);
                }
            }
        }
        Some(())
    }

    fn finish(self) -> Result<Script, usize> {
        match self.pending {
            Some((line, _)) => Err(line),
            None => Ok(self.script),
        }
    }
}

/// `None` for a wrong argument, `Some(None)` for a remark.
fn parse_action(word: &str, argument: &str) -> Option<Option<Action>> {
    let owned = argument.to_owned();
    Some(Some(match (word, argument) {
        ("connection", _) => Action::Connect(owned),
        ("disconnect", _) => Action::Disconnect(owned),
        ("reset", "") => Action::Reset,
        ("change_user", _) => Action::ChangeUser(owned),
        ("init_db", _) => Action::InitDb(owned),
        ("ping", "") => Action::Ping,
        ("statistics", "") => Action::Statistics,
        ("field_list", _) => Action::FieldList(owned),
        ("multi_statements", _) => Action::MultiStatements(parse_switch(argument)?),
        ("command", hex) => Action::Command(parse_hex(hex)?),
        _ => return Some(None),
    }))
}

fn parse_switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn parse_hex(hex: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

fn parse_mask(list: &str) -> Option<Mask> {
    let mut mask = Mask::default();
    for word in list.split(',') {
        match word.trim() {
            "rows" => mask.rows = true,
            "count" => mask.count = true,
            "message" => mask.message = true,
            "info" => mask.info = true,
            "length" => mask.length = true,
            "trackers" => mask.trackers = true,
            "status" => mask.status = true,
            _ => return None,
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_a_delimiter_that_ends_a_line() {
        let script = Script::parse("a", "SELECT 1; SELECT 2;\n-- delimiter //\nSELECT ';'\n//\n").unwrap();
        let texts: Vec<_> = script.steps.iter().map(|step| step.action.clone()).collect();
        assert_eq!(texts, [Action::Statement("SELECT 1; SELECT 2".into()), Action::Statement("SELECT ';'\n".into())]);
        assert_eq!(script.steps[1].line, 3);
    }

    #[test]
    fn directives_hold_for_one_statement() {
        let text = "-- server mysql\n-- mask rows\n-- params 1\nSELECT ?;\nSELECT 2;\n-- connection b\n-- a remark\n";
        let script = Script::parse("a", text).unwrap();
        assert_eq!(script.server, Some(ServerKind::MySql));
        assert!(script.steps[0].mask.rows && !script.steps[1].mask.rows);
        assert_eq!(script.steps[2].action, Action::Connect("b".into()));
        assert_eq!(script.steps.len(), 3);
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        assert_eq!(Script::parse("a", "SELECT 1;\n-- mask everything\n"), Err(2));
        assert_eq!(Script::parse("a", "SELECT 1;\nSELECT 2\n"), Err(2));
    }
}
