//! Which servers answer reads, as the settings of shard and user and the hints say.

use std::time::Duration;

use pointsman_tests::{Group, Lab, Proxy, Server, http, trace, waiting};

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
