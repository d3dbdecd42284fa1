//! Prepared statements of the binary protocol: cursors beside everything else that a session does, and what statements
//! cost the servers.

use std::collections::HashMap;
use std::time::Duration;

use pointsman_tests::differ::{Connection, Profile, Target, WireError, connection::StatementId, reply::Event};
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Login, Proxy, trace, waiting};

use crate::shared::place;

/// One command of a client; statements go by names.
enum Step {
    Query(&'static str),
    Prepare(&'static str, &'static str),
    /// With a read-only cursor.
    Open(&'static str),
    /// Without one.
    Run(&'static str),
    Fetch(&'static str, u32),
    Reset(&'static str),
    Close(&'static str),
}

use Step::{Close, Fetch, Open, Prepare, Query, Reset, Run};

const ALL: &str = "SELECT a FROM t ORDER BY a";

/// A client that uses cursors as no tidy program would. `s` and `t` are the same text.
const STEPS: &[Step] = &[
    Query("CREATE TABLE t (a INT PRIMARY KEY)"),
    Query("INSERT INTO t VALUES (1), (2), (3), (4), (5)"),
    Prepare("s", ALL),
    Prepare("t", ALL),
    Fetch("s", 1),
    Run("s"),
    Fetch("s", 1),
    Open("s"),
    Fetch("s", 2),
    Fetch("s", 0),
    Fetch("s", 9),
    Fetch("s", 1),
    // Two cursors of one text.
    Open("s"),
    Open("t"),
    Fetch("s", 2),
    Fetch("t", 1),
    Run("t"),
    Fetch("s", 2),
    Open("t"),
    Fetch("t", 5),
    Fetch("t", 5),
    Fetch("s", 5),
    // The text prepared, run and closed once more beside an open cursor.
    Open("s"),
    Fetch("s", 1),
    Prepare("u", ALL),
    Fetch("s", 1),
    Run("u"),
    Close("u"),
    Fetch("s", 9),
    // Writes, transactions and DDL beside it.
    Open("s"),
    Fetch("s", 1),
    Query("UPDATE t SET a = a + 10"),
    Fetch("s", 1),
    Query("BEGIN"),
    Query("DELETE FROM t"),
    Query("ROLLBACK"),
    Query("TRUNCATE t"),
    Fetch("s", 9),
    Query("INSERT INTO t VALUES (1), (2), (3), (4), (5)"),
    Query("BEGIN"),
    Open("s"),
    Fetch("s", 1),
    Query("COMMIT"),
    Fetch("s", 9),
    // Closed early.
    Open("s"),
    Fetch("s", 1),
    Reset("s"),
    Fetch("s", 1),
    Open("s"),
    Fetch("s", 1),
    Open("s"),
    Fetch("s", 9),
    Open("t"),
    Close("t"),
    Query("SELECT COUNT(*) FROM t"),
    // What only the session knows, and what is no result at all.
    Query("SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1"),
    Prepare("found", "SELECT FOUND_ROWS(), LAST_INSERT_ID()"),
    Open("found"),
    Fetch("found", 9),
    Prepare("write", "INSERT INTO t VALUES (6)"),
    Open("write"),
    Fetch("write", 1),
    Prepare("none", "SELECT a FROM t WHERE 1 = 0"),
    Open("none"),
    Fetch("none", 1),
    Query("CREATE TEMPORARY TABLE mine SELECT a FROM t"),
    Prepare("mine", "SELECT a FROM mine"),
    Open("mine"),
    Fetch("mine", 1),
    Query("DROP TEMPORARY TABLE mine"),
    Fetch("mine", 9),
    Query("DROP TABLE t"),
];

type Reply = Result<Vec<Event>, WireError>;

/// A statement's number is the server's own affair, also where an error names it.
fn without_numbers(mut reply: Reply) -> Reply {
    for event in reply.iter_mut().flatten() {
        if let Event::Err(error) = event {
            error.message.retain(|c| !c.is_ascii_digit());
        }
    }
    reply
}

fn step(connection: &mut Connection, statements: &mut HashMap<&'static str, StatementId>, step: &Step) -> Reply {
    match step {
        Query(text) => connection.query(text.as_bytes()),
        Prepare(name, text) => {
            let (id, reply) = connection.prepare(text.as_bytes());
            statements.extend(id.map(|id| (*name, id)));
            reply
        }
        Open(name) => connection.execute(statements[name], &[], true, &|_| None),
        Run(name) => connection.execute(statements[name], &[], false, &|_| None),
        Fetch(name, rows) => connection.fetch(statements[name], *rows),
        Reset(name) => connection.reset_statement(statements[name]),
        Close(name) => connection.close_statement(statements[name]).map(|()| vec![]),
    }
}

fn same_cursors(direct: &Target, through: &Target, profile: &Profile) {
    let open = |target| Connection::open(target, profile).expect("the login succeeds");
    let (mut left, mut right) = (open(direct), open(through));
    let (mut left_ids, mut right_ids) = (HashMap::new(), HashMap::new());
    // One after the other: both use the same tables.
    let expected: Vec<Reply> = STEPS.iter().map(|s| without_numbers(step(&mut left, &mut left_ids, s))).collect();
    for (number, s) in STEPS.iter().enumerate() {
        let got = without_numbers(step(&mut right, &mut right_ids, s));
        assert_eq!(got, expected[number], "step {number}, {}", profile.name);
    }
}

#[test]
fn cursors_answer_as_on_a_direct_connection() -> Lab<()> {
    let place = place()?;
    let switching = Proxy::of(place.group).more("[debug]\nalways_switch = true").start()?;
    let direct = Target::new("127.0.0.1", place.group.writer().port, "app", "app").with_schema(&place.schema);
    for profile in [Profile::MYSQLND_CURSOR, Profile::LIBMYSQLCLIENT_BINARY] {
        for port in [place.proxy.port, switching.port] {
            same_cursors(&direct, &direct.at(port), &profile);
        }
    }
    Ok(())
}

/// A proxy with one connection to its one server.
fn narrow() -> Lab<(Group, Proxy)> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let pool = "[pool]\nmax_connections_per_server = 1\nwait_timeout_ms = 200";
    let proxy = Proxy::of(&group).more(pool).start()?;
    Ok((group, proxy))
}

#[test]
fn a_cursor_keeps_its_connection_until_its_last_row() -> Lab<()> {
    let (_group, proxy) = narrow()?;
    let target = Target::new("127.0.0.1", proxy.port, "app", "app").with_schema("shop");
    let mut reader = Connection::open(&target, &Profile::MYSQLND_CURSOR).expect("the login succeeds");
    let (id, _) = reader.prepare(b"SELECT 1 UNION SELECT 2");
    let id = id.expect("the statement is prepared");
    reader.execute(id, &[], true, &|_| None).expect("the cursor opens");
    reader.fetch(id, 1).expect("a row comes");
    // ER_CON_COUNT_ERROR
    assert_eq!(proxy.client()?.value("SELECT 3").unwrap_err().code(), Some(1040));
    reader.fetch(id, 9).expect("the last row comes");
    assert_eq!(proxy.client()?.value("SELECT 3")?, "3");
    Ok(())
}

#[test]
fn a_text_that_is_prepared_again_and_again_is_kept_once() -> Lab<()> {
    let (group, proxy) = narrow()?;
    let prepared = || group.writer().counter("Prepared_stmt_count");
    for n in 0..40 {
        assert_eq!(proxy.client()?.prepared("SELECT ? + 1", (n,))?, [[Some((n + 1).to_string())]]);
    }
    assert!(prepared()? < 5, "{} statements at the server", prepared()?);
    Ok(())
}

#[test]
fn statements_stay_within_half_of_what_the_server_takes() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).extra("--max-prepared-stmt-count=40").start()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = proxy.client()?;
    for n in 0..100 {
        assert_eq!(client.prepared(&format!("SELECT ? + {n}"), (1,))?, [[Some((n + 1).to_string())]]);
    }
    let kept = group.writer().counter("Prepared_stmt_count")?;
    assert!(kept <= 20, "{kept} statements at the server");
    // The first of them again, which the server has closed since.
    assert_eq!(client.prepared("SELECT ? + 0", (7,))?, [[Some("7".to_owned())]]);
    Ok(())
}

#[test]
fn a_killed_client_finds_its_connection_closed_and_no_packet() -> Lab<()> {
    const NOTICED: Duration = Duration::from_secs(10);
    let place = place()?;
    let direct = Target::new("127.0.0.1", place.group.writer().port, "app", "app");
    for port in [direct.port, place.proxy.port] {
        let mut killer = Client::connect(&Login::app(port))?;
        for busy in [false, true] {
            let mut victim = Connection::open(&direct.at(port), &Profile::MYSQLND_TEXT).expect("the login succeeds");
            let id = victim.login.connection_id;
            if busy {
                let marker = trace::marker();
                victim
                    .send_query(format!("SELECT SLEEP(20) /* {marker} */").as_bytes())
                    .expect("the statement goes out");
                let running = format!(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(20) /* {marker}%'"
                );
                waiting::until("it runs", NOTICED, || {
                    place.group.servers().iter().any(|server| server.value(&running).is_ok_and(|count| count == "1"))
                })?;
            }
            killer.sql(&format!("KILL {id}"))?;
            assert_eq!(victim.results(&|_| None), Err(WireError::Closed), "port {port}, busy: {busy}");
        }
    }
    Ok(())
}
