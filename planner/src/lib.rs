//! SQL text in, route plan out. Pure: no sockets, no clock, no tokio.
//!
//! Reading order: [`reading`] (what changes the meaning of bytes), [`scan`] (fingerprint and literals in one
//! pass), [`analysis`] (what a statement is), [`analyze`] (how it is found out; the only user of sqlparser),
//! [`hint`] (the proxy's own leading comment), [`cache`] (fingerprint to analysis), [`plan`] (where it goes, and why).

pub mod analysis;
pub mod hint;
pub mod plan;
pub mod reading;

pub use analysis::{Access, Analysis, Effect, Reads, Statement, StatementKind};
pub use hint::{Hint, HintRole};
pub use plan::{Role, RoutePlan, RouteReason, SessionFacts, TxFacts, plan};
pub use reading::{ClientCharset, Reading, ServerKind};
