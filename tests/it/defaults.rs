//! What a new session begins with: the servers' globals, whoever changed them and when.

use std::time::Duration;

use pointsman_tests::differ::connection::Connection;
use pointsman_tests::differ::error::WireError;
use pointsman_tests::differ::profile::{Profile, capability};
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Group, GroupPlan, Kind, Lab, Proxy, waiting};

/// The monitor reads the globals every ten seconds.
const NOTICED: Duration = Duration::from_secs(60);

fn started(kind: Kind) -> Lab<Option<(Group, Proxy)>> {
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(1).start_or_skip()? else { return Ok(None) };
    let proxy = Proxy::of(&group).start()?;
    Ok(Some((group, proxy)))
}

/// What a handshake with this collation id comes to: the variables of the session, or the refusal.
fn collation_at(port: u16, charset: u8) -> Result<Vec<String>, WireError> {
    const QUERY: &str = "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, \
                         @@collation_connection";
    session(port, &Profile { charset, ..Profile::MYSQLND_TEXT })?.row(QUERY)
}

#[test]
fn every_collation_id_of_a_handshake_means_what_it_means_directly() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { continue };
        // One connection, so that each session gets it as the one before has left it.
        let proxy = Proxy::of(&group).more("[pool]\nmax_connections_per_server = 1").start()?;
        for id in 0..=u8::MAX {
            let direct = collation_at(group.writer().port, id);
            assert_eq!(collation_at(proxy.port, id), direct, "{kind:?}, collation id {id}");
        }
    }
    Ok(())
}

/// A session at this port, as a client with this profile has it.
fn session(port: u16, profile: &Profile) -> Result<Connection, WireError> {
    Connection::open(&Target::new("127.0.0.1", port, "app", "app"), profile)
}

#[test]
fn sessions_begin_as_the_globals_say() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(1).start_or_skip()? else { continue };
        group.sql_everywhere("CREATE TABLE shop.auto (a INT)")?;
        for server in group.servers() {
            server.sql("SET GLOBAL autocommit = 0")?;
            server.sql("SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',NO_BACKSLASH_ESCAPES')")?;
        }
        let proxy = Proxy::of(&group).start()?;
        let [direct, login] = [group.writer().port, proxy.port].map(|p| session(p, &Profile::MYSQLND_TEXT));
        let (direct, login) = (direct?.login, login?.login);
        assert_eq!((login.status, login.ok.status), (direct.status, direct.ok.status), "{kind:?}");
        let mut client = proxy.client()?;
        client.sql("INSERT INTO auto VALUES (1)")?;
        let rows_elsewhere = || group.writer().value("SELECT COUNT(*) FROM shop.auto");
        assert_eq!(rows_elsewhere()?, "0", "an INSERT with autocommit off is not committed");
        client.sql("ROLLBACK")?;
        assert_eq!(client.value("SELECT COUNT(*) FROM auto")?, "0");
        client.sql("SET autocommit = 1")?;
        client.sql("INSERT INTO auto VALUES (2)")?;
        assert_eq!(rows_elsewhere()?, "1");
        assert!(client.reset()?);
        // A read that opens a transaction must do so where its session may write.
        assert_eq!(client.value("SELECT COUNT(*) FROM auto")?, "1");
        client.sql("INSERT INTO auto VALUES (3)")?;
        client.sql("ROLLBACK")?;
        assert_eq!(rows_elsewhere()?, "1", "off again after a reset");
    }
    Ok(())
}

#[test]
fn a_changed_global_reaches_new_sessions_whoever_changed_it() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some((group, proxy)) = started(kind)? else { continue };
        let right = if kind == Kind::MariaDb { "SUPER" } else { "SYSTEM_VARIABLES_ADMIN" };
        group.sql(&format!("GRANT {right} ON *.* TO app@'%'"))?;
        group.wait_for_sync()?;
        const QUERY: &str = "SELECT @@join_buffer_size";
        let mut held = proxy.client()?;
        let before = held.value(QUERY)?;
        // Whoever set it has its old value; the next session has the new one, though a connection lies ready.
        held.sql("SET GLOBAL join_buffer_size = 524288")?;
        assert_eq!(held.value(QUERY)?, before);
        assert_eq!(proxy.client()?.value(QUERY)?, "524288");
        group.writer().sql("SET GLOBAL join_buffer_size = 786432")?;
        waiting::until("the global set elsewhere to be noticed", NOTICED, || {
            proxy.client().and_then(|mut c| c.value(QUERY)).is_ok_and(|v| v == "786432")
        })?;
    }
    Ok(())
}

#[test]
fn idle_clients_are_kept_as_long_as_the_servers_keep_them() -> Lab<()> {
    const QUERY: &str = "SELECT @@SESSION.wait_timeout";
    let interactive = Profile::MYSQLND_TEXT.with(capability::INTERACTIVE);
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    let everywhere = |text: &str| group.servers().iter().try_for_each(|server| server.sql(text).map(drop));
    everywhere("SET GLOBAL interactive_timeout = 2")?;
    let proxy = Proxy::of(&group).start()?;
    let mut patient = session(proxy.port, &Profile::MYSQLND_TEXT)?;
    let mut idle = session(proxy.port, &interactive)?;
    assert_eq!(idle.row(QUERY)?, session(group.writer().port, &interactive)?.row(QUERY)?);
    assert!(matches!(idle.results(&|_| None), Err(WireError::Closed)), "interactive_timeout");
    assert_eq!(patient.row(QUERY)?, ["28800"], "the other one has its own limit");
    idle = session(proxy.port, &interactive)?;
    idle.reset_connection()?;
    assert_eq!(idle.row(QUERY)?, ["28800"], "a reset ends what the login gave");

    everywhere("SET GLOBAL wait_timeout = 2")?;
    let proxy = Proxy::of(&group).start()?;
    let mut lasting = session(proxy.port, &Profile::MYSQLND_TEXT)?;
    lasting.row("SET wait_timeout = 3600")?;
    let mut idle = session(proxy.port, &Profile::MYSQLND_TEXT)?;
    assert!(matches!(idle.results(&|_| None), Err(WireError::Closed)), "wait_timeout");
    assert_eq!(lasting.row(QUERY)?, ["3600"], "what a session asks for");
    Ok(())
}
