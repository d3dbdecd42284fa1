//! What binds a session to one connection, and until when: seen through a pool that has a single connection.

use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Proxy, waiting};
use std::time::Duration;

/// Longer than a loaded machine needs for a clean-up.
const SOON: Duration = Duration::from_secs(20);

/// A server, and a proxy with one connection to it, which a statement waits for no longer than it takes to see.
fn started(kind: Kind) -> Lab<Option<(Group, Proxy)>> {
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(None) };
    group.sql("CREATE TABLE log (x VARCHAR(60))")?;
    let pool = "[pool]\nmax_connections_per_server = 1\nwait_timeout_ms = 300\nresult_state_hold_ms = 1";
    let proxy = Proxy::of(&group).more(pool).start()?;
    Ok(Some((group, proxy)))
}

/// Whether the one connection is free: another session gets it, and sees its own state there.
fn is_free(other: &mut Client) -> bool {
    match other.value("SELECT 1 FROM DUAL FOR UPDATE") {
        Ok(one) => one == "1",
        Err(error) => {
            assert_eq!(error.code(), Some(1040), "{error}");
            false
        }
    }
}

/// Each line: what binds the session, statements in between, and what frees it.
fn assert_pins(proxy: &Proxy, lines: &[(&str, &str)]) -> Lab<()> {
    let (mut own, mut other) = (proxy.client()?, proxy.client()?);
    for (bind, free) in lines {
        for statement in bind.split("; ") {
            own.sql(statement)?;
        }
        assert!(!is_free(&mut other), "{bind} binds");
        for statement in free.split("; ") {
            own.sql(statement)?;
        }
        waiting::until(&format!("{free} to free the connection of {bind}"), SOON, || is_free(&mut other))?;
    }
    Ok(())
}

#[test]
fn a_session_is_bound_until_the_cause_is_gone() -> Lab<()> {
    let Some((group, proxy)) = started(Kind::MariaDb)? else { return Ok(()) };
    for statement in ["CREATE ROLE clerk", "GRANT SELECT ON shop.* TO clerk", "GRANT clerk TO app@'%'"] {
        group.sql(statement)?;
    }
    assert_pins(
        &proxy,
        &[
            ("BEGIN", "COMMIT"),
            ("CREATE TEMPORARY TABLE tmp (a INT)", "DROP TEMPORARY TABLE tmp"),
            ("CREATE TEMPORARY TABLE tmp (a INT)", "DROP TABLE tmp"),
            ("LOCK TABLES log READ", "UNLOCK TABLES"),
            ("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"),
            ("HANDLER shop.log OPEN", "HANDLER log CLOSE"),
            ("HANDLER log OPEN", "HANDLER log READ FIRST; HANDLER log CLOSE"),
            ("HANDLER shop.log OPEN AS other", "HANDLER other CLOSE"),
            ("DO GET_LOCK('a', 0)", "DO RELEASE_LOCK('A')"),
            ("SELECT GET_LOCK('a', 0); SELECT GET_LOCK('a', 0)", "SELECT RELEASE_LOCK('a'); SELECT RELEASE_LOCK('a')"),
            ("SELECT GET_LOCK(CONCAT('a', 1), 0)", "SELECT RELEASE_LOCK(CONCAT('a', 1))"),
            ("SELECT GET_LOCK(CONCAT('a', 1), 0), GET_LOCK(MD5('b'), 0)", "SELECT RELEASE_ALL_LOCKS()"),
            ("SET @name = 'a'; SELECT GET_LOCK(CONCAT(@name, 'b'), 0)", "DO RELEASE_ALL_LOCKS()"),
            ("PREPARE p FROM 'SELECT 1'", "EXECUTE p; DEALLOCATE PREPARE p"),
            ("SET @n = (SELECT COUNT(*) FROM log)", "SET @n = 0"),
            ("XA START 'x'", "XA END 'x'; XA ROLLBACK 'x'"),
            ("SET TRANSACTION READ ONLY; SELECT 1; SELECT COUNT(*) FROM log", "ROLLBACK"),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN; SELECT COUNT(*) FROM log; COMMIT"),
            ("SET sql_auto_is_null = 1", "SET sql_auto_is_null = 0"),
            ("SET ROLE clerk", "SET ROLE NONE"),
            ("SET autocommit = 0; SELECT COUNT(*) FROM log", "SET autocommit = 1"),
        ],
    )?;
    // An account with a default role is not again as at its login.
    group.sql("SET DEFAULT ROLE clerk FOR app@'%'")?;
    let (mut own, mut other) = (proxy.client()?, proxy.client()?);
    own.sql("SET ROLE NONE")?;
    assert!(!is_free(&mut other), "SET ROLE NONE where the login gives a role");
    Ok(())
}

#[test]
fn what_moves_with_the_session_binds_it_to_nothing() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some((_group, proxy)) = started(kind)? else { continue };
        let (mut own, mut other) = (proxy.client()?, proxy.client()?);
        for (statement, query, value) in [
            ("SET @a = 'x', @b = -1.5", "SELECT CONCAT(@a, @b)", "x-1.5"),
            ("SET sql_mode = 'ANSI_QUOTES'", "SELECT @@sql_mode", "ANSI_QUOTES"),
            ("SET NAMES latin1", "SELECT @@character_set_client", "latin1"),
            ("SET time_zone = '+05:30'", "SELECT @@time_zone", "+05:30"),
            ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT 1", "1"),
            ("SET group_concat_max_len = 77", "SELECT @@group_concat_max_len", "77"),
            ("SET @@last_insert_id = 4711", "SELECT LAST_INSERT_ID()", "4711"),
            ("SET identity = 4712", "SELECT @@last_insert_id", "4712"),
            ("SET profiling = 0", "SELECT @@profiling", "0"),
            ("INSERT INTO log VALUES ('x')", "SELECT ROW_COUNT()", "1"),
            ("USE mysql", "SELECT DATABASE()", "mysql"),
        ] {
            own.sql(statement)?;
            waiting::until(&format!("{statement} to bind nothing"), SOON, || is_free(&mut other))?;
            assert_eq!(own.value(query)?, value, "{query} after {statement}");
            assert_eq!(other.value("SELECT CONCAT_WS(',', @a, LAST_INSERT_ID(), DATABASE())")?, "0,shop");
        }
    }
    Ok(())
}

/// A server with a table that gives ids, and a proxy with one connection to it that a session may hold for long after
/// an error.
fn held(kind: Kind) -> Lab<Option<(Group, Proxy)>> {
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(None) };
    group.sql("CREATE TABLE kept (id INT AUTO_INCREMENT PRIMARY KEY, x VARCHAR(60))")?;
    let pool = "[pool]\nmax_connections_per_server = 1\nresult_state_hold_ms = 60000";
    let proxy = Proxy::of(&group).more(pool).start()?;
    Ok(Some((group, proxy)))
}

/// How a session may end that does not end its transaction.
const ENDS: [fn(&Proxy, Client) -> Lab<()>; 4] = [
    |_, client| {
        drop(client);
        Ok(())
    },
    |_, mut client| {
        client.vanish();
        Ok(())
    },
    |_, mut client| client.reset().map(drop),
    |proxy, mut client| client.change_user(&proxy.login().schema("shop")),
];

fn assert_a_transaction_behind_an_error_is_nobody_elses(kind: Kind) -> Lab<()> {
    const OPENED: &str = "BEGIN; INSERT INTO kept (x) VALUES ('lost'); SELECT * FROM nosuch; COMMIT";
    let Some((group, proxy)) = held(kind)? else { return Ok(()) };
    for (round, end) in ENDS.iter().enumerate() {
        let mut client = proxy.client()?;
        assert_eq!(client.sql(OPENED).err().and_then(|e| e.code()), Some(1146));
        end(&proxy, client)?;
        let mut other = proxy.client()?;
        other.sql(&format!("INSERT INTO kept (x) VALUES ('round {round}')"))?;
        drop(other);
        let there = group.writer().value("SELECT GROUP_CONCAT(x ORDER BY x) FROM shop.kept")?;
        let wanted: Vec<_> = (0..=round).map(|round| format!("round {round}")).collect();
        assert_eq!(there, wanted.join(","));
    }
    Ok(())
}

#[test]
fn a_transaction_behind_an_error_is_nobody_elses() -> Lab<()> {
    assert_a_transaction_behind_an_error_is_nobody_elses(Kind::MariaDb)
}

#[test]
fn a_transaction_behind_an_error_is_nobody_elses_on_mysql9() -> Lab<()> {
    assert_a_transaction_behind_an_error_is_nobody_elses(Kind::MySql9)
}

fn assert_settings_for_once_are_nobody_elses(kind: Kind) -> Lab<()> {
    let Some((group, proxy)) = held(kind)? else { return Ok(()) };
    let lines = [
        "SET TRANSACTION READ ONLY; SELECT 1",
        "START TRANSACTION READ ONLY; SET autocommit = 0; SET autocommit = 1",
        "SET insert_id = 777001; SELECT 1",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1",
    ];
    for line in lines {
        let mut client = proxy.client()?;
        for statement in line.split("; ") {
            client.sql(statement)?;
        }
        drop(client);
        let mut other = proxy.client()?;
        other.sql("INSERT INTO kept (x) VALUES ('x')")?;
        let id: u64 = other.last_ok().1.expect("an insert has an id");
        assert!(id < 777_001, "{line}: the next session's row got id {id}");
        other.sql("BEGIN")?;
        other.sql("SELECT COUNT(*) FROM kept")?;
        // Under SERIALIZABLE the rows that were counted are locked.
        let mut third = group.writer().client()?;
        third.sql("SET innodb_lock_wait_timeout = 1")?;
        third.sql("UPDATE shop.kept SET x = 'y'")?;
        other.sql("ROLLBACK")?;
    }
    Ok(())
}

#[test]
fn settings_for_once_are_nobody_elses() -> Lab<()> {
    assert_settings_for_once_are_nobody_elses(Kind::MariaDb)
}

#[test]
fn settings_for_once_are_nobody_elses_on_mysql9() -> Lab<()> {
    assert_settings_for_once_are_nobody_elses(Kind::MySql9)
}
