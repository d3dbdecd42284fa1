//! What happens when something breaks: a replica or the writer dies, hangs or lags, a client is slow or vanishes.
//! No wrong answer, no lost acknowledged write, and life goes on as soon as it can.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Proxy, ports, trace, waiting};

/// How soon the proxy must have noticed a change of its servers.
const NOTICED: Duration = Duration::from_secs(15);

fn started_group() -> Lab<Group> {
    let group = Group::start()?;
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(40)) ENGINE=InnoDB")?;
    group.sql_everywhere("INSERT INTO t (b) VALUES ('first')")?;
    Ok(group)
}

fn started() -> Lab<(Group, Proxy)> {
    let group = started_group()?;
    let proxy = Proxy::of(&group).start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    Ok((group, proxy))
}

/// Reads on new connections for a while; every answer must be right. The errors are returned.
fn read_for(proxy: &Proxy, duration: Duration) -> Vec<String> {
    let (end, mut errors) = (Instant::now() + duration, vec![]);
    while Instant::now() < end {
        match proxy.client().and_then(|mut client| client.value("SELECT b FROM t WHERE a = 1")) {
            Ok(answer) => assert_eq!(answer, "first"),
            Err(error) => errors.push(error.to_string()),
        }
    }
    errors
}

#[test]
fn a_killed_replica_costs_no_read_and_comes_back() -> Lab<()> {
    let (group, proxy) = started()?;
    let errors = thread::scope(|scope| {
        let reader = scope.spawn(|| read_for(&proxy, Duration::from_secs(3)));
        thread::sleep(Duration::from_millis(500));
        group.server(2).kill9();
        reader.join().expect("the reading thread ends")
    });
    // A read of which no byte had come is run elsewhere. One that had a part already can't be; the rows here are too
    // short for that to happen often.
    assert!(errors.len() <= 1, "{} reads failed: {errors:?}", errors.len());
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(3)])?;
    group.server(2).restart()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())
}

#[test]
fn a_hanging_replica_is_avoided_and_comes_back() -> Lab<()> {
    let (group, proxy) = started()?;
    group.server(3).stop();
    // Until the monitor has missed a few answers, reads may still be sent there.
    thread::sleep(Duration::from_secs(3));
    let errors = read_for(&proxy, Duration::from_secs(2));
    assert!(errors.is_empty(), "{errors:?}");
    group.server(3).cont();
    trace::wait_for_readers(&proxy, &group, &group.readers())
}

#[test]
fn a_read_that_hangs_with_its_replica_is_answered_by_another() -> Lab<()> {
    const READS: usize = 24;
    let (group, proxy) = started()?;
    let mut clients: Vec<Client> = (0..READS).map(|_| proxy.client()).collect::<Lab<_>>()?;
    group.server(3).stop();
    let start = Instant::now();
    thread::scope(|scope| {
        let reads: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(|| client.value("SELECT b FROM t WHERE a = 1"))).collect();
        reads.into_iter().try_for_each(|read| {
            let answer = read.join().expect("a reading thread ends")?;
            assert_eq!(answer, "first");
            Ok::<_, pointsman_tests::LabError>(())
        })
    })?;
    assert!(start.elapsed() < NOTICED, "the slowest read took {:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_replica_that_stopped_replicating_takes_no_reads() -> Lab<()> {
    let (group, proxy) = started()?;
    group.stop_replication(2)?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(3)])?;
    group.start_replication(2)?;
    trace::wait_for_readers(&proxy, &group, &group.readers())
}

#[test]
fn a_lagging_replica_takes_no_reads() -> Lab<()> {
    let (group, proxy) = started()?;
    let blocked = group.block_replica(3)?;
    group.sql("INSERT INTO t (b) VALUES ('second')")?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(2)])?;
    drop(blocked);
    trace::wait_for_readers(&proxy, &group, &group.readers())
}

#[test]
fn a_session_never_reads_behind_its_own_write_although_replicas_lag() -> Lab<()> {
    let (group, proxy) = started()?;
    let _blocked = (group.block_replica(2)?, group.block_replica(3)?);
    let mut client = proxy.client()?;
    for round in 0..50 {
        client.sql(&format!("INSERT INTO t (b) VALUES ('round {round}')"))?;
        assert_eq!(client.value(&format!("SELECT COUNT(*) FROM t WHERE b = 'round {round}'"))?, "1");
    }
    Ok(())
}

#[test]
fn without_any_fresh_replica_reads_spill_to_the_writer() -> Lab<()> {
    let (group, proxy) = started()?;
    for index in 1..4 {
        group.stop_replication(index)?;
    }
    trace::wait_for_readers(&proxy, &group, &[group.writer()])?;
    assert_eq!(read_for(&proxy, Duration::from_secs(1)), [] as [String; 0]);
    Ok(())
}

#[test]
fn no_acknowledged_write_is_lost_when_the_writer_is_killed() -> Lab<()> {
    let (group, proxy) = started()?;
    let acknowledged = thread::scope(|scope| {
        let writer = scope.spawn(|| write_for(&proxy, Duration::from_secs(4)));
        thread::sleep(Duration::from_millis(700));
        group.writer().kill9();
        thread::sleep(Duration::from_millis(700));
        group.writer().restart().map(|()| writer.join().expect("the writing thread ends"))
    })?;
    assert!(acknowledged.len() > 10, "only {} writes went through", acknowledged.len());
    let there = group.writer().client()?.column("SELECT b FROM shop.t")?;
    let lost: Vec<&String> = acknowledged.iter().filter(|text| !there.contains(text)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let mut twice = there.clone();
    twice.sort_unstable();
    twice.dedup();
    assert_eq!(twice.len(), there.len(), "a write was sent twice");
    waiting::until("writes go on", NOTICED, || write_for(&proxy, Duration::from_millis(100)).len() > 1)
}

/// Inserts distinct texts for a while; answers those that were acknowledged.
fn write_for(proxy: &Proxy, duration: Duration) -> Vec<String> {
    let (end, mut acknowledged) = (Instant::now() + duration, vec![]);
    let mut client: Option<Client> = None;
    while Instant::now() < end {
        let text = trace::marker();
        let connected = match client.take() {
            Some(client) => Ok(client),
            None => proxy.client(),
        };
        let Ok(mut connected) = connected else { continue };
        if connected.sql(&format!("INSERT INTO t (b) VALUES ('{text}')")).is_ok() {
            acknowledged.push(text);
            client = Some(connected);
        }
    }
    acknowledged
}

#[test]
fn writes_follow_the_writer_of_the_pair() -> Lab<()> {
    let (group, proxy) = started()?;
    let mut client = proxy.client()?;
    client.sql("INSERT INTO t (b) VALUES ('before')")?;
    group.set_writer(1)?;
    trace::wait_for_writer(&proxy, &group, group.server(1))?;
    group.wait_for_sync()?;
    assert_eq!(group.server(0).value("SELECT COUNT(*) FROM shop.t WHERE b = 'before'")?, "1");
    Ok(())
}

/// A routine has written before the statement in it that its server refused; another server would write that once more.
#[test]
fn a_call_whose_server_becomes_read_only_is_not_repeated() -> Lab<()> {
    let (group, proxy) = started()?;
    group.sql_everywhere(
        "CREATE PROCEDURE shop.two_steps() SQL SECURITY INVOKER BEGIN INSERT INTO shop.t (b) VALUES ('step');
         DO GET_LOCK('between', 60); INSERT INTO shop.t (b) VALUES ('step'); END",
    )?;
    let mut gate = group.writer().client()?;
    gate.sql("DO GET_LOCK('between', 0)")?;
    let called = thread::scope(|scope| {
        let mut client = proxy.client()?;
        let call = scope.spawn(move || client.sql("CALL two_steps()"));
        waiting::until("the first step is done", NOTICED, || {
            group.writer().value("SELECT COUNT(*) FROM shop.t WHERE b = 'step'").is_ok_and(|n| n == "1")
        })?;
        group.set_writer(1)?;
        gate.sql("DO RELEASE_LOCK('between')")?;
        Ok::<_, pointsman_tests::LabError>(call.join().expect("the thread that calls ends"))
    })?;
    assert_eq!(called.unwrap_err().code(), Some(1290));
    trace::wait_for_writer(&proxy, &group, group.server(1))?;
    group.wait_for_sync()?;
    assert_eq!(proxy.client()?.value("SELECT COUNT(*) FROM t WHERE b = 'step'")?, "1");
    Ok(())
}

#[test]
fn with_two_writable_masters_no_write_is_sent_to_either() -> Lab<()> {
    const WAIT: Duration = Duration::from_millis(1500);
    let group = started_group()?;
    let proxy = Proxy::of(&group).more("[monitor]\nno_writer_wait_ms = 1500").start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    group.server(1).set_read_only(false)?;
    waiting::until("the log says why writes wait", NOTICED, || {
        let log = proxy.log();
        log.lines().any(|line| {
            line.contains("no confirmed writer: writes wait") && line.contains("both masters say read_only=0")
        })
    })?;
    let marker = trace::marker();
    let mut client = proxy.client()?;
    let start = Instant::now();
    let refused = client.sql(&format!("INSERT INTO t (b) VALUES ('{marker}')")).expect_err("both are writable");
    assert!(start.elapsed() >= WAIT, "refused after {:?}", start.elapsed());
    // ER_OPTION_PREVENTS_STATEMENT, as of a server that is read-only.
    assert_eq!(refused.code(), Some(1290), "{refused}");
    assert!(refused.to_string().contains("(waited 1500 ms); nothing was executed"), "{refused}");
    assert_eq!(trace::who_ran(&group, &marker)?, [] as [u32; 0]);
    assert_eq!(proxy.client()?.value("SELECT b FROM t WHERE a = 1")?, "first", "reads go on");
    group.server(1).set_read_only(true)?;
    waiting::until("writes go on", NOTICED, || write_for(&proxy, Duration::from_millis(100)).len() > 1)
}

#[test]
fn what_a_transaction_wrote_is_not_committed_while_two_masters_are_writable() -> Lab<()> {
    const NO_WRITER: Option<u16> = Some(1290);
    let group = Group::start()?;
    group.sql("CREATE TABLE t (a TEXT)")?;
    let proxy = Proxy::of(&group).more("[monitor]\nno_writer_wait_ms = 500").start()?;
    let ends = ["COMMIT", "COMMIT AND CHAIN", "BEGIN", "SET autocommit = 1"];
    let mut open: Vec<(Client, &str)> = vec![];
    for end in ends {
        let mut client = proxy.client()?;
        client.sql("SET autocommit = 0")?;
        client.sql(&format!("INSERT INTO t VALUES ('{end}')"))?;
        open.push((client, end));
    }
    let (mut reader, mut undone) = (proxy.client()?, proxy.client()?);
    for client in [&mut reader, &mut undone] {
        client.sql("BEGIN")?;
        client.sql("SELECT a FROM t")?;
    }
    undone.sql("INSERT INTO t VALUES ('undone')")?;
    group.server(1).set_read_only(false)?;
    waiting::until("no writer is confirmed", NOTICED, || proxy.http("/readyz").is_some_and(|a| a.status == 503))?;
    for (client, end) in &mut open {
        let code = client.sql(end).err().and_then(|error| error.code());
        assert_eq!(code, NO_WRITER, "{end}");
    }
    reader.sql("COMMIT")?;
    undone.sql("ROLLBACK")?;
    group.server(1).set_read_only(true)?;
    waiting::until("writes go on", NOTICED, || open[0].0.sql("INSERT INTO t VALUES ('later')").is_ok())?;
    open[0].0.sql("COMMIT")?;
    assert_eq!(group.writer().client()?.column("SELECT a FROM shop.t")?, ["later"]);
    Ok(())
}

#[test]
fn a_transaction_that_is_open_when_the_writer_changes_is_lost_and_says_so() -> Lab<()> {
    // ER_SERVER_SHUTDOWN
    const LOST: Option<u16> = Some(1053);
    let (group, proxy) = started()?;
    let mut client = proxy.client()?;
    client.sql("BEGIN")?;
    client.sql("INSERT INTO t (b) VALUES ('lost')")?;
    let (old, new) = (group.server(0), group.server(1));
    // FLUSH TABLES and the like would wait for the transaction; this does not.
    old.set_read_only(true)?;
    new.set_read_only(false)?;
    trace::wait_for_writer(&proxy, &group, new)?;
    let refused = client.sql("INSERT INTO t (b) VALUES ('lost too')").expect_err("its transaction is lost");
    assert_eq!(refused.code(), LOST, "{refused}");
    client.sql("BEGIN")?;
    client.sql("INSERT INTO t (b) VALUES ('kept')")?;
    client.sql("COMMIT")?;
    assert_eq!(client.column("SELECT b FROM t WHERE b IN ('lost', 'lost too', 'kept')")?, ["kept"]);
    assert_eq!(old.value("SELECT COUNT(*) FROM shop.t WHERE b LIKE 'lost%'")?, "0", "it is rolled back");
    Ok(())
}

#[test]
fn the_read_of_a_client_that_vanished_is_killed() -> Lab<()> {
    let (group, proxy) = started()?;
    let marker = trace::marker();
    proxy.client()?.send_and_vanish(&format!("SELECT SLEEP(60), b FROM t WHERE b <> '{marker}'"))?;
    waiting::until("no server runs it any more", NOTICED, || {
        group.servers().iter().all(|server| !is_running(server, &marker))
    })
}

#[test]
fn the_write_of_a_client_that_vanished_is_finished() -> Lab<()> {
    let (group, proxy) = started()?;
    let statement = "UPDATE t SET b = CONCAT('after ', SLEEP(2)) WHERE a = 1";
    proxy.client()?.send_and_vanish(statement)?;
    waiting::until("the write is done", NOTICED, || {
        group.writer().value("SELECT b FROM shop.t WHERE a = 1").is_ok_and(|text| text == "after 0")
    })
}

fn is_running(server: &pointsman_tests::Server, marker: &str) -> bool {
    let query = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{marker}%' AND id <> CONNECTION_ID()"
    );
    server.value(&query).is_ok_and(|count| count != "0")
}

#[test]
fn a_slow_client_costs_little_memory() -> Lab<()> {
    /// The result is this large; the proxy may hold a small part of it only.
    const RESULT_MIB: usize = 256;
    const ALLOWED_GROWTH_KIB: u64 = 48 << 10;
    let (_group, proxy) = started()?;
    let before = proxy.resident_kib();
    let mut client = proxy.client()?;
    let slow = thread::spawn(move || {
        let select = format!("SELECT REPEAT('x', 1048576) FROM seq_1_to_{RESULT_MIB}");
        client.send_and_wait(&select, Duration::from_secs(5))
    });
    thread::sleep(Duration::from_secs(4));
    let after = proxy.resident_kib();
    slow.join().expect("the slow client's thread ends")?;
    assert!(after < before + ALLOWED_GROWTH_KIB, "the proxy grew from {before} to {after} KiB");
    Ok(())
}

#[test]
fn nonsense_at_the_port_hurts_nobody() -> Lab<()> {
    use std::io::Write;
    let (_group, proxy) = started()?;
    let pieces: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\x00",
        b"\x00\x00\x00\x01",
        b"\x01",
        &[0; 4096],
        b"\x20\x00\x00\x01\x85\xa6",
    ];
    for piece in pieces {
        let mut stream =
            TcpStream::connect(ports::local(proxy.port)).map_err(pointsman_tests::LabError::file("socket"))?;
        let mut greeting = [0; 256];
        let _whole_greeting = stream.read(&mut greeting);
        let _may_be_closed_already = stream.write_all(piece);
        drop(stream);
    }
    assert_eq!(proxy.client()?.value("SELECT b FROM t WHERE a = 1")?, "first");
    Ok(())
}

#[test]
fn a_single_master_without_replicas_does_all() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = proxy.client()?;
    client.sql("CREATE TABLE t (a INT)")?;
    client.sql("INSERT INTO t VALUES (1)")?;
    assert_eq!(client.value("SELECT a FROM t")?, "1");
    Ok(())
}

#[test]
fn sigterm_ends_the_proxy_in_order() -> Lab<()> {
    let (group, proxy) = started()?;
    let mut idle = proxy.client()?;
    assert_eq!(idle.value("SELECT 1")?, "1");
    assert!(proxy.terminate(Duration::from_secs(20)), "still alive after SIGTERM");
    waiting::until("the proxy's connections are gone", NOTICED, || {
        group.servers().iter().all(|server| server.connections_of("app").is_ok_and(|ids| ids.is_empty()))
    })
}
