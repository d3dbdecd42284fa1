//! Runs sysbench, and reads what it printed.

use std::process::Command;

use pointsman_tests::{Lab, LabError, template};

/// Those of its workloads that measure a database.
pub const WORKLOADS: [&str; 5] =
    ["oltp_point_select", "oltp_read_only", "oltp_read_write", "oltp_write_only", "bulk_insert"];

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Sysbench<'a> {
    pub workload: &'a str,
    /// `--db-ps-mode`: `auto` with prepared statements, `disable` without.
    pub mode: &'a str,
    pub tables: u32,
    pub rows: u32,
    pub threads: u32,
    pub seconds: u32,
}

impl Default for Sysbench<'_> {
    fn default() -> Self {
        Self { workload: WORKLOADS[0], mode: "auto", tables: 4, rows: 10_000, threads: 64, seconds: 60 }
    }
}

impl Sysbench<'_> {
    /// Runs one command of sysbench at that port; what it printed. A `run` may have ended in errors.
    pub fn command(&self, command: &str, port: u16) -> Lab<String> {
        let (user, password) = template::APP;
        let is_bulk = self.workload == "bulk_insert";
        let tables = if is_bulk { self.threads } else { self.tables };
        let mut sysbench = Command::new("sysbench");
        sysbench
            .arg(self.workload)
            .args(["--db-driver=mysql", "--mysql-host=127.0.0.1"])
            .arg(format!("--mysql-port={port}"))
            .arg(format!("--mysql-user={user}"))
            .arg(format!("--mysql-password={password}"))
            .arg(format!("--mysql-db={}", template::SCHEMA))
            .arg(format!("--db-ps-mode={}", self.mode))
            .arg(format!("--threads={}", self.threads))
            .arg(format!("--time={}", self.seconds));
        if !is_bulk {
            sysbench.arg(format!("--tables={tables}")).arg(format!("--table-size={}", self.rows));
        }
        let output = sysbench.arg(command).output().map_err(LabError::file("sysbench"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if command != "run" && !output.status.success() {
            return Err(LabError::Command { command: format!("sysbench {} {command}", self.workload), output: text });
        }
        Ok(text)
    }
}

/// What sysbench printed at the end, and the lines in which it complained.
#[derive(Debug, Default)]
pub struct Figures {
    pub transactions: String,
    pub queries: String,
    pub p95: String,
    pub ignored: String,
    pub reconnects: String,
    pub complaints: Vec<String>,
}

impl Figures {
    #[must_use]
    pub fn read(text: &str) -> Self {
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
    #[must_use]
    pub fn is_clean(&self) -> bool {
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
