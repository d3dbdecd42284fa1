//! Sessions that wait: for a client that takes or sends nothing, for a writer, for a place in a pool. Each hears a KILL,
//! a drain and the end of its client, and none holds a place for ever.

use std::time::Duration;

use pointsman_tests::differ::login::login;
use pointsman_tests::differ::packets::Packets;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Login, Proxy, trace, waiting};

/// How soon it must be noticed: long before a server's own limits (net_write_timeout is 60 s, net_read_timeout 30 s).
const SOON: Duration = Duration::from_secs(15);
const COM_QUERY: u8 = 3;
/// More than all buffers on the way take.
const LONG_RESULT: &str = "SELECT REPEAT('x', 1000000) FROM seq_1_to_300 FOR UPDATE";
const LOAD: &str = "LOAD DATA LOCAL INFILE 'nothing' INTO TABLE shop.t";
/// CLIENT_LOCAL_FILES.
const LOCAL_FILES: u32 = 0x80;

/// A master, and a proxy with a single place in its pool.
fn one_place(wait_ms: u32) -> Lab<(Group, Proxy)> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    group.sql("CREATE TABLE t (a TEXT)")?;
    let pool = format!("[pool]\nmax_connections_per_server = 1\nwait_timeout_ms = {wait_ms}");
    let proxy = Proxy::of(&group).more(&pool).start()?;
    Ok((group, proxy))
}

/// A client that reads and writes when the test says so, and its id.
fn raw(proxy: &Proxy) -> Lab<(Packets, u32)> {
    let mut packets = Packets::connect("127.0.0.1", proxy.port)?;
    let mut profile = Profile::MYSQLND_TEXT;
    profile.capabilities |= LOCAL_FILES;
    let login = login(&mut packets, &Target::new("127.0.0.1", proxy.port, "app", "app"), &profile)?;
    Ok((packets, login.connection_id))
}

fn send(packets: &mut Packets, statement: &str) -> Lab<()> {
    packets.restart_sequence();
    Ok(packets.write(&[&[COM_QUERY], statement.as_bytes()].concat())?)
}

fn until_one_runs(group: &Group, condition: &str) -> Lab<()> {
    let query = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app' AND {condition}");
    let runs = || group.writer().value(&query).is_ok_and(|count| count != "0");
    waiting::until(&format!("a statement runs ({condition})"), SOON, runs)
}

/// Sends what makes the session wait for this client, which neither takes nor sends anything from now on.
/// While the buffers on the way still fill, the session waits for its server.
fn blocks(group: &Group, packets: &mut Packets, statement: &str) -> Lab<()> {
    send(packets, statement)?;
    let blocked = if statement == LOAD { "info LIKE 'LOAD%'" } else { "state = 'Writing to net' AND time_ms > 2000" };
    until_one_runs(group, blocked)
}

fn place_comes_free(other: &mut Client) -> Lab<()> {
    waiting::until("another client gets the place", SOON, || other.value("SELECT 1 FOR UPDATE").is_ok())
}

#[test]
fn a_session_that_its_client_blocks_hears_a_kill() -> Lab<()> {
    let (group, proxy) = one_place(500)?;
    let mut other = proxy.client()?;
    for statement in [LONG_RESULT, LOAD] {
        let (mut packets, id) = raw(&proxy)?;
        blocks(&group, &mut packets, statement)?;
        other.sql(&format!("KILL {id}"))?;
        place_comes_free(&mut other)?;
    }
    Ok(())
}

#[test]
fn a_client_that_blocks_its_session_is_given_up_when_a_server_would() -> Lab<()> {
    let (group, proxy) = one_place(500)?;
    let mut other = proxy.client()?;
    for statement in [LONG_RESULT, LOAD] {
        let (mut packets, _) = raw(&proxy)?;
        for name in ["net_write_timeout", "net_read_timeout"] {
            send(&mut packets, &format!("SET SESSION {name} = 3"))?;
            packets.read()?;
        }
        send(&mut packets, statement)?;
        until_one_runs(&group, "(info LIKE 'LOAD%' OR info LIKE 'SELECT REPEAT%')")?;
        place_comes_free(&mut other)?;
    }
    Ok(())
}

/// Its goodbye lies unread behind the statement, and hides that it has gone.
#[test]
fn a_client_that_says_goodbye_in_a_statement_is_gone() -> Lab<()> {
    const QUIT: [u8; 5] = [1, 0, 0, 0, 1];
    let (group, proxy) = one_place(500)?;
    let mut other = proxy.client()?;
    let (mut packets, _) = raw(&proxy)?;
    send(&mut packets, "SELECT SLEEP(60) FROM seq_1_to_300")?;
    until_one_runs(&group, "info LIKE 'SELECT SLEEP%'")?;
    packets.write_raw(&QUIT)?;
    drop(packets);
    place_comes_free(&mut other)
}

#[test]
fn a_drain_does_not_wait_for_clients_that_take_nothing() -> Lab<()> {
    let (group, proxy) = one_place(500)?;
    let (mut packets, _) = raw(&proxy)?;
    blocks(&group, &mut packets, LONG_RESULT)?;
    assert!(proxy.terminate(SOON), "still alive after SIGTERM");
    Ok(())
}

#[test]
fn what_waits_for_a_writer_is_not_sent_once_killed_or_left() -> Lab<()> {
    let group = Group::start()?;
    group.sql("CREATE TABLE t (a TEXT)")?;
    let proxy = Proxy::of(&group).more("[monitor]\nno_writer_wait_ms = 60000").start()?;
    let (killed, left, goes_on) = (trace::marker(), trace::marker(), trace::marker());
    let insert = |text: &str| format!("INSERT INTO t VALUES ('{text}')");
    let (mut victim, id) = raw(&proxy)?;
    send(&mut victim, "USE shop")?;
    victim.read()?;
    group.server(1).set_read_only(false)?;
    waiting::until("no writer is confirmed", SOON, || proxy.http("/readyz").is_some_and(|a| a.status == 503))?;
    send(&mut victim, &insert(&killed))?;
    proxy.client()?.sql(&format!("KILL {id}"))?;
    assert!(victim.read().is_err(), "a killed session has answered");
    let mut waiter = proxy.client()?;
    let waits = std::thread::spawn(move || waiter.sql("INSERT INTO t VALUES ('the last')"));
    proxy.client()?.send_and_vanish(&insert(&left))?;
    group.server(1).set_read_only(true)?;
    waits.join().expect("the waiting client's thread ends")?;
    proxy.client()?.sql(&insert(&goes_on))?;
    let there = group.writer().client()?.column("SELECT a FROM shop.t")?;
    assert!(!there.contains(&killed), "the statement of a killed session was run");
    assert!(!there.contains(&left), "the statement of a client that had gone was run");
    assert!(there.contains(&goes_on));
    Ok(())
}

#[test]
fn what_waits_for_a_place_hears_a_kill() -> Lab<()> {
    let (_group, proxy) = one_place(60_000)?;
    let (mut holder, mut killer) = (proxy.client()?, proxy.client()?);
    let (mut victim, id) = raw(&proxy)?;
    holder.sql("BEGIN")?;
    holder.sql("SELECT 1 FOR UPDATE")?;
    send(&mut victim, "SELECT 2 FOR UPDATE")?;
    // It may not wait yet, and then has nothing to interrupt.
    let interrupted = std::thread::spawn(move || victim.read().map(|answer| (answer, victim)));
    waiting::until("the statement is interrupted", SOON, || {
        killer.sql(&format!("KILL QUERY {id}")).is_ok() && interrupted.is_finished()
    })?;
    let (answer, mut victim) = interrupted.join().expect("the reading thread ends")?;
    assert_eq!(answer.get(..3), Some(&[0xff, 0x25, 0x05][..]), "error 1317");
    send(&mut victim, "SELECT 2 FOR UPDATE")?;
    killer.sql(&format!("KILL {id}"))?;
    assert!(victim.read().is_err(), "a killed session has answered");
    holder.sql("COMMIT")?;
    assert_eq!(killer.value("SELECT 3 FOR UPDATE")?, "3");
    Ok(())
}

#[test]
fn a_full_pool_keeps_nobody_out_who_comes_to_kill() -> Lab<()> {
    /// ER_BAD_DB_ERROR.
    const UNKNOWN_SCHEMA: Option<u16> = Some(1049);
    /// ER_NO_DB_ERROR: it was let in unseen, and stands in no schema.
    const NO_SCHEMA: Option<u16> = Some(1046);
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    group.sql("CREATE USER chief@'%' IDENTIFIED BY 'chief'")?;
    group.sql("GRANT SELECT, CONNECTION ADMIN ON *.* TO chief@'%'")?;
    let more = "[[user]]\nname = \"chief\"\npassword = \"chief\"\n[pool]\nmax_connections_per_server = 1\n\
                wait_timeout_ms = 60000";
    let proxy = Proxy::of(&group).more(more).start()?;
    let mut holder = proxy.client()?;
    let kill = format!("KILL {}", holder.id());
    holder.sql("BEGIN")?;
    holder.sql("SELECT 1 FOR UPDATE")?;
    let mut lost = Client::connect(&proxy.login().schema("nowhere"))?;
    let mut chief = Client::connect(&Login::new(proxy.port, "chief", "chief").schema("shop"))?;
    chief.sql(&kill)?;
    assert_eq!(chief.value("SELECT DATABASE() FOR UPDATE")?, "shop");
    let told = lost.sql("SELECT a FROM t FOR UPDATE").err().and_then(|error| error.code());
    assert_eq!(told, NO_SCHEMA);
    let told = Client::connect(&proxy.login().schema("nowhere")).err().and_then(|error| error.code());
    assert_eq!(told, UNKNOWN_SCHEMA, "with a place to look from, the login is told");
    Ok(())
}
