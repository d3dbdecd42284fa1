//! The errors of a refused login, with MySQL's own codes and texts.
//!
//! Source: MySQL error reference (server error message reference).

use std::time::Duration;

use pointsman_protocol::handshake::Failure;

use super::hosts::Peer;

/// 1045 ER_ACCESS_DENIED_ERROR.
pub(super) fn access_denied(user: &str, host: &str, using_password: bool) -> Failure {
    let using = if using_password { "YES" } else { "NO" };
    let message = format!("Access denied for user '{user}'@'{host}' (using password: {using})");
    Failure::new(1045, *b"28000", message)
}

/// 1043 ER_HANDSHAKE_ERROR.
pub(super) fn bad_handshake() -> Failure {
    Failure::new(1043, *b"08S01", "Bad handshake")
}

/// 1251 ER_NOT_SUPPORTED_AUTH_MODE.
pub(super) fn unsupported_plugin() -> Failure {
    let message =
        "Client does not support authentication protocol requested by server; consider upgrading MySQL client";
    Failure::new(1251, *b"08004", message)
}

/// 3159 ER_SECURE_TRANSPORT_REQUIRED.
pub(super) fn insecure_transport() -> Failure {
    let message = "Connections using insecure transport are prohibited for this account.";
    Failure::new(3159, *b"HY000", message)
}

/// 3159 ER_SECURE_TRANSPORT_REQUIRED, of the whole proxy.
pub(super) fn tls_required() -> Failure {
    let message = "Connections using insecure transport are prohibited (listen.tls = \"required\").";
    Failure::new(3159, *b"HY000", message)
}

/// 1226 ER_USER_LIMIT_REACHED.
pub(super) fn user_limit(user: &str, limit: u32) -> Failure {
    let message = format!("User '{user}' has exceeded the 'max_user_connections' resource (current value: {limit})");
    Failure::new(1226, *b"42000", message)
}

/// 1129 ER_HOST_IS_BLOCKED.
pub(super) fn host_blocked(peer: &Peer, left: Duration) -> Failure {
    let seconds = left.as_secs() + 1;
    let message = format!("Host '{}' is blocked because of many failed logins; retry in {seconds} s", peer.host(false));
    Failure::new(1129, *b"HY000", message)
}

/// 1130 ER_HOST_NOT_PRIVILEGED.
#[must_use]
pub fn host_not_allowed(peer: &Peer) -> Failure {
    let message = format!("Host '{}' is not allowed to connect to this server", peer.host(false));
    Failure::new(1130, *b"HY000", message)
}
