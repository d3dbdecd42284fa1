//! The writer is away: reads and logins go on, writes wait and fail honestly, and all goes on when there is one again.

use std::thread;
use std::time::{Duration, Instant};

use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Proxy, Server, trace, waiting};

/// How soon the proxy must have noticed a change of its servers.
const NOTICED: Duration = Duration::from_secs(20);

/// ER_OPTION_PREVENTS_STATEMENT: no writer is confirmed.
const NO_WRITER: Option<u16> = Some(1290);

/// A pair and two replicas, which notice soon that their source is silent, and a proxy that soon gives up a write.
fn started() -> Lab<(Group, Proxy)> {
    let group = GroupPlan::new(Kind::MariaDb).extra("--slave-net-timeout=4").start()?;
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(40)) ENGINE=InnoDB")?;
    group.sql_everywhere("INSERT INTO t (b) VALUES ('first')")?;
    let proxy = Proxy::of(&group).more("[monitor]\nno_writer_wait_ms = 500").start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    Ok((group, proxy))
}

/// Reads in a session that is in, and in new ones, for longer than the replicas need to lose their source.
fn reads_and_logins_go_on(proxy: &Proxy, inside: &mut Client) -> Lab<()> {
    const READ: &str = "SELECT b FROM t WHERE a = 1";
    let (end, mut failed) = (Instant::now() + Duration::from_secs(9), [0, 0]);
    while Instant::now() < end {
        for (which, answer) in
            [inside.value(READ), proxy.client().and_then(|mut new| new.value(READ))].iter().enumerate()
        {
            match answer {
                Ok(text) => assert_eq!(text, "first"),
                Err(error) => {
                    eprintln!("reader {which}: {error}");
                    failed[which] += 1;
                }
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(failed.iter().all(|n| *n <= 1), "reads that failed, inside and new: {failed:?}");
    Ok(())
}

fn writes_are_refused(proxy: &Proxy) -> Lab<()> {
    let refused = proxy.client()?.sql("INSERT INTO t (b) VALUES ('nobody takes it')").expect_err("there is no writer");
    assert_eq!(refused.code(), NO_WRITER, "{refused}");
    Ok(())
}

/// The standby becomes the writer, and the replicas follow it.
fn goes_on_after_promotion(group: &Group, proxy: &Proxy) -> Lab<()> {
    group.set_writer(1)?;
    trace::wait_for_writer(proxy, group, group.server(1))?;
    waiting::until("the replicas take reads again", NOTICED, || {
        let body = proxy.http("/readyz").map(|answer| answer.body).unwrap_or_default();
        body.matches("\"takes_reads\":true").count() == 2
    })?;
    assert_eq!(proxy.client()?.value("SELECT b FROM t WHERE a = 1")?, "first");
    Ok(())
}

#[test]
fn reads_go_on_after_the_writer_was_killed() -> Lab<()> {
    let (group, proxy) = started()?;
    let mut inside = proxy.client()?;
    group.writer().kill9();
    reads_and_logins_go_on(&proxy, &mut inside)?;
    writes_are_refused(&proxy)?;
    goes_on_after_promotion(&group, &proxy)
}

#[test]
fn reads_go_on_while_the_writer_is_frozen() -> Lab<()> {
    let (group, proxy) = started()?;
    let mut inside = proxy.client()?;
    group.writer().stop();
    reads_and_logins_go_on(&proxy, &mut inside)?;
    writes_are_refused(&proxy)?;
    group.writer().kill9();
    goes_on_after_promotion(&group, &proxy)
}

#[test]
fn a_replica_that_was_behind_when_the_writer_died_takes_no_reads() -> Lab<()> {
    let (group, proxy) = started()?;
    let _blocked = group.block_replica(3)?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(2)])?;
    group.writer().kill9();
    waiting::until("the writer is missed", NOTICED, || {
        proxy.client().and_then(|mut new| new.sql("DELETE FROM t")).is_err_and(|refused| refused.code() == NO_WRITER)
    })?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(2)])
}

#[test]
fn a_replica_that_alone_lost_its_source_takes_no_reads() -> Lab<()> {
    let (group, proxy) = started()?;
    hide_source(group.server(2), &group)?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(3)])
}

/// The replica goes on trying to connect, at a port where nobody listens.
fn hide_source(replica: &Server, group: &Group) -> Lab<()> {
    group.stop_replication(2)?;
    let nobody = pointsman_tests::ports::free();
    replica.sql(&format!("CHANGE MASTER TO MASTER_PORT = {nobody}"))?;
    group.start_replication(2)
}

#[test]
fn a_session_that_wrote_reads_only_where_its_write_is() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).start()?;
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(40)) ENGINE=InnoDB")?;
    let proxy = Proxy::of(&group).shard("max_lag_ms = 60000").more("[pool]\nwait_timeout_ms = 500").start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    let blocked = (1..4).map(|index| group.block_replica(index)).collect::<Lab<Vec<_>>>()?;
    let mut client = proxy.client()?;
    client.sql("INSERT INTO t (b) VALUES ('mine')")?;
    group.writer().kill9();
    let answer = client.value("SELECT COUNT(*) FROM t WHERE b = 'mine'");
    assert!(answer.is_err(), "an old answer: {answer:?}");
    drop(blocked);
    // Whether the replicas had received it is not known; an old answer is wrong in any case.
    for _ in 0..4 {
        if let Ok(count) = client.value("SELECT COUNT(*) FROM t WHERE b = 'mine'") {
            assert_eq!(count, "1");
        }
    }
    Ok(())
}
