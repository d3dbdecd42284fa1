//! Faults under load: every answer is one that a session may get, and no acknowledged write is lost.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pointsman_tests::differ::login::login;
use pointsman_tests::differ::packets::Packets;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, LabError, Proxy, trace, waiting};

/// How soon the proxy has noticed a change, or cleaned up after clients that went.
const NOTICED: Duration = Duration::from_secs(20);

/// Each counts in a row of its own.
const CLIENTS: usize = 8;

/// How long the load goes on before and after the fault.
const CALM: Duration = Duration::from_secs(1);

/// What one client of the load has seen.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: u32,
    attempted: u32,
    reads: u32,
    errors: Vec<String>,
    wrong: Option<String>,
}

fn started() -> Lab<(Group, Proxy)> {
    let group = Group::start()?;
    group.sql("CREATE TABLE counters (client INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB")?;
    for client in 0..CLIENTS {
        group.sql(&format!("INSERT INTO counters VALUES ({client}, 0)"))?;
    }
    group.wait_for_sync()?;
    let proxy = Proxy::of(&group).start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    Ok((group, proxy))
}

/// Counts up and reads what it has counted, in one session as long as that lives.
fn count(proxy: &Proxy, client: usize, stop: &AtomicBool) -> Seen {
    let (mut seen, mut session) = (Seen::default(), None::<Client>);
    while !stop.load(Ordering::Relaxed) && seen.wrong.is_none() {
        let outcome = match session.take() {
            None => proxy.client(),
            Some(same) => step(same, client, &mut seen),
        };
        match outcome {
            Ok(same) => session = Some(same),
            Err(error) => {
                seen.errors.push(error.to_string());
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
    seen
}

fn step(mut session: Client, client: usize, seen: &mut Seen) -> Lab<Client> {
    seen.attempted += 1;
    session.sql(&format!("UPDATE counters SET n = n + 1 WHERE client = {client}"))?;
    seen.acknowledged += 1;
    // After its own write a session may not see less; writes that ended in an error may have been done.
    let (least, most) = (seen.acknowledged, seen.attempted);
    let read = session.value(&format!("SELECT n FROM counters WHERE client = {client}"))?;
    seen.reads += 1;
    if !(least..=most).contains(&read.parse().unwrap_or(u32::MAX)) {
        seen.wrong = Some(format!("client {client} reads {read}, not {least} to {most}"));
    }
    Ok(session)
}

/// Runs the load around a fault; gives all errors that clients got.
fn under_load(group: &Group, proxy: &Proxy, fault: impl FnOnce() -> Lab<()>) -> Lab<Vec<String>> {
    let stop = AtomicBool::new(false);
    let (done, all) = thread::scope(|scope| {
        let stop = &stop;
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || count(proxy, client, stop))).collect();
        thread::sleep(CALM);
        let done = fault();
        thread::sleep(CALM);
        stop.store(true, Ordering::Relaxed);
        (done, clients.into_iter().map(|one| one.join().expect("a client ends")).collect::<Vec<Seen>>())
    });
    done?;
    group.wait_for_sync()?;
    for (client, seen) in all.iter().enumerate() {
        assert_eq!(seen.wrong, None);
        assert!(seen.reads > 0, "client {client} never read: {:?}", seen.errors.first());
        for server in group.servers() {
            let n: u32 =
                server.value(&format!("SELECT n FROM shop.counters WHERE client = {client}"))?.parse().unwrap_or(0);
            assert!(n >= seen.acknowledged, "server {}: {n} of {} writes of {client}", server.id, seen.acknowledged);
            assert!(
                n <= seen.attempted,
                "server {}: {n}, of {} writes, was one sent twice?",
                server.id,
                seen.attempted
            );
        }
    }
    Ok(all.into_iter().flat_map(|seen| seen.errors).collect())
}

#[test]
fn a_writer_of_a_pair_that_freezes_under_load_loses_nothing() -> Lab<()> {
    let (group, proxy) = started()?;
    under_load(&group, &proxy, || {
        group.writer().stop();
        thread::sleep(Duration::from_secs(4));
        group.writer().cont();
        waiting::until("writes go on", NOTICED, || {
            proxy.client().is_ok_and(|mut new| new.sql("UPDATE counters SET n = n WHERE client = 0").is_ok())
        })
    })?;
    Ok(())
}

#[test]
fn replication_that_stops_under_load_costs_no_answer() -> Lab<()> {
    let (group, proxy) = started()?;
    let errors = under_load(&group, &proxy, || {
        group.stop_replication(2)?;
        takes_reads(&proxy, &group, 2, false)?;
        thread::sleep(CALM);
        group.start_replication(2)?;
        takes_reads(&proxy, &group, 2, true)
    })?;
    assert_eq!(errors, [] as [String; 0]);
    Ok(())
}

#[test]
fn a_replica_that_lags_under_load_costs_no_answer() -> Lab<()> {
    let (group, proxy) = started()?;
    let errors = under_load(&group, &proxy, || {
        let blocked = group.block_replica(3)?;
        takes_reads(&proxy, &group, 3, false)?;
        thread::sleep(CALM);
        drop(blocked);
        takes_reads(&proxy, &group, 3, true)
    })?;
    assert_eq!(errors, [] as [String; 0]);
    Ok(())
}

fn takes_reads(proxy: &Proxy, group: &Group, index: usize, takes: bool) -> Lab<()> {
    let (address, state) = (format!("\"{}\"", group.server(index).address()), format!("\"takes_reads\":{takes}"));
    waiting::until(&format!("{state} of {address}"), NOTICED, || {
        let body = proxy.http("/readyz").map(|answer| answer.body).unwrap_or_default();
        body.split("\"address\":").any(|one| one.starts_with(&address) && one.contains(&state))
    })
}

#[test]
fn a_client_that_reads_a_byte_a_second_costs_little_memory() -> Lab<()> {
    const SECONDS: u64 = 6;
    const ALLOWED_KIB: u64 = 64 << 10;
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let proxy = Proxy::of(&group).start()?;
    let target = Target::new("127.0.0.1", proxy.port, "app", "app");
    let mut packets = Packets::connect("127.0.0.1", proxy.port)?;
    login(&mut packets, &target, &Profile::MYSQLND_TEXT)?;
    packets.write(b"\x03SELECT REPEAT('x', 10240) FROM seq_1_to_100000")?;
    let mut socket = packets.into_stream();
    let mut most = 0;
    for _ in 0..SECONDS {
        socket.read_exact(&mut [0]).map_err(LabError::file("socket"))?;
        thread::sleep(Duration::from_secs(1));
        most = most.max(proxy.resident_kib());
    }
    println!("{most} KiB resident");
    assert!(most < ALLOWED_KIB, "{most} KiB resident for a gigabyte that nobody reads");
    drop(socket);
    waiting::until("the server works for nobody", NOTICED, || {
        let running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT REPEAT%'";
        group.writer().value(running).is_ok_and(|n| n == "0")
    })
}

#[test]
fn a_flood_of_connects_leaves_no_session_behind() -> Lab<()> {
    const MOST: usize = 64;
    const AT_ONCE: u32 = 32;
    const FLOOD: u32 = 4_000;
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let proxy = Proxy::of(&group).listen(&format!("max_client_connections = {MOST}")).start()?;
    let left = AtomicU32::new(FLOOD);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Ok(n) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
                    // A refusal is right when those that went have not been noticed yet.
                    let _ = come_and_go(&proxy, n % 4);
                }
            });
        }
    });
    // A session whose task never ends takes one of these places for ever.
    let mut inside: Vec<Client> = vec![];
    waiting::until("all places are free again", NOTICED, || {
        while let (Ok(client), true) = (proxy.client(), inside.len() < MOST) {
            inside.push(client);
        }
        inside.len() == MOST
    })?;
    assert_eq!(proxy.client().err().and_then(|refused| refused.code()), Some(1040));
    inside.iter_mut().try_for_each(|client| client.ping())
}

/// One client of a flood, in one of four ways.
fn come_and_go(proxy: &Proxy, way: u32) -> Lab<()> {
    match way {
        0 => proxy.client()?.value("SELECT 1").map(drop),
        1 => proxy.client()?.send_and_vanish("SELECT SLEEP(0.01)"),
        _ => {
            let mut socket = TcpStream::connect(("127.0.0.1", proxy.port)).map_err(LabError::file("socket"))?;
            let _greeting = socket.read(&mut [0; 128]);
            // Half a login, or none.
            let _sent = if way == 2 { socket.write(&[0x20, 0, 0, 1, 0x85]) } else { Ok(0) };
            Ok(())
        }
    }
}
