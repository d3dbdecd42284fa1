//! What is wrong with a configuration: all of it at once, each with the key it concerns.

use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `shard[0].max_lag_ms`; empty for the file as a whole.
    pub path: String,
    pub message: String,
}

/// All mistakes of a configuration. The operator's fault; loading the same file again gives the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into() });
    }

    /// Notes an error and goes on without the value.
    pub fn take<T, E: fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|e| self.add(path, e.to_string())).ok()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.0.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            let colon = if p.path.is_empty() { "" } else { ": " };
            write!(f, "{newline}{}{colon}{}", p.path, p.message)?;
        }
        Ok(())
    }
}
