//! Verifying a client: which plugin, which packets, and what the exchange taught us.
//!
//! A wrong password and an unknown user (whom the caller gives decoy secrets) take the same steps.
//! Source: MySQL source documentation, "Authentication Phase" and "Caching_sha2_password information".

use std::sync::Arc;

use rsa::rand_core::CryptoRngCore;

use super::ed25519;
use super::{AccountSecret, Password, Plugin, RsaServerKey, Secret, native, sha2};
use crate::handshake::AuthSwitch;

/// First byte of a packet with more plugin data.
const MORE_DATA: u8 = 0x01;
const FAST_OK: u8 = 0x03;
const FULL_AUTH: u8 = 0x04;
const REQUEST_PUBLIC_KEY: u8 = 0x02;
/// MySQL's limit (MAX_PLAINTEXT_LENGTH); hashing costs time in proportion to it.
const MAX_PASSWORD: usize = 256;

/// What the client has said so far and what the channel is.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// Plugin named by the greeting, whose data the salt was.
    pub greeted_plugin: Plugin,
    /// Plugin that the client names; mysql_native_password for clients that know no plugins.
    pub plugin: Plugin,
    /// Its first answer.
    pub response: &'a [u8],
    /// CLIENT_PLUGIN_AUTH is agreed on: the plugin may be switched.
    pub can_switch: bool,
    /// TLS or a Unix socket: a password may cross in clear.
    pub secure: bool,
}

/// The salts of one exchange: fresh random bytes without NUL, as some clients stop there.
#[derive(Clone, Copy, Debug)]
pub struct Nonces {
    pub greeted: [u8; 20],
    pub switched: [u8; 20],
    pub ed25519: [u8; ed25519::NONCE_LEN],
}

/// What the fast path of caching_sha2_password needs of an earlier full login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// SHA256(SHA256(password)).
    pub digest: [u8; 32],
    pub password: Password,
}

/// What the caller does next.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerStep {
    /// Send this and give the answer to [`ServerAuth::on_packet`].
    Ask(Vec<u8>),
    /// The client is who it says. `last_words`, if any, go out as a packet before the OK.
    Accept {
        last_words: Option<Vec<u8>>,
        learned: Secret,
        /// To be given to the next [`ServerAuth::start`] of this account.
        remember: Option<Remembered>,
    },
    /// Error 1045.
    Deny { using_password: bool },
    /// The client can't be asked for what the account needs: error 1251.
    Unsupported,
}

#[derive(Debug)]
enum State {
    /// An answer of this plugin, to this salt, is due.
    Answer(Plugin),
    /// A password in clear, an RSA message or the request for the public key is due.
    Full,
    /// The RSA message is due.
    Encrypted,
    Over,
}

/// One login exchange from the server's side.
#[derive(Debug)]
pub struct ServerAuth {
    secrets: Arc<[AccountSecret]>,
    remembered: Vec<Remembered>,
    nonces: Nonces,
    salt: [u8; 20],
    secure: bool,
    key: Option<Arc<RsaServerKey>>,
    state: State,
}

impl ServerAuth {
    /// Begins with the client's first answer. `remembered` are the passwords that full logins of this account
    /// have shown.
    #[must_use]
    pub fn start(
        secrets: impl Into<Arc<[AccountSecret]>>,
        remembered: Vec<Remembered>,
        nonces: Nonces,
        offer: &Offer<'_>,
    ) -> (Self, ServerStep) {
        let secrets = secrets.into();
        let plugin = choose(&secrets, offer);
        let mut auth = Self {
            secrets,
            remembered,
            salt: nonces.greeted,
            nonces,
            secure: offer.secure,
            key: None,
            state: State::Answer(plugin),
        };
        // An empty answer for a plugin that the greeting didn't name means "I had no salt for it", not
        // "no password". Ed25519 never fits the greeting's salt, which is too short.
        let unasked = plugin != offer.greeted_plugin && offer.response.is_empty() && offer.can_switch;
        let step = if plugin != offer.plugin || plugin == Plugin::Ed25519 || unasked {
            auth.switch(plugin, offer.can_switch)
        } else {
            auth.on_answer(plugin, offer.response)
        };
        (auth, step)
    }

    /// Whether the next packet may need the RSA key: give it with [`Self::provide_key`] before that packet.
    #[must_use]
    pub fn wants_key(&self) -> bool {
        matches!(self.state, State::Full) && !self.secure && self.key.is_none()
    }

    pub fn provide_key(&mut self, key: Arc<RsaServerKey>) {
        self.key = Some(key);
    }

    /// Whether the next packet may take milliseconds of a core (RSA, 5,000 rounds of SHA-256).
    #[must_use]
    pub fn next_is_slow(&self) -> bool {
        matches!(self.state, State::Full | State::Encrypted)
    }

    /// Takes the client's next packet.
    pub fn on_packet(&mut self, payload: &[u8], rng: &mut impl CryptoRngCore) -> ServerStep {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Answer(plugin) => self.on_answer(plugin, payload),
            State::Full if self.secure => self.on_clear(payload),
            State::Full if payload == [REQUEST_PUBLIC_KEY] => self.send_key(),
            State::Full | State::Encrypted => self.on_encrypted(payload, rng),
            State::Over => ServerStep::Deny { using_password: true },
        }
    }

    fn switch(&mut self, plugin: Plugin, can_switch: bool) -> ServerStep {
        if !can_switch {
            self.state = State::Over;
            return ServerStep::Unsupported;
        }
        self.state = State::Answer(plugin);
        self.salt = self.nonces.switched;
        let data = match plugin {
            Plugin::Ed25519 => self.nonces.ed25519.to_vec(),
            _ => [&self.salt[..], &[0]].concat(),
        };
        ServerStep::Ask(AuthSwitch { plugin: plugin.name().to_owned(), data }.encode())
    }

    fn on_answer(&mut self, plugin: Plugin, answer: &[u8]) -> ServerStep {
        self.state = State::Over;
        // caching_sha2_password says "no password" with a NUL.
        if plugin != Plugin::Ed25519 && matches!(answer, [] | [0]) {
            return self.judge_clear(Password::default(), false);
        }
        match plugin {
            Plugin::CachingSha2 => self.on_sha2(answer),
            Plugin::Ed25519 => self.on_ed25519(answer),
            Plugin::Native | Plugin::ClearText | Plugin::Sha256 | Plugin::Unknown => self.on_native(answer),
        }
    }

    fn on_native(&self, answer: &[u8]) -> ServerStep {
        let Ok(answer) = <[u8; 20]>::try_from(answer) else { return deny() };
        let mut found = None;
        for secret in self.secrets.iter() {
            let (stored, password) = match secret {
                AccountSecret::Password(p) => (p.native, Some(&p.password)),
                AccountSecret::NativeHash(stored) => (*stored, None),
                AccountSecret::CachingSha2Hash(_) => continue,
            };
            if let Some(stage1) = native::verify(&answer, &self.salt, &stored) {
                found = Some(password.map_or(Secret::NativeStage1(stage1), |p| Secret::Password(p.clone())));
            }
        }
        found.map_or_else(deny, |learned| accept(None, learned))
    }

    fn on_ed25519(&self, answer: &[u8]) -> ServerStep {
        let Ok(signature) = <[u8; ed25519::SIGNATURE_LEN]>::try_from(answer) else { return deny() };
        let mut found = None;
        for secret in self.secrets.iter() {
            let AccountSecret::Password(p) = secret else { continue };
            if ed25519::verify(p.password.bytes(), &self.nonces.ed25519, &signature) {
                found = Some(p.password.clone());
            }
        }
        found.map_or_else(deny, |p| accept(None, Secret::Password(p)))
    }

    /// The fast path; where it fails, the full one, whether or not a fast one was possible.
    fn on_sha2(&mut self, answer: &[u8]) -> ServerStep {
        let Ok(answer) = <[u8; 32]>::try_from(answer) else { return deny() };
        let configured = self.secrets.iter().filter_map(|secret| match secret {
            AccountSecret::Password(p) => Some((p.sha2, &p.password)),
            AccountSecret::NativeHash(_) | AccountSecret::CachingSha2Hash(_) => None,
        });
        let remembered = self.remembered.iter().map(|r| (r.digest, &r.password));
        let mut found = None;
        for (digest, password) in configured.chain(remembered) {
            if sha2::verify(&answer, &self.salt, &digest).is_some() {
                found = Some(password.clone());
            }
        }
        match found {
            Some(password) => accept(Some(vec![MORE_DATA, FAST_OK]), Secret::Password(password)),
            None => {
                self.state = State::Full;
                ServerStep::Ask(vec![MORE_DATA, FULL_AUTH])
            }
        }
    }

    fn on_clear(&self, payload: &[u8]) -> ServerStep {
        let password = payload.strip_suffix(&[0]).unwrap_or(payload);
        self.judge_clear(Password::new(password), !password.is_empty())
    }

    fn send_key(&mut self) -> ServerStep {
        let Some(key) = &self.key else { return deny() };
        self.state = State::Encrypted;
        ServerStep::Ask([&[MORE_DATA], key.public_pem().as_bytes()].concat())
    }

    fn on_encrypted(&self, payload: &[u8], rng: &mut impl CryptoRngCore) -> ServerStep {
        let password = self.key.as_ref().and_then(|key| key.decrypt(payload, &self.salt, rng));
        password.map_or_else(deny, |p| self.judge_clear(p, true))
    }

    fn judge_clear(&self, password: Password, using_password: bool) -> ServerStep {
        if password.bytes().len() > MAX_PASSWORD {
            return deny();
        }
        // Every secret is checked: the time taken says nothing of which one fitted.
        let fits = self.secrets.iter().fold(false, |fits, secret| secret.matches(&password) | fits);
        if !fits {
            return ServerStep::Deny { using_password };
        }
        let digest = sha2::stage2(&sha2::stage1(password.bytes()));
        let remember = using_password.then(|| Remembered { digest, password: password.clone() });
        ServerStep::Accept { last_words: None, learned: Secret::Password(password), remember }
    }
}

fn accept(last_words: Option<Vec<u8>>, learned: Secret) -> ServerStep {
    ServerStep::Accept { last_words, learned, remember: None }
}

fn deny() -> ServerStep {
    ServerStep::Deny { using_password: true }
}

/// The first of the client's own plugin, the greeting's, and the native one that can verify all of the
/// account's secrets. caching_sha2_password can, as its full path shows the password itself.
fn choose(secrets: &[AccountSecret], offer: &Offer<'_>) -> Plugin {
    let wished = [offer.plugin, offer.greeted_plugin, Plugin::Native];
    let fits = |plugin: &Plugin| !secrets.is_empty() && secrets.iter().all(|secret| verifies_at_once(*plugin, secret));
    wished.into_iter().find(fits).unwrap_or(Plugin::CachingSha2)
}

/// Whether the plugin's first answer alone can be checked with this secret, now or after one full login.
fn verifies_at_once(plugin: Plugin, secret: &AccountSecret) -> bool {
    match plugin {
        Plugin::Native => !matches!(secret, AccountSecret::CachingSha2Hash(_)),
        Plugin::CachingSha2 => !matches!(secret, AccountSecret::NativeHash(_)),
        Plugin::Ed25519 => matches!(secret, AccountSecret::Password(_)),
        Plugin::ClearText | Plugin::Sha256 | Plugin::Unknown => false,
    }
}
