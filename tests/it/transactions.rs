//! Transactions through the proxy: one server for all of one, and nothing lost or kept that should not be.

use pointsman_tests::Lab;

use crate::shared::{Place, place};

fn with_table() -> Lab<Place> {
    let place = place()?;
    place.everywhere("CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL) ENGINE=InnoDB")?;
    place.everywhere("INSERT INTO t VALUES (1, 10), (2, 20)")?;
    Ok(place)
}

#[test]
fn a_read_inside_a_transaction_stays_on_the_writer() -> Lab<()> {
    let place = with_table()?;
    for begin in ["BEGIN", "START TRANSACTION", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "SET autocommit = 0"] {
        let mut client = place.client()?;
        client.sql(begin)?;
        assert_eq!(place.who_runs(&mut client, "SELECT a FROM t /* {mark} */")?, place.writer(), "{begin}");
        client.sql("COMMIT")?;
    }
    Ok(())
}

#[test]
fn a_read_only_transaction_stays_on_one_server() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("START TRANSACTION READ ONLY")?;
    let first = place.who_runs(&mut client, "SELECT a FROM t /* {mark} */")?;
    for _ in 0..10 {
        assert_eq!(place.who_runs(&mut client, "SELECT b FROM t /* {mark} */")?, first);
    }
    // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    assert_eq!(client.sql("INSERT INTO t VALUES (9, 9)").unwrap_err().code(), Some(1792));
    client.sql("COMMIT")?;
    client.sql("INSERT INTO t VALUES (9, 9)")?;
    Ok(())
}

/// It locks what it reads, which at a replica would keep nobody off.
#[test]
fn a_serializable_read_only_transaction_runs_at_the_writer() -> Lab<()> {
    let place = with_table()?;
    let mut reader = place.client()?;
    reader.sql("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")?;
    reader.sql("START TRANSACTION READ ONLY")?;
    reader.sql("SELECT b FROM t WHERE a = 1")?;
    let mut other = place.client()?;
    other.sql("SET innodb_lock_wait_timeout = 1")?;
    // ER_LOCK_WAIT_TIMEOUT
    assert_eq!(other.sql("UPDATE t SET b = 11 WHERE a = 1").unwrap_err().code(), Some(1205));
    reader.sql("COMMIT")?;
    other.sql("UPDATE t SET b = 11 WHERE a = 1").map(drop)
}

#[test]
fn what_commits_a_read_only_transaction_at_a_replica_goes_on_at_the_writer() -> Lab<()> {
    let place = with_table()?;
    let ends = [
        "BEGIN",
        "START TRANSACTION READ WRITE",
        "LOCK TABLES t WRITE",
        "CREATE TABLE more (a INT)",
        "DROP TABLE more",
        "ANALYZE TABLE t",
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut client = place.client()?;
        client.sql("START TRANSACTION READ ONLY")?;
        assert_ne!(place.who_runs(&mut client, "SELECT a FROM t /* {mark} */")?, place.writer(), "before {end}");
        client.sql(end)?;
        client.sql(&format!("INSERT INTO t VALUES ({}, 1)", n + 10))?;
        client.sql("COMMIT")?;
        client.sql("UNLOCK TABLES")?;
        assert_eq!(client.value(&format!("SELECT COUNT(*) FROM t WHERE a = {}", n + 10))?, "1", "{end}");
        place.group.wait_for_sync()?;
    }
    Ok(())
}

#[test]
fn a_read_only_transaction_at_a_replica_takes_no_lock_that_keeps_nobody_off() -> Lab<()> {
    // ER_OPTION_PREVENTS_STATEMENT
    const NEEDS_WRITER: Option<u16> = Some(1290);
    let place = with_table()?;
    for lock in ["SELECT GET_LOCK('ro', 0)", "SELECT b FROM t LOCK IN SHARE MODE"] {
        let mut client = place.client()?;
        client.sql("START TRANSACTION READ ONLY")?;
        assert_ne!(place.who_runs(&mut client, "SELECT a FROM t /* {mark} */")?, place.writer());
        assert_eq!(client.sql(lock).unwrap_err().code(), NEEDS_WRITER, "{lock}");
        assert_eq!(client.value("SELECT b FROM t WHERE a = 1")?, "10", "the transaction goes on");
        client.sql("COMMIT")?;
        client.sql("/* pointsman: role=writer */ START TRANSACTION READ ONLY")?;
        client.sql(lock)?;
    }
    Ok(())
}

#[test]
fn a_savepoint_before_the_first_statement_is_kept() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("SET autocommit = 0")?;
    client.sql("SAVEPOINT early")?;
    // Takes the connection that the savepoint would have been left on.
    let mut other = place.client()?;
    other.sql("UPDATE t SET b = b WHERE a = 2")?;
    client.sql("UPDATE t SET b = 11 WHERE a = 1")?;
    client.sql("ROLLBACK TO SAVEPOINT early")?;
    client.sql("COMMIT")?;
    assert_eq!(client.value("SELECT b FROM t WHERE a = 1")?, "10");
    Ok(())
}

#[test]
fn rollback_and_savepoints_undo() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("BEGIN")?;
    client.sql("UPDATE t SET b = 11 WHERE a = 1")?;
    client.sql("SAVEPOINT s")?;
    client.sql("UPDATE t SET b = 12 WHERE a = 1")?;
    client.sql("ROLLBACK TO SAVEPOINT s")?;
    assert_eq!(client.value("SELECT b FROM t WHERE a = 1")?, "11");
    client.sql("ROLLBACK")?;
    assert_eq!(client.value("SELECT b FROM t WHERE a = 1")?, "10");
    Ok(())
}

#[test]
fn what_is_not_committed_is_seen_by_nobody_else() -> Lab<()> {
    let place = with_table()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    one.sql("BEGIN")?;
    one.sql("INSERT INTO t VALUES (3, 30)")?;
    assert_eq!(other.value("/* pointsman: role=writer */ SELECT COUNT(*) FROM t")?, "2");
    one.sql("COMMIT")?;
    assert_eq!(other.value("/* pointsman: role=writer */ SELECT COUNT(*) FROM t")?, "3");
    Ok(())
}

#[test]
fn a_client_that_vanishes_in_a_transaction_leaves_nothing() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("BEGIN")?;
    client.sql("UPDATE t SET b = 99 WHERE a = 1")?;
    client.vanish();
    // The row's lock must be free again soon, with the old value.
    let mut other = place.client()?;
    other.sql("SET SESSION innodb_lock_wait_timeout = 10")?;
    other.sql("UPDATE t SET b = b + 1 WHERE a = 1")?;
    assert_eq!(other.value("SELECT b FROM t WHERE a = 1")?, "11");
    Ok(())
}

#[test]
fn autocommit_off_is_understood_until_it_is_on() -> Lab<()> {
    let place = with_table()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    one.sql("SET autocommit = 0")?;
    one.sql("INSERT INTO t VALUES (4, 40)")?;
    assert_eq!(other.value("/* pointsman: role=writer */ SELECT COUNT(*) FROM t WHERE a = 4")?, "0");
    // Setting it commits what is open: manual, "Statements That Cause an Implicit Commit".
    one.sql("SET autocommit = 1")?;
    assert_eq!(other.value("/* pointsman: role=writer */ SELECT COUNT(*) FROM t WHERE a = 4")?, "1");
    assert_eq!(one.value("SELECT @@autocommit")?, "1");
    assert_eq!(other.value("SELECT @@autocommit")?, "1");
    Ok(())
}

#[test]
fn a_deadlock_reaches_the_victim_and_ends_its_transaction() -> Lab<()> {
    let place = with_table()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    one.sql("BEGIN")?;
    other.sql("BEGIN")?;
    one.sql("UPDATE t SET b = 1 WHERE a = 1")?;
    other.sql("UPDATE t SET b = 2 WHERE a = 2")?;
    let waiting = std::thread::spawn(move || one.sql("UPDATE t SET b = 1 WHERE a = 2").map(|_| one));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let second = other.sql("UPDATE t SET b = 2 WHERE a = 1");
    let first = waiting.join().expect("the waiting thread ends").map(drop);
    let codes: Vec<Option<u16>> =
        [first, second.map(drop)].into_iter().map(|r| r.err().and_then(|e| e.code())).collect();
    // ER_LOCK_DEADLOCK for exactly one of the two.
    assert_eq!(codes.iter().filter(|code| **code == Some(1213)).count(), 1, "{codes:?}");
    Ok(())
}

#[test]
fn ddl_commits_what_is_open() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("BEGIN")?;
    client.sql("INSERT INTO t VALUES (5, 50)")?;
    client.sql("CREATE TABLE u (a INT)")?;
    client.sql("ROLLBACK")?;
    assert_eq!(client.value("SELECT COUNT(*) FROM t WHERE a = 5")?, "1");
    Ok(())
}

#[test]
fn two_phase_commit_works_on_one_connection() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    let name = &place.schema;
    client.sql(&format!("XA START '{name}'"))?;
    client.sql("INSERT INTO t VALUES (6, 60)")?;
    client.sql(&format!("XA END '{name}'"))?;
    client.sql(&format!("XA PREPARE '{name}'"))?;
    client.sql(&format!("XA COMMIT '{name}'"))?;
    assert_eq!(client.value("SELECT b FROM t WHERE a = 6")?, "60");
    Ok(())
}

#[test]
fn isolation_levels_are_kept() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
    for _ in 0..5 {
        assert_eq!(client.value("SELECT @@tx_isolation")?, "READ-COMMITTED");
        assert_eq!(place.client()?.value("SELECT @@tx_isolation")?, "REPEATABLE-READ");
    }
    Ok(())
}
