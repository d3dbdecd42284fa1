//! `make bench-database`: Pointsman before a real database (a MariaDB pair and two replicas) that has the same processors.
//! To connect, ask and leave, in CPU time of the proxy and all servers together, against a connect to the writer itself;
//! and sysbench's OLTP transactions per second against HAProxy as a TCP relay to the writer. Alternating pairs.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pointsman_benches::client::{Driver, Target};
use pointsman_benches::contender::{Contender, scratch};
use pointsman_benches::load::{Mode, Plan, run as run_load};
use pointsman_benches::pairs::{Ratio, abba};
use pointsman_benches::process::{self, Launcher};
use pointsman_benches::sysbench::{Figures, Sysbench};
use pointsman_benches::{Bench, BenchError};
use pointsman_tests::{Group, LabError, Proxy, template, trace};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// Of each side of a pair.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    #[arg(long, default_value_t = 16)]
    threads: u32,
    /// Threads of the proxies themselves.
    #[arg(long, default_value_t = 2)]
    cores: usize,
    /// Only the lines whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

const CONNECT: &str = "connect + query + close";
const CONNECT_CLIENTS: usize = 8;
const OLTP: [&str; 4] = ["oltp_point_select", "oltp_read_only", "oltp_read_write", "oltp_write_only"];

fn main() -> ExitCode {
    match Lines::start(&Options::parse()).and_then(|lines| lines.all()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

struct Lines<'a> {
    options: &'a Options,
    group: Group,
    proxy: Proxy,
    haproxy: Contender,
    runtime: Runtime,
    local: LocalSet,
}

fn lab(error: LabError) -> BenchError {
    BenchError::Other(error.to_string())
}

impl<'a> Lines<'a> {
    fn start(options: &'a Options) -> Bench<Self> {
        let dir = scratch()?;
        let group = Group::start().map_err(lab)?;
        let cores = format!("cores = {}", options.cores);
        let proxy = Proxy::of(&group).listen(&cores).start().map_err(lab)?;
        trace::wait_for_readers(&proxy, &group, &group.readers()).map_err(lab)?;
        let haproxy = Contender::haproxy(group.writer().port, &Launcher::default(), options.cores, &dir)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // Its configuration has been read.
        std::fs::remove_dir_all(&dir)?;
        Ok(Self { options, group, proxy, haproxy, runtime, local: LocalSet::new() })
    }

    fn all(&self) -> Bench<()> {
        if CONNECT.contains(&self.options.only) {
            self.connect()?;
        }
        for workload in OLTP.iter().filter(|name| name.contains(&self.options.only)) {
            self.oltp(workload)?;
        }
        Ok(())
    }

    fn connect(&self) -> Bench<()> {
        for statement in [
            "CREATE TABLE sbtest1 (id INT PRIMARY KEY, c CHAR(120) NOT NULL)",
            "INSERT INTO sbtest1 SELECT seq, REPEAT('c', 119) FROM seq_500000_to_500100",
        ] {
            self.group.sql(statement).map_err(lab)?;
        }
        self.group.wait_for_sync().map_err(lab)?;
        let samples =
            self.pairs(|proxied| self.connect_us(if proxied { self.proxy.port } else { self.group.writer().port }))?;
        tell(CONNECT, "proxy and database to the database alone, CPU", &samples, "us");
        self.group.sql("DROP TABLE sbtest1").map(drop).map_err(lab)
    }

    /// Microseconds of CPU of the proxy and of all servers, for each connection.
    fn connect_us(&self, port: u16) -> Bench<f64> {
        let target = Target {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            user: template::APP.0.to_owned(),
            password: template::APP.1.to_owned(),
            schema: template::SCHEMA.to_owned(),
            driver: Driver::Libmysqlclient,
        };
        let plan = Plan {
            mode: Mode::Connect,
            connections: CONNECT_CLIENTS,
            rate: None,
            warm_up: Duration::from_millis(500),
            duration: Duration::from_secs(u64::from(self.options.seconds)),
        };
        let mut cpu = 0;
        let measured = |begins: bool| {
            let servers = self.group.servers().iter().map(pointsman_tests::Server::pid);
            let now: u64 = servers.chain([self.proxy.pid()]).map(process::whole_cpu_ns).sum();
            cpu = if begins { now } else { now.saturating_sub(cpu) };
        };
        let report = self.local.block_on(&self.runtime, run_load(target, plan, measured))?;
        match report.errors.first() {
            Some(e) => Err(BenchError::Other(format!("port {port}: {e}"))),
            None => Ok(cpu as f64 / 1e3 / (report.queries as f64).max(1.0)),
        }
    }

    fn oltp(&self, workload: &str) -> Bench<()> {
        let writer = self.group.writer().port;
        let (threads, seconds) = (self.options.threads, self.options.seconds);
        let sysbench = Sysbench { workload, threads, seconds, ..Sysbench::default() };
        sysbench.command("prepare", writer).map_err(lab)?;
        self.group.wait_for_sync().map_err(lab)?;
        let samples = self.pairs(|proxied| {
            let port = if proxied { self.proxy.port } else { self.haproxy.port };
            let figures = Figures::read(&sysbench.command("run", port).map_err(lab)?);
            let rate = figures.transactions.parse().ok().filter(|_| figures.is_clean());
            rate.ok_or_else(|| BenchError::Other(format!("{workload}: {figures}")))
        })?;
        tell(workload, "transactions, to those through HAProxy", &samples, "/s");
        sysbench.command("cleanup", writer).map_err(lab)?;
        self.group.wait_for_sync().map_err(lab)
    }

    /// Alternating measurements; `true` is Pointsman's side, which is named first.
    fn pairs(&self, measure: impl Fn(bool) -> Bench<f64>) -> Bench<Vec<(f64, f64)>> {
        let mut samples = Vec::with_capacity(self.options.pairs);
        for order in abba(self.options.pairs) {
            let (mut a, mut b) = (0.0, 0.0);
            for first in order {
                *(if first { &mut a } else { &mut b }) = measure(first)?;
            }
            samples.push((a, b));
        }
        Ok(samples)
    }
}

fn tell(name: &str, what: &str, samples: &[(f64, f64)], unit: &str) {
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / samples.len().max(1) as f64;
    println!("{name:<24} {what:<46} {}   {:.1} / {:.1} {unit}", Ratio::of(samples), mean(|s| s.0), mean(|s| s.1));
}
