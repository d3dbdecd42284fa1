//! Round trips, packets of real peers, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::capabilities::Capabilities;

fn capabilities() -> impl Strategy<Value = Capabilities> {
    any::<u64>().prop_map(|bits| {
        let base = Capabilities::from_bits_truncate(bits)
            | Capabilities::PROTOCOL_41
            | Capabilities::SECURE_CONNECTION
            | Capabilities::PLUGIN_AUTH;
        match base.contains(Capabilities::LONG_PASSWORD) {
            true => Capabilities::from_bits_truncate(base.bits() & u64::from(u32::MAX)),
            false => base,
        }
    })
}

fn bytes_of(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, bits: u64) {
        let caps = Capabilities::from_bits_retain(bits);
        let _ = ServerHello::parse(&bytes);
        let _ = ClientHello::parse(&bytes, caps);
        let _ = ChangeUser::parse(&bytes, caps);
        let _ = AuthSwitch::parse(&bytes);
        let _ = Failure::parse(&bytes);
        let _ = decode_attributes(&bytes);
    }

    #[test]
    fn arbitrary_tails_never_panic(mut tail: Vec<u8>, bits: u64) {
        let caps = Capabilities::from_bits_retain(bits);
        let mut hello = vec![0xff; 32];
        hello.append(&mut tail);
        let _ = ClientHello::parse(&hello, caps);
        hello[0] = 10;
        let _ = ServerHello::parse(&hello);
        hello[0] = 0x11;
        let _ = ChangeUser::parse(&hello, caps);
    }

    #[test]
    fn greetings_round_trip(capabilities in capabilities(), connection_id: u32, salt: [u8; 20], charset: u8,
        status: u16, server_version in "[ -~]{0,40}", auth_plugin in "[a-z_]{0,30}") {
        let greeting = Greeting { server_version, connection_id, salt, capabilities, charset, status, auth_plugin };
        prop_assert_eq!(ServerHello::parse(&greeting.encode()), Ok(ServerHello::Greeting(greeting)));
    }

    #[test]
    fn login_requests_round_trip(capabilities in capabilities(), max_packet: u32, charset: u8, user in "[ -~]{0,40}",
        auth_response in proptest::collection::vec(any::<u8>(), 0..200), schema in "[a-z]{1,20}",
        auth_plugin in "[a-z_]{0,30}", attributes: Vec<u8>, zstd_level: u8) {
        let has = |flag| capabilities.contains(flag);
        let request = LoginRequest { capabilities, max_packet, charset, user, auth_response,
            schema: has(Capabilities::CONNECT_WITH_DB).then_some(schema), auth_plugin,
            attributes: if has(Capabilities::CONNECT_ATTRS) { attributes } else { vec![] },
            zstd_level: if has(Capabilities::ZSTD) { zstd_level } else { 0 } };
        prop_assert_eq!(ClientHello::parse(&request.encode(), capabilities), Ok(ClientHello::Login(request)));
    }

    #[test]
    fn change_user_round_trips(capabilities in capabilities(), user in "[ -~]{0,40}", charset: u16,
        auth_response in proptest::collection::vec(any::<u8>(), 0..255), attributes: Vec<u8>) {
        let command = ChangeUser { user, auth_response, schema: Some("shop".into()), charset: Some(charset),
            auth_plugin: "mysql_native_password".into(),
            attributes: if capabilities.contains(Capabilities::CONNECT_ATTRS) { attributes } else { vec![] } };
        prop_assert_eq!(ChangeUser::parse(&command.encode(capabilities), capabilities), Ok(command));
    }
}

#[test]
fn the_ssl_request_is_the_head_alone() {
    let capabilities = Capabilities::SSL | Capabilities::PROTOCOL_41 | Capabilities::LONG_PASSWORD;
    let request = SslRequest { capabilities, max_packet: 1 << 24, charset: 45 };
    assert_eq!(request.encode().len(), 32);
    assert_eq!(ClientHello::parse(&request.encode(), Capabilities::all()), Ok(ClientHello::Ssl(request)));
}

#[test]
fn a_refusal_instead_of_a_greeting() {
    let refusal = Failure::new(1040, *b"HY000", "Too many connections");
    let hello = ServerHello::parse(&refusal.encode_instead_of_greeting());
    assert_eq!(hello, Ok(ServerHello::Refused(refusal)));
    let with_state = ServerHello::parse(b"\xff\x10\x04#08004Too many connections");
    assert_eq!(with_state, Ok(ServerHello::Refused(Failure::new(1040, *b"08004", "Too many connections"))));
}

#[test]
fn mariadb_announces_extended_capabilities() {
    // MariaDB 10.11's greeting, the salt replaced.
    let wire = bytes_of(concat!(
        "0a352e352e352d31302e31312e31312d4d61726961444200",
        "2a000000",
        "6161616161616161",
        "00",
        "fef7",
        "2d",
        "0200",
        "ff81",
        "15",
        "000000000000",
        "1d000000",
        "616161616161616161616161",
        "00",
        "6d7973716c5f6e61746976655f70617373776f726400",
    ));
    let Ok(ServerHello::Greeting(greeting)) = ServerHello::parse(&wire) else { panic!("not a greeting") };
    assert!(greeting.capabilities.contains(Capabilities::MARIADB_BULK_OPERATIONS));
    assert!(!greeting.capabilities.contains(Capabilities::LONG_PASSWORD));
    assert_eq!((greeting.connection_id, greeting.auth_plugin.as_str()), (42, "mysql_native_password"));
    assert_eq!(greeting.encode(), wire);
}

#[test]
fn attributes_round_trip() {
    let raw = encode_attributes([("_client_name", "pointsman"), ("program_name", "")]);
    let pairs = decode_attributes(&raw).unwrap();
    assert_eq!(pairs[0], ("_client_name".to_owned(), "pointsman".to_owned()));
    assert_eq!(pairs.len(), 2);
}
