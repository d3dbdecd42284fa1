//! sysbench's OLTP workloads through Pointsman, before real servers (a MariaDB pair and two replicas): transactions per
//! second, and every error. Needs the Debian packages `sysbench` and `mariadb-server`.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use std::process::{Command, ExitCode};

use clap::Parser;
use pointsman_tests::{Group, Lab, LabError, Proxy, template, trace};

#[derive(Parser)]
struct Options {
    /// Of each workload, once with prepared statements and once without.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    #[arg(long, default_value_t = 64)]
    threads: u32,
    #[arg(long, default_value_t = 4)]
    tables: u32,
    #[arg(long, default_value_t = 10_000)]
    rows: u32,
    /// Only the workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Also past the proxy, at the writer, for comparison.
    #[arg(long)]
    direct: bool,
}

const WORKLOADS: [&str; 5] =
    ["oltp_point_select", "oltp_read_only", "oltp_read_write", "oltp_write_only", "bulk_insert"];

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("{failed} workloads had errors");
            ExitCode::FAILURE
        }
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// The number of workloads with errors.
fn run(options: &Options) -> Lab<usize> {
    let group = Group::start()?;
    let proxy = Proxy::of(&group).start()?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    let mut failed = 0;
    println!(
        "{:<18} {:<8} {:<8} {:>12} {:>9} {:>9} errors",
        "workload", "prepare", "where", "transact./s", "queries/s", "p95 ms"
    );
    for workload in WORKLOADS.iter().filter(|name| name.contains(&options.only)) {
        for mode in ["auto", "disable"] {
            let mut places = vec![("proxy", proxy.port)];
            if options.direct {
                places.push(("direct", group.writer().port));
            }
            for (place, port) in places {
                let writer = group.writer().port;
                sysbench(options, workload, mode, writer, "prepare")?;
                group.wait_for_sync()?;
                let figures = Figures::read(&sysbench(options, workload, mode, port, "run")?);
                failed += usize::from(!figures.is_clean());
                println!("{workload:<18} {mode:<8} {place:<8} {figures}");
                sysbench(options, workload, mode, writer, "cleanup")?;
            }
        }
    }
    Ok(failed)
}

/// Runs one command of sysbench; what it printed, whether it succeeded or not.
fn sysbench(options: &Options, workload: &str, mode: &str, port: u16, command: &str) -> Lab<String> {
    let (user, password) = template::APP;
    let tables = if workload == "bulk_insert" { options.threads } else { options.tables };
    let mut sysbench = Command::new("sysbench");
    sysbench
        .arg(workload)
        .args(["--db-driver=mysql", "--mysql-host=127.0.0.1"])
        .arg(format!("--mysql-port={port}"))
        .arg(format!("--mysql-user={user}"))
        .arg(format!("--mysql-password={password}"))
        .arg(format!("--mysql-db={}", template::SCHEMA))
        .arg(format!("--db-ps-mode={mode}"))
        .arg(format!("--threads={}", options.threads))
        .arg(format!("--time={}", options.seconds));
    if workload != "bulk_insert" {
        sysbench.arg(format!("--tables={tables}")).arg(format!("--table-size={}", options.rows));
    }
    let output = sysbench.arg(command).output().map_err(LabError::file("sysbench"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if command != "run" && !output.status.success() {
        return Err(LabError::Command { command: format!("sysbench {workload} {command}"), output: text });
    }
    Ok(text)
}

/// What sysbench printed at the end, and the lines in which it complained.
#[derive(Debug, Default)]
struct Figures {
    transactions: String,
    queries: String,
    p95: String,
    ignored: String,
    reconnects: String,
    complaints: Vec<String>,
}

impl Figures {
    fn read(text: &str) -> Self {
        let after = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or("").trim();
        let rate = |name: &str| {
            let inner = after(name).split('(').nth(1).unwrap_or("");
            inner.split_whitespace().next().unwrap_or("none").to_owned()
        };
        let first = |name: &str| after(name).split_whitespace().next().unwrap_or("").to_owned();
        let mut complaints: Vec<String> =
            text.lines().filter(|line| line.contains("FATAL") || line.contains("error ")).map(str::to_owned).collect();
        complaints.dedup();
        Self {
            transactions: rate("transactions:"),
            queries: rate("queries:"),
            p95: first("95th percentile:"),
            ignored: first("ignored errors:"),
            reconnects: first("reconnects:"),
            complaints,
        }
    }

    /// Deadlocks, which sysbench ignores by default, also happen without a proxy.
    fn is_clean(&self) -> bool {
        self.complaints.is_empty() && self.reconnects == "0"
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>12} {:>9} {:>9} ", self.transactions, self.queries, self.p95)?;
        write!(f, "{} deadlocks, {} reconnects", self.ignored, self.reconnects)?;
        self.complaints.iter().take(5).try_for_each(|line| write!(f, "\n    {line}"))
    }
}
