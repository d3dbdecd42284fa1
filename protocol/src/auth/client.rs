//! Logging in at a server: the answer to its greeting and to what it asks after that.
//!
//! Source: MySQL source documentation, "Authentication Phase" and "Caching_sha2_password information".

use rsa::rand_core::CryptoRngCore;
use thiserror::Error;

use super::ed25519;
use super::{KeyError, Plugin, Secret, native, rsa_key, sha2};
use crate::error::ProtocolError;
use crate::handshake::{AuthSwitch, Failure};

const MORE_DATA: u8 = 0x01;
const FAST_OK: u8 = 0x03;
const FULL_AUTH: u8 = 0x04;
const REQUEST_PUBLIC_KEY: u8 = 0x02;

/// Why we can't log in. Nothing has run at the server, so another try is always safe.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The account needs a password in clear and only a hash is known: the configuration's fault.
    #[error("{} needs the password itself, and only a hash of it is known", .0.name())]
    UnusableFromHash(Plugin),
    #[error("authentication plugin {0} is not supported")]
    Unsupported(String),
    /// The server's fault.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the server's public key: {0}")]
    Key(#[from] KeyError),
}

/// What the caller does next.
#[derive(Debug)]
pub enum ClientStep {
    /// Send this and read on.
    Send(Vec<u8>),
    /// Read on.
    Read,
    /// That was the OK packet.
    Done,
    /// The server refused.
    Refused(Failure),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Answered,
    AwaitingKey,
}

/// One login exchange from the client's side.
#[derive(Debug)]
pub struct ClientAuth {
    secret: Secret,
    plugin: Plugin,
    salt: [u8; 20],
    secure: bool,
    state: State,
}

impl ClientAuth {
    /// Begins with what the greeting said; gives the plugin to name and the first answer.
    ///
    /// A plugin that the secret can't serve is not an error yet: the account may have another one, to which
    /// the server then switches.
    #[must_use]
    pub fn start(secret: Secret, greeted: Plugin, salt: [u8; 20], secure: bool) -> (Self, Vec<u8>) {
        let plugin = match (&secret, greeted) {
            (Secret::NativeStage1(_), _) => Plugin::Native,
            (Secret::Sha2Stage1(_), _) => Plugin::CachingSha2,
            (Secret::Password(_), Plugin::CachingSha2) => Plugin::CachingSha2,
            (Secret::Password(_), _) => Plugin::Native,
        };
        let auth = Self { secret, plugin, salt, secure, state: State::Answered };
        let first = match (plugin, greeted) {
            (Plugin::CachingSha2, _) => auth.sha2_answer(),
            _ => auth.native_answer(),
        };
        (auth, first.unwrap_or_default())
    }

    /// The plugin that the login request names.
    #[must_use]
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// Takes the server's next packet.
    pub fn on_packet(&mut self, payload: &[u8], rng: &mut impl CryptoRngCore) -> Result<ClientStep, AuthError> {
        match payload.first() {
            Some(0x00) => Ok(ClientStep::Done),
            Some(0xff) => Ok(ClientStep::Refused(Failure::parse(payload)?)),
            Some(0xfe) => self.on_switch(&AuthSwitch::parse(payload)?),
            Some(&MORE_DATA) => self.on_more_data(&payload[1..], rng),
            Some(_) => Err(ProtocolError::Invalid("authentication packet").into()),
            None => Err(ProtocolError::Truncated("authentication packet").into()),
        }
    }

    fn on_switch(&mut self, switch: &AuthSwitch) -> Result<ClientStep, AuthError> {
        self.plugin = Plugin::from_name(&switch.plugin);
        self.state = State::Answered;
        let answer = match self.plugin {
            Plugin::Native => {
                self.salt = salt_of(&switch.data)?;
                self.native_answer()?
            }
            Plugin::CachingSha2 => {
                self.salt = salt_of(&switch.data)?;
                self.sha2_answer()?
            }
            Plugin::Ed25519 => self.ed25519_answer(&switch.data)?,
            Plugin::ClearText | Plugin::Sha256 | Plugin::Unknown => {
                return Err(AuthError::Unsupported(switch.plugin.clone()));
            }
        };
        Ok(ClientStep::Send(answer))
    }

    fn on_more_data(&mut self, data: &[u8], rng: &mut impl CryptoRngCore) -> Result<ClientStep, AuthError> {
        if self.plugin != Plugin::CachingSha2 {
            return Err(ProtocolError::Invalid("authentication packet").into());
        }
        if self.state == State::AwaitingKey {
            self.state = State::Answered;
            return Ok(ClientStep::Send(rsa_key::encrypt(self.password()?, &self.salt, data, rng)?));
        }
        match data {
            [FAST_OK] => Ok(ClientStep::Read),
            [FULL_AUTH] if self.secure => {
                let clear = [self.password()?.bytes(), &[0]].concat();
                Ok(ClientStep::Send(clear))
            }
            [FULL_AUTH] => {
                self.password()?;
                self.state = State::AwaitingKey;
                Ok(ClientStep::Send(vec![REQUEST_PUBLIC_KEY]))
            }
            _ => Err(ProtocolError::Invalid("authentication packet").into()),
        }
    }

    fn password(&self) -> Result<&super::Password, AuthError> {
        match &self.secret {
            Secret::Password(password) => Ok(password),
            Secret::NativeStage1(_) | Secret::Sha2Stage1(_) => Err(AuthError::UnusableFromHash(self.plugin)),
        }
    }

    fn native_answer(&self) -> Result<Vec<u8>, AuthError> {
        let stage1 = match &self.secret {
            Secret::Password(p) if p.is_empty() => return Ok(Vec::new()),
            Secret::Password(p) => native::stage1(p.bytes()),
            Secret::NativeStage1(stage1) => *stage1,
            Secret::Sha2Stage1(_) => return Err(AuthError::UnusableFromHash(Plugin::Native)),
        };
        Ok(native::scramble(&stage1, &self.salt).to_vec())
    }

    fn sha2_answer(&self) -> Result<Vec<u8>, AuthError> {
        let stage1 = match &self.secret {
            Secret::Password(p) if p.is_empty() => return Ok(Vec::new()),
            Secret::Password(p) => sha2::stage1(p.bytes()),
            Secret::Sha2Stage1(stage1) => *stage1,
            Secret::NativeStage1(_) => return Err(AuthError::UnusableFromHash(Plugin::CachingSha2)),
        };
        Ok(sha2::scramble(&stage1, &self.salt).to_vec())
    }

    fn ed25519_answer(&self, data: &[u8]) -> Result<Vec<u8>, AuthError> {
        let nonce = data.first_chunk().ok_or(ProtocolError::Truncated("ed25519 salt"))?;
        Ok(ed25519::sign(self.password()?.bytes(), nonce).to_vec())
    }
}

fn salt_of(data: &[u8]) -> Result<[u8; 20], ProtocolError> {
    data.first_chunk().copied().ok_or(ProtocolError::Truncated("salt"))
}
