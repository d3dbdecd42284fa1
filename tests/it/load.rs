//! Load and abuse: huge results, thousands of clients, storms, servers that hang or die under writes, and clients that
//! speak nonsense. Memory stays bounded, nothing leaks, nobody starves, no acknowledged write is lost.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use pointsman_tests::differ::login::login;
use pointsman_tests::differ::packets::Packets;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, LabError, Login, Proxy, ports, trace, waiting};
use tokio::runtime::{Builder, Runtime};

/// How soon the proxy has cleaned up after clients that went.
const CLEAN: Duration = Duration::from_secs(15);

fn one_master() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()
}

fn runtime() -> Lab<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(LabError::file("runtime"))
}

/// Statements at the server whose text contains this.
fn running(group: &Group, marker: &str) -> usize {
    let query =
        format!("SELECT id FROM information_schema.processlist WHERE info LIKE '%{marker}%' AND id <> CONNECTION_ID()");
    let of_one = |server: &pointsman_tests::Server| server.client()?.column(&query);
    group.servers().iter().map(|server| of_one(server).map_or(0, |ids| ids.len())).sum()
}

#[test]
fn a_gigabyte_for_a_slow_reader_costs_no_memory_and_its_statement_ends_with_it() -> Lab<()> {
    const ALLOWED_KIB: u64 = 64 << 10;
    const READING: Duration = Duration::from_secs(6);
    let group = one_master()?;
    let proxy = Proxy::of(&group).start()?;
    let marker = trace::marker();
    let select = format!("SELECT REPEAT('x', 10240), '{marker}' FROM seq_1_to_100000");
    let most = runtime()?.block_on(async {
        let mut conn = Conn::new(proxy.login().opts()).await?;
        let mut rows = conn.query_iter(select).await?;
        let (end, mut most) = (Instant::now() + READING, 0);
        while Instant::now() < end {
            assert!(rows.next().await?.is_some(), "the result is longer than this");
            most = most.max(proxy.resident_kib());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, mysql_async::Error>(most)
    })?;
    // The connection is dropped with its runtime: the client is gone without a word.
    println!("{most} KiB resident while a slow client reads 1 GB");
    assert!(most < ALLOWED_KIB, "{most} KiB resident");
    waiting::until("the server works for nobody", CLEAN, || running(&group, &marker) == 0)
}

#[test]
fn ten_thousand_idle_clients_cost_8_kib_each() -> Lab<()> {
    const CLIENTS: usize = 10_000;
    const ALLOWED_KIB_EACH: f64 = 8.0;
    let group = one_master()?;
    // Both ends of each connection are files of a process with a limit (20,000 on small machines).
    let proxy = Proxy::of(&group)
        .listen("max_client_connections = 10100")
        .more("[pool]\nmax_connections_per_server = 50")
        .start()?;
    proxy.client()?.value("SELECT 1")?;
    let (before, files) = (proxy.resident_kib(), proxy.open_files());
    let runtime = runtime()?;
    let idle = runtime.block_on(async {
        let mut idle = Vec::with_capacity(CLIENTS);
        for n in 0..CLIENTS {
            let mut conn = Conn::new(proxy.login().opts()).await?;
            if n % 10 == 0 {
                conn.query_drop("SELECT 1").await?;
            }
            idle.push(conn);
        }
        Ok::<_, mysql_async::Error>(idle)
    })?;
    let each = proxy.resident_kib().saturating_sub(before) as f64 / CLIENTS as f64;
    println!("{each:.2} KiB for each of {CLIENTS} idle clients");
    assert!(each <= ALLOWED_KIB_EACH, "{each:.2} KiB for each idle client");
    let start = Instant::now();
    assert_eq!(proxy.client()?.value("SELECT 5")?, "5");
    assert!(start.elapsed() < Duration::from_secs(2), "a query among idle clients took {:?}", start.elapsed());
    drop(runtime);
    drop(idle);
    waiting::until("all their sockets are closed", CLEAN, || proxy.open_files() <= files + 8)
}

#[test]
fn storms_of_connects_leave_nothing_behind() -> Lab<()> {
    const AT_ONCE: usize = 32;
    const EACH: usize = 100;
    let group = one_master()?;
    let proxy = Proxy::of(&group).start()?;
    proxy.client()?.value("SELECT 1")?;
    let files = proxy.open_files();
    // Server connections stay for the next ones, so a leak shows as growth from one storm to the next.
    let allowed = files + 2 * AT_ONCE;
    for _ in 0..3 {
        let start = Instant::now();
        let errors = runtime()?.block_on(async {
            let storms = (0..AT_ONCE).map(|_| tokio::spawn(storm(proxy.login(), EACH)));
            let mut errors = vec![];
            for storm in storms.collect::<Vec<_>>() {
                errors.extend(storm.await.expect("a storming task ends"));
            }
            errors
        });
        println!("{} connects in {:?}", AT_ONCE * EACH, start.elapsed());
        assert!(errors.is_empty(), "{} of {} failed: {:?}", errors.len(), AT_ONCE * EACH, errors.first());
        waiting::until("its sockets are closed", CLEAN, || proxy.open_files() <= allowed)?;
    }
    let held = group.writer().connections_of("app")?.len();
    assert!(held <= 2 * AT_ONCE, "{held} connections at the server after storms of {AT_ONCE} at once");
    Ok(())
}

/// Connects, asks and closes, one after the other; a third of them without a goodbye. The errors.
async fn storm(login: Login, times: usize) -> Vec<String> {
    let mut errors = vec![];
    for n in 0..times {
        let connected = async {
            let mut conn = Conn::new(login.opts()).await?;
            let one: Option<u8> = conn.query_first("SELECT 1").await?;
            assert_eq!(one, Some(1));
            if n % 3 != 0 {
                conn.disconnect().await?;
            }
            Ok::<_, mysql_async::Error>(())
        };
        if let Err(error) = connected.await {
            errors.push(error.to_string());
        }
    }
    errors
}

#[test]
fn the_reads_of_many_clients_that_vanish_at_once_are_all_killed() -> Lab<()> {
    const CLIENTS: usize = 24;
    let group = one_master()?;
    let proxy = Proxy::of(&group).start()?;
    let marker = trace::marker();
    let clients = (0..CLIENTS).map(|_| proxy.client()).collect::<Lab<Vec<Client>>>()?;
    let files = proxy.open_files();
    thread::scope(|scope| {
        let vanish = |client: Client| client.send_and_vanish(&format!("SELECT SLEEP(60) /* {marker} */"));
        let gone: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || vanish(client))).collect();
        gone.into_iter().try_for_each(|one| one.join().expect("a client's thread ends"))
    })?;
    waiting::until("no read runs for nobody", CLEAN, || running(&group, &marker) == 0)?;
    waiting::until("their sockets are closed", CLEAN, || proxy.open_files() <= files)?;
    assert_eq!(proxy.client()?.value("SELECT 7")?, "7");
    Ok(())
}

#[test]
fn a_writer_that_hangs_and_then_dies_loses_no_acknowledged_write() -> Lab<()> {
    const CLIENTS: usize = 8;
    let group = one_master()?;
    group.sql_everywhere("CREATE TABLE acks (client INT, n INT) ENGINE=InnoDB")?;
    let proxy = Proxy::of(&group).start()?;
    let stop = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let writers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let (proxy, stop) = (&proxy, &stop);
                    move || count(proxy, client, stop)
                })
            })
            .collect();
        let script = || -> Lab<()> {
            thread::sleep(Duration::from_secs(1));
            group.writer().stop();
            thread::sleep(Duration::from_secs(2));
            group.writer().cont();
            thread::sleep(Duration::from_secs(1));
            group.writer().kill9();
            thread::sleep(Duration::from_secs(1));
            group.writer().restart()?;
            thread::sleep(Duration::from_secs(3));
            Ok(())
        };
        let done = script();
        stop.store(true, Ordering::Relaxed);
        let counts: Vec<HashSet<u32>> =
            writers.into_iter().map(|writer| writer.join().expect("a writing thread ends")).collect();
        done.map(|()| counts)
    })?;
    let total: usize = acknowledged.iter().map(HashSet::len).sum();
    println!("{total} acknowledged writes");
    assert!(total > 100, "only {total} writes were acknowledged");
    let mut there: HashMap<(usize, u32), u32> = HashMap::new();
    for row in group.writer().client()?.sql("SELECT client, n FROM shop.acks")? {
        let number = |at: usize| row[at].as_ref().and_then(|v| v.parse::<u32>().ok()).unwrap_or(u32::MAX);
        *there.entry((number(0) as usize, number(1))).or_default() += 1;
    }
    for (client, numbers) in acknowledged.iter().enumerate() {
        let lost: Vec<_> = numbers.iter().filter(|n| !there.contains_key(&(client, **n))).collect();
        assert!(lost.is_empty(), "client {client} lost {lost:?}");
    }
    assert!(there.values().all(|times| *times == 1), "a write was sent twice");
    Ok(())
}

/// Inserts 0, 1, 2, ... until told to stop; the numbers that were acknowledged.
fn count(proxy: &Proxy, client: usize, stop: &AtomicBool) -> HashSet<u32> {
    let (mut acknowledged, mut conn) = (HashSet::new(), None::<Client>);
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let Some(mut connected) = conn.take().or_else(|| proxy.client().ok()) else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        if connected.sql(&format!("INSERT INTO acks VALUES ({client}, {n})")).is_ok() {
            acknowledged.insert(n);
            conn = Some(connected);
        }
        // A number whose insertion failed is never tried again: it may be there or not.
        n += 1;
    }
    acknowledged
}

#[test]
fn four_connections_for_64_clients_wait_in_order() -> Lab<()> {
    const CLIENTS: usize = 64;
    const LASTS: Duration = Duration::from_secs(5);
    let group = one_master()?;
    let proxy = Proxy::of(&group).listen("cores = 2").more("[pool]\nmax_connections_per_server = 4").start()?;
    let clients = (0..CLIENTS).map(|_| proxy.client()).collect::<Lab<Vec<Client>>>()?;
    let end = Instant::now() + LASTS;
    let seen: Vec<(usize, Duration)> = thread::scope(|scope| {
        let busy: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || ask_until(client, end))).collect();
        busy.into_iter().map(|one| one.join().expect("a client's thread ends")).collect::<Lab<_>>()
    })?;
    let longest = seen.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
    let (least, total) = (seen.iter().map(|(n, _)| *n).min().unwrap_or(0), seen.iter().map(|(n, _)| n).sum::<usize>());
    println!("{total} answers, at least {least} for each client, longest wait {longest:?}");
    // 16 statements of 5 ms are before each one: 80 ms, and what a loaded machine of two cores adds.
    assert!(longest < Duration::from_secs(2), "one statement waited {longest:?}");
    assert!(least * CLIENTS * 3 >= total, "one client got {least} of {total} answers");
    Ok(())
}

fn ask_until(mut client: Client, end: Instant) -> Lab<(usize, Duration)> {
    let (mut answers, mut longest) = (0, Duration::ZERO);
    while Instant::now() < end {
        let start = Instant::now();
        client.sql("SELECT SLEEP(0.005), 1 FOR UPDATE")?;
        longest = longest.max(start.elapsed());
        answers += 1;
    }
    Ok((answers, longest))
}

#[test]
fn nonsense_before_and_in_a_login_ends_in_an_error_or_a_closed_socket() -> Lab<()> {
    let group = one_master()?;
    let proxy = Proxy::of(&group).listen("connect_timeout_s = 2").start()?;
    proxy.client()?.value("SELECT 1")?;
    let before = proxy.resident_kib();
    let mut login = vec![0x85, 0xa6, 0xff, 0x01, 0, 0, 0, 1, 45];
    login.extend_from_slice(&[0; 23]);
    login.extend_from_slice(b"app\0");
    let framed = |payload: &[u8], sequence: u8| {
        let length = (payload.len() as u32).to_le_bytes();
        [&[length[0], length[1], length[2], sequence], payload].concat()
    };
    let mut pieces: Vec<Vec<u8>> = vec![
        vec![],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff, 0xff, 0xff, 1],
        vec![0, 0, 0, 1],
        framed(&login, 7),
        vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc],
        [vec![0xff, 0xff, 0xff, 1], vec![0; 1 << 20]].concat(),
    ];
    pieces.extend((0..login.len()).step_by(5).map(|end| framed(&login[..end], 1)));
    let ends = thread::scope(|scope| {
        let sent: Vec<_> = pieces.iter().map(|piece| scope.spawn(|| time_to_end(proxy.port, piece))).collect();
        sent.into_iter().map(|one| one.join().expect("a client's thread ends")).collect::<Vec<_>>()
    });
    for (piece, end) in pieces.iter().zip(&ends) {
        assert!(end.is_some_and(|time| time < CLEAN), "{end:?} until the end of {:?}", &piece[..piece.len().min(16)]);
    }
    assert_eq!(proxy.client()?.value("SELECT 2")?, "2");
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "grown by {grown} KiB");
    Ok(())
}

/// Sends bytes in place of a login; how long it took until the proxy closed, None if it never did.
fn time_to_end(port: u16, bytes: &[u8]) -> Option<Duration> {
    let mut stream = TcpStream::connect(ports::local(port)).ok()?;
    stream.set_read_timeout(Some(CLEAN)).ok()?;
    let start = Instant::now();
    // Closed while we write is an end as well.
    let _ = stream.write_all(bytes);
    let mut rest = vec![];
    match stream.read_to_end(&mut rest) {
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => None,
        Ok(_) | Err(_) => Some(start.elapsed()),
    }
}

/// What a logged-in client sends, and what must come of it.
enum After {
    /// An error with this code, and the session lives.
    Error(u16),
    /// The connection ends, with an error first or without.
    End,
}

#[test]
fn nonsense_in_a_session_ends_in_an_error_or_a_closed_socket() -> Lab<()> {
    let group = one_master()?;
    let proxy = Proxy::of(&group).start()?;
    let cases: Vec<(&str, Vec<u8>, After)> = vec![
        ("an unknown command", vec![1, 0, 0, 0, 0xee], After::Error(1047)),
        ("an empty packet", vec![0, 0, 0, 0], After::End),
        ("a wrong packet number", vec![1, 0, 0, 9, 0x0e], After::End),
        ("an execution of no statement", vec![10, 0, 0, 0, 0x17, 9, 9, 9, 9, 0, 1, 0, 0, 0], After::Error(1243)),
        ("a truncated execution", vec![3, 0, 0, 0, 0x17, 1, 0], After::End),
        ("a fetch from no statement", vec![9, 0, 0, 0, 0x1c, 1, 0, 0, 0, 1, 0, 0, 0], After::Error(1243)),
        ("a binlog dump", vec![11, 0, 0, 0, 0x12, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0], After::Error(1235)),
    ];
    let target = Target::new("127.0.0.1", proxy.port, "app", "app");
    for (what, bytes, expected) in cases {
        let mut packets = Packets::connect("127.0.0.1", proxy.port)?;
        login(&mut packets, &target, &Profile::MYSQLND_TEXT)?;
        packets.write_raw(&bytes)?;
        packets.expect_sequence(bytes[3].wrapping_add(1));
        let first = packets.read();
        match expected {
            After::Error(code) => {
                let packet = first?;
                assert_eq!(packet.first(), Some(&0xff), "{what}: {packet:?}");
                assert_eq!(u16::from_le_bytes([packet[1], packet[2]]), code, "{what}");
                packets.restart_sequence();
                packets.write(&[0x0e])?;
                assert_eq!(packets.read()?.first(), Some(&0), "the session lives after {what}");
            }
            After::End => {
                let ended = first.is_err() || packets.read().is_err();
                assert!(ended, "the session goes on after {what}");
            }
        }
    }
    assert_eq!(proxy.client()?.value("SELECT 3")?, "3");
    Ok(())
}

#[test]
fn a_packet_larger_than_allowed_is_refused_without_being_kept() -> Lab<()> {
    const ALLOWED: usize = 20 << 20;
    let group = one_master()?;
    let proxy = Proxy::of(&group).more(&format!("[session]\nmax_allowed_packet = {ALLOWED}")).start()?;
    proxy.client()?.value("SELECT 1")?;
    let target = Target::new("127.0.0.1", proxy.port, "app", "app");
    let mut packets = Packets::connect("127.0.0.1", proxy.port)?;
    login(&mut packets, &target, &Profile::MYSQLND_TEXT)?;
    let before = proxy.resident_kib();
    // Frames without an end: the proxy closes long before a gigabyte has come.
    let mut frame = vec![0xff, 0xff, 0xff, 0];
    frame.resize(4 + 0xff_ffff, b' ');
    let sent = (0..64_u8).take_while(|n| {
        frame[3] = *n;
        packets.write_raw(&frame).is_ok()
    });
    let frames = sent.count();
    assert!(frames < 16, "{frames} frames of 16 MiB were taken");
    let grown = proxy.resident_kib().saturating_sub(before);
    println!("grown by {grown} KiB, {frames} frames");
    assert!(grown < 3 * (ALLOWED as u64 >> 10), "grown by {grown} KiB");
    assert_eq!(proxy.client()?.value("SELECT 4")?, "4");
    Ok(())
}
