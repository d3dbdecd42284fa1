//! The process: one for each port, its files, its end, and its Unix socket.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, LabError, Login, Proxy, proxy, waiting};

const SOON: Duration = Duration::from_secs(10);

fn one_server() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()
}

#[test]
fn a_second_process_on_the_same_port_is_refused() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let program = proxy::binary()?;
    let mut command = Command::new(&program);
    let second = command.args(["serve", "--config"]).arg(proxy.config()).output().map_err(LabError::file(program))?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(said.contains("another pointsman is listening on") && said.contains(&proxy.port.to_string()), "{said}");
    assert_eq!(proxy.client()?.value("SELECT 1")?, "1");
    Ok(())
}

/// The lock files lie elsewhere, and the address is another one: the port is taken all the same.
#[test]
fn a_wider_address_of_a_taken_port_is_refused() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let file = proxy.config();
    let text = fs::read_to_string(&file).map_err(LabError::file(&file))?;
    let directory = file.with_file_name("other");
    let wide = text
        .replace(&format!("127.0.0.1:{}", proxy.port), &format!("0.0.0.0:{}", proxy.port))
        .replace(&format!("127.0.0.1:{}", proxy.admin_port), "")
        .replace(&format!("127.0.0.1:{}", proxy.http_port), "");
    let wide: String = wide
        .lines()
        .map(|l| if l.starts_with("state_dir") { format!("state_dir = {directory:?}\n") } else { format!("{l}\n") })
        .collect();
    let config = file.with_file_name("wide.toml");
    fs::write(&config, wide).map_err(LabError::file(&config))?;
    let program = proxy::binary()?;
    let mut command = Command::new(&program);
    let second = command.args(["serve", "--config"]).arg(&config).output().map_err(LabError::file(program))?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("in use"), "{said}");
    Ok(())
}

#[test]
fn the_limit_of_open_files_is_raised() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let path = format!("/proc/{}/limits", proxy.pid());
    let limits = fs::read_to_string(&path).map_err(LabError::file(path))?;
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers.first(), numbers.last(), "soft and hard limit: {line}");
    Ok(())
}

#[test]
fn sigterm_lets_open_transactions_finish_and_ends_the_idle() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut busy = proxy.client()?;
    busy.sql("CREATE TABLE shop.drained (a INT PRIMARY KEY)")?;
    busy.sql("BEGIN")?;
    busy.sql("INSERT INTO shop.drained VALUES (1)")?;
    let mut idle = proxy.client()?;
    idle.value("SELECT 1")?;
    let ended = thread::scope(|scope| -> Lab<bool> {
        let end = scope.spawn(|| proxy.terminate(Duration::from_secs(30)));
        waiting::until("nobody is let in any more", SOON, || proxy.client().is_err())?;
        waiting::until("/readyz says that it drains", SOON, || proxy.http("/readyz").is_some_and(|a| a.status == 503))?;
        waiting::until("the idle client is disconnected", SOON, || idle.value("SELECT 1").is_err())?;
        busy.sql("INSERT INTO shop.drained VALUES (2)")?;
        thread::sleep(Duration::from_millis(500));
        assert!(proxy.is_alive(), "a transaction is open");
        busy.sql("COMMIT")?;
        Ok(end.join().expect("the thread that waits ends"))
    })?;
    assert!(ended, "the proxy ends when the last transaction does");
    assert_eq!(group.writer().value("SELECT COUNT(*) FROM shop.drained")?, "2");
    Ok(())
}

#[test]
fn a_second_sigterm_ends_at_once() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut busy = proxy.client()?;
    busy.sql("BEGIN")?;
    busy.sql("SELECT 1 FOR UPDATE")?;
    assert!(!proxy.terminate(Duration::from_millis(500)), "a transaction is open");
    let start = Instant::now();
    assert!(proxy.terminate(SOON));
    assert!(start.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[test]
fn an_unfinished_http_request_does_not_keep_the_process() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut half = TcpStream::connect(("127.0.0.1", proxy.http_port)).map_err(LabError::file("HTTP"))?;
    half.write_all(b"GET /heal").map_err(LabError::file("HTTP"))?;
    assert!(proxy.terminate(SOON));
    Ok(())
}

/// A full disk under the log, or the end of the program that read it.
#[test]
fn a_log_that_cannot_be_written_ends_nothing() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).full_log().start()?;
    assert_eq!(proxy.client()?.value("SELECT 1")?, "1");
    proxy.reload();
    // What fails is logged, too.
    assert!(Client::connect(&Login::new(proxy.port, "app", "wrong")).is_err());
    assert_eq!(proxy.client()?.value("SELECT 2")?, "2");
    assert!(proxy.is_alive());
    assert!(proxy.terminate(SOON));
    Ok(())
}

#[test]
fn clients_come_through_the_unix_socket() -> Lab<()> {
    let group = one_server()?;
    let only_local = "hosts = [\"localhost\"]\nrequire_tls = true";
    let proxy = Proxy::of(&group).unix_socket().user(only_local).start()?;
    let socket = proxy.socket().display().to_string();
    let client = ["-uapp", "-papp", "-S", &socket, "-N", "-e", "SELECT 40 + 2"];
    let output = Command::new("mariadb").args(client).output().map_err(LabError::file("mariadb"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(said.trim(), "42");
    php(&socket)?;
    assert!(proxy.terminate(SOON));
    assert!(!proxy.socket().exists(), "the socket's file goes with the process");
    Ok(())
}

/// mysqli and PDO, where PHP is installed.
fn php(socket: &str) -> Lab<()> {
    let script = "$s = $argv[1]; mysqli_report(MYSQLI_REPORT_STRICT | MYSQLI_REPORT_ERROR);
        $m = new mysqli(null, 'app', 'app', 'shop', 0, $s);
        $p = new PDO(\"mysql:unix_socket=$s;dbname=shop\", 'app', 'app');
        echo $m->query('SELECT 1')->fetch_row()[0], $p->query('SELECT 2')->fetchColumn(), $m->host_info;";
    let Ok(output) = Command::new("php").args(["-r", script, "--", socket]).output() else {
        pointsman_tests::skipped("php is not installed");
        return Ok(());
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(said, "12Localhost via UNIX socket");
    Ok(())
}
