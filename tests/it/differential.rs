//! The corpus directly and through the proxy: every packet of every reply must be equal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pointsman_tests::differ::{
    Campaign, Connection, Known, Profile, Report, Script, Setting, Target, WireError, campaign,
};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, Proxy, Server, waiting};

/// The account that runs the corpus: it makes schemas, accounts and roles, and sets globals.
const ACCOUNT: (&str, &str) = ("differ", "differ");
/// Differences that are printed when a test fails; more would not be read.
const SHOWN: usize = 40;

fn make_account(server: &Server) -> Lab<()> {
    let (name, password) = ACCOUNT;
    server.sql(&format!("CREATE USER {name}@'%' IDENTIFIED BY '{password}'"))?;
    server.sql(&format!("GRANT ALL ON *.* TO {name}@'%' WITH GRANT OPTION"))?;
    Ok(())
}

fn account_at(port: u16) -> Target {
    Target::new("127.0.0.1", port, ACCOUNT.0, ACCOUNT.1)
}

fn root_at(server: &Server) -> Target {
    Target::new("127.0.0.1", server.port, "root", "")
}

fn run(campaign: &Campaign<'_>, profiles: &[Profile], scripts: &[Script]) -> Vec<(Profile, Report)> {
    let go = |profile: &Profile| campaign.run(*profile, scripts, &mut |_| ()).map(|report| (*profile, report));
    profiles.iter().map(go).collect::<Result<_, WireError>>().expect("both addresses take connections")
}

/// Every difference is one of the list, and every line of the list is true.
fn assert_as_known(reports: &[(Profile, Report)], kind: Kind, place: Place) {
    let known = Known::read().expect("the list is well-formed");
    let mut wrong = String::new();
    for (profile, report) in reports {
        assert!(report.steps > 1_500, "the corpus has shrunk");
        let verdict =
            known.judge(report, Setting { server: server_word(kind), profile: profile.name, place: place.word() });
        let shown = verdict.unknown.iter().take(SHOWN);
        wrong.extend(shown.map(|difference| format!("{}: not in the list: {difference}\n", profile.name)));
        wrong.extend(verdict.unseen.iter().map(|line| format!("{}: in the list, but equal: {line}\n", profile.name)));
    }
    assert!(wrong.is_empty(), "{} in place {:?}:\n{wrong}", server_word(kind), place.word());
}

fn server_word(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mariadb",
        Kind::MySql9 => "mysql",
    }
}

fn assert_equal(reports: &[(Profile, Report)]) {
    let count: usize = reports.iter().map(|(_, report)| report.differences.len()).sum();
    let all = reports.iter().flat_map(|(profile, report)| report.differences.iter().map(move |d| (profile.name, d)));
    let shown: String = all.take(SHOWN).map(|(profile, difference)| format!("{profile} {difference}\n")).collect();
    assert!(count == 0, "{count} differences, the first of them:\n{shown}");
    assert!(reports.iter().all(|(_, report)| report.steps > 1_500), "the corpus has shrunk");
}

/// A group for the corpus: it creates a thousand tables, and waiting for the disk at each would take minutes.
fn quick(kind: Kind) -> GroupPlan {
    let mut plan = GroupPlan::new(kind).extra("--innodb-flush-method=nosync");
    plan.general_log = false;
    plan
}

/// The corpus must be deterministic, else it would blame the proxy: two runs on one fresh server are equal.
fn two_direct_runs_are_equal(kind: Kind) -> Lab<()> {
    let Some(group) = quick(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(()) };
    let server = group.writer();
    make_account(server)?;
    let campaign = Campaign {
        direct: account_at(server.port),
        proxy: account_at(server.port),
        admins: vec![root_at(server)],
        settle: &|| (),
    };
    // Both protocols and cursors, all flags and trackers.
    let profiles = [Profile::LIBMYSQLCLIENT_TEXT, Profile::MYSQLND_CURSOR];
    assert_equal(&run(&campaign, &profiles, &campaign::corpus().expect("the corpus is well-formed")));
    Ok(())
}

#[test]
fn the_corpus_is_deterministic_on_mariadb() -> Lab<()> {
    two_direct_runs_are_equal(Kind::MariaDb)
}

#[test]
fn the_corpus_is_deterministic_on_mysql9() -> Lab<()> {
    two_direct_runs_are_equal(Kind::MySql9)
}

#[test]
fn a_difference_is_found_and_told() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let other = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).extra("--sql-mode=ANSI_QUOTES").start()?;
    make_account(group.writer())?;
    make_account(other.writer())?;
    let campaign = Campaign {
        direct: account_at(group.writer().port),
        proxy: account_at(other.writer().port),
        admins: vec![root_at(group.writer()), root_at(other.writer())],
        settle: &|| (),
    };
    let script = Script::parse("two.sql", "SELECT 'same';\nSELECT \"differs\";\n").unwrap();
    let reports = run(&campaign, &Profile::ALL, &[script]);
    for (profile, report) in &reports {
        // The first statement differs too, in a status flag: the server tells of ANSI_QUOTES.
        assert_eq!(report.differences.len(), 2, "{}", profile.name);
        let told = report.differences[1].to_string();
        assert!(told.contains("two.sql:2") && told.contains("1054"), "{told}");
    }
    Ok(())
}

/// What is behind the proxy, and how it goes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Two replicas that lag, and reads split.
    replicas: bool,
    /// After every statement that leaves no pin the session gets another connection, stained by a hostile one.
    switches: bool,
}

const ONE_SERVER: Place = Place { replicas: false, switches: false };
const SWITCHING: Place = Place { replicas: false, switches: true };
const REPLICAS: Place = Place { replicas: true, switches: false };
const SWITCHING_REPLICAS: Place = Place { replicas: true, switches: true };

impl Place {
    /// As the list of known differences calls it.
    fn word(self) -> &'static str {
        match (self.replicas, self.switches) {
            (false, false) => "one",
            (false, true) => "switch",
            (true, false) => "replicas",
            (true, true) => "switch-replicas",
        }
    }
}

/// How long a replica applies nothing, and how long it then may: shorter than the corpus takes from one statement
/// that writes to the next, so that reads come before, while and after they are applied.
const HELD: Duration = Duration::from_millis(150);
const FREE: Duration = Duration::from_millis(50);

/// Lets the replicas lag in pulses, one after the other, until told to end.
fn lag(group: &Group, over: &AtomicBool) {
    let replicas = group.masters().len()..group.servers().len();
    for index in replicas.cycle() {
        let blocked = group.block_replica(index).expect("a replica takes a lock");
        thread::sleep(HELD);
        drop(blocked);
        thread::sleep(FREE);
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Ends the thread of [`lag`] even when a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both runs use the same writer, so that @@server_id, @@hostname and the like are equal.
fn through_the_proxy(kind: Kind, place: Place, profiles: &[Profile]) -> Lab<()> {
    let replicas = if place.replicas { 2 } else { 0 };
    let Some(group) = quick(kind).masters(1).replicas(replicas).start_or_skip()? else { return Ok(()) };
    make_account(group.writer())?;
    group.wait_for_sync()?;
    let user = format!("[[user]]\nname = \"{}\"\npassword = \"{}\"\n", ACCOUNT.0, ACCOUNT.1);
    let switch = format!("[debug]\nalways_switch = {}\n", place.switches);
    let proxy = Proxy::of(&group).more(&user).more(&switch).start()?;
    let reports = compared(&group, &proxy, profiles);
    assert_as_known(&reports, kind, place);
    for replica in group.replicas() {
        assert!(!replica.connections_of(ACCOUNT.0)?.is_empty(), "replica {} was never asked", replica.id);
    }
    Ok(())
}

fn compared(group: &Group, proxy: &Proxy, profiles: &[Profile]) -> Vec<(Profile, Report)> {
    let settle = || match group.replicas() {
        [] => (),
        _ => group.wait_for_sync().expect("the replicas follow"),
    };
    let campaign = Campaign {
        direct: account_at(group.writer().port),
        proxy: account_at(proxy.port),
        admins: vec![root_at(group.writer())],
        settle: &settle,
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = Over(&over);
        if !group.replicas().is_empty() {
            scope.spawn(|| lag(group, &over));
        }
        run(&campaign, profiles, &campaign::corpus().expect("the corpus is well-formed"))
    })
}

#[test]
fn the_proxy_answers_as_mariadb_does() -> Lab<()> {
    through_the_proxy(Kind::MariaDb, ONE_SERVER, &Profile::ALL)
}

/// The other two kinds of client come with other places.
#[test]
fn the_proxy_answers_as_mysql9_does() -> Lab<()> {
    let profiles =
        [Profile::MYSQLND_TEXT, Profile::MYSQLND_BINARY, Profile::MYSQLND_CURSOR, Profile::LIBMYSQLCLIENT_BINARY];
    through_the_proxy(Kind::MySql9, ONE_SERVER, &profiles)
}

#[test]
fn a_session_that_always_switches_answers_as_mariadb_does() -> Lab<()> {
    through_the_proxy(Kind::MariaDb, SWITCHING, &[Profile::MYSQLND_TEXT, Profile::LIBMYSQLCLIENT_BINARY])
}

#[test]
fn a_session_that_always_switches_answers_as_mysql9_does() -> Lab<()> {
    through_the_proxy(Kind::MySql9, SWITCHING, &[Profile::MYSQLND_BINARY, Profile::LIBMYSQLCLIENT_TEXT])
}

#[test]
fn lagging_replicas_answer_as_mariadb_does() -> Lab<()> {
    through_the_proxy(Kind::MariaDb, REPLICAS, &[Profile::MYSQLND_TEXT])
}

#[test]
fn lagging_replicas_answer_as_mysql9_does() -> Lab<()> {
    through_the_proxy(Kind::MySql9, REPLICAS, &[Profile::FOUND_ROWS_TEXT])
}

#[test]
fn a_session_that_always_switches_between_replicas_answers_as_mariadb_does() -> Lab<()> {
    through_the_proxy(Kind::MariaDb, SWITCHING_REPLICAS, &[Profile::MYSQLND_BINARY, Profile::LIBMYSQLCLIENT_TEXT])
}

#[test]
fn a_session_that_always_switches_between_replicas_answers_as_mysql9_does() -> Lab<()> {
    through_the_proxy(Kind::MySql9, SWITCHING_REPLICAS, &[Profile::LIBMYSQLCLIENT_TEXT, Profile::MYSQLND_BINARY])
}

const MIB: usize = 1 << 20;
/// Around the protocol's frame limit, at two frames, and above.
const PACKET_SIZES: [usize; 5] = [16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 32 * MIB, 40 * MIB];

/// The statement makes the packet, command byte included, exactly `size` bytes long, or just over it.
fn statement_of(size: usize) -> Vec<u8> {
    let frame = "SELECT LENGTH(''), CRC32('')";
    let fill = size - 1 - frame.len();
    let mut statement = b"SELECT LENGTH('".to_vec();
    statement.extend(std::iter::repeat_n(b'x', fill / 2));
    statement.extend_from_slice(b"'), CRC32('");
    statement.extend(std::iter::repeat_n(b'y', fill - fill / 2));
    statement.extend_from_slice(b"')");
    assert_eq!(statement.len() + 1, size);
    statement
}

fn large_packets(direct: &Target, proxy: &Target) -> Result<(), WireError> {
    for profile in Profile::ALL {
        let mut left = Connection::open(direct, &profile)?;
        let mut right = Connection::open(proxy, &profile)?;
        for size in PACKET_SIZES {
            let up = statement_of(size);
            assert!(left.query(&up)? == right.query(&up)?, "{size} bytes up, {}", profile.name);
            // A row of one value has the value's length in front: four bytes at these sizes, or nine.
            for header in [4, 9] {
                let down = format!("SELECT REPEAT('z', {})", size - header);
                assert!(left.query(down.as_bytes())? == right.query(down.as_bytes())?, "{size} down, {}", profile.name);
            }
        }
        assert_eq!(left.query(b"SELECT 1")?, right.query(b"SELECT 1")?, "the session lives on");
    }
    Ok(())
}

#[test]
fn packets_around_the_frame_limit_are_relayed_whole() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let mut plan = GroupPlan::new(kind).replicas(1);
        plan.general_log = false;
        let Some(group) = plan.start_or_skip()? else { continue };
        let proxy = Proxy::of(&group).start()?;
        let direct = Target::new("127.0.0.1", group.writer().port, "app", "app");
        large_packets(&direct, &direct.at(proxy.port)).unwrap();
    }
    Ok(())
}

#[test]
fn the_login_shows_the_same_server() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        // A server that resolves names calls the client's address `localhost` in its errors.
        let resolves = format!("--skip-name-resolve={}", u8::from(kind == Kind::MySql9));
        let Some(group) = GroupPlan::new(kind).replicas(1).extra(&resolves).start_or_skip()? else { continue };
        let proxy = Proxy::of(&group).start()?;
        compare_logins(&group, proxy.port);
        let gone = || Connection::open(&app_at(proxy.port, "shop"), &Profile::MYSQLND_TEXT).is_ok();
        waiting::until("the proxy still takes logins", Duration::from_secs(5), gone)?;
    }
    Ok(())
}

fn app_at(port: u16, schema: &str) -> Target {
    Target::new("127.0.0.1", port, "app", "app").with_schema(schema)
}

fn compare_logins(group: &Group, proxy_port: u16) {
    for profile in Profile::ALL {
        for schema in ["shop", "nosuch"] {
            let login = |port: u16| {
                let opened = Connection::open(&app_at(port, schema), &profile);
                opened.map(|c| (c.login.server_version.clone(), c.login.charset, c.login.status, c.login.ok.clone()))
            };
            assert_eq!(login(group.writer().port), login(proxy_port), "{} {schema}", profile.name);
        }
        let wrong = |port: u16| Connection::open(&Target::new("127.0.0.1", port, "app", "wrong"), &profile).map(|_| ());
        assert_eq!(wrong(group.writer().port), wrong(proxy_port), "wrong password, {}", profile.name);
    }
}
