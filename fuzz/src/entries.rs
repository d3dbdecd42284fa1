//! One function per decoder: any bytes may come in, and nothing may panic, loop or grow without bound.

use pointsman_protocol::auth::{
    AccountSecret, ClientAuth, Nonces, Offer, Password, Plugin, Secret, ServerAuth, ServerStep, StoredHash,
};
use pointsman_protocol::command::parse_query;
use pointsman_protocol::compress::{Algorithm, Reader};
use pointsman_protocol::frame::{HEADER_LEN, Scan, scan_packet};
use pointsman_protocol::handshake::{
    AuthSwitch, ChangeUser, ClientHello, Failure, LoginRequest, ServerHello, decode_attributes,
};
use pointsman_protocol::proxy_header::{self, HeaderScan};
use pointsman_protocol::reply::{Changes, ErrPacket, OkPacket, Status, parse_eof};
use pointsman_protocol::response::{ReplyKind, ResponseReader, Stop};
use pointsman_protocol::row::text_values;
use pointsman_protocol::stmt::{Execute, LongData, PrepareOk, statement_id};
use pointsman_protocol::{Capabilities, Command};

/// Entry function of one target.
pub type Entry = fn(&[u8]);

/// All targets, by the names of their files in fuzz_targets.
pub const ALL: [(&str, Entry); 14] = [
    ("greeting", greeting),
    ("login_request", login_request),
    ("change_user", change_user),
    ("auth_switch", auth_switch),
    ("attributes", attributes),
    ("server_auth", server_auth),
    ("client_auth", client_auth),
    ("compressed", compressed),
    ("proxy_header", proxy_header),
    ("frame", frame),
    ("query", query),
    ("execute", execute),
    ("reply", reply),
    ("response", response),
];

/// The first eight bytes choose capabilities, the rest is the packet.
fn with_capabilities(bytes: &[u8]) -> Option<(Capabilities, &[u8])> {
    let (bits, rest) = bytes.split_first_chunk()?;
    Some((Capabilities::from_bits_retain(u64::from_le_bytes(*bits)), rest))
}

/// Plugin names, and what a byte makes of them.
fn plugin(byte: u8) -> Plugin {
    const ALL: [Plugin; 6] =
        [Plugin::Native, Plugin::CachingSha2, Plugin::Ed25519, Plugin::ClearText, Plugin::Sha256, Plugin::Unknown];
    ALL[usize::from(byte) % ALL.len()]
}

/// utf8mb4_general_ci: names are written in UTF-8.
const UTF8MB4: u8 = 45;

/// What parses is written so that it parses to the same again.
pub fn greeting(bytes: &[u8]) {
    if let Ok(ServerHello::Greeting(first)) = ServerHello::parse(bytes) {
        let again = ServerHello::parse(&first.encode());
        assert!(matches!(&again, Ok(ServerHello::Greeting(second)) if second.salt == first.salt), "{again:?}");
    }
}

pub fn login_request(bytes: &[u8]) {
    let Some((offered, packet)) = with_capabilities(bytes) else { return };
    if let Ok(ClientHello::Login(first)) = ClientHello::parse(packet, offered) {
        let capabilities = first.capabilities & offered | Capabilities::PROTOCOL_41;
        let cut = LoginRequest { capabilities, charset: UTF8MB4, ..first };
        let again = ClientHello::parse(&cut.encode(), cut.capabilities | Capabilities::SECURE_CONNECTION);
        let Ok(ClientHello::Login(second)) = again else { return };
        assert_eq!(second.user, cut.user);
    }
}

pub fn change_user(bytes: &[u8]) {
    let Some((agreed, packet)) = with_capabilities(bytes) else { return };
    if let Ok(first) = ChangeUser::parse(packet, agreed | Capabilities::SECURE_CONNECTION) {
        let first = ChangeUser { charset: first.charset.map(|_| u16::from(UTF8MB4)), ..first };
        let again = ChangeUser::parse(&first.encode(agreed), agreed | Capabilities::SECURE_CONNECTION);
        assert_eq!(again.map(|second| second.user), Ok(first.user));
    }
}

pub fn auth_switch(bytes: &[u8]) {
    let _ = AuthSwitch::parse(bytes);
    let _ = Failure::parse(bytes);
}

pub fn attributes(bytes: &[u8]) {
    let _ = decode_attributes(bytes);
    let _ = AccountSecret::from_hash(&String::from_utf8_lossy(bytes));
}

/// A client that answers with anything must not get in.
pub fn server_auth(bytes: &[u8]) {
    let Some((&[choice, split, flags], rest)) = bytes.split_first_chunk::<3>() else { return };
    let (response, packet) = rest.split_at(rest.len().min(usize::from(split)));
    let secrets = match choice >> 4 {
        0..5 => vec![AccountSecret::from_password(Password::new("long enough to be unguessable"))],
        5..10 => vec![AccountSecret::NativeHash([7; 20])],
        // A decoy: checking it takes the shortest time that a stored hash can ask for.
        _ => match StoredHash::parse(&[b"$A$001$", &[b'.'; 63][..]].concat()) {
            Some(hash) => vec![AccountSecret::CachingSha2Hash(hash)],
            None => return,
        },
    };
    let offer = Offer {
        greeted_plugin: if flags & 1 == 0 { Plugin::Native } else { Plugin::CachingSha2 },
        plugin: plugin(choice),
        response,
        can_switch: flags & 2 == 0,
        secure: flags & 4 == 0,
    };
    let nonces = Nonces { greeted: [1; 20], switched: [2; 20], ed25519: [3; 32] };
    let (mut auth, step) = ServerAuth::start(secrets, vec![], nonces, &offer);
    assert!(!matches!(step, ServerStep::Accept { .. }), "{step:?}");
    for _ in 0..3 {
        let step = auth.on_packet(packet, &mut rsa::rand_core::OsRng);
        assert!(!matches!(step, ServerStep::Accept { .. }), "{step:?}");
    }
}

pub fn client_auth(bytes: &[u8]) {
    let Some((&[choice, split], rest)) = bytes.split_first_chunk::<2>() else { return };
    let (first, second) = rest.split_at(rest.len().min(usize::from(split)));
    let secret = match choice & 0x30 {
        0x10 => Secret::NativeStage1([1; 20]),
        0x20 => Secret::Sha2Stage1([1; 32]),
        _ => Secret::Password(Password::new("pw")),
    };
    let (mut auth, _) = ClientAuth::start(secret, plugin(choice), [1; 20], choice & 0x80 != 0);
    for packet in [first, second, first] {
        let _ = auth.on_packet(packet, &mut rsa::rand_core::OsRng);
    }
}

/// Never gives more than the headers promise, whatever the room for it.
pub fn compressed(bytes: &[u8]) {
    let Some((&[choice, room], wire)) = bytes.split_first_chunk::<2>() else { return };
    let algorithm = if choice & 1 == 0 { Algorithm::Zlib } else { Algorithm::Zstd(3) };
    let mut reader = Reader::new(algorithm);
    let mut out = vec![0; usize::from(room) + 1];
    let mut at = 0;
    for _ in 0..10_000 {
        match reader.read(&wire[at..], &mut out) {
            Ok(done) if done.taken == 0 && done.given == 0 => return,
            Ok(done) => at += done.taken,
            Err(_) => return,
        }
    }
}

pub fn proxy_header(bytes: &[u8]) {
    let mut have = 0;
    while let Ok(HeaderScan::Need(n)) = proxy_header::scan(&bytes[..have]) {
        assert!(n > have, "asks for nothing");
        if n > bytes.len() {
            return;
        }
        have = n;
    }
}

pub fn frame(bytes: &[u8]) {
    match scan_packet(bytes) {
        Scan::Whole(span) => assert!(span.wire_len <= bytes.len()),
        Scan::NeedBytes(n) => assert!(n > bytes.len()),
    }
}

/// The text of a COM_QUERY is the end of its packet, whatever attributes stand before it.
pub fn query(bytes: &[u8]) {
    let Some((agreed, packet)) = with_capabilities(bytes) else { return };
    if let Ok(parsed) = parse_query(packet, agreed) {
        assert!(parsed.text.len() < packet.len() && packet.ends_with(parsed.text));
        assert!(parsed.attributes.strings().count() <= packet.len());
    }
    let _ = packet.first().map(|byte| Command::from_byte(*byte));
}

/// An execution whose types are spelled out reads as before.
pub fn execute(bytes: &[u8]) {
    let Some((agreed, rest)) = with_capabilities(bytes) else { return };
    let Some((parameters, packet)) = rest.split_first_chunk() else { return };
    let parameters = u16::from_le_bytes(*parameters);
    if let Ok(first) = Execute::parse(packet, parameters, agreed) {
        if let Some(types) = first.types {
            let mut wire = vec![];
            first.put_with_types(&mut wire, 1, types);
            assert_eq!(Execute::parse(&wire, parameters, agreed), Ok(first));
        }
    }
    let _ = LongData::parse(packet);
    let _ = statement_id(packet);
}

/// What a server answers: OK with its trackers, EOF, ERR, the OK of a PREPARE, a row.
pub fn reply(bytes: &[u8]) {
    let Some((agreed, packet)) = with_capabilities(bytes) else { return };
    if let Ok(first) = OkPacket::parse(packet, agreed) {
        assert!(Changes::new(first.changes).count() <= packet.len());
        let mut wire = vec![];
        first.put(&mut wire, 0, agreed);
        let again = OkPacket::parse(&wire, agreed).map(|second| (second.affected_rows, second.changes));
        assert_eq!(again, Ok((first.affected_rows, first.changes)));
    }
    if let Ok(first) = ErrPacket::parse(packet) {
        let mut wire = vec![];
        first.put(&mut wire);
        assert_eq!(ErrPacket::parse(&wire), Ok(first));
    }
    let _ = parse_eof(packet);
    let _ = PrepareOk::parse(packet);
    assert!(text_values(packet).count() <= packet.len());
}

/// The walk over a reply passes no more than there is, and each step goes on or asks for more.
pub fn response(bytes: &[u8]) {
    const KINDS: [ReplyKind; 5] =
        [ReplyKind::Results, ReplyKind::Prepare, ReplyKind::Rows, ReplyKind::Single, ReplyKind::Text];
    const STEPS: usize = 10_000;
    let Some((&[kind, deprecates, status], wire)) = bytes.split_first_chunk::<3>() else { return };
    let server = if deprecates & 1 == 0 { Capabilities::empty() } else { Capabilities::DEPRECATE_EOF };
    let status = Status::from_bits_retain(u16::from(status));
    let mut reader = ResponseReader::new(KINDS[usize::from(kind) % KINDS.len()], server, 1, 1);
    let (mut wire, mut at) = (wire.to_vec(), 0);
    for _ in 0..STEPS {
        let Ok(walk) = reader.walk(&mut wire[at..]) else { return };
        at += walk.pass;
        assert!(at <= wire.len());
        match walk.stop {
            Stop::DefinitionsEnd => {}
            Stop::Done | Stop::NeedBytes(_) => return,
            Stop::Packet(control, len) => {
                let payload = &wire[at..at + len][HEADER_LEN..];
                if reader.accept(control, payload, status).is_err() {
                    return;
                }
                at += len;
            }
        }
    }
    panic!("more than {STEPS} steps over {} bytes", wire.len());
}
