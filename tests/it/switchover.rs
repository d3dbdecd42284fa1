//! Another server becomes the writer: what waits for the old one, and what is bound to it, is neither left hanging nor
//! answered by it as if nothing had happened.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, LabError, Proxy, trace, waiting};

/// How soon the proxy must have noticed a change of its servers.
const NOTICED: Duration = Duration::from_secs(30);
const LOST: Option<u16> = Some(1158);
const REFUSED: Option<u16> = Some(1290);

fn started(kind: Kind, replicas: usize) -> Lab<Option<(Group, Proxy)>> {
    let Some(group) = GroupPlan::new(kind).replicas(replicas).start_or_skip()? else { return Ok(None) };
    group.sql_everywhere("CREATE TABLE t (a VARCHAR(40)) ENGINE=InnoDB")?;
    group.sql_everywhere("INSERT INTO t VALUES ('first')")?;
    // Each core has connections of its own: on one the test knows what a session finds.
    let proxy = Proxy::of(&group).listen("cores = 1").start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    Ok(Some((group, proxy)))
}

/// A session that has said all this.
fn prepared(proxy: &Proxy, statements: &[&str]) -> Lab<Client> {
    let mut client = proxy.client()?;
    statements.iter().try_for_each(|statement| client.sql(statement).map(drop))?;
    Ok(client)
}

/// Leaves that many idle connections to the writer behind: else only one of the sessions that follow finds one, and the
/// others have to open theirs to a server that is frozen by then.
fn warm(proxy: &Proxy, connections: usize) -> Lab<()> {
    let clients: Vec<Client> =
        (0..connections).map(|_| prepared(proxy, &["BEGIN", "INSERT INTO t VALUES ('warm')"])).collect::<Lab<_>>()?;
    clients.into_iter().try_for_each(|mut client| client.sql("ROLLBACK").map(drop))
}

/// The standby is made the writer without the old one's help, as a DBA does it when that is dead.
fn promote(group: &Group) -> Lab<()> {
    group.stop_replication(1)?;
    group.server(1).set_read_only(false)
}

fn until_writable(proxy: &Proxy) -> Lab<()> {
    waiting::until("writes go on", NOTICED, || {
        proxy.client().is_ok_and(|mut new| new.sql("INSERT INTO t VALUES ('after')").is_ok())
    })
}

fn code(outcome: &Lab<impl Sized>) -> Option<u16> {
    outcome.as_ref().err().and_then(LabError::code)
}

/// What a session has done before the writer freezes, what it then asks, and how that has to end.
const IN_FLIGHT: &[(&[&str], &str, Option<u16>)] = &[
    (&["INSERT INTO t VALUES ('warm')"], "INSERT INTO t VALUES ('in flight')", LOST),
    (&["BEGIN", "INSERT INTO t VALUES ('open')"], "COMMIT", LOST),
    (&["BEGIN", "SELECT * FROM t"], "SELECT COUNT(*) FROM t", LOST),
    (&["CREATE TEMPORARY TABLE own (a INT)"], "SELECT COUNT(*) FROM own", LOST),
    (&["INSERT INTO t VALUES ('warm')"], "SHOW TABLES", None),
    (&["INSERT INTO t VALUES ('warm')"], "SELECT @@server_id", None),
];

fn what_waits_for_a_replaced_writer_ends(kind: Kind) -> Lab<()> {
    let Some((group, proxy)) = started(kind, 0)? else { return Ok(()) };
    warm(&proxy, IN_FLIGHT.len())?;
    let sessions: Vec<Client> = IN_FLIGHT.iter().map(|(before, ..)| prepared(&proxy, before)).collect::<Lab<_>>()?;
    let (done, outcomes) = mpsc::channel();
    group.writer().stop();
    thread::scope(|scope| {
        for (mut session, (_, statement, _)) in sessions.into_iter().zip(IN_FLIGHT) {
            let done = done.clone();
            scope.spawn(move || {
                let outcome = session.sql(statement).map(drop);
                // The test may have given up by now, which is its failure.
                let _ = done.send((*statement, outcome));
            });
        }
        drop(done);
        // Nothing is ended while the writer merely does not answer.
        let early = outcomes.recv_timeout(Duration::from_secs(2)).ok();
        let promoted = promote(&group).and_then(|()| until_writable(&proxy));
        let ended: Vec<_> = IN_FLIGHT.iter().map_while(|_| outcomes.recv_timeout(NOTICED).ok()).collect();
        group.writer().cont();
        promoted?;
        assert!(early.is_none(), "ended while no other writer was confirmed: {early:?}");
        for (_, statement, expected) in IN_FLIGHT {
            let outcome = ended.iter().find(|(asked, _)| asked == statement).map(|(_, outcome)| outcome);
            let outcome = outcome.unwrap_or_else(|| panic!("{statement} still hangs"));
            assert_eq!(code(outcome), *expected, "{statement}: {outcome:?}");
            if statement.starts_with("INSERT") || *statement == "COMMIT" {
                assert!(format!("{outcome:?}").contains("may have been executed"), "{statement}: {outcome:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn what_waits_for_a_replaced_writer_ends_on_mariadb() -> Lab<()> {
    what_waits_for_a_replaced_writer_ends(Kind::MariaDb)
}

#[test]
fn what_waits_for_a_replaced_writer_ends_on_mysql() -> Lab<()> {
    what_waits_for_a_replaced_writer_ends(Kind::MySql9)
}

/// A session whose connection has to be brought into its state first waits for that, before anything is run.
#[test]
fn what_waits_for_its_state_at_a_replaced_writer_ends() -> Lab<()> {
    let Some((group, proxy)) = started(Kind::MariaDb, 0)? else { return Ok(()) };
    prepared(&proxy, &["INSERT INTO t VALUES ('warm')"])?;
    let mut session = prepared(&proxy, &["SET lock_wait_timeout = 77"])?;
    group.writer().stop();
    thread::scope(|scope| {
        let (done, outcome) = mpsc::channel();
        scope.spawn(move || done.send(session.sql("INSERT INTO t VALUES ('in flight')").map(drop)));
        let early = outcome.recv_timeout(Duration::from_secs(1)).ok();
        let promoted = promote(&group);
        let ended = outcome.recv_timeout(NOTICED);
        group.writer().cont();
        promoted?;
        assert!(early.is_none(), "{early:?}");
        let ended = ended.expect("it still hangs");
        assert!(ended.is_ok() || code(&ended) == LOST, "{ended:?}");
        Ok(())
    })
}

fn a_read_only_transaction_ends_with_its_frozen_replica(kind: Kind) -> Lab<()> {
    let Some((group, proxy)) = started(kind, 2)? else { return Ok(()) };
    let mut session = prepared(&proxy, &["START TRANSACTION READ ONLY"])?;
    let at: u32 = session.value("SELECT @@server_id FROM t")?.parse().expect("a number");
    let replica = group.servers().iter().find(|server| server.id == at).expect("one of the group");
    replica.stop();
    thread::scope(|scope| {
        let (done, outcome) = mpsc::channel();
        scope.spawn(move || done.send(session.sql("SELECT * FROM t").map(drop)));
        let ended = outcome.recv_timeout(NOTICED);
        replica.cont();
        assert_eq!(code(&ended.expect("it still hangs")), LOST);
        Ok(())
    })
}

#[test]
fn a_read_only_transaction_ends_with_its_frozen_replica_on_both() -> Lab<()> {
    a_read_only_transaction_ends_with_its_frozen_replica(Kind::MariaDb)?;
    a_read_only_transaction_ends_with_its_frozen_replica(Kind::MySql9)
}

fn a_session_bound_to_the_old_writer_reads_there_only_while_it_is_fresh(kind: Kind) -> Lab<()> {
    let Some((group, proxy)) = started(kind, 0)? else { return Ok(()) };
    let mut bound = prepared(&proxy, &["DO GET_LOCK('own', 1)"])?;
    let mut open = prepared(&proxy, &["BEGIN", "SELECT * FROM t"])?;
    let mut ended = prepared(&proxy, &["BEGIN", "SELECT * FROM t"])?;
    group.set_writer(1)?;
    until_writable(&proxy)?;
    ended.sql("ROLLBACK")?;
    assert_eq!(code(&open.sql("SELECT * FROM t")), Some(1053));
    waiting::until("the old writer is known to follow", NOTICED, || bound.sql("SELECT * FROM t").is_ok())?;
    for statement in ["BEGIN", "START TRANSACTION", "/* pointsman: role=writer */ SELECT * FROM t"] {
        let refused = bound.sql(statement);
        assert_eq!(code(&refused), REFUSED, "{statement}: {refused:?}");
        let text = format!("{refused:?}");
        assert!(text.contains(&group.server(0).address()) && text.contains("GET_LOCK"), "{text}");
    }
    group.stop_replication(0)?;
    waiting::until("a read of a stale server is refused", NOTICED, || code(&bound.sql("SELECT * FROM t")) == REFUSED)?;
    bound.sql("SELECT RELEASE_LOCK('own')")?;
    bound.sql("BEGIN")?;
    bound.sql("INSERT INTO t VALUES ('free again')")?;
    bound.sql("COMMIT").map(drop)
}

#[test]
fn a_session_bound_to_the_old_writer_reads_there_only_while_it_is_fresh_on_mariadb() -> Lab<()> {
    a_session_bound_to_the_old_writer_reads_there_only_while_it_is_fresh(Kind::MariaDb)
}

#[test]
fn a_session_bound_to_the_old_writer_reads_there_only_while_it_is_fresh_on_mysql() -> Lab<()> {
    a_session_bound_to_the_old_writer_reads_there_only_while_it_is_fresh(Kind::MySql9)
}

#[test]
fn a_write_right_after_the_writers_death_waits_for_the_next_one() -> Lab<()> {
    let Some((group, proxy)) = started(Kind::MariaDb, 0)? else { return Ok(()) };
    let mut session = proxy.client()?;
    group.writer().kill9();
    thread::scope(|scope| {
        let write = scope.spawn(move || session.sql("INSERT INTO t VALUES ('late')").map(drop));
        promote(&group)?;
        write.join().expect("the writing thread ends")
    })?;
    assert_eq!(group.server(1).value("SELECT COUNT(*) FROM shop.t WHERE a = 'late'")?, "1");
    Ok(())
}
