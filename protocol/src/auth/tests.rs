//! Both sides of every plugin against each other, and known answers.

use std::sync::{Arc, OnceLock};

use rsa::rand_core::OsRng;

use super::*;
use crate::handshake::Failure;

fn nonces() -> Nonces {
    Nonces { greeted: [b'a'; 20], switched: [b'b'; 20], ed25519: [b'c'; 32] }
}

fn key() -> Arc<RsaServerKey> {
    static KEY: OnceLock<Arc<RsaServerKey>> = OnceLock::new();
    Arc::clone(KEY.get_or_init(|| Arc::new(RsaServerKey::generate(&mut OsRng).unwrap())))
}

fn password(text: &str) -> AccountSecret {
    AccountSecret::from_password(Password::new(text))
}

fn native_hash(text: &str) -> AccountSecret {
    AccountSecret::NativeHash(native::stage2(&native::stage1(text.as_bytes())))
}

fn sha2_hash(text: &str) -> AccountSecret {
    AccountSecret::CachingSha2Hash(StoredHash::from_password(text.as_bytes(), *b"abcdefghijklmnopqrst"))
}

struct Outcome {
    steps: Vec<u8>,
    end: Result<(Secret, Option<Remembered>), ServerStep>,
}

/// Lets our client log in at our server; `steps` are the first bytes of what the server asked.
fn run(
    secrets: Vec<AccountSecret>,
    remembered: Vec<Remembered>,
    greeted: Plugin,
    secret: Secret,
    secure: bool,
) -> Outcome {
    let (mut client, first) = ClientAuth::start(secret, greeted, nonces().greeted, secure);
    let offer = Offer { greeted_plugin: greeted, plugin: client.plugin(), response: &first, can_switch: true, secure };
    let (mut server, mut step) = ServerAuth::start(secrets, remembered, nonces(), &offer);
    let mut steps = Vec::new();
    loop {
        let asked = match step {
            ServerStep::Ask(bytes) => bytes,
            ServerStep::Accept { learned, remember, .. } => return Outcome { steps, end: Ok((learned, remember)) },
            other => return Outcome { steps, end: Err(other) },
        };
        steps.push(asked[0]);
        let reply = match client.on_packet(&asked, &mut OsRng) {
            Ok(ClientStep::Send(bytes)) => bytes,
            other => panic!("client: {other:?}"),
        };
        if server.wants_key() {
            server.provide_key(key());
        }
        step = server.on_packet(&reply, &mut OsRng);
    }
}

fn clear(text: &str) -> Secret {
    Secret::Password(Password::new(text))
}

#[test]
fn every_secret_kind_accepts_the_right_password() {
    for greeted in [Plugin::Native, Plugin::CachingSha2] {
        for secure in [false, true] {
            for secret in [password("s3cret"), native_hash("s3cret"), sha2_hash("s3cret")] {
                let out = run(vec![password("old"), secret.clone()], vec![], greeted, clear("s3cret"), secure);
                assert!(out.end.is_ok(), "{greeted:?} {secure} {secret:?}: {:?}", out.end);
                let out = run(vec![secret.clone()], vec![], greeted, clear("s3creT"), secure);
                assert_eq!(out.end, Err(ServerStep::Deny { using_password: true }));
                let out = run(vec![secret], vec![], greeted, clear(""), secure);
                assert_eq!(out.end, Err(ServerStep::Deny { using_password: false }));
            }
        }
    }
}

#[test]
fn an_empty_password_is_a_password() {
    for greeted in [Plugin::Native, Plugin::CachingSha2] {
        assert_eq!(run(vec![password("")], vec![], greeted, clear(""), false).end, Ok((clear(""), None)));
        let out = run(vec![password("")], vec![], greeted, clear("x"), true);
        assert_eq!(out.end, Err(ServerStep::Deny { using_password: true }));
    }
}

#[test]
fn a_native_login_teaches_what_logs_in_elsewhere() {
    let out = run(vec![native_hash("pw")], vec![], Plugin::Native, clear("pw"), false);
    let (learned, _) = out.end.unwrap();
    assert_eq!(learned, Secret::NativeStage1(native::stage1(b"pw")));
    let again = run(vec![native_hash("pw")], vec![], Plugin::Native, learned, false);
    assert!(again.end.is_ok());
}

#[test]
fn a_full_login_makes_the_next_one_fast() {
    let out = run(vec![sha2_hash("pw")], vec![], Plugin::CachingSha2, clear("pw"), false);
    assert_eq!(out.steps, [1, 1], "full authentication, then the public key");
    let (learned, remember) = out.end.unwrap();
    assert_eq!(learned, clear("pw"));
    let again = run(vec![sha2_hash("pw")], vec![remember.unwrap()], Plugin::CachingSha2, clear("pw"), false);
    assert!(again.steps.is_empty());
    assert_eq!(again.end.unwrap().0, clear("pw"));
}

#[test]
fn an_unknown_user_sees_the_exchange_of_a_wrong_password() {
    for greeted in [Plugin::Native, Plugin::CachingSha2] {
        for secret in [password("pw"), native_hash("pw"), sha2_hash("pw")] {
            let wrong = run(vec![secret.clone()], vec![], greeted, clear("no"), false);
            let unknown = run(vec![secret.decoy([7; 20])], vec![], greeted, clear("no"), false);
            assert_eq!((wrong.steps, wrong.end), (unknown.steps, unknown.end));
        }
    }
}

#[test]
fn ed25519_is_switched_to_and_verified() {
    let offer = Offer {
        greeted_plugin: Plugin::Native,
        plugin: Plugin::Ed25519,
        response: b"",
        can_switch: true,
        secure: false,
    };
    let (mut server, step) = ServerAuth::start(vec![password("pw")], vec![], nonces(), &offer);
    let ServerStep::Ask(switch) = step else { panic!("{step:?}") };
    let (mut client, _) = ClientAuth::start(clear("pw"), Plugin::Native, [1; 20], false);
    let Ok(ClientStep::Send(reply)) = client.on_packet(&switch, &mut OsRng) else { panic!("no answer") };
    assert_eq!(server.on_packet(&reply, &mut OsRng), accept_of("pw"));
    assert_eq!(server.on_packet(&reply, &mut OsRng), ServerStep::Deny { using_password: true });
}

fn accept_of(text: &str) -> ServerStep {
    ServerStep::Accept { last_words: None, learned: clear(text), remember: None }
}

#[test]
fn a_client_that_cannot_switch_is_told() {
    let offer = Offer {
        greeted_plugin: Plugin::Native,
        plugin: Plugin::Native,
        response: &[1; 20],
        can_switch: false,
        secure: false,
    };
    let (_, step) = ServerAuth::start(vec![sha2_hash("pw")], vec![], nonces(), &offer);
    assert_eq!(step, ServerStep::Unsupported);
}

#[test]
fn a_hash_is_not_a_password() {
    let (mut client, _) = ClientAuth::start(Secret::NativeStage1([1; 20]), Plugin::CachingSha2, [1; 20], true);
    let switch = crate::handshake::AuthSwitch { plugin: "client_ed25519".into(), data: vec![1; 32] }.encode();
    let end = client.on_packet(&switch, &mut OsRng);
    assert!(matches!(end, Err(AuthError::UnusableFromHash(Plugin::Ed25519))), "{end:?}");
    let switch = crate::handshake::AuthSwitch { plugin: "mysql_clear_password".into(), data: vec![] }.encode();
    assert!(matches!(client.on_packet(&switch, &mut OsRng), Err(AuthError::Unsupported(_))));
    let refusal = Failure::new(1045, *b"28000", "Access denied").encode();
    assert!(matches!(client.on_packet(&refusal, &mut OsRng), Ok(ClientStep::Refused(f)) if f.code == 1045));
}

#[test]
fn known_answers() {
    // SELECT PASSWORD('password') on any server.
    let hash = AccountSecret::from_hash("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19").unwrap();
    assert!(hash.matches(&Password::new("password")));
    // Made by MySQL 9.7: CREATE USER ... IDENTIFIED BY 'password', authentication_string in hexadecimal.
    let hash = AccountSecret::from_hash(concat!(
        "0x2441243030412432416E3A1A4E1A6279216E4C7F5F671E060D292F6D46",
        "2E4B34656E36564B583757396F774A386931787942524A476E356C4B58706C4D654B65434E52374E32",
    ))
    .unwrap();
    assert!(hash.matches(&Password::new("password")));
    assert!(!hash.matches(&Password::new("Password")));
    assert!(AccountSecret::from_hash("*2470").is_err());
    assert!(AccountSecret::from_hash("$A$005$short").is_err());
    assert!(AccountSecret::from_hash("0x2441").is_err());
    assert!(AccountSecret::from_hash("plain").is_err());
}

#[test]
fn nothing_secret_is_printed() {
    for shown in [
        format!("{:?}", password("s3cret")),
        format!("{:?}", clear("s3cret")),
        format!("{:?}", sha2_hash("s3cret")),
        format!("{:?}", key()),
        format!("{:?}", Secret::NativeStage1([0x41; 20])),
    ] {
        assert!(shown.ends_with("(hidden)"), "{shown}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_side_panic(bytes: Vec<u8>, plugin in 0..6usize, secure: bool, second: Vec<u8>) {
        let plugins = [Plugin::Native, Plugin::CachingSha2, Plugin::Ed25519, Plugin::ClearText, Plugin::Sha256,
            Plugin::Unknown];
        let offer = Offer { greeted_plugin: Plugin::Native, plugin: plugins[plugin], response: &bytes,
            can_switch: true, secure };
        let (mut server, _) = ServerAuth::start(vec![password("pw")], vec![], nonces(), &offer);
        let _ = server.on_packet(&second, &mut OsRng);
        let (mut client, _) = ClientAuth::start(clear("pw"), plugins[plugin], [1; 20], secure);
        let _ = client.on_packet(&bytes, &mut OsRng);
        let _ = client.on_packet(&second, &mut OsRng);
    }
}
