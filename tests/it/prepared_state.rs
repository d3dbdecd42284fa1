//! The state that a prepared statement runs in, and what user variables mean, wherever both are brought to.

use pointsman_tests::differ::connection::StatementId;
use pointsman_tests::differ::parameters::Parameter;
use pointsman_tests::differ::reply::Event;
use pointsman_tests::differ::{Connection, Profile, Target};
use pointsman_tests::template::{APP, SCHEMA};
use pointsman_tests::{GroupPlan, Kind, Lab, Proxy};

/// What a client saw, for a message: the step and its reply.
type Seen = Vec<(String, Vec<Event>)>;

struct Session {
    client: Connection,
    seen: Seen,
}

impl Session {
    fn open(port: u16) -> Self {
        let target = Target::new("127.0.0.1", port, APP.0, APP.1).with_schema(SCHEMA);
        Self { client: Connection::open(&target, &Profile::MYSQLND_TEXT).expect("a login"), seen: Vec::new() }
    }

    fn run(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.run_bytes(text.as_bytes()));
    }

    fn run_bytes(&mut self, text: &[u8]) {
        let reply = self.client.query(text).expect("a reply");
        self.seen.push((String::from_utf8_lossy(text).into_owned(), reply));
    }

    /// Rows put there anew; how many there were depends on who ran before.
    fn refill(&mut self) {
        self.run(&REFILL);
        self.seen.clear();
    }

    fn prepare(&mut self, text: &str) -> StatementId {
        let (id, reply) = self.client.prepare(text.as_bytes());
        let events = reply.expect("a reply to PREPARE");
        id.unwrap_or_else(|| panic!("{text}: {events:?}"))
    }

    fn execute(&mut self, id: StatementId, parameters: &[Parameter]) {
        let reply = self.client.execute(id, parameters, false, &|_| None).expect("a reply to EXECUTE");
        self.seen.push((format!("execute {parameters:?}"), reply));
    }

    /// COM_STMT_EXECUTE with a body of the test's own behind the statement's id.
    fn execute_raw(&mut self, id: u32, tail: &[u8]) {
        let body = [&id.to_le_bytes()[..], &[0, 1, 0, 0, 0], tail].concat();
        let reply = self.client.raw_command(0x17, &body).expect("a reply to EXECUTE");
        self.seen.push(("execute".to_owned(), reply));
    }

    fn end(self) -> Seen {
        self.client.quit();
        self.seen
    }
}

/// Compares what a client sees directly with what it sees through a proxy, in its usual mode and when each statement runs
/// on another connection than the one before.
fn same(kinds: &[Kind], seen_at: impl Fn(u16) -> Seen) -> Lab<()> {
    for kind in kinds {
        let Some(group) = GroupPlan::new(*kind).masters(1).replicas(0).start_or_skip()? else { continue };
        group.sql(&format!("CREATE TABLE {SCHEMA}.acc (id INT PRIMARY KEY, bal INT, v VARCHAR(40)) ENGINE=InnoDB"))?;
        let direct = seen_at(group.writer().port);
        for switches in [false, true] {
            let proxy = Proxy::of(&group).more(&format!("[debug]\nalways_switch = {switches}")).start()?;
            let through = seen_at(proxy.port);
            for (direct, through) in direct.iter().zip(&through) {
                assert_eq!(through, direct, "{kind:?}, switching: {switches}");
            }
            assert_eq!(through.len(), direct.len());
        }
    }
    Ok(())
}

const BOTH: [Kind; 2] = [Kind::MariaDb, Kind::MySql9];

const REFILL: [&str; 2] = ["DELETE FROM acc", "INSERT INTO acc VALUES (1,100,'abc'),(2,100,'def'),(3,100,'5x')"];

#[test]
fn an_execution_ends_no_transaction() -> Lab<()> {
    same(&BOTH, |port| {
        let mut other = Session::open(port);
        other.refill();
        let prepared = other.prepare("SELECT bal FROM acc WHERE id = 1");
        other.execute(prepared, &[]);
        let mut seen = other.end();
        let ways: [(&[&str], &[&str]); 3] = [
            (&[], &["SET autocommit = 0", "UPDATE acc SET bal = bal - 40 WHERE id = 1"]),
            (&["SET autocommit = 0"], &["SET autocommit = 1", "BEGIN", "UPDATE acc SET bal = bal - 7 WHERE id = 1"]),
            (&["SET sql_mode = 'ANSI_QUOTES'"], &["SET sql_mode = ''", "BEGIN", "UPDATE acc SET bal = 1 WHERE id = 1"]),
        ];
        for (before, within) in ways {
            let mut session = Session::open(port);
            session.run(before);
            let id = session.prepare("SELECT bal FROM acc WHERE id = 1");
            session.run(within);
            session.execute(id, &[]);
            session.run(&["ROLLBACK", "SELECT bal FROM acc WHERE id = 1"]);
            seen.extend(session.end());
        }
        seen
    })
}

#[test]
fn user_variables_in_an_execution_are_those_of_now() -> Lab<()> {
    same(&BOTH, |port| {
        let mut seen = Seen::new();
        let mut session = Session::open(port);
        session.refill();
        session.end();
        let ways: [(&str, &str, &[&str]); 3] = [
            ("DO 0", "SELECT @x + 0", &["SET @x = (SELECT 5)"]),
            ("SET @y = 1", "SELECT @y + 0", &["SET @y = (SELECT 7)"]),
            ("DO 0", "INSERT INTO acc (id, v) VALUES (9, @z)", &["BEGIN", "SELECT 9 INTO @z"]),
        ];
        for (before, text, then) in ways {
            let mut session = Session::open(port);
            session.run(&[before]);
            let id = session.prepare(text);
            session.run(then);
            session.execute(id, &[]);
            session.run(&["SELECT v FROM acc WHERE id = 9", "SELECT @x, @y, @z"]);
            // That a variable is NULL because it was never set, its type tells, but not on a connection in use.
            session.seen.iter_mut().for_each(|(_, events)| events.retain(|e| !matches!(e, Event::Column(_))));
            seen.extend(session.end());
        }
        seen
    })
}

#[test]
fn the_types_of_one_sessions_parameters_are_nothing_to_another() -> Lab<()> {
    const STATEMENTS: [&str; 6] = [
        "SELECT id FROM acc WHERE v = ?",
        "SELECT ?",
        "SELECT JSON_ARRAY(?)",
        "SELECT MAX(?) FROM acc",
        "UPDATE acc SET bal = 0 WHERE v = ?",
        "DELETE FROM acc WHERE v = ?",
    ];
    same(&BOTH, |port| {
        let mut seen = Seen::new();
        for text in STATEMENTS {
            for value in [Parameter::Int(7), Parameter::Double(7.5), Parameter::Text("nosuchtoken".to_owned())] {
                let mut session = Session::open(port);
                session.refill();
                let id = session.prepare(text);
                session.execute(id, std::slice::from_ref(&value));
                session.execute(id, &[value]);
                // The warnings in the packet between columns and rows are not known before the rows are.
                session.seen.iter_mut().for_each(|(_, events)| events.retain(|e| !matches!(e, Event::Eof { .. })));
                seen.extend(session.end());
            }
        }
        seen
    })
}

#[test]
fn one_session_may_change_the_types_of_its_parameters() -> Lab<()> {
    for kind in BOTH {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { continue };
        let proxy = Proxy::of(&group).start()?;
        let run = |port: u16| {
            let mut session = Session::open(port);
            let id = session.prepare("SELECT ?");
            let text = |text: &str| Parameter::Text(text.to_owned());
            for value in
                [Parameter::Int(7), text("abc"), Parameter::Double(2.5), Parameter::Int(8), text("x"), text("y")]
            {
                session.execute(id, &[value]);
            }
            session.end()
        };
        let direct = run(group.writer().port);
        // The second session meets the statement as the first has left it.
        for _ in 0..3 {
            assert_eq!(run(proxy.port), direct, "{kind:?}");
        }
    }
    Ok(())
}

#[test]
fn an_execution_that_never_told_its_types_is_refused_as_by_the_server() -> Lab<()> {
    same(&BOTH, |port| {
        let mut other = Session::open(port);
        let id = other.prepare("SELECT ?");
        other.execute(id, &[Parameter::Int(5)]);
        let mut seen = other.end();
        let mut session = Session::open(port);
        let id = session.prepare("SELECT ?");
        session.execute_raw(id.0, &[0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        session.run(&["SELECT 1"]);
        seen.extend(session.end());
        seen
    })
}

#[test]
fn a_statement_outlives_the_schema_that_it_was_prepared_in() -> Lab<()> {
    same(&BOTH, |port| {
        let mut other = Session::open(port);
        other.run(&["CREATE DATABASE IF NOT EXISTS passing", "USE passing"]);
        let id = other.prepare(&format!("SELECT COUNT(*) FROM {SCHEMA}.acc WHERE id = 77"));
        let use_back = format!("USE {SCHEMA}");
        other.run(&[&use_back, "DROP DATABASE passing"]);
        other.seen.clear();
        other.execute(id, &[]);
        other.execute(id, &[]);
        // A server warns that the schema is gone; through the proxy that is not always told.
        other.seen.iter_mut().for_each(|(_, events)| events.retain(|e| matches!(e, Event::Row(_) | Event::Err(_))));
        other.end()
    })
}

#[test]
fn mariadbs_last_prepared_statement_needs_no_id() -> Lab<()> {
    const LAST: u32 = u32::MAX;
    same(&BOTH, |port| {
        let mut session = Session::open(port);
        session.prepare("SELECT 4");
        let five = session.prepare("SELECT 5");
        session.execute_raw(LAST, &[]);
        let _refused = session.client.prepare(b"SELECT FROM");
        session.execute_raw(LAST, &[]);
        let six = session.prepare("SELECT 6");
        session.client.close_statement(five).expect("a connection");
        session.execute_raw(LAST, &[]);
        session.client.close_statement(six).expect("a connection");
        session.execute_raw(LAST, &[]);
        session.end()
    })
}

#[test]
fn a_user_variable_keeps_its_meaning_under_another_reading() -> Lab<()> {
    const ASKED: &str = "SELECT HEX(@a), CHARSET(@a), COLLATION(@a), COERCIBILITY(@a), @a + 0, @role, @a";
    let sessions: [&[&[u8]]; 14] = [
        &[b"SET NAMES latin1", b"SET @a = '\xe9'", b"SET NAMES utf8mb4"],
        &[b"SET @a = '\xc3\xa9'", b"SET NAMES latin1"],
        &[b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'", b"SET @a = '\\'', @role=1 -- '", b"SET sql_mode = ''"],
        &[b"SET @a = 'a\\\\b\\n\\%\\_''\\''", b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'"],
        &[b"SET @a = \"x\"\"y'\"", b"SET sql_mode = 'ANSI_QUOTES'"],
        &[b"SET NAMES gbk", b"SET @a = '\xd5\x5c'", b"SET NAMES utf8mb4"],
        &[b"SET collation_connection = utf8mb4_bin", b"SET @a = 'x'", b"SET NAMES utf8mb4"],
        &[b"SET NAMES utf8mb4 COLLATE utf8mb4_bin, @a = 'x'"],
        &[b"SET @a = N'x'", b"SET sql_mode = 'ANSI'"],
        &[b"SET @a = _latin1'x' COLLATE latin1_bin", b"SET NAMES latin1"],
        &[b"SET @a = ''", b"SET NAMES latin1"],
        &[b"SET @a = -1.50"],
        &[b"SET @a = 1e3"],
        &[b"SET @a = x'4142'", b"SET NAMES latin1"],
    ];
    same(&BOTH, |port| {
        let mut seen = Seen::new();
        for statements in sessions {
            let mut session = Session::open(port);
            statements.iter().for_each(|text| session.run_bytes(text));
            session.run(&["SELECT COUNT(*) FROM acc WHERE id = -1", "BEGIN", "DELETE FROM acc WHERE id = -1", ASKED]);
            session.run(&["ROLLBACK"]);
            seen.extend(session.end());
        }
        seen
    })
}
