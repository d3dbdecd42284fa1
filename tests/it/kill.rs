//! KILL by the ids that clients see: who may, what it ends, and what lives on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pointsman_tests::differ::login::login;
use pointsman_tests::differ::packets::Packets;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Login, Proxy, waiting};

/// How soon a killed statement must have ended: long before the SLEEP that it runs.
const SOON: Duration = Duration::from_secs(20);
const SLEEP: &str = "SELECT SLEEP(60) FROM mysql.user LIMIT 1";

/// ER_NO_SUCH_THREAD, ER_KILL_DENIED_ERROR.
const NO_SUCH_THREAD: Option<u16> = Some(1094);
const DENIED: Option<u16> = Some(1095);

/// Two more users: one like `app`, and one that the server lets kill anybody.
const USERS: &str =
    "[[user]]\nname = \"other\"\npassword = \"other\"\n[[user]]\nname = \"chief\"\npassword = \"chief\"";

fn started(kind: Kind) -> Lab<Option<(Group, Proxy)>> {
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(None) };
    let admin = if kind == Kind::MariaDb { "CONNECTION ADMIN" } else { "CONNECTION_ADMIN" };
    for name in ["other", "chief"] {
        group.sql(&format!("CREATE USER {name}@'%' IDENTIFIED BY '{name}'"))?;
        group.sql(&format!("GRANT SELECT ON *.* TO {name}@'%'"))?;
    }
    group.sql(&format!("GRANT {admin} ON *.* TO chief@'%'"))?;
    let proxy = Proxy::of(&group).more(USERS).start()?;
    Ok(Some((group, proxy)))
}

fn as_user(proxy: &Proxy, name: &str) -> Lab<Client> {
    Client::connect(&Login::new(proxy.port, name, name))
}

fn code(end: Lab<pointsman_tests::Rows>) -> Option<u16> {
    end.err().and_then(|error| error.code())
}

fn only_its_owner_and_administrators_may_kill(kind: Kind) -> Lab<()> {
    let Some((_group, proxy)) = started(kind)? else { return Ok(()) };
    let (mut app, mut other, mut chief) = (proxy.client()?, as_user(&proxy, "other")?, as_user(&proxy, "chief")?);
    let victim = other.id();
    assert_eq!(code(app.sql(&format!("KILL {victim}"))), DENIED);
    assert_eq!(code(app.sql(&format!("KILL QUERY {victim}"))), DENIED);
    assert_eq!(other.value("SELECT 1")?, "1", "it lives");
    // The high bits are another proxy's number.
    assert_eq!(code(chief.sql(&format!("KILL {}", victim | 1 << 24))), NO_SUCH_THREAD);
    chief.sql(&format!("KILL {victim}"))?;
    assert!(other.sql("SELECT 1").is_err(), "it was killed by an administrator");
    Ok(())
}

#[test]
fn only_its_owner_and_administrators_may_kill_a_session() -> Lab<()> {
    only_its_owner_and_administrators_may_kill(Kind::MariaDb)
}

#[test]
fn only_its_owner_and_administrators_may_kill_a_session_on_mysql9() -> Lab<()> {
    only_its_owner_and_administrators_may_kill(Kind::MySql9)
}

#[test]
fn a_session_that_changed_its_user_is_the_new_users() -> Lab<()> {
    let Some((_group, proxy)) = started(Kind::MariaDb)? else { return Ok(()) };
    let (mut changed, mut app, mut other) = (proxy.client()?, proxy.client()?, as_user(&proxy, "other")?);
    changed.change_user(&Login::new(proxy.port, "other", "other"))?;
    let kill = format!("KILL {}", changed.id());
    assert_eq!(code(app.sql(&kill)), DENIED);
    other.sql(&kill)?;
    assert!(changed.sql("SELECT 1").is_err());
    Ok(())
}

#[test]
fn a_killed_statement_ends_and_its_session_lives_or_not() -> Lab<()> {
    let Some((group, proxy)) = started(Kind::MariaDb)? else { return Ok(()) };
    let mut killer = as_user(&proxy, "other")?;
    for (kill, lives) in [("KILL QUERY", true), ("KILL", false)] {
        let mut victim = as_user(&proxy, "other")?;
        let id = victim.id();
        let asleep = thread::spawn(move || (victim.sql(SLEEP).map(drop), victim));
        waiting::until("the statement runs", SOON, || is_running(&group))?;
        killer.sql(&format!("{kill} {id}"))?;
        let (end, mut victim) = asleep.join().expect("the sleeping thread ends");
        assert!(end.is_err(), "{kill}: the statement was answered");
        waiting::until("the server does not run it any more", SOON, || !is_running(&group))?;
        assert_eq!(victim.value("SELECT 1").is_ok(), lives, "{kill}");
    }
    Ok(())
}

#[test]
fn a_prepared_kill_kills_by_the_same_ids() -> Lab<()> {
    let Some((_group, proxy)) = started(Kind::MariaDb)? else { return Ok(()) };
    let (mut app, mut victim, mut other) = (proxy.client()?, proxy.client()?, as_user(&proxy, "other")?);
    assert_eq!(code(app.prepared(&format!("KILL {}", other.id()), ())), DENIED);
    app.prepared(&format!("KILL {}", victim.id()), ())?;
    assert!(victim.sql("SELECT 1").is_err());
    assert_eq!(other.value("SELECT 1")?, "1");
    Ok(())
}

fn is_running(group: &Group) -> bool {
    let query = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE info = '{SLEEP}'");
    group.writer().value(&query).is_ok_and(|count| count != "0")
}

#[test]
fn com_process_kill_kills_by_the_same_ids() -> Lab<()> {
    const COM_PROCESS_KILL: u8 = 0x0c;
    let Some((_group, proxy)) = started(Kind::MariaDb)? else { return Ok(()) };
    let (mut victim, mut other) = (proxy.client()?, as_user(&proxy, "other")?);
    let mut packets = Packets::connect("127.0.0.1", proxy.port)?;
    login(&mut packets, &Target::new("127.0.0.1", proxy.port, "app", "app"), &Profile::MYSQLND_TEXT)?;
    for (id, answer) in [(other.id(), 0xff), (victim.id(), 0)] {
        packets.restart_sequence();
        packets.write(&[&[COM_PROCESS_KILL][..], &id.to_le_bytes()].concat())?;
        assert_eq!(packets.read()?.first(), Some(&answer), "the answer for {id}");
    }
    assert!(victim.sql("SELECT 1").is_err());
    assert_eq!(other.value("SELECT 1")?, "1");
    Ok(())
}

/// A KILL takes a moment to reach the server. The statement that it is for may have ended by then, and another session's
/// may run on the same connection.
#[test]
fn a_late_kill_hits_nobody_else() -> Lab<()> {
    const STATEMENTS: usize = 150;
    const SHORT_SLEEP: &str = "SELECT SLEEP(0.003), 1 FOR UPDATE";
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let proxy = Proxy::of(&group).more("[pool]\nmax_connections_per_server = 4").start()?;
    let mut victims: Vec<Client> = (0..3).map(|_| proxy.client()).collect::<Lab<_>>()?;
    let ids: Vec<u32> = victims.iter().map(Client::id).collect();
    let mut others: Vec<Client> = (0..3).map(|_| proxy.client()).collect::<Lab<_>>()?;
    let mut killer = proxy.client()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for victim in &mut victims {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let _killed_or_not = victim.sql(SHORT_SLEEP);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for id in &ids {
                    let _in_time_or_not = killer.sql(&format!("KILL QUERY {id}"));
                }
            }
        });
        let run = |client: &mut Client| (0..STATEMENTS).map(|_| client.sql(SHORT_SLEEP)).find(Result::is_err);
        let threads: Vec<_> = others.iter_mut().map(|client| scope.spawn(move || run(client))).collect();
        let hit: Vec<_> = threads.into_iter().map(|t| t.join().expect("a client's thread ends")).collect();
        over.store(true, Ordering::Relaxed);
        assert!(hit.iter().all(Option::is_none), "{hit:?}");
    });
    Ok(())
}

#[test]
fn an_unknown_number_is_unknown_also_while_no_connection_is_free() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let pool = "[pool]\nmax_connections_per_server = 1\nwait_timeout_ms = 2000";
    let proxy = Proxy::of(&group).more(pool).start()?;
    let mut holder = proxy.client()?;
    holder.sql("BEGIN")?;
    assert_eq!(holder.value("SELECT 1 FOR UPDATE")?, "1");
    let mut killer = proxy.client()?;
    for kill in ["KILL 4000000", "KILL QUERY 4000000", "KILL CONNECTION 4000000"] {
        assert_eq!(code(killer.sql(kill)), NO_SUCH_THREAD, "{kill}");
    }
    holder.sql("COMMIT")?;
    // With a connection to be had, the error is found where a server's own would be.
    assert_eq!(code(killer.sql("KILL 4000000")), NO_SUCH_THREAD);
    let told = killer.sql("SHOW WARNINGS")?;
    assert_eq!(told.first().and_then(|row| row[1].as_deref()), Some("1094"), "{told:?}");
    Ok(())
}
