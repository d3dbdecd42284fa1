//! SQL text in, route plan out. Pure: no sockets, no clock, no tokio.
//!
//! Reading order: [`reading`] (what changes the meaning of bytes), [`lex`] (where tokens begin and end), [`mod@scan`]
//! (the fingerprint, in one pass), [`analysis`] (what a statement is), [`mod@analyze`] (how it is found out, a module
//! for each family of statements), `facts` (what expressions touch), `query` (the only user of sqlparser),
//! [`hint`] (the proxy's own leading comment), [`cache`] (fingerprint to analysis), [`rewrite`] (calls replaced by
//! their values), [`scope`] (a scope written out), [`diagnostics`] (SHOW WARNINGS), [`found_rows`] (what FOUND_ROWS()
//! will give), [`mod@plan`] (where a statement goes, and why).

mod admin;
pub mod analysis;
pub mod analyze;
mod builtins;
mod bytes;
pub mod cache;
mod charset;
mod ddl;
pub mod diagnostics;
mod dml;
mod draft;
mod facts;
pub mod found_rows;
pub mod hint;
pub mod lex;
mod literal;
mod phrase;
pub mod plan;
mod query;
pub mod reading;
pub mod rewrite;
pub mod routines;
pub mod scan;
pub mod scope;
mod session;
mod set;
mod show;
mod split;
pub mod token;
mod transaction;

pub use analysis::{Access, Analysis, Effect, FoundRows, KillScope, PreparedText, Reads, Statement, StatementKind};
pub use analyze::analyze;
pub use cache::AnalysisCache;
pub use diagnostics::{DiagnosticsForm, diagnostics_form, get_diagnostics_form};
pub use facts::is_system_schema;
pub use found_rows::skipped_rows;
pub use hint::{Hint, HintRole, leading_hint};
pub use lex::tokens;
pub use plan::{Demand, Role, RoutePlan, RouteReason, SessionFacts, TxFacts, plan};
pub use reading::{ClientCharset, Reading, ServerKind};
pub use rewrite::{FunctionName, Value, replace_calls};
pub use routines::Routines;
pub use scan::{Fingerprint, scan};
pub use scope::spell_out_session;
pub use token::{Token, TokenKind};
