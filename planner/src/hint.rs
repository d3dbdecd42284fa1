//! The proxy's own leading comment: `/* pointsman: role=writer|replica max_lag_ms=200 */`.

/// What a leading comment (or the query attributes of the same names) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hint {
    pub role: Option<HintRole>,
    pub max_lag_ms: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintRole {
    Writer,
    Replica,
}
