//! The handshake, from the greeting to the server's final OK.
//!
//! Source: MySQL source documentation, "Connection Phase".

use super::auth;
use super::bytes::{Reader, printable, put_lenenc, put_value};
use super::error::WireError;
use super::packets::Packets;
use super::profile::{Profile, capability as cap};
use super::reply::{ErrPacket, OkPacket};
use super::target::Target;

/// What the login shows of the server; both runs must see the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub server_version: String,
    pub charset: u8,
    pub status: u16,
    pub connection_id: u32,
    pub ok: OkPacket,
}

struct Greeting {
    version: String,
    connection_id: u32,
    charset: u8,
    status: u16,
    capabilities: u32,
    salt: Vec<u8>,
    plugin: String,
}

/// The largest packet that the client is ready to take (1 GiB, the protocol's own limit).
const MAX_PACKET: u32 = 1 << 30;

pub fn login(packets: &mut Packets, target: &Target, profile: &Profile) -> Result<Login, WireError> {
    let greeting = read_greeting(&packets.read()?)?;
    let capabilities = wanted(target, profile) & greeting.capabilities;
    packets.write(&response(target, capabilities, profile.charset, &greeting)?)?;
    let ok = finish(packets, &target.password, &greeting.salt, capabilities)?;
    Ok(Login {
        server_version: greeting.version,
        charset: greeting.charset,
        status: greeting.status,
        connection_id: greeting.connection_id,
        ok,
    })
}

fn wanted(target: &Target, profile: &Profile) -> u32 {
    if target.schema.is_empty() { profile.capabilities } else { profile.capabilities | cap::CONNECT_WITH_DB }
}

fn read_greeting(packet: &[u8]) -> Result<Greeting, WireError> {
    if packet.first() == Some(&0xff) {
        return Err(refused(packet));
    }
    let mut reader = Reader(packet);
    reader.take(1, "protocol version")?;
    let version = printable(reader.until_nul("server version")?);
    let connection_id = reader.u32("connection id")?;
    let mut salt = reader.take(8, "salt")?.to_vec();
    reader.take(1, "filler")?;
    let low = reader.u16("capabilities")?;
    let charset = reader.u8("charset")?;
    let status = reader.u16("status")?;
    let high = reader.u16("capabilities")?;
    reader.take(1 + 10, "filler")?;
    salt.extend_from_slice(reader.take(12, "salt")?);
    reader.take(1, "filler")?;
    let plugin = printable(reader.until_nul("plugin")?);
    let capabilities = u32::from(high) << 16 | u32::from(low);
    Ok(Greeting { version, connection_id, charset, status, capabilities, salt, plugin })
}

fn response(target: &Target, capabilities: u32, charset: u8, greeting: &Greeting) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    out.extend_from_slice(&capabilities.to_le_bytes());
    out.extend_from_slice(&MAX_PACKET.to_le_bytes());
    out.push(charset);
    out.extend_from_slice(&[0; 23]);
    out.extend_from_slice(&encoded(&target.user, charset));
    out.push(0);
    let answer = auth::answer(&greeting.plugin, &target.password, &greeting.salt)?;
    out.push(answer.len() as u8);
    out.extend_from_slice(&answer);
    if capabilities & cap::CONNECT_WITH_DB != 0 {
        out.extend_from_slice(&encoded(&target.schema, charset));
        out.push(0);
    }
    out.extend_from_slice(greeting.plugin.as_bytes());
    out.push(0);
    if capabilities & cap::CONNECT_ATTRS != 0 {
        put_attributes(&mut out, &[("_client_name", "differ"), ("program_name", "differ")]);
    }
    Ok(out)
}

/// latin1_swedish_ci, in which names are sent as it says; all others as UTF-8.
pub const LATIN1: u8 = 8;

fn encoded(name: &str, charset: u8) -> Vec<u8> {
    match charset {
        LATIN1 => name.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        _ => name.as_bytes().to_vec(),
    }
}

fn put_attributes(out: &mut Vec<u8>, attributes: &[(&str, &str)]) {
    let mut body = Vec::new();
    for (name, value) in attributes {
        put_value(&mut body, name.as_bytes());
        put_value(&mut body, value.as_bytes());
    }
    put_lenenc(out, body.len() as u64);
    out.extend_from_slice(&body);
}

/// Follows the server through auth switch and caching_sha2's second step; COM_CHANGE_USER ends alike.
pub fn finish(
    packets: &mut Packets,
    password: &str,
    first_salt: &[u8],
    capabilities: u32,
) -> Result<OkPacket, WireError> {
    let mut salt = first_salt.to_vec();
    loop {
        let packet = packets.read()?;
        match packet.first() {
            Some(0x00) => return OkPacket::read(&packet, capabilities),
            Some(0xff) => return Err(refused(&packet)),
            Some(0xfe) => {
                let mut reader = Reader(&packet[1..]);
                let plugin = printable(reader.until_nul("plugin")?);
                salt = reader.0.to_vec();
                packets.write(&auth::answer(&plugin, password, &salt)?)?;
            }
            // 3: the fast path succeeded, OK follows.
            Some(0x01) if packet.get(1) == Some(&3) => {}
            // 4: the server has no cached digest and wants the password itself.
            Some(0x01) if packet.get(1) == Some(&4) => {
                packets.write(&[2])?;
                let key = packets.read()?;
                packets.write(&auth::rsa_password(password, &salt, key.get(1..).unwrap_or_default())?)?;
            }
            _ => return Err(WireError::Malformed("authentication packet")),
        }
    }
}

fn refused(packet: &[u8]) -> WireError {
    match ErrPacket::read(packet) {
        Ok(err) => WireError::Refused { code: err.code, state: err.state, message: err.message },
        Err(error) => error,
    }
}
