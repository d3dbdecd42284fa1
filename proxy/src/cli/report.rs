//! What `init` and `check` have found, said in one place: everything at once, problems counted.

use super::print;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Fine,
    /// Works, but will hurt one day.
    Warning,
    /// Must be put right; the exit code says so.
    Problem,
}

/// One sentence about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// A server, a user, a shard or a setting.
    pub about: String,
    pub message: String,
}

/// All findings in the order in which they were made.
#[derive(Debug, Default)]
pub struct Report(pub Vec<Finding>);

impl Report {
    pub fn fine(&mut self, about: impl ToString, message: impl Into<String>) {
        self.add(Level::Fine, about, message);
    }

    pub fn warning(&mut self, about: impl ToString, message: impl Into<String>) {
        self.add(Level::Warning, about, message);
    }

    pub fn problem(&mut self, about: impl ToString, message: impl Into<String>) {
        self.add(Level::Problem, about, message);
    }

    fn add(&mut self, level: Level, about: impl ToString, message: impl Into<String>) {
        self.0.push(Finding { level, about: about.to_string(), message: message.into() });
    }

    /// Prints all of it; an error with the number of problems if there are any.
    pub fn conclude(&self) -> Result<(), String> {
        for finding in &self.0 {
            let word = match finding.level {
                Level::Fine => "ok     ",
                Level::Warning => "warning",
                Level::Problem => "PROBLEM",
            };
            print(&format!("{word}  {}: {}", finding.about, finding.message));
        }
        match self.0.iter().filter(|f| f.level == Level::Problem).count() {
            0 => Ok(()),
            1 => Err("1 problem".to_owned()),
            n => Err(format!("{n} problems")),
        }
    }
}
