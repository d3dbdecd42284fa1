//! Our client half at real servers.

use std::path::PathBuf;
use std::time::Duration;

use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::{Password, Plugin, Secret};
use pointsman_protocol::handshake::encode_attributes;
use pointsman_proxy::login::backend::{
    BackendAddress, BackendLogin, BackendReady, BackendTarget, Compression, ConnectError, connect,
};
use pointsman_proxy::net::tls::{BackendTls, TlsMode};
use pointsman_proxy::net::{Packets, Stream};
use pointsman_proxy::timers::Timers;

use super::certificates::certificates;
use super::mariadb::Server;

fn target(address: BackendAddress) -> BackendTarget {
    BackendTarget {
        address,
        host: "127.0.0.1".into(),
        tls: BackendTls::disabled(),
        compression: Compression::None,
        connect_timeout: Duration::from_secs(10),
        user_timeout: None,
    }
}

fn tcp(port: u16) -> BackendTarget {
    target(BackendAddress::Tcp(vec![([127, 0, 0, 1], port).into()]))
}

fn with_tls(base: &BackendTarget, mode: TlsMode, ca: Option<&PathBuf>) -> BackendTarget {
    BackendTarget { tls: BackendTls::load(mode, ca, None).unwrap(), ..base.clone() }
}

fn login(user: &str, secret: Secret) -> BackendLogin {
    BackendLogin {
        user: user.into(),
        secret,
        schema: None,
        charset: 45,
        capabilities: Capabilities::MULTI_RESULTS | Capabilities::MARIADB_CACHE_METADATA,
        attributes: encode_attributes([("program_name", "pointsman-test")]),
    }
}

fn clear(text: &str) -> Secret {
    Secret::Password(Password::new(text))
}

/// Sends a query and gives the first row's first column, as text, by looking at the third packet.
async fn first_value(stream: &mut Stream, query: &str) -> Vec<u8> {
    let mut packets = Packets::new(stream, 0);
    packets.write(&[b"\x03", query.as_bytes()].concat()).await.unwrap();
    let mut all = vec![];
    loop {
        let packet = packets.read().await.unwrap();
        assert_ne!(packet[0], 0xff, "{}", String::from_utf8_lossy(&packet));
        if packet[0] == 0xfe && packet.len() < 100 {
            return all.pop().unwrap();
        }
        all.push(packet);
    }
}

async fn works(target: &BackendTarget, login: &BackendLogin) -> BackendReady {
    let mut ready = connect(target, login, &Timers::here()).await.unwrap_or_else(|e| panic!("{}: {e}", login.user));
    assert!(ready.capabilities.contains(Capabilities::SESSION_TRACK | Capabilities::DEPRECATE_EOF));
    let id = ready.thread_id.to_string();
    let row = first_value(&mut ready.stream, "SELECT CONNECTION_ID()").await;
    assert_eq!(&row[1..], id.as_bytes());
    let row = first_value(&mut ready.stream, "SELECT REPEAT('compressible ', 5000)").await;
    assert_eq!(row.len(), 65_000 + 3);
    ready
}

fn refused_with(end: Result<BackendReady, ConnectError>) -> u16 {
    match end {
        Err(ConnectError::Refused(failure)) => failure.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mariadb() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    for (name, plugin) in [
        ("native", "mysql_native_password USING PASSWORD('päss')"),
        ("ed", "ed25519 USING PASSWORD('päss')"),
        ("twice", "ed25519 USING PASSWORD('other') OR mysql_native_password USING PASSWORD('päss')"),
        ("none", "mysql_native_password USING ''"),
    ] {
        assert!(server.sql(&format!("SET NAMES utf8mb4; CREATE USER {name}@'%' IDENTIFIED VIA {plugin}")), "{name}");
    }
    let unix = target(BackendAddress::Unix(server.socket.clone()));
    let plain = tcp(server.port);
    for base in [&unix, &plain, &with_tls(&plain, TlsMode::Preferred, None)] {
        works(base, &login("native", clear("päss"))).await;
        works(base, &login("ed", clear("päss"))).await;
        works(base, &login("twice", clear("päss"))).await;
        works(base, &login("none", clear(""))).await;
        assert_eq!(refused_with(connect(base, &login("native", clear("no")), &Timers::here()).await), 1045);
        assert_eq!(refused_with(connect(base, &login("native", clear("")), &Timers::here()).await), 1045);
    }
    hashes_and_schemas(&server).await;
    tls_modes(&plain, &login("native", clear("päss"))).await;
    let zlib = BackendTarget { compression: Compression::Zlib, ..plain.clone() };
    let ready = works(&zlib, &login("native", clear("päss"))).await;
    assert!(matches!(ready.stream, Stream::Compressed(_)));
    assert!(ready.capabilities.contains(Capabilities::MARIADB_CACHE_METADATA), "extended capabilities");
    assert!(server.sql(MANY_RESULTS));
    numbers_go_on(ready.stream).await;
    let over_tls = BackendTarget { compression: Compression::Zlib, ..with_tls(&plain, TlsMode::Required, None) };
    works(&over_tls, &login("native", clear("päss"))).await;
}

const MANY_RESULTS: &str = "CREATE DATABASE d; GRANT ALL ON d.* TO native@'%'; USE d;
DELIMITER //
CREATE PROCEDURE p() BEGIN SELECT REPEAT('x', 1000) FROM seq_1_to_500; SELECT 2; SELECT 3; END//
";

/// Packets inside compressed frames are numbered on, also where the server flushes between results.
async fn numbers_go_on(mut stream: Stream) {
    let mut packets = Packets::new(&mut stream, 0);
    packets.write(b"\x03CALL d.p()").await.unwrap();
    loop {
        let packet = packets.read().await.unwrap();
        assert_ne!(packet[0], 0xff, "{}", String::from_utf8_lossy(&packet));
        if packet[0] == 0 && packet.len() < 20 {
            return;
        }
    }
}

async fn hashes_and_schemas(server: &Server) {
    let plain = tcp(server.port);
    // SHA1('päss'), as a client's own login would have shown it.
    let hex = std::process::Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "-N", "--default-character-set=utf8mb4", "-e", "SELECT SHA1('päss')"])
        .arg(format!("--socket={}", server.socket.display()))
        .output()
        .unwrap()
        .stdout;
    let hex = String::from_utf8(hex).unwrap();
    let stage1: [u8; 20] = std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap());
    works(&plain, &login("native", Secret::NativeStage1(stage1))).await;
    let end = connect(&plain, &login("ed", Secret::NativeStage1(stage1)), &Timers::here()).await;
    assert!(matches!(end, Err(ConnectError::Auth(_))), "{end:?}");
    let unknown = BackendLogin { schema: Some("nowhere".into()), ..login("native", clear("päss")) };
    assert!([1044, 1049].contains(&refused_with(connect(&plain, &unknown, &Timers::here()).await)));
}

async fn tls_modes(plain: &BackendTarget, login: &BackendLogin) {
    let files = certificates();
    let ready = works(&with_tls(plain, TlsMode::Required, None), login).await;
    assert!(ready.stream.is_secure());
    works(&with_tls(plain, TlsMode::VerifyCa, Some(&files.ca)), login).await;
    let end = connect(&with_tls(plain, TlsMode::VerifyCa, Some(&files.other_ca)), login, &Timers::here()).await;
    assert!(matches!(end, Err(ConnectError::Tls(_))), "{end:?}");
    // The server's certificate has no subjectAltName, and the common name "server".
    for (host, ca, accepted) in
        [("127.0.0.1", &files.ca, false), ("server", &files.ca, true), ("server", &files.other_ca, false)]
    {
        let named = BackendTarget { host: host.into(), ..with_tls(plain, TlsMode::VerifyIdentity, Some(ca)) };
        let end = connect(&named, login, &Timers::here()).await;
        assert!(accepted == end.is_ok() && (accepted || matches!(end, Err(ConnectError::Tls(_)))), "{host}: {end:?}");
    }
    assert!(BackendTls::load(TlsMode::VerifyCa, None, None).is_err());
}

#[tokio::test]
async fn mysql9() {
    let start = || match pointsman_tests::Server::start(pointsman_tests::Kind::MySql9) {
        Err(pointsman_tests::LabError::Unavailable(why)) => {
            pointsman_tests::skipped(&why);
            None
        }
        started => Some(started.unwrap()),
    };
    let Some(server) = tokio::task::spawn_blocking(start).await.unwrap() else { return };
    let ca = server.dir().join("data/ca.pem");
    let plain = tcp(server.port);
    let unix = target(BackendAddress::Unix(server.dir().join("sock")));
    let root = login("root", clear(""));
    let mut admin = works(&unix, &root).await.stream;
    for sql in ["DROP USER IF EXISTS app@'%'", "CREATE USER app@'%' IDENTIFIED BY 'päss'"] {
        let mut packets = Packets::new(&mut admin, 0);
        packets.write(&[b"\x03", sql.as_bytes()].concat()).await.unwrap();
        assert_eq!(packets.read().await.unwrap()[0], 0, "{sql}");
    }
    let app = login("app", clear("päss"));
    let stage1 = {
        use sha2::Digest as _;
        sha2::Sha256::digest("päss").into()
    };
    let hash = login("app", Secret::Sha2Stage1(stage1));
    let end = connect(&plain, &hash, &Timers::here()).await;
    assert!(matches!(end, Err(ConnectError::Auth(_))), "not in the server's cache yet: {end:?}");
    let ready = works(&plain, &app).await;
    assert_eq!(Plugin::from_name(&ready.greeting.auth_plugin), Plugin::CachingSha2, "full login by RSA");
    works(&plain, &app).await;
    works(&plain, &hash).await;
    works(&with_tls(&plain, TlsMode::Required, None), &app).await;
    works(&with_tls(&plain, TlsMode::VerifyCa, Some(&ca)), &app).await;
    for compression in [Compression::Zlib, Compression::Zstd(3)] {
        let ready = works(&BackendTarget { compression, ..plain.clone() }, &app).await;
        assert!(matches!(ready.stream, Stream::Compressed(_)), "{compression:?}");
    }
    assert_eq!(refused_with(connect(&plain, &login("app", clear("no")), &Timers::here()).await), 1045);
    let unknown = BackendLogin { schema: Some("nowhere".into()), ..root };
    assert_eq!(refused_with(connect(&unix, &unknown, &Timers::here()).await), 1049);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
