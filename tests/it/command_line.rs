//! The program's own commands: `init`, `check`, `--version`, and what it says to a wrong configuration.

use std::fs;
use std::process::{Command, Output};

use pointsman_tests::{Group, GroupPlan, Kind, Lab, LabError, Proxy, proxy};

fn small_group() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(2).replicas(1).start()
}

fn pointsman(arguments: &[&str]) -> Lab<Output> {
    let program = proxy::binary()?;
    Command::new(&program).args(arguments).output().map_err(LabError::file(program))
}

/// Runs a command with the proxy's configuration after changing its text.
fn with_config(proxy: &Proxy, command: &str, change: impl Fn(String) -> String) -> Lab<(bool, String)> {
    let path = proxy.config().with_extension("changed.toml");
    let text = fs::read_to_string(proxy.config()).map_err(LabError::file(&path))?;
    fs::write(&path, change(text)).map_err(LabError::file(&path))?;
    let output = pointsman(&[command, "--config", &path.display().to_string()])?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_version_is_told() -> Lab<()> {
    let output = pointsman(&["--version"])?;
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains(env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[test]
fn init_may_be_repeated_and_its_table_reaches_all_servers() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let (is_fine, said) = with_config(&proxy, "init", |text| text)?;
    assert!(is_fine, "{said}");
    group.wait_for_sync()?;
    for server in group.servers() {
        let tables = server.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'pointsman'")?;
        assert_ne!(tables, "0", "server {}", server.id);
    }
    Ok(())
}

#[test]
fn init_says_which_rights_lack_and_why_no_server_lets_it_in() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let (is_fine, said) =
        with_config(&proxy, "init", |text| text.replace("user = \"pointsman\"", "user = \"nobody\""))?;
    assert!(!is_fine);
    for expected in ["TO 'nobody'@'%'", &group.writer().address(), "1045"] {
        assert!(said.contains(expected), "{expected}:\n{said}");
    }
    Ok(())
}

#[test]
fn check_passes_a_good_configuration_and_tells_the_versions() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let (is_fine, said) = with_config(&proxy, "check", |text| text)?;
    assert!(is_fine, "{said}");
    for server in group.servers() {
        assert!(said.contains(&server.address()), "{} is not named:\n{said}", server.address());
    }
    Ok(())
}

#[test]
fn check_lists_all_problems_at_once() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let (is_fine, said) = with_config(&proxy, "check", |text| {
        text.replace("max_lag_ms", "max_lagg_ms").replace("default_schema", "default_shema")
    })?;
    assert!(!is_fine);
    assert!(said.contains("max_lag_ms") && said.contains("default_schema"), "both names are suggested:\n{said}");
    Ok(())
}

#[test]
fn check_refuses_an_account_that_passes_by_read_only() -> Lab<()> {
    let group = small_group()?;
    group.sql_everywhere("GRANT SUPER, READ_ONLY ADMIN ON *.* TO app@'%'")?;
    let proxy = Proxy::of(&group).start()?;
    let (is_fine, said) = with_config(&proxy, "check", |text| text)?;
    assert!(!is_fine, "an application's account has READ_ONLY ADMIN:\n{said}");
    assert!(said.contains("app"), "{said}");
    Ok(())
}

#[test]
fn check_refuses_an_account_that_may_take_a_role_that_passes_by_read_only() -> Lab<()> {
    for (kind, right) in [(Kind::MariaDb, "READ_ONLY ADMIN"), (Kind::MySql9, "CONNECTION_ADMIN")] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(1).start_or_skip()? else { continue };
        for statement in ["CREATE ROLE outer_role", "CREATE ROLE `inner-role`", "GRANT `inner-role` TO outer_role"] {
            group.sql_everywhere(statement)?;
        }
        group.sql_everywhere("GRANT outer_role TO app@'%'")?;
        let proxy = Proxy::of(&group).start()?;
        let (is_fine, said) = with_config(&proxy, "check", |text| text)?;
        assert!(is_fine, "{kind:?}: roles without such a right:\n{said}");
        group.sql_everywhere(&format!("GRANT {right} ON *.* TO `inner-role`"))?;
        let (is_fine, said) = with_config(&proxy, "check", |text| text)?;
        assert!(!is_fine, "{kind:?}: {said}");
        assert!(said.contains(&format!("{right} on {} after SET ROLE", group.server(1).address())), "{said}");
    }
    Ok(())
}

#[test]
fn no_command_tells_a_password() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    for command in ["check", "init"] {
        let (_, said) =
            with_config(&proxy, command, |text| text.replace("password = \"secret\"", "password = \"sesame\""))?;
        assert!(!said.contains("sesame"), "{command} tells the backend's password");
    }
    Ok(())
}

#[test]
fn health_is_told_over_http() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    assert_eq!(proxy.http("/healthz").map(|answer| answer.status), Some(200));
    assert_eq!(proxy.http("/readyz").map(|answer| answer.status), Some(200));
    assert_eq!(proxy.http("/missing").map(|answer| answer.status), Some(404));
    group.writer().set_read_only(true)?;
    let limit = std::time::Duration::from_secs(10);
    pointsman_tests::waiting::until("/readyz tells that no writer is there", limit, || {
        proxy.http("/readyz").is_some_and(|answer| answer.status == 503)
    })?;
    assert_eq!(proxy.http("/healthz").map(|answer| answer.status), Some(200), "the process itself is fine");
    Ok(())
}

#[test]
fn check_names_every_mistake_of_a_real_pair() -> Lab<()> {
    let group = small_group()?;
    let proxy = Proxy::of(&group).start()?;
    let (writer, standby, replica) = (group.server(0), group.server(1), group.server(2));
    group.sql_everywhere("CREATE USER half@'%' IDENTIFIED BY 'half'")?;
    writer.sql("SET GLOBAL max_connections = 20, GLOBAL wait_timeout = 30")?;
    standby.sql("SET GLOBAL sql_mode = '', GLOBAL read_only = 0, GLOBAL binlog_format = 'STATEMENT'")?;
    replica.sql("SET GLOBAL read_only = 0, GLOBAL max_allowed_packet = 1048576")?;
    standby.sql("SET sql_log_bin = 0; DROP USER half@'%'")?;
    standby.sql("SET sql_log_bin = 0; REVOKE SLAVE MONITOR ON *.* FROM pointsman@'%'")?;
    standby.sql(
        "SET sql_log_bin = 0; REVOKE ALL ON pointsman.* FROM pointsman@'%'; REVOKE SELECT ON *.* FROM pointsman@'%'",
    )?;
    group.stop_replication(2)?;
    let half = "[[user]]\nname = \"half\"\npassword = \"half\"";
    let hashed =
        format!("[[user]]\nname = \"hashed\"\npassword = \"0x{}\"", "24412430303524".to_owned() + &"61".repeat(63));
    let listen = "tls = \"required\"\ntls_cert = \"/nonexistent/cert.pem\"\ntls_key = \"/nonexistent/key.pem\"";
    let (is_fine, said) = with_config(&proxy, "check", |text| {
        format!("{}\n{half}\n{hashed}", text.replace("[listen]", &format!("[listen]\n{listen}")))
    })?;
    assert!(!is_fine, "{said}");
    let [writer, standby, replica] = [writer, standby, replica].map(pointsman_tests::Server::address);
    for (about, what) in [
        ("listen.tls", "/nonexistent/key.pem"),
        (writer.as_str(), "max_connections = 20"),
        (&writer, "wait_timeout = 30"),
        (&standby, "replication status can't be read"),
        (&standby, "heartbeat can't be read"),
        (&standby, "binlog_format = STATEMENT"),
        (&replica, "max_allowed_packet = 1048576"),
        (&replica, "is a replica, but read_only = 0"),
        (&replica, "its replication IO thread is not connected"),
        (&replica, "its replication SQL thread does not run"),
        ("shard 'main'", "no confirmed writer"),
        ("shard 'main'", "both masters are writable"),
        ("shard 'main'", "sql_mode differs"),
        ("user 'half'", &format!("can't log in to {standby}")),
        ("user 'hashed'", "only a hash is known"),
    ] {
        let is_said = said.lines().any(|line| line.contains(about) && line.contains(what));
        assert!(is_said, "nothing about {about}: {what} in\n{said}");
    }
    println!("{said}");
    Ok(())
}

#[test]
fn check_compares_clocks_and_ids_and_asks_for_binary_logs() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).replicas(0).extra("--skip-log-bin").start()?;
    let proxy = Proxy::of(&group).start()?;
    let (writer, standby) = (group.server(0), group.server(1));
    // What a session is told of the time is all that tells of a clock.
    writer.sql("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 2'")?;
    standby.sql("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 3600'")?;
    standby.sql("SET GLOBAL server_id = 1")?;
    let (is_fine, said) = with_config(&proxy, "check", |text| text)?;
    assert!(!is_fine, "{said}");
    let (writer, standby) = (writer.address(), standby.address());
    for (level, about, what) in [
        ("WARNING", writer.as_str(), "its clock differs from this machine's by "),
        ("PROBLEM", &standby, "its clock differs from this machine's by 3"),
        ("PROBLEM", &writer, "log_bin = OFF: nobody can replicate from it"),
        ("PROBLEM", &standby, "log_bin = OFF: nobody can replicate from it"),
        ("PROBLEM", "shard 'main'", "server_id 1 is the same on "),
    ] {
        let is_said = said.lines().any(|l| l.to_uppercase().contains(level) && l.contains(about) && l.contains(what));
        assert!(is_said, "no {level} about {about}: {what} in\n{said}");
    }
    Ok(())
}
