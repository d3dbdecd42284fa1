//! `make bench`: Pointsman against HAProxy as a TCP relay, in alternating pairs: CPU time per query by the kernel's count,
//! latency at a fixed rate, and what idle clients cost the active ones. ProxySQL and MySQL Router join in where they are
//! on the PATH.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pointsman_benches::chart;
use pointsman_benches::client::Driver;
use pointsman_benches::contender::{Contender, Servers, scratch};
use pointsman_benches::load::{Mode, Plan, Report, idle, run};
use pointsman_benches::pairs::{Ratio, abba};
use pointsman_benches::process::{self, Launcher};
use pointsman_benches::{Bench, BenchError};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

#[derive(Parser)]
struct Options {
    /// The program that is measured; a release build.
    #[arg(long, default_value = "target/release/pointsman")]
    pointsman: PathBuf,
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// The processor of the proxies with one thread; backend and load run on another one.
    #[arg(long, default_value_t = 1)]
    proxy_core: usize,
    #[arg(long, default_value_t = 0)]
    load_core: usize,
    /// Only the lines whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Clients that are logged in and silent, for the line that has them.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Where the picture of the ratios goes.
    #[arg(long)]
    chart: Option<PathBuf>,
}

/// What is compared: a name, what the clients do, how many of them, and whose capabilities they have.
const CASES: [(&str, Mode, usize, Driver); 9] = [
    ("point select, text, 16 clients", Mode::Text, 16, Driver::Libmysqlclient),
    ("the same, as mysqlnd asks", Mode::Text, 16, Driver::Mysqlnd),
    ("point select, prepared, 16 clients", Mode::Prepared, 16, Driver::Libmysqlclient),
    ("point select, text, 64 clients", Mode::Text, 64, Driver::Libmysqlclient),
    ("point select, prepared, 64 clients", Mode::Prepared, 64, Driver::Libmysqlclient),
    ("point select, text, 1 client", Mode::Text, 1, Driver::Libmysqlclient),
    ("autocommit update, 16 clients", Mode::Write, 16, Driver::Libmysqlclient),
    ("connect + query + close, 8 clients", Mode::Connect, 8, Driver::Libmysqlclient),
    ("100,000 rows of 190 bytes, 4 clients", Mode::Big, 4, Driver::Libmysqlclient),
];
const TWO_THREADS: &str = "point select, text, 16 clients, 2 threads";
const IDLE: &str = "16 clients beside idle ones, to none idle";
const LATENCY: &str = "latency added at a fifth of the full rate";

/// Of the rate at which everything is saturated. The load and the servers share one processor, and a query of the open
/// loop costs that about twice what one of the closed loop does: at more, they would be what is slow.
const PART_LOAD: f64 = 0.2;

/// After its start a proxy is let alone and then asked, until what it does once is done.
const SETTLE: Duration = Duration::from_secs(3);

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
    let mut bench = Comparison::new(options, &dir)?;
    let done = bench.all();
    drop(bench);
    if done.is_ok() {
        // Left for a look after a failure.
        let _ = std::fs::remove_dir_all(&dir);
    }
    done
}

struct Comparison<'a> {
    options: &'a Options,
    dir: &'a Path,
    binary: PathBuf,
    servers: Servers,
    runtime: Runtime,
    local: LocalSet,
    ratios: Vec<(&'static str, Ratio)>,
}

impl<'a> Comparison<'a> {
    fn new(options: &'a Options, dir: &'a Path) -> Bench<Self> {
        let binary =
            options.pointsman.canonicalize().map_err(BenchError::of(options.pointsman.display().to_string()))?;
        let servers = Servers::start(&Launcher::on(&options.load_core.to_string()), dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { options, dir, binary, servers, runtime, local: LocalSet::new(), ratios: Vec::new() })
    }

    fn all(&mut self) -> Bench<()> {
        println!("CPU time of Pointsman relative to HAProxy as a TCP relay (less is better), 95 % confidence:");
        let on = Launcher::on(&self.options.proxy_core.to_string());
        let (ours, theirs) = self.proxies(&on, 1)?;
        for (name, mode, clients, driver) in CASES {
            self.cpu(name, &ours, &theirs, mode, clients, driver)?;
        }
        self.latency(&ours, &theirs)?;
        drop(ours);
        self.others(&theirs, &on)?;
        drop(theirs);
        let ours = self.ours(&on, 1)?;
        self.beside_idle(&ours, &on)?;
        drop(ours);
        if self.wanted(TWO_THREADS) {
            let both = format!("{},{}", self.options.load_core, self.options.proxy_core);
            let (ours, theirs) = self.proxies(&Launcher::on(&both), 2)?;
            self.cpu(TWO_THREADS, &ours, &theirs, Mode::Text, 16, Driver::Libmysqlclient)?;
        }
        if let Some(path) = &self.options.chart {
            let picture = chart::svg("CPU time per query relative to HAProxy as a TCP relay", &self.ratios);
            std::fs::write(path, picture).map_err(BenchError::of(path.display().to_string()))?;
        }
        Ok(())
    }

    fn wanted(&self, name: &str) -> bool {
        name.contains(&self.options.only)
    }

    fn ours(&self, on: &Launcher, threads: usize) -> Bench<Contender> {
        let ours = Contender::pointsman(&self.binary, &self.servers, on, threads, self.dir)?;
        self.settle(&ours)?;
        Ok(ours)
    }

    fn proxies(&self, on: &Launcher, threads: usize) -> Bench<(Contender, Contender)> {
        let ours = self.ours(on, threads)?;
        let theirs = Contender::haproxy(self.servers.writer.port, on, threads, self.dir)?;
        self.settle(&theirs)?;
        Ok((ours, theirs))
    }

    fn settle(&self, contender: &Contender) -> Bench<()> {
        std::thread::sleep(SETTLE);
        self.load(contender, self.plan(Mode::Text, 16), Driver::Libmysqlclient).map(|_| ())
    }

    fn plan(&self, mode: Mode, connections: usize) -> Plan {
        let duration = Duration::from_secs(self.options.seconds);
        Plan { mode, connections, rate: None, warm_up: Duration::from_millis(300), duration }
    }

    /// A load, and the nanoseconds of CPU that it cost the contender.
    fn load(&self, contender: &Contender, plan: Plan, driver: Driver) -> Bench<(Report, u64)> {
        let mut cpu = 0;
        let measured = |begins: bool| {
            let now = process::cpu_ns(contender.pid());
            cpu = if begins { now } else { now.saturating_sub(cpu) };
        };
        let report = self.local.block_on(&self.runtime, run(contender.target(driver), plan, measured))?;
        match report.errors.first() {
            Some(e) => Err(BenchError::Other(format!("{}: {e}", contender.name))),
            None => Ok((report, cpu)),
        }
    }

    /// Microseconds of CPU for each query (for each megabyte where results are large).
    fn cost_us(&self, contender: &Contender, plan: Plan, driver: Driver) -> Bench<f64> {
        let (report, cpu) = self.load(contender, plan, driver)?;
        let units = if plan.mode == Mode::Big { report.bytes as f64 / 1e6 } else { report.queries as f64 };
        Ok(cpu as f64 / 1e3 / units.max(1.0))
    }

    fn cpu(
        &mut self,
        name: &'static str,
        ours: &Contender,
        theirs: &Contender,
        mode: Mode,
        clients: usize,
        driver: Driver,
    ) -> Bench<()> {
        if !self.wanted(name) {
            return Ok(());
        }
        let plan = self.plan(mode, clients);
        let samples = self.pairs(|is_ours| self.cost_us(if is_ours { ours } else { theirs }, plan, driver))?;
        let unit = if mode == Mode::Big { "us a MB" } else { "us" };
        self.tell(name, &samples, unit);
        Ok(())
    }

    /// The same of those who are installed beside HAProxy, for comparison.
    fn others(&mut self, theirs: &Contender, on: &Launcher) -> Bench<()> {
        let proxysql = Contender::proxysql(&self.servers, on, 1, self.dir)?;
        let router = Contender::mysql_router(self.servers.writer.port, on, 1, self.dir)?;
        for (name, contender) in [("proxysql", proxysql), ("mysqlrouter", router)] {
            let Some(contender) = contender else {
                println!("{name}: skipped, it is not on the PATH");
                continue;
            };
            self.settle(&contender)?;
            println!("{name}, relative to HAProxy:");
            for (what, mode, clients, driver) in CASES {
                let before = self.ratios.len();
                self.cpu(what, &contender, theirs, mode, clients, driver)?;
                // The picture is of Pointsman.
                self.ratios.truncate(before);
            }
        }
        Ok(())
    }

    /// Alternating measurements of two sides; `true` is the one that is named first.
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

    fn tell(&mut self, name: &'static str, samples: &[(f64, f64)], unit: &str) {
        let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / samples.len().max(1) as f64;
        let ratio = Ratio::of(samples);
        println!("{name:<50} {ratio}   {:.1} / {:.1} {unit}", mean(|s| s.0), mean(|s| s.1));
        self.ratios.push((name, ratio));
    }

    /// Another Pointsman has the idle clients; both are asked in turn.
    fn beside_idle(&mut self, none: &Contender, on: &Launcher) -> Bench<()> {
        if !self.wanted(IDLE) {
            return Ok(());
        }
        let crowded = self.ours(on, 1)?;
        let target = crowded.target(Driver::Libmysqlclient);
        let before = process::rss_kib(crowded.pid());
        let crowd = self.local.block_on(&self.runtime, idle(&target, self.options.idle, 10))?;
        std::thread::sleep(SETTLE);
        let each = process::rss_kib(crowded.pid()).saturating_sub(before) as f64 / crowd.len().max(1) as f64;
        println!("{} idle clients: {each:.2} KiB each", crowd.len());
        for (load, rate) in [("saturated", None), ("2,000 queries a second", Some(2_000))] {
            let plan = Plan { rate, ..self.plan(Mode::Text, 16) };
            let driver = Driver::Libmysqlclient;
            let samples = self.pairs(|first| self.cost_us(if first { &crowded } else { none }, plan, driver))?;
            println!("{load}:");
            self.tell(IDLE, &samples, "us");
        }
        drop(crowd);
        Ok(())
    }

    /// At a part of what HAProxy can do, what each proxy adds to the answers of the server itself.
    fn latency(&mut self, ours: &Contender, theirs: &Contender) -> Bench<()> {
        if !self.wanted(LATENCY) {
            return Ok(());
        }
        let (driver, closed) = (Driver::Libmysqlclient, self.plan(Mode::Text, 16));
        let (full, _) = self.load(theirs, closed, driver)?;
        let rate = ((full.per_second() * PART_LOAD) as u32).max(1);
        let plan = Plan { rate: Some(rate), ..closed };
        let mut runs: [Vec<Report>; 3] = Default::default();
        for order in abba(self.options.pairs) {
            runs[0].push(self.load(&self.servers.writer, plan, driver)?.0);
            for first in order {
                let (side, contender) = if first { (1, ours) } else { (2, theirs) };
                runs[side].push(self.load(contender, plan, driver)?.0);
            }
        }
        println!("{LATENCY} ({rate} queries a second):");
        let [direct, mine, others] = &runs;
        let added = |run: &Report, direct: &Report| (run.percentile_us(0.5) - direct.percentile_us(0.5)).max(0.1);
        let each = mine.iter().zip(others).zip(direct);
        let samples: Vec<_> = each.map(|((a, b), direct)| (added(a, direct), added(b, direct))).collect();
        self.tell("added latency, p50, a fifth of the full rate", &samples, "us");
        // The machine's own hiccups are the p99 of a short run; only all runs of a side together say something.
        let [direct, mine, others] = [whole(direct)?, whole(mine)?, whole(others)?];
        for share in [0.9, 0.99] {
            let [direct, mine, others] = [&direct, &mine, &others].map(|all| all.percentile_us(share));
            println!(
                "p{:.0}, all runs together: direct {direct:.1} us, Pointsman adds {:.1}, HAProxy {:.1}: {:.2}",
                share * 100.0,
                mine - direct,
                others - direct,
                (mine - direct) / (others - direct).max(0.1)
            );
        }
        Ok(())
    }
}

/// All runs as one.
fn whole(runs: &[Report]) -> Bench<Report> {
    let [first, others @ ..] = runs else { return Err(BenchError::Other("no pairs".to_owned())) };
    let mut all = first.clone();
    others.iter().try_for_each(|run| all.merge(run))?;
    Ok(all)
}
