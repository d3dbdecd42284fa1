//! Many clients at once, in a closed loop, on one thread; how much they got done and how long each answer took.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use pointsman_protocol::response::ReplyKind;

use crate::client::{Client, Target, execute, query};
use crate::error::{Bench, BenchError};

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// sysbench's point select, text protocol.
    Text,
    /// The same, prepared once.
    Prepared,
    /// A new connection for each query.
    Connect,
    /// Results of 100,000 rows.
    Big,
    /// An autocommit UPDATE.
    Write,
}

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub queries: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// The first few, in words.
    pub errors: Vec<String>,
    latencies_us: Vec<u32>,
}

/// Errors kept in words; all are alike after these.
const ERRORS_KEPT: usize = 5;
/// Samples of latency kept: enough for the 99.9th percentile of any run.
const SAMPLES_KEPT: usize = 2_000_000;

impl Report {
    /// The latency that this share of the queries did not exceed.
    #[must_use]
    pub fn percentile_us(&self, share: f64) -> u32 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.queries as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// The state that all clients of a run share.
struct Run {
    target: Target,
    mode: Mode,
    stop: Cell<bool>,
    report: RefCell<Report>,
}

impl Run {
    fn note(&self, started: Instant, bytes: u64) {
        let mut report = self.report.borrow_mut();
        report.queries += 1;
        report.bytes += bytes;
        if report.latencies_us.len() < SAMPLES_KEPT {
            report.latencies_us.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }

    fn failed(&self, error: &BenchError) {
        let mut report = self.report.borrow_mut();
        if report.errors.len() < ERRORS_KEPT {
            report.errors.push(error.to_string());
        }
    }
}

/// Connects `connections` clients, lets them warm up, calls `measured` with the load on for `duration`, and stops
/// them. `measured` gets true at the beginning and false at the end of what is counted.
pub async fn run(
    target: Target,
    mode: Mode,
    connections: usize,
    warm_up: Duration,
    duration: Duration,
    mut measured: impl FnMut(bool),
) -> Bench<Report> {
    let run = Rc::new(Run { target, mode, stop: Cell::new(false), report: RefCell::default() });
    let mut tasks = Vec::with_capacity(connections);
    for number in 0..connections {
        let client = Client::connect(&run.target).await?;
        tasks.push(tokio::task::spawn_local(one(run.clone(), client, number)));
    }
    tokio::time::sleep(warm_up).await;
    *run.report.borrow_mut() = Report::default();
    let started = Instant::now();
    measured(true);
    tokio::time::sleep(duration).await;
    measured(false);
    let mut report = run.report.borrow().clone();
    report.elapsed = started.elapsed();
    run.stop.set(true);
    for task in tasks {
        // A client's end was noted by itself; a panic of one is the harness's own fault.
        task.await.map_err(|e| BenchError::Other(e.to_string()))?;
    }
    report.errors.clone_from(&run.report.borrow().errors);
    Ok(report)
}

async fn one(run: Rc<Run>, client: Client, number: usize) {
    let ended = match run.mode {
        Mode::Text => texts(&run, client, number, "SELECT c FROM sbtest1 WHERE id=").await,
        Mode::Write => texts(&run, client, number, "UPDATE sbtest1 SET k=k+1 WHERE id=").await,
        Mode::Big => texts(&run, client, number, "SELECT pad FROM big WHERE id > ").await,
        Mode::Prepared => prepared(&run, client, number).await,
        Mode::Connect => connects(&run, client).await,
    };
    if let Err(e) = ended {
        run.failed(&e);
    }
}

async fn texts(run: &Run, mut client: Client, number: usize, text: &str) -> Bench<()> {
    let wire = query(&format!("{text}{}", 500_000 + number));
    while !run.stop.get() {
        let started = Instant::now();
        let bytes = client.roundtrip(&wire, ReplyKind::Results).await?;
        run.note(started, bytes);
    }
    client.quit().await;
    Ok(())
}

async fn prepared(run: &Run, mut client: Client, number: usize) -> Bench<()> {
    let statement = client.prepare("SELECT c FROM sbtest1 WHERE id=?").await?;
    let mut first = true;
    while !run.stop.get() {
        let wire = execute(statement, number as i64, first);
        first = false;
        let started = Instant::now();
        let bytes = client.roundtrip(&wire, ReplyKind::Results).await?;
        run.note(started, bytes);
    }
    client.quit().await;
    Ok(())
}

async fn connects(run: &Run, first: Client) -> Bench<()> {
    first.quit().await;
    let wire = query("SELECT c FROM sbtest1 WHERE id=1");
    while !run.stop.get() {
        let started = Instant::now();
        let mut client = Client::connect(&run.target).await?;
        let bytes = client.roundtrip(&wire, ReplyKind::Results).await?;
        client.quit().await;
        run.note(started, bytes);
    }
    Ok(())
}

/// Clients that log in and then say nothing, for as long as the value lives. `every`: this many of them (one in so
/// many) ask something first, so that their sessions have grown to what they are in use.
pub async fn idle(target: &Target, count: usize, every: usize) -> Bench<Vec<Client>> {
    let wire = query("SELECT c FROM sbtest1 WHERE id=1");
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let mut client = Client::connect(target).await?;
        if every > 0 && number % every == 0 {
            client.roundtrip(&wire, ReplyKind::Results).await?;
        }
        clients.push(client);
    }
    Ok(clients)
}
