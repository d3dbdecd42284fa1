//! A sample of MariaDB's own test files, directly and through the proxy; `make conformance` runs all of them.

use std::process::Command;

use pointsman_tests::places::repository;
use pointsman_tests::proxy::{BINARY_VARIABLE, binary};
use pointsman_tests::{Lab, LabError};

/// Runs the files of a list and fails with what the script said unless every one gave the same output.
fn sample(mode: &str, list: &str) -> Lab<()> {
    let mut command = Command::new("python3");
    command.current_dir(repository()).env(BINARY_VARIABLE, binary()?);
    command.args(["scripts/conformance.py", "--at-least", "100", "--mode", mode]);
    command.args([
        "--list",
        &format!("tests/conformance/{list}"),
        "--out",
        &format!("target/conformance/sample-{mode}"),
    ]);
    let output = command.output().map_err(LabError::file("python3"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    if let Some(why) = said.strip_prefix("skipped: ") {
        pointsman_tests::skipped(why.trim());
    }
    Ok(())
}

#[test]
fn mariadbs_own_test_files_see_no_proxy() -> Lab<()> {
    sample("text", "sample.txt")
}

#[test]
fn nor_do_they_with_prepared_statements() -> Lab<()> {
    sample("ps", "sample-prepared.txt")
}

#[test]
fn nor_do_they_with_cursors() -> Lab<()> {
    sample("cursor", "sample-prepared.txt")
}

#[test]
fn nor_do_they_on_a_connection_of_others_for_each_statement() -> Lab<()> {
    sample("switch", "sample-switch.txt")
}
