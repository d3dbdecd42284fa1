//! One client of the load tool: logs in, sends prebuilt commands, reads replies to their end without decoding rows.

use std::net::SocketAddr;
use std::time::Duration;

use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::{ClientAuth, ClientStep, Password, Plugin, Secret, rand_core::OsRng};
use pointsman_protocol::command::{COM_QUERY, COM_QUIT, COM_STMT_EXECUTE, COM_STMT_PREPARE};
use pointsman_protocol::frame::{HEADER_LEN, Header, put_packet};
use pointsman_protocol::handshake::{Failure, LoginRequest, ServerHello};
use pointsman_protocol::reply::{ErrPacket, OkPacket, Status, parse_eof};
use pointsman_protocol::response::{Control, ReplyKind, ResponseReader, Stop};
use pointsman_protocol::stmt::PrepareOk;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::{Bench, BenchError};

const BUFFER: usize = 64 * 1024;

/// Whose capabilities the client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Driver {
    /// PHP's mysqlnd: neither SESSION_TRACK nor DEPRECATE_EOF.
    Mysqlnd,
    /// libmysqlclient 8: both.
    Libmysqlclient,
}

impl Driver {
    fn capabilities(self) -> Capabilities {
        let base = Capabilities::LONG_PASSWORD
            | Capabilities::LONG_FLAG
            | Capabilities::PROTOCOL_41
            | Capabilities::TRANSACTIONS
            | Capabilities::SECURE_CONNECTION
            | Capabilities::MULTI_RESULTS
            | Capabilities::PS_MULTI_RESULTS
            | Capabilities::PLUGIN_AUTH
            | Capabilities::PLUGIN_AUTH_LENENC
            | Capabilities::CONNECT_WITH_DB;
        match self {
            Self::Mysqlnd => base,
            Self::Libmysqlclient => base | Capabilities::SESSION_TRACK | Capabilities::DEPRECATE_EOF,
        }
    }
}

/// Where and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    pub addr: SocketAddr,
    pub user: String,
    pub password: String,
    pub schema: String,
    pub driver: Driver,
}

/// A logged-in connection.
pub struct Client {
    stream: TcpStream,
    capabilities: Capabilities,
    buf: Vec<u8>,
    /// After each read: a client that is slow.
    pub pause: Duration,
}

impl Client {
    pub async fn connect(target: &Target) -> Bench<Self> {
        let stream = TcpStream::connect(target.addr).await?;
        stream.set_nodelay(true)?;
        // Idle clients by the thousand would each hold it; the first reply makes room.
        let mut client = Self { stream, capabilities: Capabilities::default(), buf: Vec::new(), pause: Duration::ZERO };
        let greeting = match ServerHello::parse(&client.login_packet().await?.1)? {
            ServerHello::Greeting(greeting) => greeting,
            ServerHello::Refused(failure) => return Err(refused(&failure)),
        };
        client.capabilities = target.driver.capabilities() & (greeting.capabilities | Capabilities::LONG_PASSWORD);
        let secret = Secret::Password(Password::new(target.password.as_bytes()));
        let (mut auth, first) =
            ClientAuth::start(secret, Plugin::from_name(&greeting.auth_plugin), greeting.salt, false);
        let request = LoginRequest {
            capabilities: client.capabilities,
            max_packet: 1 << 24,
            charset: 45,
            user: target.user.clone(),
            auth_response: first,
            schema: Some(target.schema.clone()),
            auth_plugin: auth.plugin().name().to_owned(),
            attributes: Vec::new(),
            zstd_level: 0,
        };
        let mut wire = Vec::new();
        put_packet(&mut wire, 1, &request.encode());
        client.stream.write_all(&wire).await?;
        loop {
            let (sequence, payload) = client.login_packet().await?;
            match auth.on_packet(&payload, &mut OsRng)? {
                ClientStep::Send(bytes) => {
                    wire.clear();
                    put_packet(&mut wire, sequence.wrapping_add(1), &bytes);
                    client.stream.write_all(&wire).await?;
                }
                ClientStep::Read => {}
                ClientStep::Done => return Ok(client),
                ClientStep::Refused(failure) => return Err(refused(&failure)),
            }
        }
    }

    async fn login_packet(&mut self) -> Bench<(u8, Vec<u8>)> {
        let mut head = [0; HEADER_LEN];
        self.stream.read_exact(&mut head).await?;
        let header = Header::read(&head).ok_or_else(|| BenchError::Other("no header".to_owned()))?;
        let mut payload = vec![0; header.length];
        self.stream.read_exact(&mut payload).await?;
        Ok((header.sequence, payload))
    }

    /// Sends a whole command and reads its reply; the bytes of the reply.
    pub async fn roundtrip(&mut self, wire: &[u8], kind: ReplyKind) -> Bench<u64> {
        self.stream.write_all(wire).await?;
        self.reply(kind).await.map(|(bytes, _)| bytes)
    }

    /// Prepares a statement.
    pub async fn prepare(&mut self, text: &str) -> Bench<u32> {
        self.stream.write_all(&command(COM_STMT_PREPARE, text.as_bytes())).await?;
        let (_, prepared) = self.reply(ReplyKind::Prepare).await?;
        prepared.map(|ok| ok.statement_id).ok_or_else(|| BenchError::Other("no PREPARE OK".to_owned()))
    }

    async fn reply(&mut self, kind: ReplyKind) -> Bench<(u64, Option<PrepareOk>)> {
        self.buf.resize(BUFFER, 0);
        let mut reader = ResponseReader::new(kind, self.capabilities, 1, 1);
        let (mut start, mut end, mut bytes, mut prepared) = (0, 0, 0_u64, None);
        loop {
            let walk = reader.walk(&mut self.buf[start..end])?;
            start += walk.pass;
            match walk.stop {
                Stop::Done => return Ok((bytes, prepared)),
                Stop::DefinitionsEnd => {}
                Stop::Packet(control, len) => {
                    let payload = &self.buf[start + HEADER_LEN..start + len];
                    let status = status(control, payload, self.capabilities)?;
                    if control == Control::PrepareOk {
                        prepared = Some(PrepareOk::parse(payload)?);
                    }
                    reader.accept(control, payload, status)?;
                    start += len;
                }
                Stop::NeedBytes(need) => {
                    self.buf.copy_within(start..end, 0);
                    end -= start;
                    start = 0;
                    if need > self.buf.len() {
                        self.buf.resize(need, 0);
                    }
                    match self.stream.read(&mut self.buf[end..]).await? {
                        0 => return Err(BenchError::Other("the server closed the connection".to_owned())),
                        n => {
                            end += n;
                            bytes += n as u64;
                            if !self.pause.is_zero() {
                                tokio::time::sleep(self.pause).await;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Says goodbye, as drivers do.
    pub async fn quit(mut self) {
        // Whether the other side still listens does not matter any more.
        let _ = self.stream.write_all(&command(COM_QUIT, &[])).await;
    }
}

fn status(control: Control, payload: &[u8], capabilities: Capabilities) -> Bench<Status> {
    match control {
        Control::Err => {
            let e = ErrPacket::parse(payload)?;
            Err(BenchError::Reply(format!("{}: {}", e.code, String::from_utf8_lossy(e.message))))
        }
        Control::End | Control::DefinitionsEof if payload.len() == pointsman_protocol::reply::EOF_LEN => {
            Ok(parse_eof(payload)?.1)
        }
        Control::Ok | Control::End => Ok(OkPacket::parse(payload, capabilities)?.status),
        _ => Ok(Status::default()),
    }
}

fn refused(failure: &Failure) -> BenchError {
    BenchError::Refused(format!("{}: {}", failure.code, failure.message))
}

/// A command as it goes over the wire.
#[must_use]
pub fn command(byte: u8, argument: &[u8]) -> Vec<u8> {
    let mut payload = vec![byte];
    payload.extend_from_slice(argument);
    let mut wire = Vec::new();
    put_packet(&mut wire, 0, &payload);
    wire
}

#[must_use]
pub fn query(text: &str) -> Vec<u8> {
    command(COM_QUERY, text.as_bytes())
}

/// An execution with one integer parameter. Drivers name the types at the first one only.
#[must_use]
pub fn execute(statement: u32, value: i64, first: bool) -> Vec<u8> {
    const LONGLONG: u8 = 0x08;
    let mut argument = statement.to_le_bytes().to_vec();
    argument.push(0);
    argument.extend_from_slice(&1_u32.to_le_bytes());
    argument.push(0);
    argument.push(u8::from(first));
    if first {
        argument.extend_from_slice(&[LONGLONG, 0]);
    }
    argument.extend_from_slice(&value.to_le_bytes());
    command(COM_STMT_EXECUTE, &argument)
}
