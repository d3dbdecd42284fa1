//! `make bench`: Pointsman against HAProxy as a TCP relay, in alternating pairs, CPU time per query by the kernel's count.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pointsman_benches::client::{Driver, Target};
use pointsman_benches::contender::{Contender, scratch};
use pointsman_benches::load::{Mode, run};
use pointsman_benches::pairs::{Ratio, abba};
use pointsman_benches::{Bench, BenchError, process};

#[derive(Parser)]
struct Options {
    /// The program that is measured; a release build.
    #[arg(long, default_value = "target/release/pointsman")]
    pointsman: PathBuf,
    #[arg(long, default_value_t = 4)]
    pairs: usize,
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// The processor of the proxies; backend and load run on another one.
    #[arg(long, default_value_t = 1)]
    proxy_core: usize,
    #[arg(long, default_value_t = 0)]
    load_core: usize,
}

/// What is compared: a name, what the clients do, how many of them, and whose capabilities they have.
const CASES: [(&str, Mode, usize, Driver); 7] = [
    ("point select, text, 16 clients, libmysqlclient", Mode::Text, 16, Driver::Libmysqlclient),
    ("point select, text, 16 clients, mysqlnd", Mode::Text, 16, Driver::Mysqlnd),
    ("point select, prepared, 16 clients", Mode::Prepared, 16, Driver::Libmysqlclient),
    ("point select, text, 64 clients", Mode::Text, 64, Driver::Libmysqlclient),
    ("point select, text, 1 client", Mode::Text, 1, Driver::Libmysqlclient),
    ("connect + query + close, 8 clients", Mode::Connect, 8, Driver::Libmysqlclient),
    ("100,000 rows of 190 bytes, 4 clients, per byte", Mode::Big, 4, Driver::Libmysqlclient),
];

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Bench<()> {
    let dir = scratch()?;
    let done = all_cases(options, &dir);
    if done.is_ok() {
        // Left for a look after a failure.
        let _ = std::fs::remove_dir_all(&dir);
    }
    done
}

fn all_cases(options: &Options, dir: &Path) -> Bench<()> {
    let binary = options.pointsman.canonicalize().map_err(BenchError::of(options.pointsman.display().to_string()))?;
    let backend = Contender::null_backend(Some(options.load_core), dir)?;
    let ours = Contender::pointsman(&binary, backend.port, Some(options.proxy_core), 1, dir)?;
    let theirs = Contender::haproxy(backend.port, Some(options.proxy_core), dir)?;
    println!("CPU time of Pointsman relative to HAProxy as a TCP relay (less is better), 95 % confidence:");
    for (name, mode, clients, driver) in CASES {
        let mut samples = Vec::with_capacity(options.pairs);
        for order in abba(options.pairs) {
            let (mut a, mut b) = (0.0, 0.0);
            for is_ours in order {
                let contender = if is_ours { &ours } else { &theirs };
                let cost = cost_us(contender, mode, clients, driver, options.seconds)?;
                *(if is_ours { &mut a } else { &mut b }) = cost;
            }
            samples.push((a, b));
        }
        let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / samples.len().max(1) as f64;
        let unit = if mode == Mode::Big { "us a MB" } else { "us" };
        println!("{name:<50} {}   {:.1} / {:.1} {unit}", Ratio::of(&samples), mean(|s| s.0), mean(|s| s.1));
    }
    Ok(())
}

/// Microseconds of CPU for each query (for each megabyte where results are large).
fn cost_us(contender: &Contender, mode: Mode, clients: usize, driver: Driver, seconds: u64) -> Bench<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let target: Target = contender.target(driver);
    let mut cpu = 0;
    let measured = |begins: bool| {
        let now = process::cpu_ns(contender.pid());
        cpu = if begins { now } else { now.saturating_sub(cpu) };
    };
    let duration = Duration::from_secs(seconds);
    let local = tokio::task::LocalSet::new();
    let report =
        local.block_on(&runtime, run(target, mode, clients, Duration::from_millis(300), duration, measured))?;
    if let Some(e) = report.errors.first() {
        return Err(BenchError::Other(format!("{}: {e}", contender.name)));
    }
    let units = if mode == Mode::Big { report.bytes as f64 / 1e6 } else { report.queries as f64 };
    Ok(cpu as f64 / 1e3 / units.max(1.0))
}
