//! The stored functions that the operator has declared to read only (`safe_functions`).

use std::collections::HashSet;

/// Names of functions that neither write nor touch session state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routines {
    names: HashSet<String>,
}

impl Routines {
    /// A name is either `f`, which covers calls without a schema, or `db.f`, which covers calls with that one.
    #[must_use]
    pub fn new<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self { names: names.into_iter().map(|name| name.as_ref().to_lowercase()).collect() }
    }

    /// Whether the call of this lower-cased name is declared harmless.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
