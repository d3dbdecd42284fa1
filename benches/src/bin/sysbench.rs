//! sysbench's OLTP workloads through Pointsman, before real servers (a MariaDB pair and two replicas): transactions per
//! second, and every error. Needs the Debian packages `sysbench` and `mariadb-server`.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use std::process::ExitCode;

use clap::Parser;
use pointsman_benches::sysbench::{Figures, Sysbench, WORKLOADS};
use pointsman_tests::{Group, Lab, Proxy, trace};

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
                let sysbench = Sysbench { workload, mode, ..options.sysbench() };
                sysbench.command("prepare", writer)?;
                group.wait_for_sync()?;
                let figures = Figures::read(&sysbench.command("run", port)?);
                failed += usize::from(!figures.is_clean());
                println!("{workload:<18} {mode:<8} {place:<8} {figures}");
                sysbench.command("cleanup", writer)?;
            }
        }
    }
    Ok(failed)
}

impl Options {
    fn sysbench(&self) -> Sysbench<'static> {
        Sysbench {
            tables: self.tables,
            rows: self.rows,
            threads: self.threads,
            seconds: self.seconds,
            ..Sysbench::default()
        }
    }
}
