//! Settings do what docs/settings.md says, at start and after SIGHUP.

use std::fs;
use std::time::{Duration, Instant};

use pointsman_tests::differ::login::login;
use pointsman_tests::differ::packets::Packets;
use pointsman_tests::differ::profile::Profile;
use pointsman_tests::differ::target::Target;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, LabError, Login, Proxy, Ready, Server, trace, waiting};

/// For what follows a reload or a second's round of the pools, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn one_server() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()
}

/// Changes the proxy's file and waits until the proxy has read it.
pub fn change(proxy: &Proxy, from: &str, to: &str) -> Lab<()> {
    let text = fs::read_to_string(proxy.config()).map_err(LabError::file(proxy.config()))?;
    assert!(text.contains(from), "the configuration has no {from:?}:\n{text}");
    fs::write(proxy.config(), text.replace(from, to)).map_err(LabError::file(proxy.config()))?;
    let reloads = || proxy.log().lines().filter(|line| line.contains("reload") || line.contains("restart")).count();
    let before = reloads();
    proxy.reload();
    waiting::until("the proxy says that it has reloaded", SOON, || reloads() > before)
}

/// Waits until a login ends in this error; None: until it gets in.
fn until_login(login: &Login, code: Option<u16>) -> Lab<()> {
    let mut last = None;
    let there = waiting::until(&format!("a login as {} gives {code:?}", login.user), SOON, || {
        last = Client::connect(login).err().and_then(|error| error.code());
        last == code
    });
    there.inspect_err(|_| eprintln!("the last one gave {last:?}"))
}

fn app_connections(server: &Server) -> usize {
    server.connections_of("app").map_or(0, |ids| ids.len())
}

const GUEST: &str =
    "[[user]]\nname = \"guest\"\npassword = \"one\"\nbackend_user = \"app\"\nbackend_password = \"app\"";

#[test]
fn users_change_at_a_reload_and_those_inside_stay() -> Lab<()> {
    // ER_ACCESS_DENIED_ERROR, ER_USER_LIMIT_REACHED, ER_SECURE_TRANSPORT_REQUIRED
    const DENIED: Option<u16> = Some(1045);
    const USER_LIMIT: Option<u16> = Some(1226);
    const NO_TLS: Option<u16> = Some(3159);
    let group = one_server()?;
    let proxy = Proxy::of(&group).more(GUEST).start()?;
    let (one, two) = (Login::new(proxy.port, "guest", "one"), Login::new(proxy.port, "guest", "two"));
    let mut inside = Client::connect(&one)?;
    assert_eq!(inside.value("SELECT CURRENT_USER()")?, "app@%");

    change(&proxy, "password = \"one\"", "password = [\"two\", \"one\"]")?;
    until_login(&two, None)?;
    until_login(&one, None)?;
    change(&proxy, "password = [\"two\", \"one\"]", "password = \"two\"")?;
    until_login(&one, DENIED)?;
    assert_eq!(inside.value("SELECT 1")?, "1", "who is inside stays");

    // The one inside from before the reloads is counted.
    change(&proxy, "name = \"guest\"", "name = \"guest\"\nmax_connections = 1")?;
    until_login(&two, USER_LIMIT)?;
    change(&proxy, "max_connections = 1", "max_connections = 2\ndefault_schema = \"mysql\"")?;
    until_login(&two, None)?;
    waiting::until("the login that was tried is over", SOON, || {
        Client::connect(&two).is_ok_and(|mut c| c.value("SELECT DATABASE()").is_ok_and(|s| s == "mysql"))
    })?;

    change(&proxy, "max_connections = 2", "hosts = [\"192.0.2.1\", \"10.0.%\"]")?;
    until_login(&two, DENIED)?;
    change(&proxy, "hosts = [\"192.0.2.1\", \"10.0.%\"]", "hosts = [\"127.0.0.0/8\"]")?;
    until_login(&two, None)?;
    change(&proxy, "hosts = [\"127.0.0.0/8\"]", "require_tls = true")?;
    until_login(&two, NO_TLS)?;
    change(&proxy, "name = \"guest\"", "name = \"visitor\"")?;
    until_login(&two, DENIED)?;
    assert_eq!(inside.value("SELECT 1")?, "1");
    Ok(())
}

#[test]
fn a_session_goes_on_when_its_password_changes_everywhere() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut inside = proxy.client()?;
    assert_eq!(inside.value("SELECT 1")?, "1");
    group.sql("ALTER USER app@'%' IDENTIFIED BY 'new'")?;
    change(&proxy, "password = \"app\"", "password = [\"new\", \"app\"]")?;
    waiting::until("connections of the old password are closed", SOON, || app_connections(group.writer()) == 0)?;
    assert_eq!(inside.value("SELECT 2")?, "2");
    assert_eq!(Client::connect(&Login::new(proxy.port, "app", "new"))?.value("SELECT 3")?, "3");
    assert_eq!(proxy.client()?.value("SELECT 4")?, "4", "the old one is still let in");
    Ok(())
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() -> Lab<()> {
    let group = one_server()?;
    let slow =
        "[monitor]\npoll_ms = 20000\nprobe_timeout_ms = 20000\nwriter_confirm_ms = 60000\n[pool]\nmax_idle_s = 1";
    let plan = Proxy::of(&group).backend("connect_timeout_ms = 700").shard("max_lag_ms = 60000");
    let proxy = plan.more(slow).start()?;
    let mut client = proxy.client()?;
    waiting::until("the next statement needs a new connection", SOON, || app_connections(group.writer()) == 0)?;
    group.writer().stop();
    let start = Instant::now();
    let refused = client.sql("SELECT 1").unwrap_err().to_string();
    group.writer().cont();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(refused.contains("700ms"), "{refused}");
    assert_eq!(client.value("SELECT 2")?, "2");
    Ok(())
}

#[test]
fn reloads_under_load_are_not_noticed() -> Lab<()> {
    const CLIENTS: usize = 6;
    const RELOADS: usize = 12;
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    group.sql_everywhere("CREATE TABLE shop.counted (a INT PRIMARY KEY AUTO_INCREMENT)")?;
    let proxy = Proxy::of(&group).more("[pool]\nmin_idle = 1\nmax_connections_per_server = 20").start()?;
    let ended = std::sync::atomic::AtomicBool::new(false);
    let written = std::thread::scope(|scope| -> Lab<usize> {
        let work = || -> Lab<usize> {
            let mut rows = 0;
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                let mut client = proxy.client()?;
                client.sql("INSERT INTO shop.counted VALUES ()")?;
                client.sql("BEGIN")?;
                client.sql("INSERT INTO shop.counted VALUES ()")?;
                client.value("SELECT COUNT(*) FROM shop.counted")?;
                client.sql("COMMIT")?;
                client.prepared("SELECT ?", (1,))?;
                rows += 2;
            }
            Ok(rows)
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        let reloaded = (0..RELOADS).try_for_each(|round| {
            std::thread::sleep(Duration::from_millis(100));
            match round % 2 {
                0 => change(&proxy, "max_connections_per_server = 20", "max_connections_per_server = 8"),
                _ => change(&proxy, "max_connections_per_server = 8", "max_connections_per_server = 20"),
            }
        });
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        reloaded?;
        clients.into_iter().map(|client| client.join().expect("a client's thread ends")).sum()
    })?;
    assert!(written > RELOADS, "{written} rows only");
    assert_eq!(group.writer().value("SELECT COUNT(*) FROM shop.counted")?, written.to_string());
    Ok(())
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_restart_only_settings_are_named() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).listen("backlog = 100").start()?;
    change(&proxy, "password = \"app\"", "password = \"new\"\nhostss = []")?;
    assert!(proxy.log().contains("reload refused"), "{}", proxy.log());
    assert_eq!(proxy.client()?.value("SELECT 1")?, "1");
    change(&proxy, "password = \"new\"\nhostss = []", "password = \"app\"")?;
    change(&proxy, "backlog = 100", "backlog = 200")?;
    waiting::until("the log names the setting", SOON, || {
        proxy.log().lines().any(|line| line.contains("listen.backlog") && line.contains("restart"))
    })
}

#[test]
fn the_version_and_the_number_of_clients_change_at_a_reload() -> Lab<()> {
    // ER_CON_COUNT_ERROR
    const TOO_MANY: Option<u16> = Some(1040);
    let group = one_server()?;
    let proxy = Proxy::of(&group).listen("server_version = \"8.0.99-shop\"").start()?;
    let version = |proxy: &Proxy| greeting(proxy.port).unwrap_or_default();
    assert_eq!(version(&proxy), "8.0.99-shop");
    change(&proxy, "server_version = \"8.0.99-shop\"", "")?;
    let own = group.writer().value("SELECT VERSION()")?;
    waiting::until("the greeting has the server's version", SOON, || version(&proxy).ends_with(&own))?;

    let _held = [proxy.client()?, proxy.client()?];
    change(&proxy, "[listen]", "[listen]\nmax_client_connections = 2")?;
    until_login(&proxy.login(), TOO_MANY)?;
    change(&proxy, "max_client_connections = 2", "max_client_connections = 3")?;
    until_login(&proxy.login(), None)
}

/// The version in the first packet of the protocol: a header of 4 bytes, the protocol's number, then the text.
fn greeting(port: u16) -> std::io::Result<String> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SOON))?;
    let mut packet = [0; 64];
    let read = stream.read(&mut packet)?;
    let text: Vec<u8> = packet[..read].iter().skip(5).take_while(|byte| **byte != 0).copied().collect();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn pool_limits_change_at_a_reload() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).more("[pool]\nmax_connections_per_server = 1\nwait_timeout_ms = 300").start()?;
    let mut holder = proxy.client()?;
    holder.sql("BEGIN")?;
    holder.sql("SELECT 1 FOR UPDATE")?;
    let refused = proxy.client().and_then(|mut client| client.sql("SELECT 2 FOR UPDATE"));
    assert_eq!(refused.unwrap_err().code(), Some(1040));

    // Whoever waits when the limit is raised gets in.
    change(&proxy, "wait_timeout_ms = 300", "wait_timeout_ms = 20000")?;
    std::thread::scope(|scope| -> Lab<()> {
        let waiting = scope.spawn(|| proxy.client()?.value("SELECT 3 FOR UPDATE"));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "there is only one connection");
        change(&proxy, "max_connections_per_server = 1", "max_connections_per_server = 3")?;
        assert_eq!(waiting.join().expect("the waiting thread ends")?, "3");
        Ok(())
    })?;

    change(&proxy, "max_connections_per_server = 3", "max_connections_per_user = 1\nmax_connections_per_server = 3")?;
    change(&proxy, "wait_timeout_ms = 20000", "wait_timeout_ms = 300")?;
    waiting::until("one user has one connection", SOON, || {
        let refused = proxy.client().and_then(|mut client| client.sql("SELECT 2 FOR UPDATE"));
        refused.is_err_and(|error| error.code() == Some(1040))
    })?;
    holder.sql("COMMIT")?;
    waiting::until("idle connections beyond a lowered limit are closed", SOON, || app_connections(group.writer()) <= 1)
}

#[test]
fn idle_connections_are_kept_closed_and_replaced_as_configured() -> Lab<()> {
    const WARM: usize = 3;
    let group = one_server()?;
    let proxy = Proxy::of(&group).more("[pool]\nmin_idle = 3\nmax_idle_s = 1\nmax_age_s = 600").start()?;
    assert_eq!(app_connections(group.writer()), 0, "nobody was seen yet");
    proxy.client()?.value("SELECT 1")?;
    waiting::until("connections are kept ready", SOON, || app_connections(group.writer()) >= WARM)?;
    std::thread::sleep(Duration::from_secs(3));
    let kept = group.writer().connections_of("app")?;
    assert_eq!(kept.len(), WARM, "idle for longer than max_idle_s, but min_idle of them stay");

    change(&proxy, "max_age_s = 600", "max_age_s = 1")?;
    waiting::until("older connections are replaced", SOON, || {
        group
            .writer()
            .connections_of("app")
            .is_ok_and(|now| now.len() == WARM && now.iter().all(|id| !kept.contains(id)))
    })?;
    change(&proxy, "max_age_s = 1", "max_age_s = 600")?;
    change(&proxy, "min_idle = 3", "min_idle = 0")?;
    waiting::until("idle connections are closed", SOON, || app_connections(group.writer()) == 0)
}

#[test]
fn safe_functions_may_run_on_replicas_after_a_reload() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    group.sql_everywhere("CREATE FUNCTION shop.harmless() RETURNS INT NO SQL RETURN 7")?;
    let proxy = Proxy::of(&group).more("[session]\nsafe_functions = []").start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    let who_runs = || -> Lab<Vec<u32>> {
        let marker = trace::marker();
        let answer = proxy.client()?.value(&format!("SELECT shop.harmless(), '{marker}'"))?;
        assert_eq!(answer, "7");
        trace::who_ran(&group, &marker)
    };
    assert_eq!(who_runs()?, [group.writer().id]);
    change(&proxy, "safe_functions = []", "safe_functions = [\"shop.harmless\"]")?;
    let replica = group.replicas()[0].id;
    waiting::until("the function runs on the replica", SOON, || who_runs().is_ok_and(|ids| ids == [replica]))
}

#[test]
fn limits_of_a_session_hold() -> Lab<()> {
    let group = one_server()?;
    let limits = "[session]\nmax_allowed_packet = 2000\nmax_prepared_statements = 2\nmax_long_data = 1000\n\
                  idle_transaction_timeout_ms = 500\nclient_idle_timeout_s = 2";
    let proxy = Proxy::of(&group).more(limits).start()?;
    let mut client = proxy.client()?;
    let refused = client.sql(&format!("SELECT LENGTH('{}')", "x".repeat(2000))).unwrap_err();
    // ER_NET_PACKET_TOO_LARGE
    assert_eq!(refused.code(), Some(1153), "{refused}");

    let mut client = proxy.client()?;
    client.prepared("SELECT ?", (1,))?;
    client.prepared("SELECT ? + 1", (1,))?;
    let refused = client.prepared("SELECT ? + 2", (1,)).unwrap_err();
    // ER_MAX_PREPARED_STMT_COUNT_REACHED
    assert_eq!(refused.code(), Some(1461), "{refused}");

    long_data_is_limited(proxy.port);
    let mut client = proxy.client()?;
    client.sql("CREATE TABLE shop.kept (a INT PRIMARY KEY)")?;
    client.sql("BEGIN")?;
    client.sql("INSERT INTO shop.kept VALUES (1)")?;
    let mut idle = proxy.client()?;
    idle.value("SELECT 1")?;
    std::thread::sleep(Duration::from_secs(1));
    assert!(client.sql("COMMIT").is_err(), "the transaction was idle for too long");
    assert_eq!(idle.value("SELECT COUNT(*) FROM shop.kept FOR UPDATE")?, "0");
    std::thread::sleep(Duration::from_secs(3));
    assert!(idle.value("SELECT 1").is_err(), "the client was idle for too long");
    Ok(())
}

#[test]
fn a_client_is_kept_as_long_as_its_own_wait_timeout_says() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).more("[session]\nclient_idle_timeout_s = 2").start()?;
    let (mut short, mut long) = (proxy.client()?, proxy.client()?);
    short.sql("SET SESSION wait_timeout = 1")?;
    long.sql("SET SESSION wait_timeout = 600")?;
    assert_eq!(long.value("SELECT @@wait_timeout")?, "600");
    std::thread::sleep(Duration::from_secs(4));
    assert!(short.value("SELECT 1").is_err(), "its own timeout is over");
    assert_eq!(long.value("SELECT 1")?, "1");
    Ok(())
}

/// MySQL leaves error 4031 under packet number 0, which PHP warns of; MariaDB closes without a word, and so do both when
/// they are shut down.
fn a_client_that_is_disconnected_hears_what_its_server_would_say(kind: Kind) -> Lab<()> {
    const COM_QUERY: u8 = 3;
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(()) };
    let proxy = Proxy::of(&group).more("[session]\nidle_transaction_timeout_ms = 500").start()?;
    let idle_after = |port: u16, statement: &str| -> Lab<Packets> {
        let mut packets = Packets::connect("127.0.0.1", port)?;
        login(&mut packets, &Target::new("127.0.0.1", port, "app", "app"), &Profile::MYSQLND_TEXT)?;
        packets.restart_sequence();
        packets.write(&[&[COM_QUERY], statement.as_bytes()].concat())?;
        packets.read()?;
        packets.restart_sequence();
        Ok(packets)
    };
    // The error's code; None where the connection ends without one.
    let heard = |mut packets: Packets| packets.read().ok().map(|p| u16::from_le_bytes([p[1], p[2]]));
    let expected = if kind == Kind::MySql9 { Some(4031) } else { None };
    for port in [group.writer().port, proxy.port] {
        assert_eq!(heard(idle_after(port, "SET SESSION wait_timeout = 1")?), expected, "at port {port}");
    }
    assert_eq!(heard(idle_after(proxy.port, "BEGIN")?), expected, "in a transaction");
    let idle = idle_after(proxy.port, "SET @a = 1")?;
    assert!(proxy.terminate(Duration::from_secs(10)));
    assert_eq!(heard(idle), None, "at the end of the proxy");
    Ok(())
}

#[test]
fn a_disconnected_client_hears_what_mariadb_would_say() -> Lab<()> {
    a_client_that_is_disconnected_hears_what_its_server_would_say(Kind::MariaDb)
}

#[test]
fn a_disconnected_client_hears_what_mysql9_would_say() -> Lab<()> {
    a_client_that_is_disconnected_hears_what_its_server_would_say(Kind::MySql9)
}

/// COM_STMT_SEND_LONG_DATA, for which PHP's mysqli is the client at hand.
fn long_data_is_limited(port: u16) {
    let script = "mysqli_report(MYSQLI_REPORT_OFF); $m = new mysqli('127.0.0.1', 'app', 'app', 'shop', (int) $argv[1]);
        foreach ([500, 1500] as $size) {
            $s = $m->prepare('SELECT LENGTH(?)'); $b = null; $s->bind_param('b', $b);
            $s->send_long_data(0, str_repeat('x', $size)); $done = $s->execute();
            echo $done ? $s->get_result()->fetch_row()[0] : $s->error, ';'; }";
    let Ok(output) = std::process::Command::new("php").args(["-r", script, "--", &port.to_string()]).output() else {
        pointsman_tests::skipped("php is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("500;") && said.contains("session.max_long_data"), "{said}");
}

#[test]
fn a_refused_change_of_user_leaves_the_session() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = proxy.client()?;
    let refused = client.change_user(&Login::new(proxy.port, "app", "wrong")).unwrap_err();
    assert_eq!(refused.code(), Some(1045), "{refused}");
    assert_eq!(client.value("SELECT 5")?, "5");
    client.change_user(&proxy.login())?;
    assert_eq!(client.value("SELECT DATABASE()")?, "shop");
    Ok(())
}

#[test]
fn why_the_proxy_is_not_let_in_is_told() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).without_init().ready(Ready::Port).start()?;
    waiting::until("the proxy is ready", SOON, || proxy.http("/readyz").is_some_and(|a| a.status == 200))?;
    change(&proxy, "password = \"secret\"", "password = \"guess\"")?;
    let server = group.writer();
    for id in server.connections_of("pointsman")? {
        // It may have ended by itself.
        let _gone = server.sql(&format!("KILL {id}"));
    }
    waiting::until("/readyz says why", SOON, || {
        proxy.http("/readyz").is_some_and(|a| a.status == 503 && a.body.contains("error 1045"))
    })?;
    assert!(proxy.log().lines().any(|line| line.contains("server is down") && line.contains("error 1045")));
    assert!(!proxy.log().contains("no answer within"), "{}", proxy.log());
    assert!(!proxy.log().contains("guess"), "the password is in the log");
    let start = Instant::now();
    change(&proxy, "password = \"guess\"", "password = \"secret\"")?;
    waiting::until("the proxy is ready again", SOON, || proxy.http("/readyz").is_some_and(|a| a.status == 200))?;
    assert!(start.elapsed() < SOON);
    Ok(())
}

#[test]
fn a_server_without_room_is_told() -> Lab<()> {
    const ROOM: usize = 10;
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).extra("--max-connections=10").start()?;
    let server = group.writer();
    let held: Vec<Client> = (0..=ROOM).map_while(|_| server.app().ok()).collect();
    let proxy = Proxy::of(&group).without_init().ready(Ready::Port).start()?;
    waiting::until("/readyz says why", SOON, || {
        proxy.http("/readyz").is_some_and(|a| a.status == 503 && a.body.contains("error 1040"))
    })?;
    drop(held);
    waiting::until("the proxy is ready", SOON, || proxy.http("/readyz").is_some_and(|a| a.status == 200))
}
