//! COM_CHANGE_USER: the login of another user on a connection that has one.
//!
//! Source: MySQL source documentation, "COM_CHANGE_USER".

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::{Nonces, Plugin, Secret};
use pointsman_protocol::handshake::ChangeUser;

use super::accounts::{Account, AccountSlot};
use super::client::{ClientLoginSettings, LoginEnd, LoginShared, tell};
use super::fresh_nonces;
use super::hosts::Peer;
use super::verify::{Claim, verify};
use crate::net::{Packets, Stream};

/// A client that doesn't read its error is not waited for longer.
const GOODBYE: Duration = Duration::from_secs(1);

/// What of the login still holds when the user changes.
#[derive(Clone, Copy, Debug)]
pub struct ChangeUserContext {
    pub capabilities: Capabilities,
    pub peer: Peer,
    /// [`ClientLogin::salt`].
    pub salt: [u8; 20],
}

/// The new user; OK or ERR, and the schema check, are the caller's again.
#[derive(Debug)]
pub struct ChangedUser {
    pub account: Arc<Account>,
    pub slot: AccountSlot,
    pub backend_secret: Secret,
    pub schema: Option<String>,
    /// `None`: as before.
    pub charset: Option<u16>,
    pub attributes: Vec<u8>,
    pub next_sequence: u8,
}

/// Runs COM_CHANGE_USER; `payload` is the whole command, `sequence` the number of the next packet.
///
/// The plugin is always switched, for a fresh salt: which one clients answer to (the greeting's, the last
/// switch's) differs. Clients that can't switch answer to the greeting's.
/// On an error that the client could be told it has been told. After [`LoginEnd::Refused`] the stream still takes
/// commands, as at the servers; after any other end it is closed.
pub async fn change_user(
    stream: &mut Stream,
    payload: &[u8],
    sequence: u8,
    context: &ChangeUserContext,
    settings: &ClientLoginSettings,
    shared: &LoginShared,
) -> Result<ChangedUser, LoginEnd> {
    let mut packets = Packets::new(stream, sequence);
    let change = change(&mut packets, payload, context, settings, shared);
    let result = shared.timers.timeout(settings.deadline, pin!(change)).await.unwrap_or(Err(LoginEnd::TimedOut));
    let sequence = packets.sequence;
    match result {
        Ok(changed) => Ok(changed),
        Err(LoginEnd::Refused(failure)) => {
            Packets::new(stream, sequence).write(&failure.encode()).await?;
            Err(LoginEnd::Refused(failure))
        }
        Err(end) => {
            let told = Box::pin(tell(stream, sequence, end));
            Err(shared.timers.timeout(GOODBYE, told).await.unwrap_or(LoginEnd::TimedOut))
        }
    }
}

async fn change(
    packets: &mut Packets<'_>,
    payload: &[u8],
    context: &ChangeUserContext,
    settings: &ClientLoginSettings,
    shared: &LoginShared,
) -> Result<ChangedUser, LoginEnd> {
    let command = ChangeUser::parse(payload, context.capabilities)?;
    let can_switch = context.capabilities.contains(Capabilities::PLUGIN_AUTH);
    let plugin = match command.auth_plugin.as_str() {
        "" if can_switch => settings.auth_plugin.name(),
        named => named,
    };
    let claim = Claim {
        user: &command.user,
        peer: context.peer,
        nonces: Nonces { greeted: context.salt, ..fresh_nonces() },
        greeted_plugin: if can_switch { Plugin::Unknown } else { settings.auth_plugin },
        plugin,
        response: if can_switch { &[] } else { &command.auth_response },
        can_switch,
        names_loopback: settings.names_loopback,
    };
    let verified = verify(packets, claim, shared).await?;
    let default_schema = verified.account.spec().default_schema.clone();
    Ok(ChangedUser {
        account: verified.account,
        slot: verified.slot,
        backend_secret: verified.backend_secret,
        schema: command.schema.or(default_schema),
        charset: command.charset,
        attributes: command.attributes,
        next_sequence: packets.sequence,
    })
}
