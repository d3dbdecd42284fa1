//! 2,000 connects a second, as PHP without persistent connections makes them: each client logs in, asks, is answered and
//! goes. No answer is wrong, and nothing stays behind at the proxy or at the servers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use pointsman_tests::differ::connection::Connection;
use pointsman_tests::differ::{Profile, Target, WireError};
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Proxy, trace, waiting};

/// Clients that begin in a second, whether those before them are done or not.
const RATE: u64 = 2_000;
/// How long they come in every run of the tests.
const SECONDS: u64 = 3;
/// For how long instead, where somebody has the time (`make connects`: 30).
const SECONDS_VARIABLE: &str = "POINTSMAN_CONNECT_SECONDS";
/// Clients that may be inside at one time. Where the machine can't keep up with the rate, the next ones come later.
const AT_ONCE: usize = 64;
/// Also those of whose end the proxy does not know yet.
const PLACES: usize = 4 * AT_ONCE;
/// Connections that the proxy keeps at each server, however many clients come.
const POOL: usize = 32;

/// How soon the proxy has cleaned up after clients that went.
const CLEAN: Duration = Duration::from_secs(20);

/// What the clients asked, and what was wrong with it.
#[derive(Debug, Default)]
struct Seen {
    right: u64,
    wrong: Vec<String>,
    took: Duration,
}

fn seconds() -> u64 {
    env::var(SECONDS_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// One client. Its number is in its question, so that an answer to another one is seen.
fn come_and_go(target: &Target, number: u64) -> Result<Option<String>, WireError> {
    let mut client = Connection::open(target, &Profile::MYSQLND_TEXT)?;
    let (question, answer) = match number % 4 {
        // At the writer.
        0 => (format!("UPDATE visits SET n = n + 1 WHERE id = {}", number % 10), vec![]),
        1 => ("SELECT b FROM t WHERE a = 1".to_owned(), vec!["first".to_owned()]),
        2 => (format!("SELECT @mine, {number}"), vec!["NULL".to_owned(), number.to_string()]),
        _ => (format!("SET @mine = {number}"), vec![]),
    };
    let told = client.row(&question)?;
    if !number.is_multiple_of(3) {
        client.quit();
    }
    Ok((told != answer).then(|| format!("{question} gave {told:?}")))
}

/// The clients of one thread: the next number that nobody has, at its time.
fn visitors(target: &Target, next: &AtomicU64, all: u64, begin: Instant) -> Seen {
    let mut seen = Seen::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= all {
            return seen;
        }
        thread::sleep(
            (begin + Duration::from_micros(number * 1_000_000 / RATE)).saturating_duration_since(Instant::now()),
        );
        match come_and_go(target, number) {
            Ok(None) => seen.right += 1,
            Ok(Some(wrong)) => seen.wrong.push(wrong),
            Err(error) => seen.wrong.push(format!("client {number}: {error}")),
        }
    }
}

fn all_visitors(proxy: &Proxy) -> Seen {
    let target = Target::new("127.0.0.1", proxy.port, "app", "app").with_schema("shop");
    let (next, all, begin) = (AtomicU64::new(0), RATE * seconds(), Instant::now());
    let seen = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| visitors(&target, &next, all, begin))).collect();
        threads.into_iter().map(|one| one.join().expect("a visitor's thread ends")).fold(
            Seen::default(),
            |mut sum, one| {
                sum.right += one.right;
                sum.wrong.extend(one.wrong);
                sum
            },
        )
    });
    Seen { took: begin.elapsed(), ..seen }
}

fn threads_of(proxy: &Proxy) -> usize {
    fs::read_dir(format!("/proc/{}/task", proxy.pid())).map_or(0, Iterator::count)
}

/// A session whose task never ends takes one of the places for ever.
fn all_places_are_free(proxy: &Proxy) -> Lab<()> {
    let mut inside: Vec<Client> = vec![];
    waiting::until("all places are free again", CLEAN, || {
        while let (Ok(client), true) = (proxy.client(), inside.len() < PLACES) {
            inside.push(client);
        }
        inside.len() == PLACES
    })
}

fn started() -> Lab<(Group, Proxy)> {
    let group = GroupPlan::new(Kind::MariaDb).replicas(1).start()?;
    group.sql("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(40)) ENGINE=InnoDB")?;
    group.sql("INSERT INTO t VALUES (1, 'first')")?;
    group.sql("CREATE TABLE visits (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB")?;
    group.sql("INSERT INTO visits SELECT seq, 0 FROM seq_0_to_9")?;
    group.wait_for_sync()?;
    let limits = format!("[pool]\nmax_connections_per_server = {POOL}");
    let proxy = Proxy::of(&group).listen(&format!("max_client_connections = {PLACES}")).more(&limits).start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    Ok((group, proxy))
}

#[test]
fn two_thousand_connects_a_second_leave_nothing_behind() -> Lab<()> {
    let (group, proxy) = started()?;
    let (files, threads) = (proxy.open_files(), threads_of(&proxy));
    let seen = all_visitors(&proxy);
    println!("{:.0} clients a second", seen.right as f64 / seen.took.as_secs_f64());
    assert!(seen.wrong.is_empty(), "{} of them, the first: {:?}", seen.wrong.len(), seen.wrong.first());
    let allowed = files + POOL * group.servers().len();
    waiting::until("the clients' sockets are closed", CLEAN, || proxy.open_files() <= allowed)?;
    assert_eq!(threads_of(&proxy), threads, "threads of the proxy");
    for server in group.servers() {
        let held = server.connections_of("app")?.len();
        assert!(held <= POOL, "{held} connections at server {}", server.id);
    }
    let written = group.writer().value("SELECT SUM(n) FROM shop.visits")?;
    let updates = (0..RATE * seconds()).filter(|number| number % 4 == 0).count();
    assert_eq!(written, updates.to_string(), "each write was made once");
    all_places_are_free(&proxy)
}
