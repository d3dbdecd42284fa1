//! The same proxy in front of MySQL 9: caching_sha2_password only, its own words for replication, GTID sets of UUIDs.

use pointsman_tests::differ::login::login;
use pointsman_tests::differ::packets::Packets;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Group, GroupPlan, Kind, Lab, Login, Proxy, trace};

/// A pair and one replica with the proxy in front, or nothing where MySQL 9 can't be had.
fn started() -> Lab<Option<(Group, Proxy)>> {
    let Some(group) = GroupPlan::new(Kind::MySql9).replicas(1).start_or_skip()? else { return Ok(None) };
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(60))")?;
    group.sql_everywhere("INSERT INTO t (b) VALUES ('first')")?;
    let proxy = Proxy::of(&group).start()?;
    Ok(Some((group, proxy)))
}

#[test]
fn logins_routing_and_sessions_work_on_mysql9() -> Lab<()> {
    let Some((group, proxy)) = started()? else { return Ok(()) };
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    let mut client = proxy.client()?;
    assert!(client.value("SELECT VERSION()")?.starts_with("9."));
    let wrong = pointsman_tests::Client::connect(&Login::new(proxy.port, "app", "wrong")).map(drop);
    assert_eq!(wrong.unwrap_err().code(), Some(1045));
    let marker = trace::marker();
    client.sql(&format!("INSERT INTO t (b) VALUES ('{marker}')"))?;
    assert_eq!(trace::who_ran(&group, &marker)?, [group.writer().id]);
    assert_eq!(client.value("SELECT b FROM t WHERE a = LAST_INSERT_ID()")?, marker);
    assert_eq!(client.prepared("SELECT a FROM t WHERE b = ?", ("first",))?, [[Some("1".to_owned())]]);
    client.sql("SET @x = 5, SESSION sql_mode = 'ANSI'")?;
    assert_eq!(proxy.client()?.value("SELECT @x")?, "NULL");
    assert_eq!(client.value(r#"SELECT @x AS "x""#)?, "5");
    client.sql("CREATE TEMPORARY TABLE mine (a INT)")?;
    assert_eq!(proxy.client()?.sql("SELECT * FROM mine").unwrap_err().code(), Some(1146));
    assert_eq!(client.value("SELECT COUNT(*) FROM mine")?, "0");
    assert!(client.reset()?);
    assert_eq!(client.sql("SELECT * FROM mine").unwrap_err().code(), Some(1146));
    Ok(())
}

#[test]
fn reads_after_writes_are_fresh_on_mysql9_although_replicas_lag() -> Lab<()> {
    let Some((group, proxy)) = started()? else { return Ok(()) };
    let _blocked = group.block_replica(2)?;
    let mut client = proxy.client()?;
    for round in 0..50 {
        client.sql(&format!("INSERT INTO t (b) VALUES ('round {round}')"))?;
        assert_eq!(client.value(&format!("SELECT COUNT(*) FROM t WHERE b = 'round {round}'"))?, "1");
    }
    Ok(())
}

#[test]
fn mysql9_replicas_leave_and_return_and_the_writer_moves() -> Lab<()> {
    let Some((group, proxy)) = started()? else { return Ok(()) };
    group.stop_replication(2)?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1)])?;
    group.start_replication(2)?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    group.set_writer(1)?;
    trace::wait_for_writer(&proxy, &group, group.server(1))
}

/// A COM_QUERY with one string attribute (MySQL source documentation, "COM_QUERY").
fn query_with_attribute(name: &str, value: &str, text: &str) -> Vec<u8> {
    const VAR_STRING: u8 = 0xfd;
    let string = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    // One attribute in one set, none of them NULL, types follow.
    let head = [0x03, 1, 1, 0, 1, VAR_STRING, 0];
    [&head[..], &string(name), &string(value), text.as_bytes()].concat()
}

/// A COM_STMT_EXECUTE of a statement without parameters, with one string attribute (the same, "COM_STMT_EXECUTE").
fn execution_with_attribute(id: [u8; 4], name: &str, value: &str) -> Vec<u8> {
    const VAR_STRING: u8 = 0xfd;
    const PARAMETER_COUNT_AVAILABLE: u8 = 8;
    let string = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let head = [&[0x17][..], &id, &[PARAMETER_COUNT_AVAILABLE, 1, 0, 0, 0, 1, 0, 1, VAR_STRING, 0]].concat();
    [head, string(name), string(value)].concat()
}

/// A session of a client that sends query attributes with everything.
fn with_attributes(proxy: &Proxy) -> Lab<Packets> {
    const QUERY_ATTRIBUTES: u32 = 1 << 27;
    let profile =
        Profile { capabilities: Profile::MYSQLND_TEXT.capabilities | QUERY_ATTRIBUTES, ..Profile::MYSQLND_TEXT };
    let mut packets = Packets::connect("127.0.0.1", proxy.port)?;
    login(&mut packets, &Target::new("127.0.0.1", proxy.port, "app", "app").with_schema("shop"), &profile)?;
    packets.restart_sequence();
    Ok(packets)
}

#[test]
fn query_attributes_of_an_execution_are_hints() -> Lab<()> {
    let Some((group, proxy)) = started()? else { return Ok(()) };
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    for (role, on_writer) in [("writer", true), ("replica", false), ("", false)] {
        let marker = trace::marker();
        let mut packets = with_attributes(&proxy)?;
        packets.write(&[b"\x16", format!("SELECT COUNT(*) FROM t /* {marker} */").as_bytes()].concat())?;
        let prepared = packets.read()?;
        let id = prepared[1..5].try_into().expect("four bytes");
        // The column's definition and the EOF behind it.
        packets.read()?;
        packets.read()?;
        packets.restart_sequence();
        packets.write(&execution_with_attribute(id, "role", role))?;
        assert_eq!(packets.read()?, [1], "one column, role={role}");
        let ran = trace::who_ran(&group, &marker)?;
        assert_eq!(ran.contains(&group.writer().id), on_writer, "role={role} ran on {ran:?}");
    }
    Ok(())
}

#[test]
fn query_attributes_are_hints() -> Lab<()> {
    let Some((group, proxy)) = started()? else { return Ok(()) };
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    for (name, role, statement, on_writer) in [
        ("pointsman.role", "writer", "SELECT COUNT(*) FROM t", true),
        ("role", "writer", "SELECT COUNT(*) FROM t", true),
        ("pointsman.role", "replica", "SHOW TABLES", false),
        ("role", "replica", "SHOW TABLES", false),
        ("role", "", "SHOW TABLES", true),
        ("of_the_application", "replica", "SHOW TABLES", true),
    ] {
        let marker = trace::marker();
        let mut packets = with_attributes(&proxy)?;
        packets.write(&query_with_attribute(name, role, &format!("{statement} /* {marker} */")))?;
        assert_ne!(packets.read()?.first(), Some(&0xff), "{statement} was refused");
        let ran = trace::who_ran(&group, &marker)?;
        assert_eq!(ran == [group.writer().id], on_writer, "{name}={role} {statement} ran on {ran:?}");
        assert_eq!(ran.len(), 1);
    }
    Ok(())
}

/// Replication goes on by the positions of the binary logs, and no transaction has a GTID any more.
fn switch_gtids_off(group: &Group) -> Lab<()> {
    for server in group.servers() {
        server.sql("STOP REPLICA")?;
        server.sql("CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 0")?;
        server.sql("START REPLICA")?;
    }
    // One step at a time everywhere, as the manual has it ("Disabling GTID Transactions Online").
    for mode in ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"] {
        group.wait_for_sync()?;
        for server in group.servers() {
            server.sql(&format!("SET GLOBAL gtid_mode = {mode}"))?;
        }
    }
    Ok(())
}

#[test]
fn without_gtids_a_session_reads_its_own_writes_by_time() -> Lab<()> {
    let Some((group, proxy)) = started()? else { return Ok(()) };
    switch_gtids_off(&group)?;
    drop(proxy);
    let proxy = Proxy::of(&group).start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    let _blocked = (group.block_replica(1)?, group.block_replica(2)?);
    let mut client = proxy.client()?;
    for round in 1..=20 {
        client.sql(&format!("INSERT INTO t (b) VALUES ('round {round}')"))?;
        assert_eq!(client.value("SELECT COUNT(*) FROM t WHERE b LIKE 'round%'")?, round.to_string());
    }
    let output = std::process::Command::new(pointsman_tests::proxy::binary()?)
        .args(["check", "--config"])
        .arg(proxy.config())
        .output()
        .map_err(pointsman_tests::LabError::file("pointsman check"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("gtid_mode is not ON"), "{said}");
    Ok(())
}
