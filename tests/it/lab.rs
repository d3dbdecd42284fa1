//! The laboratory itself: servers start, replicate, stop, come back, and leave nothing behind.

use std::path::Path;
use std::time::Duration;

use pointsman_tests::{Group, GroupPlan, Kind, Lab, Server, trace, waiting};

#[test]
fn a_group_replicates_and_its_writer_can_change() -> Lab<()> {
    let group = Group::start()?;
    group.sql("CREATE TABLE t (a INT PRIMARY KEY)")?;
    group.sql_everywhere("INSERT INTO t VALUES (1)")?;
    for server in group.servers() {
        assert_eq!(server.value("SELECT COUNT(*) FROM shop.t")?, "1", "server {}", server.id);
    }
    assert_eq!(group.standby().app()?.sql("INSERT INTO t VALUES (9)").unwrap_err().code(), Some(1290));
    group.set_writer(1)?;
    group.writer().app()?.sql("INSERT INTO t VALUES (2)")?;
    group.wait_for_sync()?;
    assert_eq!(group.server(0).value("SELECT COUNT(*) FROM shop.t")?, "2");
    assert_eq!(group.server(0).value("SELECT @@read_only")?, "1");
    group.set_writer(0)?;
    group.sql_everywhere("INSERT INTO t VALUES (3)")
}

#[test]
fn a_blocked_replica_lags_and_catches_up() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY)")?;
    let blocked = group.block_replica(1)?;
    group.sql("INSERT INTO t VALUES (1)")?;
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(group.server(1).value("SELECT COUNT(*) FROM shop.t")?, "0");
    drop(blocked);
    group.wait_for_sync()?;
    assert_eq!(group.server(1).value("SELECT COUNT(*) FROM shop.t")?, "1");
    Ok(())
}

#[test]
fn a_killed_server_keeps_its_rows_and_comes_back() -> Lab<()> {
    let server = Server::start(Kind::MariaDb)?;
    server.sql("CREATE TABLE shop.t (a INT PRIMARY KEY)")?;
    server.sql("INSERT INTO shop.t VALUES (1)")?;
    server.stop();
    server.cont();
    server.kill9();
    assert!(!server.is_alive());
    server.restart()?;
    assert_eq!(server.value("SELECT COUNT(*) FROM shop.t")?, "1");
    let (pid, dir) = (server.pid(), server.dir().to_path_buf());
    drop(server);
    assert!(!dir.exists(), "the directory goes with the server");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the process goes with its value");
    Ok(())
}

#[test]
fn a_marker_is_found_where_it_ran() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    let marker = trace::marker();
    group.server(1).app()?.sql(&format!("SELECT 1 /* {marker} */"))?;
    assert_eq!(trace::who_ran(&group, &marker)?, [2]);
    let marker = trace::marker();
    group.server(0).app()?.prepared(&format!("SELECT ? /* {marker} */"), (7,))?;
    assert_eq!(trace::who_ran(&group, &marker)?, [1]);
    Ok(())
}

#[test]
fn mysql9_replicates_as_well() -> Lab<()> {
    let group = match GroupPlan::new(Kind::MySql9).replicas(1).start() {
        Err(pointsman_tests::LabError::Unavailable(why)) => {
            println!("skipped: {why}");
            return Ok(());
        }
        other => other?,
    };
    group.sql("CREATE TABLE t (a INT PRIMARY KEY)")?;
    group.sql_everywhere("INSERT INTO t VALUES (1)")?;
    assert_eq!(group.server(2).app()?.value("SELECT COUNT(*) FROM t")?, "1");
    group.set_writer(1)?;
    group.sql_everywhere("INSERT INTO t VALUES (2)")?;
    assert_eq!(group.server(0).value("SELECT COUNT(*) FROM shop.t")?, "2");
    let marker = trace::marker();
    group.server(2).app()?.sql(&format!("SELECT 1 /* {marker} */"))?;
    assert_eq!(trace::who_ran(&group, &marker)?, [3]);
    group.writer().kill9();
    waiting::until("the dead server is dead", Duration::from_secs(5), || group.writer().client().is_err())?;
    group.writer().restart()
}
