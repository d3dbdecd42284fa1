//! How clients come to the proxy and the proxy to the servers: TLS, PROXY headers, compression.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::settings::change;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, LabError, Login, Proxy, Ready, places, template, waiting};

const SOON: Duration = Duration::from_secs(10);

fn one_server() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()
}

/// Certificates of one authority, in a directory that goes with them.
struct Certificates(PathBuf);

impl Certificates {
    fn make() -> Lab<Self> {
        let dir = places::fresh_dir("certificates")?;
        let made = Self(dir);
        for ca in ["ca", "other"] {
            made.openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem"
            ))?;
        }
        let names = made.path("names");
        fs::write(&names, "subjectAltName=IP:127.0.0.1,DNS:localhost\n").map_err(LabError::file(&names))?;
        for (name, ca) in [("first", "ca"), ("second", "ca"), ("stranger", "other")] {
            made.openssl(&format!(
                "req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ))?;
            made.openssl(&format!(
                "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
            ))?;
        }
        Ok(made)
    }

    fn openssl(&self, arguments: &str) -> Lab<()> {
        template::run(Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _nobody_needs_them = fs::remove_dir_all(&self.0);
    }
}

/// Runs a statement with the mariadb client; what it said.
fn mariadb(port: u16, more: &[&str], statement: &str) -> Lab<String> {
    let port = format!("-P{port}");
    let login = ["--no-defaults", "-uapp", "-papp", "-h127.0.0.1", &port, "-N", "-e", statement];
    let mut command = Command::new("mariadb");
    let output = command.args(login).args(more).output().map_err(LabError::file("mariadb"))?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned())
}

const PLAIN: &[&str] = &["--skip-ssl"];
const TLS: &[&str] = &["--ssl", "--skip-ssl-verify-server-cert"];

#[test]
fn clients_may_must_or_cannot_use_tls() -> Lab<()> {
    let (group, files) = (one_server()?, Certificates::make()?);
    let (cert, key) = (files.text("first.pem"), files.text("first.key"));
    let listen = format!("tls = \"off\"\ntls_cert = \"{cert}\"\ntls_key = \"{key}\"");
    let proxy = Proxy::of(&group).listen(&listen).start()?;
    let says = |more: &[&str]| mariadb(proxy.port, more, "SELECT 6 * 7");
    assert_eq!(says(PLAIN)?, "42");
    let ca = files.text("ca.pem");
    // Without this the client would take what it gets.
    let verified = || mariadb(proxy.port, &["--ssl-ca", &ca, "--ssl-verify-server-cert"], "SELECT 6 * 7");
    assert_ne!(verified()?, "42", "TLS is off");

    change(&proxy, "tls = \"off\"", "tls = \"optional\"")?;
    waiting::until("TLS may be used", SOON, || says(TLS).is_ok_and(|said| said == "42"))?;
    assert_eq!(says(PLAIN)?, "42");
    assert_eq!(verified()?, "42");

    change(&proxy, "tls = \"optional\"", "tls = \"required\"")?;
    // ER_SECURE_TRANSPORT_REQUIRED
    waiting::until("TLS must be used", SOON, || says(PLAIN).is_ok_and(|said| said.contains("3159")))?;
    assert_eq!(says(TLS)?, "42");

    let client_ca = format!("tls = \"required\"\ntls_client_ca = \"{ca}\"");
    change(&proxy, "tls = \"required\"", &client_ca)?;
    waiting::until("a certificate is asked for", SOON, || says(TLS).is_ok_and(|said| said != "42"))?;
    let shows = |name: &str| {
        let (cert, key) = (files.text(&format!("{name}.pem")), files.text(&format!("{name}.key")));
        mariadb(proxy.port, &["--skip-ssl-verify-server-cert", "--ssl-cert", &cert, "--ssl-key", &key], "SELECT 6 * 7")
    };
    assert_eq!(shows("second")?, "42");
    assert_ne!(shows("stranger")?, "42");
    Ok(())
}

#[test]
fn certificates_are_read_again_and_bad_ones_change_nothing() -> Lab<()> {
    let (group, files) = (one_server()?, Certificates::make()?);
    let copy = |name: &str| -> Lab<()> {
        for kind in ["pem", "key"] {
            let to = files.path(&format!("current.{kind}"));
            fs::copy(files.path(&format!("{name}.{kind}")), &to).map_err(LabError::file(&to))?;
        }
        Ok(())
    };
    copy("first")?;
    let (cert, key) = (files.text("current.pem"), files.text("current.key"));
    let listen = format!("tls = \"optional\"\ntls_cert = \"{cert}\"\ntls_key = \"{key}\"");
    let proxy = Proxy::of(&group).listen(&listen).start()?;
    assert_eq!(shown_certificate(proxy.port)?, "first");
    copy("second")?;
    assert_eq!(shown_certificate(proxy.port)?, "first", "not reloaded yet");
    proxy.reload();
    waiting::until("the new certificate is shown", SOON, || {
        shown_certificate(proxy.port).is_ok_and(|n| n == "second")
    })?;

    fs::write(files.path("current.pem"), "nothing").map_err(LabError::file("current.pem"))?;
    proxy.reload();
    waiting::until("the log says what is wrong", SOON, || proxy.log().contains("and so do the certificates"))?;
    assert!(proxy.log().contains(&cert), "and in which file");
    assert_eq!(shown_certificate(proxy.port)?, "second");
    Ok(())
}

/// The common name in the certificate that a client sees.
fn shown_certificate(port: u16) -> Lab<String> {
    let connect = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-starttls", "mysql", "-connect", &connect]).stdin(std::process::Stdio::null());
    let output = command.output().map_err(LabError::file("openssl"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let subject = said.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_default();
    Ok(subject.rsplit('=').next().unwrap_or_default().trim().to_owned())
}

#[test]
fn servers_are_reached_with_tls_as_configured() -> Lab<()> {
    let files = Certificates::make()?;
    let with = |option: &str, file: &str| format!("--ssl-{option}={}", files.text(file));
    let plan = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0);
    let plan = plan.extra(&with("ca", "ca.pem")).extra(&with("cert", "first.pem")).extra(&with("key", "first.key"));
    let group = plan.start()?;
    let proxy = Proxy::of(&group).backend("tls = \"disabled\"").start()?;
    let cipher = || mariadb(proxy.port, PLAIN, "SHOW SESSION STATUS LIKE 'Ssl_cipher'");
    let is_on = |on: bool| move |said: String| said.contains("TLS_") == on;
    assert!(cipher().is_ok_and(is_on(false)));
    let mut before = "tls = \"disabled\"".to_owned();
    for mode in ["preferred", "required", "verify_ca", "verify_identity"] {
        let after = format!("tls = \"{mode}\"\ntls_ca = \"{}\"", files.text("ca.pem"));
        change(&proxy, &before, &after)?;
        waiting::until(mode, SOON, || cipher().is_ok_and(is_on(true)))?;
        before = after;
    }
    change(&proxy, &files.text("ca.pem"), &files.text("other.pem"))?;
    waiting::until("another authority is not believed", SOON, || cipher().is_ok_and(|said| said.contains("ERROR")))?;
    change(&proxy, &files.text("other.pem"), &files.text("ca.pem"))?;
    group.writer().sql("CREATE USER strict@'%' IDENTIFIED BY 'app' REQUIRE X509")?;
    let own =
        format!("[backend]\ntls_cert = \"{}\"\ntls_key = \"{}\"\n", files.text("second.pem"), files.text("second.key"));
    change(&proxy, "[[user]]", "[[user]]\nname = \"strict\"\npassword = \"app\"\n[[user]]")?;
    change(&proxy, "[backend]\n", &own)?;
    let strict = Login::new(proxy.port, "strict", "app");
    waiting::until("the proxy shows its certificate", SOON, || {
        Client::connect(&strict).is_ok_and(|mut client| client.value("SELECT 1").is_ok_and(|one| one == "1"))
    })
}

#[test]
fn a_server_on_this_machine_is_reached_through_its_socket_without_tls() -> Lab<()> {
    let files = Certificates::make()?;
    let with = |option: &str, file: &str| format!("--ssl-{option}={}", files.text(file));
    let plan = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0);
    let group = plan.extra(&with("cert", "first.pem")).extra(&with("key", "first.key")).start()?;
    let socket = format!("unix:{}", group.writer().dir().join("sock").display());
    let required = format!("tls = \"verify_identity\"\ntls_ca = \"{}\"", files.text("ca.pem"));
    let proxy = Proxy::of(&group).masters(&[socket]).backend(&required).start()?;
    let mut client = proxy.client()?;
    assert_eq!(client.value("SELECT USER() LIKE '%localhost'")?, "1");
    Ok(())
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).backend("tls = \"required\"").without_init().ready(Ready::Port).start()?;
    waiting::until("/readyz says why", SOON, || proxy.http("/readyz").is_some_and(|a| a.body.contains("no TLS")))?;
    change(&proxy, "tls = \"required\"", "tls = \"preferred\"")?;
    waiting::until("the server is used", SOON, || {
        proxy.client().is_ok_and(|mut client| client.value("SELECT 1").is_ok_and(|one| one == "1"))
    })
}

#[test]
fn compression_towards_servers_and_clients_is_as_configured() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).backend("compression = \"zlib\"").start()?;
    let server_side = |more: &[&str]| mariadb(proxy.port, more, "SHOW SESSION STATUS LIKE 'Compression'");
    assert!(server_side(&[])?.contains("ON"));
    assert!(server_side(&["--compress"])?.contains("ON"), "both sides");
    let large = "SELECT LENGTH(REPEAT('x', 100000)), REPEAT('y', 3)";
    assert_eq!(mariadb(proxy.port, &["--compress"], large)?, "100000\tyyy");
    change(&proxy, "compression = \"zlib\"", "compression = \"off\"")?;
    waiting::until("new connections are not compressed", SOON, || server_side(&[]).is_ok_and(|s| s.contains("OFF")))?;
    assert_eq!(mariadb(proxy.port, &["--compress"], large)?, "100000\tyyy");
    Ok(())
}

#[test]
fn mysql_is_reached_with_zstd_and_its_own_certificates() -> Lab<()> {
    let Some(group) = GroupPlan::new(Kind::MySql9).masters(1).replicas(0).start_or_skip()? else { return Ok(()) };
    let made_by_mysql = group.writer().dir().join("data/ca.pem");
    let backend = format!("compression = \"zstd\"\ntls = \"verify_ca\"\ntls_ca = {made_by_mysql:?}");
    let proxy = Proxy::of(&group).backend(&backend).start()?;
    let mut client = proxy.client()?;
    let mut status = |name: &str| -> Lab<String> {
        let rows = client.sql(&format!("SHOW SESSION STATUS LIKE '{name}'"))?;
        Ok(rows[0][1].clone().unwrap_or_default())
    };
    assert!(status("Ssl_cipher")?.starts_with("TLS_"));
    assert_eq!(status("Compression_algorithm")?, "zstd");
    change(&proxy, "compression = \"zstd\"", "compression = \"zlib\"")?;
    waiting::until("new connections use zlib", SOON, || {
        let rows = proxy.client().and_then(|mut c| c.sql("SHOW SESSION STATUS LIKE 'Compression_algorithm'"));
        rows.is_ok_and(|rows| rows[0][1].as_deref() == Some("zlib"))
    })
}

/// A load balancer: for each client it connects to the proxy, sends a header, and passes bytes on.
fn balancer<S: Duplex>(connect: impl Fn() -> io::Result<S> + Send + 'static, header: Vec<u8>) -> Lab<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LabError::file("balancer"))?;
    let port = listener.local_addr().map_err(LabError::file("balancer"))?.port();
    // Ends with the test program: a test has few of them.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(mut server) = connect() else { return };
            let _refused_at_once = server.write_all(&header);
            pass_on(client, server);
        }
    });
    Ok(port)
}

trait Duplex: Read + Write + Send + Sized + 'static {
    fn twin(&self) -> io::Result<Self>;
}

impl Duplex for TcpStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

impl Duplex for UnixStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

fn pass_on<S: Duplex>(client: TcpStream, server: S) {
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.twin()) else { return };
    let (mut to_client, mut from_server) = (client, server);
    thread::spawn(move || io::copy(&mut from_client, &mut to_server));
    thread::spawn(move || {
        let _either_end = io::copy(&mut from_server, &mut to_client);
        to_client.shutdown(std::net::Shutdown::Both)
    });
}

/// Version 2 for a TCP client at 192.0.2.7. Source: HAProxy's proxy-protocol.txt, section 2.2.
fn header_v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([192, 0, 2, 7, 192, 0, 2, 1]);
    header.extend([0x30, 0x39, 0x0c, 0xea]);
    header
}

const HEADER_V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 12345 3306\r\n";

fn login_through(port: u16) -> Result<String, Option<u16>> {
    let answer = Client::connect(&Login::app(port)).and_then(|mut client| client.value("SELECT 8"));
    answer.map_err(|error| error.code())
}

#[test]
fn proxy_headers_are_required_from_balancers() -> Lab<()> {
    let group = one_server()?;
    let from = "proxy_protocol_networks = [\"127.0.0.0/8\", \"unix\"]\nconnect_timeout_s = 1";
    let proxy = Proxy::of(&group).listen(from).user("hosts = [\"192.0.2.7\"]").unix_socket().start()?;
    let (port, socket) = (proxy.port, proxy.socket());
    let tcp = move || TcpStream::connect(("127.0.0.1", port));
    let unix = move || UnixStream::connect(&socket);
    for header in [HEADER_V1.to_vec(), header_v2()] {
        assert_eq!(login_through(balancer(tcp, header.clone())?), Ok("8".to_owned()));
        assert_eq!(login_through(balancer(unix.clone(), header)?), Ok("8".to_owned()));
    }
    // ER_ACCESS_DENIED_ERROR: the client's own address counts, not the balancer's.
    let elsewhere = b"PROXY TCP4 192.0.2.8 192.0.2.1 12345 3306\r\n".to_vec();
    assert_eq!(login_through(balancer(tcp, elsewhere)?), Err(Some(1045)));
    assert!(greeting_of(&tcp).is_none(), "without a header there is no greeting");
    assert!(greeting_of(&unix).is_none(), "nor through the Unix socket");
    Ok(())
}

/// The first byte that comes from the proxy unasked.
fn greeting_of<S: Duplex>(connect: &impl Fn() -> io::Result<S>) -> Option<u8> {
    let mut byte = [0];
    connect().and_then(|mut stream| stream.read_exact(&mut byte)).ok()?;
    Some(byte[0])
}

#[test]
fn proxy_headers_are_refused_from_elsewhere() -> Lab<()> {
    let group = one_server()?;
    let from = "proxy_protocol_networks = [\"192.0.2.1\"]";
    let proxy = Proxy::of(&group).listen(from).unix_socket().start()?;
    let (port, socket) = (proxy.port, proxy.socket());
    assert_eq!(login_through(port), Ok("8".to_owned()));
    for header in [HEADER_V1.to_vec(), header_v2()] {
        let tcp = move || TcpStream::connect(("127.0.0.1", port));
        assert!(login_through(balancer(tcp, header.clone())?).is_err());
        let socket = socket.clone();
        assert!(login_through(balancer(move || UnixStream::connect(&socket), header)?).is_err());
    }
    assert!(Path::exists(&socket));
    Ok(())
}

/// The kernel's timers of a connection's two ends, by the port of the client: `tr` of /proc/net/tcp (proc(5)).
fn has_keepalive(server_port: u16, client_port: u16) -> Lab<bool> {
    const KEEPALIVE: &str = "02:";
    let table = fs::read_to_string("/proc/net/tcp").map_err(LabError::file("/proc/net/tcp"))?;
    let (server, client) = (format!(":{server_port:04X}"), format!(":{client_port:04X}"));
    let ends = |line: &Vec<&str>| line.len() > 5 && line[1].ends_with(&server) && line[2].ends_with(&client);
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    Ok(lines.filter(ends).any(|line| line[5].starts_with(KEEPALIVE)))
}

#[test]
fn a_client_that_vanished_without_a_word_is_looked_for() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).map_err(LabError::file("socket"))?;
    let mut greeting = [0; 5];
    client.read_exact(&mut greeting).map_err(LabError::file("greeting"))?;
    let port = client.local_addr().map_err(LabError::file("address"))?.port();
    waiting::until("the kernel has a timer for it", SOON, || has_keepalive(proxy.port, port).unwrap_or_default())
}
