//! What a machine can't run is said, and counted by `make test`: a test that looked at nothing has not passed.

use std::env;
use std::fs::File;
use std::io::Write;

/// Names the file that gathers the reasons of a whole run.
const FILE: &str = "POINTSMAN_SKIPPED";

/// Says that a test, or a part of it, was left out, and why.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
    let Some(path) = env::var_os(FILE) else { return };
    // One write, so that tests side by side don't mix their lines.
    let line = format!("{}\n", why.replace('\n', " "));
    let written = File::options().append(true).open(path).and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        eprintln!("{FILE}: {error}");
    }
}
