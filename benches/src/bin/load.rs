//! The load tool: clients in a closed or an open loop, or idle ones, and what they cost the proxy whose process is given.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pointsman_benches::client::Driver;
use pointsman_benches::load::{Mode, Plan, idle, run};
use pointsman_benches::{Bench, contender, process};

#[derive(Parser)]
struct Options {
    /// Where the proxy or server listens on the loopback interface.
    #[arg(long)]
    port: u16,
    #[arg(long, default_value = "text")]
    mode: Mode,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[arg(long, default_value = "libmysqlclient")]
    driver: Driver,
    /// Questions a second in an open loop; without it each client asks as soon as it has its answer.
    #[arg(long)]
    rate: Option<u32>,
    /// Idle clients that are logged in first and stay.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// One in so many of the idle clients asks something after its login.
    #[arg(long, default_value_t = 10)]
    idle_asks: usize,
    /// The process whose CPU time and memory are told.
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, measure(&options))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Bench<()> {
    let target = contender::target(options.port, options.driver);
    let pid = options.pid.unwrap_or(0);
    let before = process::rss_kib(pid);
    let idle = idle(&target, options.idle, options.idle_asks).await?;
    if !idle.is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let grown = process::rss_kib(pid).saturating_sub(before);
        println!("{} idle clients: {:.2} KiB each", idle.len(), grown as f64 / idle.len() as f64);
        let cpu = process::cpu_ns(pid);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let used = process::cpu_ns(pid).saturating_sub(cpu) as f64 / 2e9;
        println!("{:.2} % of one core while all are idle", used * 100.0);
    }
    if options.connections == 0 {
        return Ok(());
    }
    let mut cpu = 0;
    let plan = Plan {
        mode: options.mode,
        connections: options.connections,
        rate: options.rate,
        warm_up: Duration::from_millis(500),
        duration: Duration::from_secs(options.seconds),
    };
    let report = run(target, plan, |begins| {
        let now = process::cpu_ns(pid);
        cpu = if begins { now } else { now.saturating_sub(cpu) };
    })
    .await?;
    println!(
        "{} queries, {:.0}/s, p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, {} MiB",
        report.queries,
        report.per_second(),
        report.percentile_us(0.5),
        report.percentile_us(0.99),
        report.percentile_us(0.999),
        report.bytes >> 20
    );
    if pid != 0 && report.queries > 0 {
        println!("{:.2} us CPU each, {} KiB resident", cpu as f64 / 1e3 / report.queries as f64, process::rss_kib(pid));
    }
    report.errors.iter().for_each(|e| println!("error: {e}"));
    drop(idle);
    Ok(())
}
