//! The corpus directly and through the proxy: every packet of every reply must be equal.

use std::time::Duration;

use pointsman_tests::differ::{Campaign, Connection, Profile, Report, Script, Target, WireError, campaign};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, LabError, Proxy, Server, waiting};

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

/// `None`, and a line that says so, where this machine can't have that kind of server.
fn available<T>(started: Lab<T>) -> Lab<Option<T>> {
    match started {
        Err(LabError::Unavailable(why)) => {
            eprintln!("skipped: {why}");
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn run(campaign: &Campaign<'_>, profiles: &[Profile], scripts: &[Script]) -> Vec<(Profile, Report)> {
    let go = |profile: &Profile| campaign.run(*profile, scripts, &mut |_| ()).map(|report| (*profile, report));
    profiles.iter().map(go).collect::<Result<_, WireError>>().expect("both addresses take connections")
}

/// Statements of one run that may answer differently: those of docs/compatibility.md (numbers of threads, counters of
/// one connection, flags that a server sets in one of two EOF packets only, the transaction tracker) are fewer than
/// one in forty, and most of them only in what session trackers tell.
const ALLOWED: usize = 80;

fn assert_nearly_equal(reports: &[(Profile, Report)]) {
    for (profile, report) in reports {
        let shown: String = report.differences.iter().take(SHOWN).map(|d| format!("{d}\n")).collect();
        eprintln!("{}: {} of {} statements differ\n{shown}", profile.name, report.differences.len(), report.steps);
        assert!(report.differences.len() <= ALLOWED, "{}: more than {ALLOWED} statements differ", profile.name);
        assert!(report.steps > 1_500, "the corpus has shrunk");
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
    let Some(group) = available(quick(kind).masters(1).replicas(0).start())? else { return Ok(()) };
    let server = group.writer();
    make_account(server)?;
    let campaign = Campaign {
        direct: account_at(server.port),
        proxy: account_at(server.port),
        admins: vec![root_at(server)],
        settle: &|| (),
    };
    let profiles = [Profile::MYSQLND_TEXT];
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

/// Both runs use the same writer, so that @@server_id, @@hostname and the like are equal.
fn through_the_proxy(kind: Kind, more: &str, profiles: &[Profile]) -> Lab<()> {
    // One server: the corpus sets globals and roles, after which replication stops.
    let Some(group) = available(quick(kind).masters(1).replicas(0).start())? else { return Ok(()) };
    make_account(group.writer())?;
    group.wait_for_sync()?;
    let user = format!("[[user]]\nname = \"{}\"\npassword = \"{}\"\n{more}", ACCOUNT.0, ACCOUNT.1);
    let proxy = Proxy::of(&group).more(&user).start()?;
    let settle = || group.wait_for_sync().expect("the replicas follow");
    let campaign = Campaign {
        direct: account_at(group.writer().port),
        proxy: account_at(proxy.port),
        admins: vec![root_at(group.writer())],
        settle: &settle,
    };
    assert_nearly_equal(&run(&campaign, profiles, &campaign::corpus().expect("the corpus is well-formed")));
    Ok(())
}

/// One profile of each kind of client, both protocols; `differ` runs the others by hand.
const PROFILES: [Profile; 2] = [Profile::MYSQLND_TEXT, Profile::LIBMYSQLCLIENT_BINARY];

#[test]
fn the_proxy_answers_as_mariadb_does() -> Lab<()> {
    through_the_proxy(Kind::MariaDb, "", &PROFILES)
}

#[test]
fn the_proxy_answers_as_mysql9_does() -> Lab<()> {
    through_the_proxy(Kind::MySql9, "", &PROFILES)
}

/// After every statement that leaves no pin the session gets another connection, stained by a hostile one.
const ALWAYS_SWITCH: &str = "[debug]\nalways_switch = true\n";

#[test]
fn a_session_that_always_switches_answers_as_mariadb_does() -> Lab<()> {
    through_the_proxy(Kind::MariaDb, ALWAYS_SWITCH, &PROFILES)
}

#[test]
fn a_session_that_always_switches_answers_as_mysql9_does() -> Lab<()> {
    through_the_proxy(Kind::MySql9, ALWAYS_SWITCH, &PROFILES)
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
        let Some(group) = available(plan.start())? else { continue };
        let proxy = Proxy::of(&group).start()?;
        let direct = Target::new("127.0.0.1", group.writer().port, "app", "app");
        large_packets(&direct, &direct.at(proxy.port)).unwrap();
    }
    Ok(())
}

#[test]
fn the_login_shows_the_same_server() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = available(GroupPlan::new(kind).replicas(1).start())? else { continue };
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
