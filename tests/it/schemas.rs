//! The default schema of a session: one that goes away under it, and one that belongs to the server.

use pointsman_tests::differ::connection::Connection;
use pointsman_tests::differ::login::LATIN1;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Client, GroupPlan, Kind, Lab, Proxy};

use crate::shared::{Place, place};

/// A client standing in a schema with a table, and another session to drop it.
fn standing_in(place: &Place, proxy: &Proxy, schema: &str) -> Lab<(Client, Client)> {
    place.group.sql(&format!("CREATE DATABASE {schema}"))?;
    place.everywhere(&format!("CREATE TABLE {schema}.t (a INT)"))?;
    let client = Client::connect(&proxy.login().schema(schema))?;
    Ok((client, Client::connect(&proxy.login().schema(&place.schema))?))
}

/// Proxies whose sessions may, and whose sessions must, get another connection for each statement.
fn proxies(place: &Place) -> Lab<[Proxy; 2]> {
    let switching = Proxy::of(place.group).more("[debug]\nalways_switch = true");
    let one = Proxy::of(place.group).more("[pool]\nmax_connections_per_server = 2\nresult_state_hold_ms = 1");
    Ok([switching.start()?, one.start()?])
}

#[test]
fn a_session_outlives_the_schema_that_it_stands_in() -> Lab<()> {
    let place = place()?;
    for proxy in proxies(&place)? {
        let gone = format!("{}_gone", place.schema);
        let (mut client, mut other) = standing_in(&place, &proxy, &gone)?;
        client.sql("SELECT * FROM t")?;
        other.sql(&format!("DROP DATABASE {gone}"))?;
        place.group.wait_for_sync()?;
        for _ in 0..3 {
            assert_eq!(other.value("SELECT DATABASE()")?, place.schema, "it takes the connection");
            assert_eq!(client.value("SELECT 1")?, "1");
            assert_eq!(client.value("SELECT 1 FROM DUAL FOR UPDATE")?, "1");
            let code = client.sql("INSERT INTO t VALUES (1)").err().and_then(|e| e.code());
            assert!(matches!(code, Some(1046 | 1049 | 1146)), "a table that is gone: {code:?}");
            let code = client.sql(&format!("USE {gone}")).err().and_then(|e| e.code());
            assert_eq!(code, Some(1049), "USE of the schema itself");
        }
        client.sql(&format!("USE {}", place.schema))?;
        assert_eq!(other.value("SELECT 1")?, "1");
        assert_eq!(client.value("SELECT DATABASE()")?, place.schema);
    }
    Ok(())
}

#[test]
fn a_session_finds_its_schema_again() -> Lab<()> {
    let place = place()?;
    for proxy in proxies(&place)? {
        let gone = format!("{}_again", place.schema);
        let (mut client, mut other) = standing_in(&place, &proxy, &gone)?;
        other.sql(&format!("DROP DATABASE {gone}"))?;
        place.group.wait_for_sync()?;
        assert_eq!(other.value("SELECT DATABASE()")?, place.schema);
        assert_eq!(client.value("SELECT 1")?, "1");
        client.sql("BEGIN")?;
        assert_eq!(client.value("SELECT 2")?, "2");
        client.sql("COMMIT")?;
        other.sql(&format!("CREATE DATABASE {gone}"))?;
        other.sql(&format!("CREATE TABLE {gone}.t (b INT)"))?;
        client.sql("INSERT INTO t VALUES (7)")?;
        assert_eq!(other.value(&format!("SELECT b FROM {gone}.t FOR UPDATE"))?, "7");
        assert_eq!(client.value("SELECT DATABASE()")?, gone);
        client.sql(&format!("DROP DATABASE {gone}"))?;
        assert_eq!(client.value("SELECT DATABASE()")?, "NULL", "its own DROP");
    }
    Ok(())
}

#[test]
fn names_in_a_login_are_read_in_the_clients_character_set() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    for statement in [
        "CREATE DATABASE `gr\u{f6}\u{df}e`",
        "CREATE USER 'm\u{fc}ller'@'%' IDENTIFIED BY 'm'",
        "GRANT ALL ON *.* TO 'm\u{fc}ller'@'%'",
    ] {
        group.sql(statement)?;
    }
    let proxy = Proxy::of(&group).more("[[user]]\nname = \"m\u{fc}ller\"\npassword = \"m\"").start()?;
    for charset in [LATIN1, Profile::MYSQLND_TEXT.charset] {
        let profile = Profile { charset, ..Profile::MYSQLND_TEXT };
        let [direct, through] = [group.writer().port, proxy.port].map(|port| {
            let target = Target::new("127.0.0.1", port, "m\u{fc}ller", "m").with_schema("gr\u{f6}\u{df}e");
            Connection::open(&target, &profile)?.row("SELECT DATABASE(), HEX(CURRENT_USER()), @@character_set_client")
        });
        assert_eq!(through, direct, "collation id {charset}");
        assert_eq!(direct?.len(), 3);
    }
    Ok(())
}

#[test]
fn what_a_server_tells_of_itself_is_the_writers_also_without_its_schemas_name() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    for (schema, table) in
        [("INFORMATION_SCHEMA", "schemata"), ("mysql", "user"), ("performance_schema", "global_status")]
    {
        client.sql(&format!("USE {schema}"))?;
        let query = format!("SELECT '{{mark}}' FROM {table} LIMIT 1");
        assert_eq!(place.who_runs(&mut client, &query)?, place.writer(), "{schema}");
    }
    client.sql(&format!("USE {}", place.schema))?;
    assert_ne!(place.who_runs(&mut client, "SELECT '{mark}'")?, place.writer());
    Ok(())
}
