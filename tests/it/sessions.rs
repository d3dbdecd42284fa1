//! What a session carries from one statement to the next: it must be as on one direct connection, whichever server and
//! connection each statement ran on, and no other session may see it.

use pointsman_tests::{Client, Lab, Proxy};

use crate::shared::{Place, place, same_answer};

/// How often a check is repeated, with other sessions between: a proxy that mixes sessions up does so by chance.
const ROUNDS: usize = 20;

fn with_table() -> Lab<Place> {
    let place = place()?;
    place.everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(20)) ENGINE=InnoDB")?;
    Ok(place)
}

#[test]
fn last_insert_id_is_each_sessions_own() -> Lab<()> {
    let place = with_table()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    for _ in 0..ROUNDS {
        one.sql("INSERT INTO t (b) VALUES ('one')")?;
        let id = one.last_ok().1.expect("an insert has an id");
        other.sql("INSERT INTO t (b) VALUES ('other')")?;
        let other_id = other.last_ok().1.expect("an insert has an id");
        assert_eq!(one.value("SELECT LAST_INSERT_ID()")?, id.to_string());
        assert_eq!(other.value("SELECT LAST_INSERT_ID() + 0")?, other_id.to_string());
        assert_eq!(one.value("SELECT b FROM t WHERE a = LAST_INSERT_ID()")?, "one");
    }
    Ok(())
}

#[test]
fn the_last_row_is_found_by_null_where_that_is_asked_for() -> Lab<()> {
    const BY_NULL: &str = "SELECT b FROM t WHERE a IS NULL FOR UPDATE";
    let place = with_table()?;
    let proxy = Proxy::of(place.group).more("[debug]\nalways_switch = true").start()?;
    let mut client = Client::connect(&proxy.login().schema(&place.schema))?;
    client.sql("SET sql_auto_is_null = 1")?;
    for round in 0..ROUNDS {
        client.sql(&format!("INSERT INTO t (b) VALUES ('round {round}')"))?;
        assert_eq!(client.value(BY_NULL)?, format!("round {round}"));
        assert_eq!(client.sql(BY_NULL)?.len(), 0, "asked for the second time");
    }
    client.sql("SET sql_auto_is_null = DEFAULT")?;
    client.sql("INSERT INTO t (b) VALUES ('x')")?;
    assert_eq!(client.sql(BY_NULL)?.len(), 0);
    Ok(())
}

#[test]
fn an_explicit_id_does_not_change_last_insert_id() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("INSERT INTO t (b) VALUES ('x')")?;
    let id = client.value("SELECT LAST_INSERT_ID()")?;
    client.sql("INSERT INTO t (a, b) VALUES (1000, 'y')")?;
    assert_eq!(client.value("SELECT LAST_INSERT_ID()")?, id);
    client.sql("UPDATE t SET b = 'z' WHERE a = LAST_INSERT_ID(77)")?;
    assert_eq!(client.value("SELECT LAST_INSERT_ID()")?, "77");
    Ok(())
}

#[test]
fn user_variables_are_kept_and_private() -> Lab<()> {
    let place = place()?;
    let mut clients: Vec<Client> = (0..5).map(|_| place.client()).collect::<Lab<_>>()?;
    for (number, client) in clients.iter_mut().enumerate() {
        client.sql(&format!("SET @number = {number}, @text = 'client {number}'"))?;
    }
    for _ in 0..ROUNDS {
        for (number, client) in clients.iter_mut().enumerate() {
            let rows = client.sql("SELECT @number, @text, @unset")?;
            let expected = [Some(number.to_string()), Some(format!("client {number}")), None];
            assert_eq!(rows, [expected]);
        }
    }
    assert_eq!(place.client()?.value("SELECT @number")?, "NULL");
    Ok(())
}

#[test]
fn variables_set_without_a_scope_are_private() -> Lab<()> {
    let place = place()?;
    let mut others = place.client()?;
    let before = ["sql_mode", "div_precision_increment", "lc_time_names"].map(|name| format!("SELECT @@{name}"));
    let defaults: Vec<String> = before.iter().map(|query| others.value(query)).collect::<Lab<_>>()?;
    let mut own = place.client()?;
    for _ in 0..ROUNDS {
        own.sql("SET @@sql_mode = 'ANSI_QUOTES', @@lc_time_names = 'de_DE'")?;
        own.prepared("SET @@div_precision_increment = ?", (7,))?;
        for (query, default) in before.iter().zip(&defaults) {
            assert_eq!(&others.value(query)?, default, "another session's {query}");
            assert_eq!(&place.client()?.value(query)?, default, "a new session's {query}");
        }
        let rows = own.sql("SELECT @@sql_mode, @@div_precision_increment, @@lc_time_names, 1 / 3")?;
        let expected = ["ANSI_QUOTES", "7", "de_DE", "0.3333333"].map(|value| Some(value.to_owned()));
        assert_eq!(rows, [expected]);
    }
    Ok(())
}

#[test]
fn what_is_set_for_a_statement_ends_with_it() -> Lab<()> {
    let place = place()?;
    let mut own = place.client()?;
    let default = own.sql("SELECT @@sql_mode, @@div_precision_increment")?;
    own.sql("SET STATEMENT sql_mode = '', div_precision_increment = 9 FOR SELECT 1")?;
    // Each holds a connection, so that the session gets others.
    let mut holders = Vec::new();
    for _ in 0..3 {
        let mut holder = place.client()?;
        holder.sql("BEGIN")?;
        holder.sql("SELECT 1 FOR UPDATE")?;
        holders.push(holder);
        assert_eq!(own.sql("SELECT @@sql_mode, @@div_precision_increment")?, default);
    }
    Ok(())
}

#[test]
fn a_schema_is_found_whatever_the_character_set() -> Lab<()> {
    const NAME: &str = "SELECT HEX(CONVERT(DATABASE() USING utf8mb4)) FOR UPDATE";
    let place = place()?;
    let schema = format!("{}_имя", place.schema);
    place.everywhere(&format!("CREATE DATABASE {schema}"))?;
    // One connection at the writer: each session gets it as the other has left it.
    let proxy = Proxy::of(place.group).more("[pool]\nmax_connections_per_server = 1").start()?;
    let (mut own, mut other) = (proxy.client()?, proxy.client()?);
    own.sql(&format!("USE {schema}"))?;
    let name = own.value(NAME)?;
    own.sql("SET NAMES koi8r")?;
    other.sql("SET NAMES cp1251")?;
    for _ in 0..ROUNDS {
        assert_eq!(other.value(NAME)?, "73686F70", "the other session's is shop");
        assert_eq!(own.value(NAME)?, name);
        assert_eq!(own.value("SELECT @@character_set_client")?, "koi8r");
    }
    other.sql("SELECT 1 FOR UPDATE")?;
    let mut login = Client::connect(&proxy.login().schema(&schema))?;
    assert_eq!(login.value(NAME)?, name);
    place.everywhere(&format!("DROP DATABASE {schema}"))
}

#[test]
fn variables_set_by_a_trigger_are_kept() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("CREATE TRIGGER adds BEFORE INSERT ON t FOR EACH ROW SET @sum = @sum + 1")?;
    let (mut client, mut other) = (place.client()?, place.client()?);
    client.sql("SET @sum = 0")?;
    for round in 1..ROUNDS {
        client.sql("INSERT INTO t (b) VALUES ('x')")?;
        other.sql("SELECT 1 FOR UPDATE")?;
        assert_eq!(client.value("SELECT @sum")?, round.to_string());
    }
    Ok(())
}

#[test]
fn variables_set_inside_a_select_are_kept() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    client.sql("SELECT @row := 41")?;
    client.sql("SELECT 5, 6 INTO @five, @six")?;
    for _ in 0..ROUNDS {
        let _other_session = place.client()?.value("SELECT @row")?;
        assert_eq!(client.sql("SELECT @row + 1, @five, @six")?, [["42", "5", "6"].map(|v| Some(v.to_owned()))]);
    }
    Ok(())
}

#[test]
fn temporary_tables_stay_with_their_session() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("CREATE TEMPORARY TABLE mine (a INT)")?;
    client.sql("INSERT INTO mine VALUES (1), (2)")?;
    for _ in 0..ROUNDS {
        // ER_NO_SUCH_TABLE for everybody else.
        assert_eq!(place.client()?.sql("SELECT * FROM mine").unwrap_err().code(), Some(1146));
        assert_eq!(client.value("SELECT COUNT(*) FROM mine")?, "2");
        assert_eq!(client.value("SELECT COUNT(*) FROM mine JOIN t ON t.a = mine.a")?, "0");
    }
    client.sql("DROP TEMPORARY TABLE mine")?;
    assert_eq!(client.sql("SELECT * FROM mine").unwrap_err().code(), Some(1146));
    Ok(())
}

#[test]
fn a_temporary_table_hides_a_table_of_the_same_name() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('real')")?;
    let mut client = place.client()?;
    client.sql("CREATE TEMPORARY TABLE t (b VARCHAR(20))")?;
    client.sql("INSERT INTO t VALUES ('hidden')")?;
    assert_eq!(client.value("SELECT b FROM t")?, "hidden");
    assert_eq!(place.client()?.value("SELECT b FROM t")?, "real");
    client.sql("DROP TEMPORARY TABLE t")?;
    assert_eq!(client.value("SELECT b FROM t")?, "real");
    Ok(())
}

#[test]
fn get_lock_holds_until_released_or_gone() -> Lab<()> {
    let place = place()?;
    let name = &place.schema;
    let (mut holder, mut other) = (place.client()?, place.client()?);
    assert_eq!(holder.value(&format!("SELECT GET_LOCK('{name}', 5)"))?, "1");
    for _ in 0..ROUNDS {
        assert_eq!(other.value(&format!("SELECT GET_LOCK('{name}', 0)"))?, "0");
        assert_eq!(holder.value("SELECT 1")?, "1");
    }
    assert_eq!(other.value(&format!("SELECT RELEASE_LOCK('{name}')"))?, "0");
    assert_eq!(holder.value(&format!("SELECT RELEASE_LOCK('{name}')"))?, "1");
    assert_eq!(other.value(&format!("SELECT GET_LOCK('{name}', 5)"))?, "1");
    other.vanish();
    assert_eq!(holder.value(&format!("SELECT GET_LOCK('{name}', 10)"))?, "1", "the lock of a client that is gone");
    Ok(())
}

#[test]
fn a_lock_taken_twice_is_held_until_it_is_released_twice() -> Lab<()> {
    let place = place()?;
    let name = &place.schema;
    let (mut holder, mut other) = (place.client()?, place.client()?);
    for _ in 0..2 {
        assert_eq!(holder.value(&format!("SELECT GET_LOCK('{name}', 5)"))?, "1");
    }
    assert_eq!(holder.value(&format!("SELECT RELEASE_LOCK('{name}')"))?, "1");
    // Not evaluated, so it releases nothing.
    assert_eq!(holder.value(&format!("SELECT IF(0, RELEASE_LOCK('{name}'), 7)"))?, "7");
    for _ in 0..ROUNDS {
        assert_eq!(other.value(&format!("SELECT GET_LOCK('{name}', 0)"))?, "0");
    }
    assert_eq!(holder.value(&format!("SELECT RELEASE_LOCK('{name}')"))?, "1");
    assert_eq!(other.value(&format!("SELECT GET_LOCK('{name}', 5)"))?, "1");
    Ok(())
}

#[test]
fn temporary_tables_of_one_name_in_two_schemas_are_two() -> Lab<()> {
    let place = place()?;
    let second = format!("{}_two", place.schema);
    place.everywhere(&format!("CREATE DATABASE {second}"))?;
    let mut client = place.client()?;
    client.sql("CREATE TEMPORARY TABLE mine (a INT)")?;
    client.sql("INSERT INTO mine VALUES (1)")?;
    client.sql(&format!("USE {second}"))?;
    client.sql("CREATE TEMPORARY TABLE mine (a INT)")?;
    client.sql("DROP TABLE mine")?;
    client.sql(&format!("USE {}", place.schema))?;
    client.sql("ALTER TABLE mine RENAME TO still_mine")?;
    for _ in 0..ROUNDS {
        assert_eq!(place.client()?.sql("SELECT * FROM still_mine").unwrap_err().code(), Some(1146));
        assert_eq!(client.value("SELECT a FROM still_mine")?, "1");
    }
    place.everywhere(&format!("DROP DATABASE {second}"))
}

#[test]
fn completion_type_chains_and_releases() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    client.sql("SET completion_type = CHAIN")?;
    client.sql("BEGIN")?;
    client.sql("INSERT INTO t (b) VALUES ('kept')")?;
    client.sql("COMMIT")?;
    client.sql("INSERT INTO t (b) VALUES ('undone')")?;
    client.sql("ROLLBACK AND NO CHAIN")?;
    assert_eq!(place.client()?.value("SELECT GROUP_CONCAT(b) FROM t FOR UPDATE")?, "kept");
    client.sql("SET completion_type = 'RELEASE'")?;
    client.sql("BEGIN")?;
    client.sql("COMMIT")?;
    assert!(client.sql("SELECT 1").is_err(), "the server has closed the connection");
    Ok(())
}

#[test]
fn found_rows_counts_the_last_select() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('a'), ('b'), ('c'), ('d'), ('e')")?;
    let mut client = place.client()?;
    for _ in 0..ROUNDS {
        client.sql("SELECT SQL_CALC_FOUND_ROWS a FROM t ORDER BY a LIMIT 2")?;
        assert_eq!(place.client()?.sql("SELECT a FROM t LIMIT 3")?.len(), 3);
        assert_eq!(client.value("SELECT FOUND_ROWS()")?, "5");
    }
    Ok(())
}

#[test]
fn found_rows_is_what_the_server_says_of_it() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('a'), ('b'), ('c'), ('d'), ('e')")?;
    let (mut client, mut direct) = (place.client()?, place.direct()?);
    for statement in [
        "SELECT a FROM t ORDER BY a LIMIT 1, 2",
        "SELECT a FROM t ORDER BY a LIMIT 2 OFFSET 1;",
        "SELECT a FROM t ORDER BY a LIMIT 10, 2",
        "SELECT a FROM t UNION ALL SELECT a FROM t LIMIT 3",
        "(SELECT a FROM t LIMIT 1, 2)",
        "DO (SELECT COUNT(*) FROM t)",
        "CREATE OR REPLACE TABLE copy SELECT 1 AS a",
        "INSERT INTO copy SELECT a FROM t",
        "DELETE t FROM t JOIN copy ON t.a = copy.a + 100",
    ] {
        direct.sql(statement)?;
        let expected = direct.value("SELECT FOUND_ROWS()")?;
        client.sql(statement)?;
        let _other_session = place.client()?.sql("SELECT a FROM t LIMIT 1")?;
        assert_eq!(client.value("SELECT FOUND_ROWS()")?, expected, "{statement}");
    }
    client.prepared("SELECT a FROM t ORDER BY a LIMIT ?, ?", (2, 2))?;
    let _other_session = place.client()?.sql("SELECT a FROM t LIMIT 1")?;
    assert_eq!(client.value("SELECT FOUND_ROWS()")?, "4");
    Ok(())
}

#[test]
fn row_count_is_that_of_the_last_statement() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('a'), ('b'), ('c')")?;
    let mut client = place.client()?;
    client.sql("UPDATE t SET b = CONCAT(b, 'x')")?;
    assert_eq!(client.last_ok().0, 3);
    assert_eq!(client.value("SELECT ROW_COUNT()")?, "3");
    Ok(())
}

#[test]
fn warnings_are_shown_even_after_a_while() -> Lab<()> {
    let place = with_table()?;
    let mut client = place.client()?;
    for pause_ms in [0, 200] {
        client.sql("SELECT CAST('12abc' AS SIGNED), 1/0")?;
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        let _other_session = place.client()?.sql("SELECT CAST('other' AS SIGNED)")?;
        let warnings = client.sql("SHOW WARNINGS")?;
        assert!(warnings.iter().any(|row| row[1].as_deref() == Some("1292")), "{warnings:?} after {pause_ms} ms");
    }
    assert_eq!(client.sql("DROP TABLE IF EXISTS missing")?.len(), 0);
    assert_eq!(client.sql("SHOW WARNINGS")?.len(), 1);
    assert_eq!(client.value("SHOW COUNT(*) WARNINGS")?, "1");
    Ok(())
}

#[test]
fn errors_are_shown_as_well() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    assert_eq!(client.sql("SELECT * FROM missing").unwrap_err().code(), Some(1146));
    let _other_session = place.client()?.value("SELECT 1")?;
    let errors = client.sql("SHOW ERRORS")?;
    assert_eq!(errors.first().and_then(|row| row[1].clone()).as_deref(), Some("1146"));
    Ok(())
}

#[test]
fn session_variables_follow_the_session() -> Lab<()> {
    let place = place()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    one.sql("SET SESSION sql_mode = 'ANSI', time_zone = '+03:00', group_concat_max_len = 5000, NAMES latin1")?;
    for _ in 0..ROUNDS {
        assert_eq!(other.value("SELECT @@group_concat_max_len = 5000")?, "0");
        assert_eq!(one.value("SELECT @@group_concat_max_len")?, "5000");
        assert_eq!(one.value("SELECT TIMEDIFF(NOW(), UTC_TIMESTAMP())")?, "03:00:00");
        assert_eq!(one.value(r#"SELECT 1 AS "quoted""#)?, "1");
        assert_eq!(one.value("SELECT @@character_set_client")?, "latin1");
        assert_eq!(other.value("SELECT TIMEDIFF(NOW(), UTC_TIMESTAMP()) = '03:00:00'")?, "0");
    }
    Ok(())
}

#[test]
fn the_schema_follows_the_session() -> Lab<()> {
    let place = with_table()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    other.sql("USE information_schema")?;
    for _ in 0..ROUNDS {
        assert_eq!(other.value("SELECT DATABASE()")?, "information_schema");
        assert_eq!(one.value("SELECT DATABASE()")?, place.schema);
        assert_eq!(one.sql("SELECT * FROM t")?.len(), 0);
    }
    Ok(())
}

#[test]
fn statements_prepared_in_text_are_the_sessions_own() -> Lab<()> {
    let place = place()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    one.sql("PREPARE p FROM 'SELECT ? + 1'")?;
    other.sql("PREPARE p FROM 'SELECT ? + 2'")?;
    one.sql("SET @x = 10")?;
    other.sql("SET @x = 20")?;
    for _ in 0..ROUNDS {
        assert_eq!(one.value("EXECUTE p USING @x")?, "11");
        assert_eq!(other.value("EXECUTE p USING @x")?, "22");
    }
    one.sql("DEALLOCATE PREPARE p")?;
    // ER_UNKNOWN_STMT_HANDLER
    assert_eq!(one.sql("EXECUTE p USING @x").unwrap_err().code(), Some(1243));
    Ok(())
}

#[test]
fn prepared_statements_outlive_other_sessions() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('a'), ('b'), ('c')")?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    for round in 0..ROUNDS {
        let id = round % 3 + 1;
        let text = ["a", "b", "c"][round % 3].to_owned();
        assert_eq!(one.prepared("SELECT b FROM t WHERE a = ?", (id,))?, [[Some(text.clone())]]);
        assert_eq!(other.prepared("SELECT a FROM t WHERE b = ?", (text,))?, [[Some(id.to_string())]]);
    }
    Ok(())
}

#[test]
fn table_locks_hold_for_their_session() -> Lab<()> {
    let place = with_table()?;
    let (mut one, mut other) = (place.client()?, place.client()?);
    one.sql("LOCK TABLES t WRITE")?;
    one.sql("INSERT INTO t (b) VALUES ('locked')")?;
    other.sql("SET SESSION lock_wait_timeout = 1")?;
    // ER_LOCK_WAIT_TIMEOUT
    assert_eq!(other.sql("INSERT INTO t (b) VALUES ('waits')").unwrap_err().code(), Some(1205));
    assert_eq!(one.value("SELECT COUNT(*) FROM t")?, "1");
    one.sql("UNLOCK TABLES")?;
    other.sql("INSERT INTO t (b) VALUES ('now')")?;
    Ok(())
}

#[test]
fn procedures_answer_all_their_results() -> Lab<()> {
    let place = with_table()?;
    place.everywhere(
        "CREATE PROCEDURE p(IN x INT, OUT y INT) BEGIN SELECT x AS first; SELECT x + 1 AS second; SET y = x * 2; END",
    )?;
    let mut client = place.client()?;
    assert_eq!(client.sql("CALL p(21, @y)")?, [[Some("21".to_owned())]]);
    assert_eq!(client.value("SELECT @y")?, "42");
    Ok(())
}

#[test]
fn found_rows_capability_splits_the_pools() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('same')")?;
    let mut changed = place.client()?;
    let mut found = Client::connect(&place.login().found_rows())?;
    for _ in 0..ROUNDS {
        changed.sql("UPDATE t SET b = 'same'")?;
        assert_eq!(changed.last_ok().0, 0, "rows changed");
        found.sql("UPDATE t SET b = 'same'")?;
        assert_eq!(found.last_ok().0, 1, "rows found");
    }
    Ok(())
}

#[test]
fn the_answers_are_the_servers_own() -> Lab<()> {
    let place = with_table()?;
    place.everywhere("INSERT INTO t (b) VALUES ('a'), (NULL), ('ü'), ('')")?;
    same_answer(
        &place,
        &[
            "SELECT * FROM t ORDER BY a",
            "SELECT COUNT(*), MIN(b), MAX(b) FROM t",
            "SELECT b, HEX(b) FROM t WHERE b IS NOT NULL ORDER BY 1",
            "SELECT 1.50, 1e3, X'41', NULL, TRUE, DATE '2026-01-02', TIME '10:11:12.5'",
            "SELECT REPEAT('x', 100000)",
            "SELECT * FROM missing",
            "INSERT INTO t (a) VALUES (1)",
            "SHOW CREATE TABLE t",
            "SHOW COLUMNS FROM t",
            "EXPLAIN SELECT * FROM t",
            "SELECT USER() LIKE 'app@%', CURRENT_USER(), DATABASE(), @@version",
        ],
    )
}
