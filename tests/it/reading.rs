//! Which servers answer reads, as the settings of shard and user and the hints say.

use std::time::Duration;

use pointsman_tests::{Group, GroupPlan, Kind, Lab, Proxy, Server, http, trace, waiting};

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
        let proxy = Proxy::of(&group).shard("max_lag_ms = 60000").start()?;
        trace::wait_for_readers(&proxy, &group, &replicas(&group))?;
        let _blocked = group.block_replica(1)?;
        let mut client = proxy.client()?;
        assert_eq!(client.sql("INSERT INTO t VALUES (1), (2), (1)").unwrap_err().code(), Some(1062));
        assert_eq!(client.value("SELECT COUNT(*) FROM t")?, "2", "{kind:?}");
    }
    Ok(())
}
