//! Which server a statement goes to: reads to replicas, everything else to the writer.

use pointsman_tests::{Lab, trace};

use crate::shared::{Place, place};

fn with_table() -> Lab<Place> {
    let place = place()?;
    place.everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(60)) ENGINE=InnoDB")?;
    place.everywhere("INSERT INTO t (b) VALUES ('x'), ('y'), ('z')")?;
    Ok(place)
}

#[test]
fn plain_reads_go_to_readers() -> Lab<()> {
    let place = with_table()?;
    for statement in [
        "SELECT b FROM t WHERE a = 1 /* {mark} */",
        "select count(*), max(a) from t where b <> '{mark}' group by b having count(*) > 0 order by 1",
        "(SELECT a FROM t) UNION ALL (SELECT a FROM t WHERE b = '{mark}')",
        "WITH w AS (SELECT a FROM t) SELECT * FROM w JOIN t USING (a) /* {mark} */",
        "SELECT UPPER(b), NOW(), CONCAT(a, '{mark}') FROM t LIMIT 2",
        "/* a comment in front */ -- and one more\n SELECT a FROM t /* {mark} */",
    ] {
        let ran = place.who_runs(&mut place.client()?, statement)?;
        assert_eq!(ran.len(), 1, "{statement} ran on {ran:?}");
        assert_ne!(ran, place.writer(), "{statement} went to the writer");
    }
    Ok(())
}

#[test]
fn prepared_reads_go_to_readers_and_prepared_writes_to_the_writer() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    let marker = trace::marker();
    let rows = client.prepared(&format!("SELECT b FROM t WHERE a = ? /* {marker} */"), (2,))?;
    assert_eq!(rows, [[Some("y".to_owned())]]);
    assert_ne!(trace::who_ran(place.group, &marker)?, place.writer());
    let marker = trace::marker();
    client.prepared(&format!("INSERT INTO t (b) VALUES (?) /* {marker} */"), ("new",))?;
    assert_eq!(trace::who_ran(place.group, &marker)?, place.writer());
    Ok(())
}

#[test]
fn reads_are_spread_over_all_readers() -> Lab<()> {
    let place = with_table()?;
    let group = place.group;
    trace::wait_for_readers(place.proxy, group, &group.readers())
}

#[test]
fn whatever_may_write_goes_to_the_writer() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    for statement in [
        "INSERT INTO t (b) VALUES ('{mark}')",
        "REPLACE INTO t (a, b) VALUES (1, '{mark}')",
        "UPDATE t SET b = '{mark}' WHERE a = 2",
        "DELETE FROM t WHERE b = '{mark}'",
        "INSERT INTO t (b) SELECT '{mark}'",
        "CREATE TABLE u (a INT) COMMENT '{mark}'",
        "ALTER TABLE u COMMENT '{mark}'",
        "TRUNCATE TABLE u /* {mark} */",
        "DROP TABLE u /* {mark} */",
        "SELECT a FROM t WHERE a = 1 FOR UPDATE /* {mark} */",
        "SELECT a FROM t WHERE a = 1 LOCK IN SHARE MODE /* {mark} */",
        "SELECT GET_LOCK('{mark}', 0), RELEASE_LOCK('{mark}')",
        "CREATE SEQUENCE s COMMENT '{mark}'",
        "SELECT NEXTVAL(s), '{mark}'",
        "ANALYZE TABLE t /* {mark} */",
        "DO SLEEP(0) /* {mark} */",
        "HELP '{mark}'",
    ] {
        assert_eq!(place.who_runs(&mut client, statement)?, place.writer(), "{statement}");
    }
    Ok(())
}

#[test]
fn facts_about_the_server_come_from_the_writer() -> Lab<()> {
    let place = with_table()?;
    for statement in [
        "SELECT @@read_only, '{mark}'",
        "SHOW TABLES LIKE '{mark}'",
        "SHOW VARIABLES LIKE '{mark}'",
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '{mark}'",
        "DESCRIBE t /* {mark} */",
    ] {
        assert_eq!(place.who_runs(&mut place.client()?, statement)?, place.writer(), "{statement}");
    }
    assert_eq!(place.client()?.value("SELECT @@port")?, place.group.writer().port.to_string());
    Ok(())
}

#[test]
fn functions_that_write_are_not_sent_to_a_replica() -> Lab<()> {
    let place = with_table()?;
    place.everywhere(
        "CREATE FUNCTION noted(x VARCHAR(60)) RETURNS INT MODIFIES SQL DATA \
         BEGIN INSERT INTO t (b) VALUES (x); RETURN 1; END",
    )?;
    let mut client = place.client()?;
    assert_eq!(place.who_runs(&mut client, "SELECT noted('{mark}')")?, place.writer());
    assert_eq!(place.client()?.value("SELECT COUNT(*) FROM t WHERE b LIKE 'mark%'")?, "1");
    Ok(())
}

#[test]
fn a_view_whose_function_writes_is_run_at_the_writer() -> Lab<()> {
    let place = with_table()?;
    let function = "CREATE FUNCTION noted(x VARCHAR(60)) RETURNS INT MODIFIES SQL DATA \
                    BEGIN INSERT INTO seen VALUES (x); RETURN 1; END";
    place.everywhere("CREATE TABLE seen (b VARCHAR(60))")?;
    place.everywhere(function)?;
    place.everywhere("CREATE VIEW v AS SELECT noted('x') AS n, a FROM t WHERE a = 1")?;
    let mut client = place.client()?;
    for _ in 0..3 {
        assert_eq!(client.value("SELECT n FROM v")?, "1");
        assert_eq!(client.prepared("SELECT n FROM v WHERE a = ?", (1,))?, [[Some("1".to_owned())]]);
    }
    assert_eq!(client.value("SELECT COUNT(*) FROM seen")?, "6");
    Ok(())
}

#[test]
fn a_session_reads_its_own_writes() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    for round in 0..100 {
        client.sql(&format!("INSERT INTO t (b) VALUES ('round {round}')"))?;
        let found = client.value(&format!("SELECT COUNT(*) FROM t WHERE b = 'round {round}'"))?;
        assert_eq!(found, "1", "round {round}");
    }
    Ok(())
}

#[test]
fn a_session_that_wrote_comes_back_to_readers() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("INSERT INTO t (b) VALUES ('written')")?;
    place.group.wait_for_sync()?;
    let limit = std::time::Duration::from_secs(10);
    pointsman_tests::waiting::until("reads are back at readers", limit, || {
        let ran = place.who_runs(&mut client, "SELECT COUNT(*) FROM t /* {mark} */");
        ran.is_ok_and(|ran| ran != place.writer())
    })
}

#[test]
fn hints_say_where() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    let hinted = "/* pointsman: role=writer */ SELECT a FROM t /* {mark} */";
    assert_eq!(place.who_runs(&mut client, hinted)?, place.writer());
    let hinted = "/* pointsman: role=replica */ SELECT a FROM t /* {mark} */";
    assert_ne!(place.who_runs(&mut client, hinted)?, place.writer());
    let hinted = "/* pointsman: role=replica */ INSERT INTO t (b) VALUES ('{mark}')";
    assert_eq!(place.who_runs(&mut client, hinted)?, place.writer(), "a hint sends no write to a replica");
    Ok(())
}

#[test]
fn a_read_with_an_error_names_it_as_the_server_does() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    for (statement, code) in [("SELECT * FROM missing", 1146), ("SELECT missing FROM t", 1054), ("SELEC 1", 1064)] {
        assert_eq!(client.sql(statement).unwrap_err().code(), Some(code), "{statement}");
        assert_eq!(client.value("SELECT 7")?, "7", "the session lives on after {statement}");
    }
    Ok(())
}
