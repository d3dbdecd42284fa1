//! The gates: what one query may cost, counted and not timed, on the real binary before a server that does nothing.
//! `budgets.toml` holds the figures; a count that has grown fails, and says by how much.
//!
//! Run by `scripts/test.sh gates`, which builds the programs first; one test at a time, or they disturb each other.

mod budgets;
mod callgrind;
mod lab;
mod strace;

use budgets::Budgets;
use lab::{Lab, Statement, growth};
use mysql_async::{Compression, OptsBuilder, SslOpts};
use pointsman_benches::Bench;
use std::process::Command;
use std::time::Duration;

/// Statements of one count. More of them take longer and change nothing.
const STATEMENTS: usize = 2_000;

/// Says why nothing is counted, where a tool is missing or may not trace (a container without ptrace): a gate that
/// can't be measured is not passed, but told.
fn skipped(probe: &[&str]) -> bool {
    let tried = Command::new(probe[0]).args(&probe[1..]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return false,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(e) => e.to_string(),
    };
    pointsman_tests::skipped(&format!("{}: {why}", probe.join(" ")));
    true
}

#[test]
fn instructions_and_allocations_of_a_query() -> Bench<()> {
    if skipped(callgrind::PROBE) {
        return Ok(());
    }
    let mut lab = Lab::under(callgrind::launcher)?;
    let mut budgets = Budgets::read()?;
    for (statement, name) in [
        (Statement::Text, "text"),
        (Statement::TextOfOld, "text, mysqlnd"),
        (Statement::Prepared, "prepared"),
        (Statement::Write, "write"),
    ] {
        let cost = callgrind::cost(&mut lab, statement, STATEMENTS)?;
        budgets.check(&format!("instructions, {name}"), cost.instructions);
        budgets.check(&format!("allocations, {name}"), cost.allocations);
    }
    let connect = callgrind::cost(&mut lab, Statement::Connect, STATEMENTS / 10)?;
    budgets.check("instructions, connect + query + close", connect.instructions);
    budgets.verdict()
}

#[test]
fn instructions_of_an_analysis() -> Bench<()> {
    if skipped(callgrind::PROBE) {
        return Ok(());
    }
    let mut budgets = Budgets::read()?;
    budgets.check("instructions, analysis of 75 bytes on a cache hit", callgrind::analysis()?);
    budgets.verdict()
}

#[test]
fn system_calls_of_a_query() -> Bench<()> {
    if skipped(strace::PROBE) {
        return Ok(());
    }
    let mut lab = Lab::under(strace::launcher)?;
    let mut budgets = Budgets::read()?;
    for (statement, clients, name) in [
        (Statement::Text, 1, "text, 1 client"),
        (Statement::Text, 16, "text, 16 clients"),
        (Statement::Prepared, 1, "prepared, 1 client"),
    ] {
        let calls = strace::calls(&mut lab, statement, clients, STATEMENTS)?;
        budgets.check(&format!("system calls, {name}"), calls);
    }
    budgets.verdict()
}

/// Two populations: what the first thousands have paid for once is not counted again.
#[test]
fn memory_of_an_idle_client() -> Bench<()> {
    const FEW: usize = 2_000;
    const MANY: usize = 10_000;
    let mut lab = Lab::plain()?;
    let mut budgets = Budgets::read()?;
    let few = lab.idle_clients(FEW)?;
    let before = lab.resident_kib();
    let many = lab.idle_clients(MANY - FEW)?;
    let grown = growth(before, lab.resident_kib()) * 1024.0 / (MANY - FEW) as f64;
    budgets.check("bytes of an idle client", grown);
    drop((few, many));
    budgets.verdict()
}

/// What TLS and compression add. With a driver that has both, so that plain clients are counted the same way.
#[test]
fn memory_of_an_idle_client_with_tls_and_with_compression() -> Bench<()> {
    const FEW: usize = 500;
    const MANY: usize = 2_500;
    let mut budgets = Budgets::read()?;
    let insecure = || SslOpts::default().with_danger_accept_invalid_certs(true);
    for (name, options) in [
        ("bytes of an idle client of a driver", OptsBuilder::default()),
        ("bytes of an idle client with TLS", OptsBuilder::default().ssl_opts(insecure())),
        ("bytes of an idle client with compression", OptsBuilder::default().compression(Compression::fast())),
        (
            "bytes of an idle client with TLS and compression",
            OptsBuilder::default().ssl_opts(insecure()).compression(Compression::fast()),
        ),
    ] {
        let mut lab = Lab::with_tls()?;
        let few = lab.idle_drivers(FEW, &options)?;
        let before = lab.resident_kib();
        let many = lab.idle_drivers(MANY - FEW, &options)?;
        let grown = growth(before, lab.resident_kib()) * 1024.0 / (MANY - FEW) as f64;
        budgets.check(name, grown);
        drop((few, many));
    }
    budgets.verdict()
}

/// A client that takes a result of 19 MB slowly, and then another: the proxy may hold its buffers and no more.
#[test]
fn memory_of_a_streaming_session() -> Bench<()> {
    let mut lab = Lab::plain()?;
    let mut budgets = Budgets::read()?;
    lab.run(Statement::Text, 1, 100)?;
    let before = lab.resident_kib();
    let most = lab.slow_reader(Duration::from_millis(1), before)?;
    budgets.check("KiB of a streaming session", most);
    budgets.verdict()
}
