//! Which servers answer reads, as the settings of shard and user and the hints say.

use std::thread;
use std::time::Duration;

use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Proxy, Server, http, trace, waiting};

use crate::settings::change;

/// How soon blocked replicas are known to lag.
const NOTICED: Duration = Duration::from_secs(15);

fn started() -> Lab<Group> {
    let group = Group::start()?;
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(40)) ENGINE=InnoDB")?;
    Ok(group)
}

fn replicas(group: &Group) -> Vec<&Server> {
    group.replicas().iter().collect()
}

#[test]
fn a_standby_need_not_read_and_stale_replicas_may() -> Lab<()> {
    let group = started()?;
    let proxy = Proxy::of(&group).shard("standby_reads = false\nstale_reads = true").start()?;
    trace::wait_for_readers(&proxy, &group, &replicas(&group))?;
    let _blocked = (group.block_replica(2)?, group.block_replica(3)?);
    waiting::until("no replica is fresh", NOTICED, || {
        let state = http::get(proxy.http_port, "/readyz").map(|answer| answer.body).unwrap_or_default();
        state.matches("\"role\":\"replica\"").count() == 2
            && state.split("\"role\":\"replica\"").skip(1).all(|server| !server.contains("\"takes_reads\":true"))
    })?;
    trace::wait_for_readers(&proxy, &group, &replicas(&group))
}

#[test]
fn eventual_reads_may_miss_a_write_and_hints_ask_for_less_lag() -> Lab<()> {
    let group = started()?;
    let plan = Proxy::of(&group).user("consistency = \"eventual\"");
    let proxy = plan.shard("max_lag_ms = 60000\nstandby_reads = false").start()?;
    trace::wait_for_readers(&proxy, &group, &replicas(&group))?;
    let _blocked = (group.block_replica(2)?, group.block_replica(3)?);
    let mut client = proxy.client()?;
    client.sql("INSERT INTO t (b) VALUES ('new')")?;
    let mut count = |hint: &str| client.value(&format!("{hint} SELECT COUNT(*) FROM t")).unwrap_or_default();
    waiting::until("a read misses the write", NOTICED, || count("") == "0")?;
    assert_eq!(count("/* pointsman: role=writer */"), "1");
    waiting::until("a hint keeps off replicas that lag", NOTICED, || count("/* pointsman: max_lag_ms=300 */") == "1")
}

#[test]
fn what_a_transaction_wrote_is_read_again_however_it_ended() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(1).start_or_skip()? else { continue };
        group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB")?;
        let proxy = Proxy::of(&group).shard("max_lag_ms = 60000").start()?;
        trace::wait_for_readers(&proxy, &group, &replicas(&group))?;
        let _blocked = group.block_replica(1)?;
        let endings: [&[&str]; 7] = [
            &["BEGIN", "INSERT INTO t VALUES (#)", "COMMIT"],
            &["START TRANSACTION", "INSERT INTO t VALUES (#)", "COMMIT AND CHAIN", "ROLLBACK"],
            &["BEGIN", "INSERT INTO t VALUES (#)", "BEGIN", "ROLLBACK"],
            &["SET autocommit = 0", "INSERT INTO t VALUES (#)", "SET autocommit = 1"],
            &["SET autocommit = 0", "INSERT INTO t VALUES (#)", "COMMIT", "SET autocommit = 1"],
            &["BEGIN", "INSERT INTO t VALUES (#)", "CREATE TABLE IF NOT EXISTS other (a INT)"],
            &["XA START 'x'", "INSERT INTO t VALUES (#)", "XA END 'x'", "XA COMMIT 'x' ONE PHASE"],
        ];
        for (number, statements) in endings.iter().enumerate() {
            let mut client = proxy.client()?;
            for statement in *statements {
                client.sql(&statement.replace('#', &number.to_string()))?;
            }
            let found = client.value(&format!("SELECT COUNT(*) FROM t WHERE a = {number}"))?;
            assert_eq!(found, "1", "{kind:?} {statements:?}");
        }
    }
    Ok(())
}

#[test]
fn what_ran_before_an_error_is_read_again() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(1).start_or_skip()? else { continue };
        group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=MyISAM")?;
        let _blocked = group.block_replica(1)?;
        // While the connection is held, and after it was given back.
        for hold_ms in [60_000, 0] {
            let proxy = holding(&group, hold_ms)?;
            let mut client = proxy.client()?;
            client.sql("DELETE FROM t")?;
            assert_eq!(client.sql("INSERT INTO t VALUES (1), (2), (1)").unwrap_err().code(), Some(1062));
            assert_eq!(client.value("SELECT COUNT(*) FROM t")?, "2", "{kind:?}, held for {hold_ms} ms");
        }
    }
    Ok(())
}

/// A proxy whose replicas may lag for long, so that after a write of which nobody knows reads stay on the writer as long.
fn holding(group: &Group, hold_ms: u32) -> Lab<Proxy> {
    let pool = format!("[pool]\nresult_state_hold_ms = {hold_ms}");
    Proxy::of(group).shard("max_lag_ms = 60000").more(&pool).start()
}

/// Waits until this client's reads are answered by that server.
fn until_read_at(client: &mut Client, group: &Group, server: &Server, hint: &str) -> Lab<()> {
    waiting::until(&format!("server {} answers reads", server.id), NOTICED, || {
        let marker = trace::marker();
        let read = client.sql(&format!("{hint} SELECT COUNT(*) FROM t /* {marker} */"));
        read.is_ok() && trace::who_ran(group, &marker).is_ok_and(|ids| ids == [server.id])
    })
}

#[test]
fn a_write_that_failed_without_a_trace_keeps_no_read_on_the_writer() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(1).start_or_skip()? else { continue };
        group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB")?;
        let proxy = holding(&group, 0)?;
        trace::wait_for_readers(&proxy, &group, &replicas(&group))?;
        let mut client = proxy.client()?;
        client.sql("INSERT INTO t VALUES (1)")?;
        for failing in ["INSERT INTO t VALUES (2), (1)", "CREATE TABLE t (a INT)", "INSERT INTO nosuch VALUES (1)"] {
            client.sql(failing).expect_err(failing);
        }
        until_read_at(&mut client, &group, &group.replicas()[0], "")?;
    }
    Ok(())
}

#[test]
fn a_hint_for_a_replica_is_heeded_while_the_writer_holds_results() -> Lab<()> {
    let group = one_master_two_replicas()?;
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY)")?;
    let proxy = holding(&group, 60_000)?;
    let replica = &group.replicas()[0];
    group.stop_replication(2)?;
    trace::wait_for_readers(&proxy, &group, &[replica])?;
    let mut client = proxy.client()?;
    client.sql("INSERT IGNORE INTO t VALUES ('one')")?;
    until_read_at(&mut client, &group, group.writer(), "")?;
    until_read_at(&mut client, &group, replica, "/* pointsman: role=replica */")
}

/// How many of 100 reads each replica gets.
fn shares(proxy: &Proxy, group: &Group) -> Lab<Vec<usize>> {
    let marker = trace::marker();
    for _ in 0..100 {
        proxy.client()?.sql(&format!("SELECT 1 FROM DUAL /* {marker} */"))?;
    }
    group.replicas().iter().map(|replica| trace::times_run(replica, &marker)).collect()
}

/// Waits until the proxy says whether that server takes reads.
fn until_takes_reads(proxy: &Proxy, server: &Server, takes: bool) -> Lab<()> {
    let (address, state) = (format!("\"{}\"", server.address()), format!("\"takes_reads\":{takes}"));
    waiting::until(&format!("{state} of {address}"), NOTICED, || {
        let body = proxy.http("/readyz").map(|answer| answer.body).unwrap_or_default();
        body.split("\"address\":").any(|one| one.starts_with(&address) && one.contains(&state))
    })
}

fn one_master_two_replicas() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).start()
}

#[test]
fn reads_stay_in_the_zone_while_a_replica_there_is_fresh() -> Lab<()> {
    let group = one_master_two_replicas()?;
    let [near, far] = [&group.replicas()[0], &group.replicas()[1]];
    let plan = Proxy::of(&group).proxy("zone = \"a\"").server(near, "zone = \"a\"").server(far, "zone = \"b\"");
    let proxy = plan.start()?;
    trace::wait_for_readers(&proxy, &group, &[near])?;
    group.stop_replication(1)?;
    trace::wait_for_readers(&proxy, &group, &[far])?;
    group.start_replication(1)?;
    trace::wait_for_readers(&proxy, &group, &[near])
}

#[test]
fn reads_are_shared_by_weight_and_weight_0_is_for_need() -> Lab<()> {
    let group = one_master_two_replicas()?;
    let [first, second] = [&group.replicas()[0], &group.replicas()[1]];
    let proxy = Proxy::of(&group).server(first, "weight = 1000").server(second, "weight = 10").start()?;
    until_takes_reads(&proxy, first, true)?;
    until_takes_reads(&proxy, second, true)?;
    let counted = shares(&proxy, &group)?;
    assert!(counted[0] > 80, "reads of weights 1000 and 10: {counted:?}");
    let proxy = Proxy::of(&group).server(second, "weight = 0").start()?;
    until_takes_reads(&proxy, second, true)?;
    trace::wait_for_readers(&proxy, &group, &[first])?;
    group.stop_replication(1)?;
    trace::wait_for_readers(&proxy, &group, &[second])
}

#[test]
fn a_replica_that_is_back_gets_its_share_slowly() -> Lab<()> {
    let group = one_master_two_replicas()?;
    let [first, second] = [&group.replicas()[0], &group.replicas()[1]];
    let proxy = Proxy::of(&group).more("[monitor]\nslow_start_s = 0").start()?;
    until_takes_reads(&proxy, first, true)?;
    let away_and_back = || -> Lab<Vec<usize>> {
        group.stop_replication(2)?;
        until_takes_reads(&proxy, second, false)?;
        group.start_replication(2)?;
        until_takes_reads(&proxy, second, true)?;
        shares(&proxy, &group)
    };
    let counted = away_and_back()?;
    assert!(counted[1] > 10, "without a slow start: {counted:?}");
    change(&proxy, "slow_start_s = 0", "slow_start_s = 3600")?;
    let counted = away_and_back()?;
    assert!(counted[1] * 3 < counted[0], "with a slow start: {counted:?}");
    Ok(())
}

#[test]
fn so_many_reads_spill_to_the_writer_and_the_rest_wait() -> Lab<()> {
    // ER_CON_COUNT_ERROR
    const FULL: Option<u16> = Some(1040);
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    let proxy = Proxy::of(&group).shard("spill_limit = 1").more("[pool]\nwait_timeout_ms = 500").start()?;
    until_takes_reads(&proxy, &group.replicas()[0], true)?;
    group.stop_replication(1)?;
    trace::wait_for_readers(&proxy, &group, &[group.writer()])?;
    thread::scope(|scope| {
        let slow = scope.spawn(|| proxy.client()?.value("SELECT SLEEP(6)"));
        waiting::until("the slow read runs", NOTICED, || {
            group
                .writer()
                .value("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(6)%'")
                .is_ok_and(|n| n == "1")
        })?;
        let refused = proxy.client()?.sql("SELECT 2").expect_err("the only place is taken");
        assert_eq!(refused.code(), FULL, "{refused}");
        assert_eq!(proxy.client()?.value("SELECT 3 FOR UPDATE")?, "3", "what belongs to the writer needs no place");
        assert_eq!(slow.join().expect("the reading thread ends")?, "0");
        assert_eq!(proxy.client()?.value("SELECT 4")?, "4");
        Ok(())
    })
}

#[test]
fn a_schema_that_replicas_lack_is_found_on_the_writer() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(2).start_or_skip()? else { continue };
        let proxy = Proxy::of(&group).shard("max_lag_ms = 60000").start()?;
        trace::wait_for_readers(&proxy, &group, &replicas(&group))?;
        let _blocked = (group.block_replica(1)?, group.block_replica(2)?);
        let mut root = group.writer().client()?;
        root.sql("CREATE DATABASE fresh")?;
        root.sql("CREATE TABLE fresh.t (a INT)")?;
        root.sql("INSERT INTO fresh.t VALUES (7)")?;
        let mut inside = proxy.client()?;
        inside.sql("USE fresh")?;
        assert_eq!(inside.value("SELECT a FROM t")?, "7", "{kind:?} after USE");
        let mut new = Client::connect(&proxy.login().schema("fresh"))?;
        assert_eq!(new.value("SELECT a FROM t")?, "7", "{kind:?} after a login");
        let mut changed = proxy.client()?;
        changed.change_user(&proxy.login().schema("fresh"))?;
        assert_eq!(changed.value("SELECT a FROM t")?, "7", "{kind:?} after a change of user");
        let unknown = Client::connect(&proxy.login().schema("nowhere")).err().and_then(|e| e.code());
        assert_eq!(unknown, Some(1049));
        assert_eq!(inside.sql("USE nowhere").unwrap_err().code(), Some(1049));
        assert_eq!(inside.value("SELECT DATABASE()")?, "fresh");
    }
    Ok(())
}

#[test]
fn without_a_heartbeat_lag_is_the_servers_own_word() -> Lab<()> {
    let group = started()?;
    let proxy = Proxy::of(&group).without_init().start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    assert!(proxy.log().contains("lag is taken from the replication status"), "{}", proxy.log());
    let blocked = group.block_replica(3)?;
    group.sql("INSERT INTO t (b) VALUES ('held up')")?;
    trace::wait_for_readers(&proxy, &group, &[group.server(1), group.server(2)])?;
    drop(blocked);
    trace::wait_for_readers(&proxy, &group, &group.readers())
}
