//! Our backend login against our client login, over loopback.

use std::sync::Arc;
use std::time::Duration;

use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::{AccountSecret, ClientAuth, Password, Plugin, Secret, StoredHash};
use pointsman_protocol::frame::put_packet;
use pointsman_protocol::handshake::{ChangeUser, Failure, LoginRequest};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::backend::{BackendAddress, BackendLogin, BackendReady, BackendTarget, Compression, ConnectError, connect};
use super::client::{ChangeUserContext, ClientLogin, ClientLoginSettings, LoginEnd, LoginShared, accept, change_user};
use super::{AccountSpec, Accounts, Peer, RsaKeySource};
use crate::net::tls::BackendTls;
use crate::net::{Socket, Stream};
use crate::timers::Timers;

const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

fn spec(name: &str, secrets: Vec<AccountSecret>) -> AccountSpec {
    AccountSpec { name: name.into(), secrets, ..AccountSpec::default() }
}

fn password(text: &str) -> AccountSecret {
    AccountSecret::from_password(Password::new(text))
}

/// `SELECT PASSWORD('password')`.
fn native_hash() -> AccountSecret {
    AccountSecret::from_hash("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19").unwrap()
}

fn shared(specs: Vec<AccountSpec>) -> Arc<LoginShared> {
    Arc::new(LoginShared::new(Arc::new(Accounts::new(specs, None)), None, RsaKeySource::generated(), Timers::here()))
}

fn settings(plugin: Plugin) -> ClientLoginSettings {
    ClientLoginSettings {
        server_version: "8.4.0-test".into(),
        capabilities: Capabilities::from_bits_truncate(0x01ff_ffff) - Capabilities::COMPRESS - Capabilities::SSL,
        auth_plugin: plugin,
        charset: 45,
        status: 2,
        deadline: Duration::from_secs(5),
        require_tls: false,
        balancers: vec![],
        names_loopback: true,
    }
}

fn login_as(user: &str, pw: &str) -> BackendLogin {
    BackendLogin {
        user: user.into(),
        secret: Secret::Password(Password::new(pw)),
        schema: Some("shop".into()),
        charset: 45,
        capabilities: Capabilities::FOUND_ROWS,
        attributes: vec![],
    }
}

fn target(address: BackendAddress) -> BackendTarget {
    BackendTarget {
        address,
        host: "127.0.0.1".into(),
        tls: BackendTls::disabled(),
        compression: Compression::None,
        connect_timeout: Duration::from_secs(5),
        user_timeout: None,
    }
}

type Ends = (Result<ClientLogin, LoginEnd>, Result<BackendReady, ConnectError>);

/// One login; the server's side sends the OK.
async fn meet(shared: &LoginShared, plugin: Plugin, login: &BackendLogin) -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(BackendAddress::Tcp(vec![listener.local_addr().unwrap()]));
    let settings = settings(plugin);
    let server = async {
        let (tcp, from) = listener.accept().await.unwrap();
        let mut login = accept(Socket::from(tcp), Peer::Inet(from), 77, &settings, shared).await?;
        let mut wire = vec![];
        put_packet(&mut wire, login.next_sequence, &OK);
        login.stream.write_all(&wire).await.unwrap();
        Ok(login)
    };
    let timers = Timers::here();
    tokio::join!(server, connect(&target, login, &timers))
}

#[tokio::test]
async fn right_passwords_get_in() {
    let shared = shared(vec![
        spec("clear", vec![password("old"), password("password")]),
        spec("native", vec![native_hash()]),
        spec("empty", vec![password("")]),
    ]);
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        for (user, pw) in [("clear", "password"), ("clear", "old"), ("native", "password"), ("empty", "")] {
            let (client, backend) = meet(&shared, plugin, &login_as(user, pw)).await;
            let (client, backend) = (client.unwrap(), backend.unwrap());
            assert_eq!(client.account.name(), user);
            assert_eq!(client.schema.as_deref(), Some("shop"));
            assert_eq!((backend.thread_id, backend.status), (77, 2));
            assert!(client.capabilities.contains(Capabilities::FOUND_ROWS | Capabilities::SESSION_TRACK));
            assert_eq!(client.capabilities, backend.capabilities);
        }
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_get_mysqls_error() {
    let shared = shared(vec![spec("clear", vec![password("password")]), spec("native", vec![native_hash()])]);
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        for (user, pw, using) in
            [("clear", "x", "YES"), ("native", "x", "YES"), ("nobody", "x", "YES"), ("clear", "", "NO")]
        {
            let (client, backend) = meet(&shared, plugin, &login_as(user, pw)).await;
            assert!(matches!(client, Err(LoginEnd::Refused(_))));
            let Err(ConnectError::Refused(failure)) = backend else { panic!("{backend:?}") };
            let message = format!("Access denied for user '{user}'@'localhost' (using password: {using})");
            assert_eq!(failure, Failure::new(1045, *b"28000", message));
        }
    }
}

#[tokio::test]
async fn account_rules_hold() {
    let hosts = vec!["10.%".parse().unwrap()];
    let elsewhere = AccountSpec { hosts, ..spec("elsewhere", vec![password("pw")]) };
    let tls = AccountSpec { require_tls: true, ..spec("tls", vec![password("pw")]) };
    let one = AccountSpec { max_connections: Some(1), ..spec("one", vec![password("pw")]) };
    let shared = shared(vec![elsewhere, tls, one]);
    let code = |ends: Ends| match ends.1 {
        Err(ConnectError::Refused(failure)) => failure.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(meet(&shared, Plugin::Native, &login_as("elsewhere", "pw")).await), 1045);
    assert_eq!(code(meet(&shared, Plugin::Native, &login_as("tls", "pw")).await), 3159);
    assert_eq!(code(meet(&shared, Plugin::Native, &login_as("tls", "no")).await), 1045);
    let first = meet(&shared, Plugin::Native, &login_as("one", "pw")).await.0.unwrap();
    assert_eq!(code(meet(&shared, Plugin::Native, &login_as("one", "pw")).await), 1226);
    drop(first);
    assert!(meet(&shared, Plugin::Native, &login_as("one", "pw")).await.0.is_ok());
}

#[tokio::test]
async fn silence_and_garbage_end_a_login() {
    let shared = shared(vec![spec("app", vec![password("pw")])]);
    let impatient = ClientLoginSettings { deadline: Duration::from_millis(50), ..settings(Plugin::Native) };
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let end = accept(Socket::from(ours), Peer::Local, 1, &impatient, &shared).await;
    assert!(matches!(end, Err(LoginEnd::TimedOut)));
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[4, 0, 0, 1, 0, 0, 0, 0], &[1, 0, 0, 9, 0]] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(garbage).await.unwrap();
        let end = accept(Socket::from(ours), Peer::Local, 1, &settings(Plugin::Native), &shared).await;
        assert!(matches!(end, Err(LoginEnd::BadHandshake(_))), "{end:?}");
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let end = accept(Socket::from(ours), Peer::Local, 1, &settings(Plugin::Native), &shared).await;
    assert!(matches!(end, Err(LoginEnd::Closed | LoginEnd::Io(_))), "{end:?}");
}

#[tokio::test]
async fn a_balancers_header_says_who_the_client_is() {
    let hosts = vec!["192.0.2.7".parse().unwrap()];
    let shared = shared(vec![AccountSpec { hosts, ..spec("app", vec![password("")]) }]);
    let settings = ClientLoginSettings { balancers: vec!["127.0.0.0/8".parse().unwrap()], ..settings(Plugin::Native) };
    for header in [
        &b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 3306\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x1f\x90\x0c\xea",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, from) = listener.accept().await.unwrap();
        client.write_all(header).await.unwrap();
        let request = LoginRequest {
            capabilities: Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION,
            max_packet: 0,
            charset: 8,
            user: "app".into(),
            auth_response: vec![],
            schema: None,
            auth_plugin: String::new(),
            attributes: vec![],
            zstd_level: 0,
        };
        let mut wire = vec![];
        put_packet(&mut wire, 1, &request.encode());
        client.write_all(&wire).await.unwrap();
        let login = accept(Socket::from(tcp), Peer::Inet(from), 1, &settings, &shared).await.unwrap();
        assert_eq!(login.peer, Peer::Inet("192.0.2.7:8080".parse().unwrap()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(b"not a header").await.unwrap();
    let (tcp, from) = listener.accept().await.unwrap();
    let end = accept(Socket::from(tcp), Peer::Inet(from), 1, &settings, &shared).await;
    assert!(matches!(end, Err(LoginEnd::BadHandshake(_))), "{end:?}");
}

/// Old clients name no plugin and answer to the greeting's salt.
#[tokio::test]
async fn change_user_works_without_plugins_too() {
    let hash = AccountSecret::CachingSha2Hash(StoredHash::from_password(b"password", [b'z'; 20]));
    let specs = [("app", password("password")), ("native", native_hash()), ("sha2", hash)];
    let shared = shared(specs.into_iter().map(|(name, secret)| spec(name, vec![secret])).collect());
    for (greeted, user, stage1, good) in [
        (Plugin::Native, "app", STAGE1, true),
        (Plugin::CachingSha2, "app", STAGE1, true),
        (Plugin::CachingSha2, "native", STAGE1, true),
        (Plugin::Native, "app", [1; 20], false),
        (Plugin::CachingSha2, "sha2", STAGE1, false),
    ] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let capabilities = Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION;
        let salt = [b'x'; 20];
        let command = ChangeUser {
            user: user.into(),
            auth_response: ClientAuth::start(Secret::NativeStage1(stage1), Plugin::Native, salt, false).1,
            schema: None,
            charset: Some(45),
            auth_plugin: String::new(),
            attributes: vec![],
        };
        let context = ChangeUserContext { capabilities, peer: Peer::Local, salt };
        let mut stream = Stream::Plain(Socket::from(ours));
        let payload = command.encode(capabilities);
        let settings = settings(greeted);
        let end = change_user(&mut stream, &payload, 1, &context, &settings, &shared).await;
        match end {
            Ok(changed) => assert!(good && changed.next_sequence == 1 && changed.charset == Some(45)),
            Err(end) => assert!(!good && matches!(end, LoginEnd::Refused(_)), "{end:?}"),
        }
        drop(theirs);
    }
}

/// SHA1 of `password`.
const STAGE1: [u8; 20] = [
    0x5b, 0xaa, 0x61, 0xe4, 0xc9, 0xb9, 0x3f, 0x3f, 0x06, 0x82, 0x25, 0x0b, 0x6c, 0xf8, 0x33, 0x1b, 0x7e, 0xe6, 0x8f,
    0xd8,
];

#[tokio::test]
async fn full_logins_are_remembered_and_reloads_keep_counts() {
    let hash = || AccountSecret::CachingSha2Hash(StoredHash::from_password(b"password", [b'z'; 20]));
    let shared = shared(vec![spec("sha2", vec![hash()])]);
    let (first, backend) = meet(&shared, Plugin::CachingSha2, &login_as("sha2", "password")).await;
    let (first, _) = (first.unwrap(), backend.unwrap());
    assert_eq!(first.backend_secret, Secret::Password(Password::new("password")));
    assert_eq!(first.account.remembered().len(), 1);
    let hashed = BackendLogin { secret: Secret::Sha2Stage1(sha2_stage1()), ..login_as("sha2", "") };
    assert!(meet(&shared, Plugin::CachingSha2, &hashed).await.1.is_ok(), "the fast path takes the hash alone");
    let reloaded = Accounts::new(vec![spec("sha2", vec![hash()])], Some(&shared.accounts.load()));
    assert_eq!(reloaded.find("sha2").unwrap().live_connections(), 1);
    drop(first);
    assert_eq!(reloaded.find("sha2").unwrap().live_connections(), 0);
    assert!(reloaded.find("sha2").unwrap().remembered().is_empty());
}

fn sha2_stage1() -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest("password").into()
}

#[tokio::test]
async fn a_dead_address_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(TcpStream::connect(address).await.is_err());
    let target = target(BackendAddress::Tcp(vec![address]));
    let end = connect(&target, &login_as("a", "b"), &Timers::here()).await;
    assert!(matches!(end, Err(ConnectError::Unreachable(_))));
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let live = listener.local_addr().unwrap();
    let name = target(BackendAddress::Tcp(vec![dead, live]));
    let socket = super::backend::open(&name, &Timers::here()).await.unwrap();
    assert_eq!(socket.peer(), Some(live));
    assert!(super::backend::open(&target(BackendAddress::Tcp(vec![])), &Timers::here()).await.is_err());
}

#[tokio::test]
async fn unacknowledged_bytes_have_the_configured_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limit = Some(Duration::from_millis(7654));
    let target =
        BackendTarget { user_timeout: limit, ..target(BackendAddress::Tcp(vec![listener.local_addr().unwrap()])) };
    let socket = super::backend::open(&target, &Timers::here()).await.unwrap();
    assert_eq!(socket2::SockRef::from(&socket).tcp_user_timeout().unwrap(), limit);
}

#[test]
fn salts_have_all_of_seven_bits_but_what_ends_a_string_and_what_servers_leave_out() {
    let salt: [u8; 100_000] = super::salt();
    let seen: std::collections::BTreeSet<u8> = salt.into_iter().collect();
    assert!(seen.into_iter().eq((1..=127).filter(|b| *b != b'$')));
}
