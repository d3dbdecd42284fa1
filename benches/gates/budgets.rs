//! The budgets: what each count must not exceed, and what it was when it was last looked at.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use pointsman_benches::{Bench, BenchError};
use serde::Deserialize;

/// How far a count may grow before that is a regression, unless its gate says otherwise.
const TOLERANCE_PERCENT: f64 = 2.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The compiler whose code was counted. Another one's differs by more than a regression does.
    rustc: String,
    gate: Vec<Gate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    name: String,
    /// Never to be exceeded, once it has been reached. None where no promise was made.
    must: Option<f64>,
    measured: f64,
    /// For counts that depend on how the machine's work falls.
    tolerance_percent: Option<f64>,
}

/// The gates of one test, and what has become of them.
pub struct Budgets {
    file: File,
    same_compiler: bool,
    failures: String,
}

impl Budgets {
    pub fn read() -> Bench<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets.toml");
        let text = fs::read_to_string(&path).map_err(BenchError::of(path.display().to_string()))?;
        let file: File = toml::from_str(&text).map_err(|e| BenchError::Other(format!("budgets.toml: {e}")))?;
        let version = Command::new("rustc").arg("--version").output().map_err(BenchError::of("rustc"))?;
        let same_compiler = String::from_utf8_lossy(&version.stdout).split_whitespace().nth(1) == Some(&file.rustc);
        if !same_compiler {
            println!("budgets.toml was counted with rustc {}: only what must hold is checked", file.rustc);
        }
        Ok(Self { file, same_compiler, failures: String::new() })
    }

    /// Compares a count with its budget, and remembers the failure.
    pub fn check(&mut self, name: &str, count: f64) {
        // An allocation in a thousand statements is the ticks' and not the statement's.
        let count = (count * 100.0).round() / 100.0;
        let Some(gate) = self.file.gate.iter().find(|gate| gate.name == name) else {
            let _ = writeln!(self.failures, "gate {name:?}: {count:.2}, which budgets.toml does not know");
            return;
        };
        println!("{}", gate.line(count));
        if let Some(failure) = gate.failure(count, self.same_compiler) {
            let _ = writeln!(self.failures, "gate {name:?}: {failure}");
        }
    }

    pub fn verdict(self) -> Bench<()> {
        if self.failures.is_empty() { Ok(()) } else { Err(BenchError::Other(format!("\n{}", self.failures))) }
    }
}

impl Gate {
    fn line(&self, count: f64) -> String {
        let must = self.must.map_or_else(|| "-".to_owned(), |must| format!("{must}"));
        format!("{:<55} {count:>12.2}   before {:>10.2}   must {must:>8}", self.name, self.measured)
    }

    fn failure(&self, count: f64, same_compiler: bool) -> Option<String> {
        if let Some(must) = self.must.filter(|must| self.measured <= *must && count > *must) {
            return Some(format!("{count:.2} exceeds {must}, which must hold, by {:.1} %", percent(count, must)));
        }
        let tolerance = self.tolerance_percent.unwrap_or(TOLERANCE_PERCENT);
        let grown = percent(count, self.measured);
        let regressed = if self.measured == 0.0 { count > 0.0 } else { grown > tolerance };
        (same_compiler && regressed)
            .then(|| format!("{count:.2}, {grown:.1} % more than {:.2} ({tolerance} % are allowed)", self.measured))
    }
}

fn percent(count: f64, base: f64) -> f64 {
    if base == 0.0 { f64::INFINITY } else { (count / base - 1.0) * 100.0 }
}

#[test]
fn a_gate_fails_for_what_must_hold_and_for_what_has_grown() {
    let gate = |must, measured| Gate { name: String::new(), must, measured, tolerance_percent: None };
    let fails = |gate: &Gate, count| gate.failure(count, true).is_some();
    let reached = gate(Some(100.0), 99.5);
    assert!(!fails(&reached, 100.0) && fails(&reached, 100.1));
    // Not reached yet: it may not get worse.
    let missed = gate(Some(100.0), 120.0);
    assert!(!fails(&missed, 122.0) && fails(&missed, 123.0) && missed.failure(123.0, false).is_none());
    let nothing = gate(Some(0.0), 0.0);
    assert!(!fails(&nothing, 0.0) && fails(&nothing, 0.5));
}
