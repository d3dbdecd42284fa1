//! The authentication exchange with a client, the same for a login and for COM_CHANGE_USER.

use std::sync::Arc;
use std::time::Instant;

use pointsman_protocol::auth::rand_core::OsRng;
use pointsman_protocol::auth::{Nonces, Offer, Plugin, Secret, ServerAuth, ServerStep};
use pointsman_protocol::handshake::Failure;

use super::accounts::{Account, AccountSlot};
use super::client::{LoginEnd, LoginShared};
use super::failures;
use super::hosts::Peer;
use crate::net::Packets;

/// Who the client says it is.
pub(super) struct Claim<'a> {
    pub user: &'a str,
    pub peer: Peer,
    pub nonces: Nonces,
    pub greeted_plugin: Plugin,
    /// Empty: the greeting's.
    pub plugin: &'a str,
    pub response: &'a [u8],
    pub can_switch: bool,
    /// See [`Peer::host`].
    pub names_loopback: bool,
}

/// A client that is who it says, and counted.
pub(super) struct Verified {
    pub account: Arc<Account>,
    pub backend_secret: Secret,
    pub slot: AccountSlot,
}

/// Runs the exchange up to, but without, the final OK. On a refusal the ERR is still to be sent.
pub(super) async fn verify(
    packets: &mut Packets<'_>,
    claim: Claim<'_>,
    shared: &LoginShared,
) -> Result<Verified, LoginEnd> {
    let accounts = shared.accounts.load_full();
    // An account that doesn't allow this host is as good as unknown.
    let account = accounts.find(claim.user).filter(|account| account.allows(&claim.peer));
    let (secrets, remembered) = match account {
        Some(account) => (account.secrets(), account.remembered()),
        None => (accounts.decoy(claim.user).into(), Vec::new()),
    };
    let secure = packets.stream().is_secure();
    let offer = Offer {
        greeted_plugin: claim.greeted_plugin,
        plugin: match claim.plugin {
            // Clients from before there were plugins.
            "" if !claim.can_switch => Plugin::Native,
            "" => claim.greeted_plugin,
            name => Plugin::from_name(name),
        },
        response: claim.response,
        can_switch: claim.can_switch,
        secure,
    };
    let first = ServerAuth::start(secrets, remembered, claim.nonces, &offer);
    let learned = match (exchange(packets, first, shared, account).await?, account) {
        (Ok(learned), Some(_)) => learned,
        (Ok(_), None) => return Err(denied(&claim, shared, true).await),
        (Err(Refusal::Denied { using_password }), _) => return Err(denied(&claim, shared, using_password).await),
        (Err(Refusal::Unsupported), _) => return Err(LoginEnd::Refused(failures::unsupported_plugin())),
    };
    let account = account.ok_or_else(|| LoginEnd::Refused(failures::bad_handshake()))?;
    admit(account, learned, &claim, secure, shared)
}

/// What still stands between a right password and a session.
fn admit(
    account: &Arc<Account>,
    learned: Secret,
    claim: &Claim<'_>,
    secure: bool,
    shared: &LoginShared,
) -> Result<Verified, LoginEnd> {
    if account.spec().require_tls && !secure {
        return Err(LoginEnd::Refused(failures::insecure_transport()));
    }
    let refuse = |limit| LoginEnd::Refused(failures::user_limit(claim.user, limit));
    let slot = account.take_slot().map_err(refuse)?;
    if let Some(ip) = claim.peer.ip() {
        shared.throttle.succeeded(ip);
    }
    let backend_secret = account.backend_secret(learned);
    Ok(Verified { account: Arc::clone(account), backend_secret, slot })
}

enum Refusal {
    Denied { using_password: bool },
    Unsupported,
}

async fn exchange(
    packets: &mut Packets<'_>,
    (mut auth, mut step): (ServerAuth, ServerStep),
    shared: &LoginShared,
    account: Option<&Arc<Account>>,
) -> Result<Result<Secret, Refusal>, LoginEnd> {
    loop {
        let question = match step {
            ServerStep::Ask(question) => question,
            ServerStep::Deny { using_password } => return Ok(Err(Refusal::Denied { using_password })),
            ServerStep::Unsupported => return Ok(Err(Refusal::Unsupported)),
            ServerStep::Accept { last_words, learned, remember } => {
                if let Some(words) = last_words {
                    packets.write(&words).await?;
                }
                if let (Some(account), Some(remember)) = (account, remember) {
                    account.remember(remember);
                }
                return Ok(Ok(learned));
            }
        };
        packets.write(&question).await?;
        let answer = packets.read().await?;
        if auth.wants_key() {
            if let Some(key) = shared.rsa_key.get().await {
                auth.provide_key(key);
            }
        }
        (auth, step) = advance(auth, answer, shared).await?;
    }
}

/// Takes the next step; a slow one away from the thread that serves sessions, and few at a time.
async fn advance(
    mut auth: ServerAuth,
    answer: Vec<u8>,
    shared: &LoginShared,
) -> Result<(ServerAuth, ServerStep), LoginEnd> {
    if !auth.next_is_slow() {
        let step = auth.on_packet(&answer, &mut OsRng);
        return Ok((auth, step));
    }
    let turn = Arc::clone(&shared.slow_steps).acquire_owned().await.map_err(|_| LoginEnd::ShuttingDown)?;
    let work = tokio::task::spawn_blocking(move || {
        // Kept to the end of the work, also when the client is gone before.
        let _turn = turn;
        let step = auth.on_packet(&answer, &mut OsRng);
        (auth, step)
    });
    work.await.map_err(|_| LoginEnd::ShuttingDown)
}

/// Error 1045, sooner or later.
async fn denied(claim: &Claim<'_>, shared: &LoginShared, using_password: bool) -> LoginEnd {
    if let Some(ip) = claim.peer.ip() {
        shared.timers.sleep(shared.throttle.failed(ip, Instant::now())).await;
    }
    let failure: Failure = failures::access_denied(claim.user, &claim.peer.host(claim.names_loopback), using_password);
    LoginEnd::Refused(failure)
}
