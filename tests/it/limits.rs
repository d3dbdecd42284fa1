//! Limits: many clients on few connections, many idle clients, many logins at once.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use pointsman_tests::{GroupPlan, Kind, Lab, LabError, Proxy, ports, waiting};

fn small_group() -> Lab<pointsman_tests::Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()
}

#[test]
fn four_connections_serve_64_clients_and_starve_nobody() -> Lab<()> {
    const CLIENTS: usize = 64;
    const EACH: usize = 20;
    /// The monitors' connections, replication, and this test's own.
    const OTHERS: u64 = 12;
    let group = small_group()?;
    let proxy = Proxy::of(&group).more("[pool]\nmax_connections_per_server = 4").start()?;
    let slowest = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| busy_client(&proxy, EACH))).collect();
        clients.into_iter().map(|client| client.join().expect("a client's thread ends")).collect::<Lab<Vec<_>>>()
    })?;
    let slowest = slowest.into_iter().max().unwrap_or_default();
    assert!(slowest < Duration::from_secs(20), "one client needed {slowest:?}");
    let most = group.writer().counter("Max_used_connections")?;
    assert!(most <= 4 + OTHERS, "{most} connections at the writer at once");
    Ok(())
}

/// Runs statements at the writer one after the other; how long it took.
fn busy_client(proxy: &Proxy, statements: usize) -> Lab<Duration> {
    let mut client = proxy.client()?;
    let start = Instant::now();
    for _ in 0..statements {
        assert_eq!(client.value("SELECT SLEEP(0.005), 1 FOR UPDATE")?, "0");
    }
    Ok(start.elapsed())
}

#[test]
fn a_full_pool_says_so_after_a_while() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).more("[pool]\nmax_connections_per_server = 2\nwait_timeout_ms = 500").start()?;
    let mut holders = vec![];
    for _ in 0..2 {
        let mut holder = proxy.client()?;
        holder.sql("BEGIN")?;
        holder.sql("SELECT 1 FOR UPDATE")?;
        holders.push(holder);
    }
    let start = Instant::now();
    let refused = proxy.client()?.sql("SELECT 2 FOR UPDATE").unwrap_err();
    // ER_CON_COUNT_ERROR
    assert_eq!(refused.code(), Some(1040), "{refused}");
    assert!(start.elapsed() < Duration::from_secs(10));
    holders.remove(0).sql("COMMIT")?;
    assert_eq!(proxy.client()?.value("SELECT 3 FOR UPDATE")?, "3");
    Ok(())
}

#[test]
fn two_thousand_idle_clients_hold_no_server_connection() -> Lab<()> {
    const CLIENTS: usize = 2_000;
    /// 8 KiB a client is the goal; the rest is for what the allocator keeps after 2,000 logins.
    const ALLOWED_KIB_EACH: u64 = 12;
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    proxy.client()?.value("SELECT 1")?;
    let before = proxy.resident_kib();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LabError::file("runtime"))?;
    let idle = runtime.block_on(idle_clients(&proxy, CLIENTS))?;
    let each = proxy.resident_kib().saturating_sub(before) / CLIENTS as u64;
    println!("{each} KiB for each idle client");
    assert!(each <= ALLOWED_KIB_EACH, "{each} KiB for each of {} idle clients", idle.len());
    let held: usize =
        group.servers().iter().map(|server| server.connections_of("app").map_or(0, |ids| ids.len())).sum();
    assert!(held < 100, "{held} server connections for idle clients");
    assert_eq!(proxy.client()?.value("SELECT 5")?, "5");
    let files = proxy.open_files();
    runtime.block_on(async { drop(idle) });
    drop(runtime);
    waiting::until("the clients' sockets are closed", Duration::from_secs(10), || {
        proxy.open_files() + CLIENTS / 2 < files
    })
}

async fn idle_clients(proxy: &Proxy, count: usize) -> Lab<Vec<mysql_async::Conn>> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = mysql_async::Conn::new(proxy.login().opts()).await?;
        if clients.len() % 10 == 0 {
            client.query_drop("SELECT 1").await?;
        }
        clients.push(client);
    }
    Ok(clients)
}

#[test]
fn servers_count_no_aborted_client_when_idle_connections_are_closed() -> Lab<()> {
    const ABORTED: &str =
        "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Aborted_clients'";
    let group = small_group()?;
    let proxy = Proxy::of(&group).more("[pool]\nmax_idle_s = 1").start()?;
    let mut server = group.writer().client()?;
    let before = server.value(ABORTED)?;
    assert_eq!(proxy.client()?.value("SELECT 1 FOR UPDATE")?, "1");
    waiting::until("the pooled connection is closed", Duration::from_secs(30), || {
        group.writer().connections_of("app").is_ok_and(|ids| ids.is_empty())
    })?;
    assert_eq!(server.value(ABORTED)?, before);
    Ok(())
}

#[test]
fn a_storm_of_connections_passes() -> Lab<()> {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    proxy.client()?.value("SELECT 1")?;
    let files = proxy.open_files();
    thread::scope(|scope| {
        let storms: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| (0..EACH).try_for_each(|_| proxy.client()?.value("SELECT 1").map(drop))))
            .collect();
        storms.into_iter().try_for_each(|storm| storm.join().expect("a storming thread ends"))
    })?;
    waiting::until("nothing leaks", Duration::from_secs(10), || proxy.open_files() <= files + 32)
}

#[test]
fn clients_that_never_log_in_are_closed() -> Lab<()> {
    const LIMIT: Duration = Duration::from_secs(30);
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let mut silent = TcpStream::connect(ports::local(proxy.port)).map_err(LabError::file("socket"))?;
    silent.set_read_timeout(Some(LIMIT)).map_err(LabError::file("socket"))?;
    let mut answer = vec![];
    let end = silent.read_to_end(&mut answer);
    assert!(end.is_ok(), "a client that says nothing was kept for {LIMIT:?}: {end:?}");
    assert!(!answer.is_empty(), "it got a greeting first");
    Ok(())
}

#[test]
fn packets_around_16_mib_pass_in_both_directions() -> Lab<()> {
    const SPLIT: usize = (1 << 24) - 1; // The largest payload of one packet: "MySQL Packets" in MySQL's internals manual.
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = proxy.client()?;
    for answer in [SPLIT - 5, SPLIT - 4, SPLIT - 1, SPLIT, SPLIT + 1, 2 * SPLIT, 40 << 20] {
        let rows = client.sql(&format!("SELECT REPEAT('x', {answer})"))?;
        assert_eq!(rows[0][0].as_ref().map(String::len), Some(answer));
        let frame = "SELECT LENGTH('')".len() + 1;
        let text = "y".repeat(answer - frame);
        assert_eq!(client.value(&format!("SELECT LENGTH('{text}')"))?, text.len().to_string());
    }
    Ok(())
}

/// A server that gets a packet above its own limit says so and closes, often before it was sent to its end.
fn too_large_for_the_server(kind: Kind) -> Lab<()> {
    const TOO_LARGE: Option<u16> = Some(1153);
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(()) };
    group.sql("CREATE TABLE t (a LONGTEXT)")?;
    group.sql("SET GLOBAL max_allowed_packet = 1048576")?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = proxy.client()?;
    for mib in [2, 8, 20, 40] {
        let statement = format!("INSERT INTO t VALUES ('{}')", "x".repeat(mib << 20));
        let told = client.sql(&statement).err();
        assert_eq!(told.as_ref().and_then(LabError::code), TOO_LARGE, "{mib} MiB: {:.200}", format!("{told:?}"));
        assert_eq!(client.value("SELECT 1")?, "1", "the session goes on");
        let mut open = proxy.client()?;
        open.sql("BEGIN")?;
        open.sql("INSERT INTO t VALUES ('open')")?;
        let told = open.sql(&statement).err();
        assert_eq!(told.as_ref().and_then(LabError::code), TOO_LARGE, "{mib} MiB: {:.200}", format!("{told:?}"));
        assert!(open.sql("INSERT INTO t VALUES ('outside')").is_err(), "its transaction is gone, and it is told");
    }
    assert_eq!(client.value("SELECT COUNT(*) FROM t")?, "0");
    Ok(())
}

#[test]
fn a_packet_too_large_for_the_server_is_refused_in_its_words() -> Lab<()> {
    too_large_for_the_server(Kind::MariaDb)
}

#[test]
fn a_packet_too_large_for_the_server_is_refused_in_its_words_on_mysql9() -> Lab<()> {
    too_large_for_the_server(Kind::MySql9)
}
