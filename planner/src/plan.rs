//! Where a statement goes, and why. The one function that decides; everything it needs is an argument.

use crate::analysis::{Access, Analysis, Effect};
use crate::hint::{Hint, HintRole};

/// The open transaction of a session, as the last server status and the session's own BEGIN tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxFacts {
    /// No transaction is open.
    None,
    ReadWrite,
    ReadOnly,
}

/// What the plan may know of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    pub transaction: TxFacts,
    pub autocommit: bool,
    /// A backend connection is held by a pin (temporary table, lock, computed variable ...).
    pub pinned: bool,
}

/// Which server of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The connection that the session holds already (transaction or pin).
    Held,
    /// The confirmed writer of the pair.
    Writer,
    /// A replica that is fresh enough, or the writer when none is.
    Replica,
    /// Whatever connection is at hand.
    Any,
}

/// Why a statement goes where it goes; shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteReason {
    InTransaction,
    InReadOnlyTransaction,
    Pinned,
    BeginsTransaction,
    BeginsReadOnlyTransaction,
    AutocommitOff,
    Write,
    NotUnderstood,
    NeedsWriter,
    SessionOnly,
    Read,
    Hint,
}

/// What is to be done with one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    pub role: Role,
    pub reason: RouteReason,
    /// From a hint; otherwise the shard's own limit holds.
    pub max_lag_ms: Option<u32>,
    /// The statement may change data: after it the session's reads need its GTID.
    pub writes: bool,
}

/// Decides the route of one analysed text.
#[must_use]
pub fn plan(analysis: &Analysis, hint: &Hint, facts: &SessionFacts) -> RoutePlan {
    let access = analysis.access();
    let (role, reason) = choose(analysis, access, hint, facts);
    RoutePlan { role, reason, max_lag_ms: hint.max_lag_ms, writes: access == Access::Write }
}

fn choose(a: &Analysis, access: Access, hint: &Hint, facts: &SessionFacts) -> (Role, RouteReason) {
    if facts.pinned {
        return (Role::Held, RouteReason::Pinned);
    }
    match facts.transaction {
        TxFacts::ReadWrite => return (Role::Held, RouteReason::InTransaction),
        TxFacts::ReadOnly => return (Role::Held, RouteReason::InReadOnlyTransaction),
        TxFacts::None => {}
    }
    if let Some(read_only) = begins(a) {
        return match (read_only, hint.role) {
            (true, Some(HintRole::Writer)) => (Role::Writer, RouteReason::Hint),
            (true, _) if access <= Access::Read => (Role::Replica, RouteReason::BeginsReadOnlyTransaction),
            _ => (Role::Writer, RouteReason::BeginsTransaction),
        };
    }
    match (access, hint.role) {
        (Access::Write, _) => (Role::Writer, RouteReason::Write),
        (Access::Session, _) => (Role::Any, RouteReason::SessionOnly),
        (_, Some(HintRole::Writer)) => (Role::Writer, RouteReason::Hint),
        // With autocommit off a plain read opens a transaction that may write later.
        (_, _) if !facts.autocommit => (Role::Writer, RouteReason::AutocommitOff),
        // A session that is bound to a connection writes there too, so that must not be a replica's.
        _ if a.effects().any(Effect::binds_connection) => (Role::Writer, RouteReason::NeedsWriter),
        (Access::Writer | Access::Read, Some(HintRole::Replica)) => (Role::Replica, RouteReason::Hint),
        (Access::Writer, None) => (Role::Writer, RouteReason::NeedsWriter),
        (Access::Read, None) => (Role::Replica, RouteReason::Read),
    }
}

/// Whether the text begins a transaction that stays open after it, and if so whether a read-only one.
fn begins(a: &Analysis) -> Option<bool> {
    a.effects().fold(None, |open, e| match e {
        Effect::Begin { read_only } => Some(*read_only && open != Some(false)),
        Effect::XaBegin => Some(false),
        Effect::EndTransaction { .. } => None,
        _ => open,
    })
}
