//! Many clients at once, on one thread; how much they got done and how long each answer took.
//!
//! In a closed loop each client asks again as soon as it has its answer. In an open one questions come at a fixed
//! rate, and an answer's time counts from the moment when its question was due: a proxy that stalls is not spared
//! the questions that could not be asked meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pointsman_protocol::response::ReplyKind;
use tokio::sync::Notify;

use crate::client::{Client, Target, execute, query};
use crate::error::{Bench, BenchError};
use crate::pacer::Pacer;

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

impl Mode {
    fn text(self, number: usize) -> String {
        let text = match self {
            Self::Text | Self::Prepared | Self::Connect => "SELECT c FROM sbtest1 WHERE id=",
            Self::Write => "UPDATE sbtest1 SET k=k+1 WHERE id=",
            Self::Big => "SELECT pad FROM big WHERE id > ",
        };
        format!("{text}{}", 500_000 + number)
    }
}

/// How much, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub mode: Mode,
    pub connections: usize,
    /// Questions a second, whatever becomes of the answers; None for a closed loop.
    pub rate: Option<u32>,
    pub warm_up: Duration,
    pub duration: Duration,
}

/// What a load came to.
#[derive(Clone, Debug)]
pub struct Report {
    pub queries: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// The first few, in words.
    pub errors: Vec<String>,
    latencies: Histogram<u32>,
}

/// Errors kept in words; all are alike after these.
const ERRORS_KEPT: usize = 5;
/// Latencies in nanoseconds up to a minute, to three figures.
const LONGEST_NS: u64 = 60_000_000_000;
const FIGURES: u8 = 3;
/// In an open loop questions may wait for a free connection, up to so many.
const BACKLOG: usize = 1_000_000;

impl Report {
    fn new() -> Bench<Self> {
        let latencies = Histogram::new_with_max(LONGEST_NS, FIGURES).map_err(|e| BenchError::Other(e.to_string()))?;
        Ok(Self { queries: 0, bytes: 0, elapsed: Duration::ZERO, errors: Vec::new(), latencies })
    }

    /// The latency that this share of the queries did not exceed, in microseconds.
    #[must_use]
    pub fn percentile_us(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1e3
    }

    /// Takes another run of the same load in: a high percentile of many short runs is known better than the mean of theirs.
    pub fn merge(&mut self, other: &Self) -> Bench<()> {
        self.queries += other.queries;
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
        self.latencies.add(&other.latencies).map_err(|e| BenchError::Other(e.to_string()))
    }

    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.queries as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// The state that all clients of a run share.
struct Run {
    target: Target,
    plan: Plan,
    stop: Cell<bool>,
    report: RefCell<Report>,
    /// Of an open loop: when the questions that nobody has asked yet were due.
    due: RefCell<VecDeque<Instant>>,
    question: Notify,
}

impl Run {
    fn note(&self, since: Instant, bytes: u64) {
        let mut report = self.report.borrow_mut();
        report.queries += 1;
        report.bytes += bytes;
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        report.latencies.saturating_record(nanos.min(LONGEST_NS));
    }

    fn failed(&self, error: &BenchError) {
        let mut report = self.report.borrow_mut();
        if report.errors.len() < ERRORS_KEPT {
            report.errors.push(error.to_string());
        }
    }

    /// From when the next question counts; None at the end of the run.
    async fn next(&self) -> Option<Instant> {
        loop {
            if self.stop.get() {
                return None;
            }
            if self.plan.rate.is_none() {
                return Some(Instant::now());
            }
            if let Some(due) = self.due.borrow_mut().pop_front() {
                return Some(due);
            }
            self.question.notified().await;
        }
    }

    /// Puts questions into the queue at their times, until the run ends.
    async fn pace(&self, rate: u32) -> Bench<()> {
        let period = Duration::from_secs(1) / rate;
        let pacer = Pacer::every(period)?;
        let (began, mut beats) = (Instant::now(), 0_u32);
        while !self.stop.get() {
            for _ in 0..pacer.beats().await? {
                beats += 1;
                if self.due.borrow().len() < BACKLOG {
                    self.due.borrow_mut().push_back(began + period * beats);
                }
                self.question.notify_one();
            }
        }
        self.question.notify_waiters();
        Ok(())
    }
}

/// Connects the clients, lets them warm up, calls `measured` with the load on for the plan's duration, and stops them.
/// `measured` gets true at the beginning and false at the end of what is counted.
pub async fn run(target: Target, plan: Plan, mut measured: impl FnMut(bool)) -> Bench<Report> {
    let run = Rc::new(Run {
        target,
        plan,
        stop: Cell::new(false),
        report: RefCell::new(Report::new()?),
        due: RefCell::default(),
        question: Notify::new(),
    });
    let mut tasks = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let client = Client::connect(&run.target).await?;
        tasks.push(tokio::task::spawn_local(one(run.clone(), client, number)));
    }
    let pacing = plan.rate.map(|rate| {
        let run = run.clone();
        tokio::task::spawn_local(async move { run.pace(rate).await })
    });
    tokio::time::sleep(plan.warm_up).await;
    *run.report.borrow_mut() = Report::new()?;
    let started = Instant::now();
    measured(true);
    tokio::time::sleep(plan.duration).await;
    measured(false);
    let mut report = run.report.borrow().clone();
    report.elapsed = started.elapsed();
    run.stop.set(true);
    run.question.notify_waiters();
    for task in tasks {
        // A client's end was noted by itself; a panic of one is the harness's own fault.
        task.await.map_err(|e| BenchError::Other(e.to_string()))?;
    }
    if let Some(pacing) = pacing {
        pacing.await.map_err(|e| BenchError::Other(e.to_string()))??;
    }
    report.errors.clone_from(&run.report.borrow().errors);
    Ok(report)
}

async fn one(run: Rc<Run>, client: Client, number: usize) {
    let ended = match run.plan.mode {
        Mode::Text | Mode::Write | Mode::Big => texts(&run, client, number).await,
        Mode::Prepared => prepared(&run, client, number).await,
        Mode::Connect => connects(&run, client, number).await,
    };
    if let Err(e) = ended {
        run.failed(&e);
    }
}

async fn texts(run: &Run, mut client: Client, number: usize) -> Bench<()> {
    let wire = query(&run.plan.mode.text(number));
    while let Some(since) = run.next().await {
        let bytes = client.roundtrip(&wire, ReplyKind::Results).await?;
        run.note(since, bytes);
    }
    client.quit().await;
    Ok(())
}

async fn prepared(run: &Run, mut client: Client, number: usize) -> Bench<()> {
    let statement = client.prepare("SELECT c FROM sbtest1 WHERE id=?").await?;
    let mut first = true;
    while let Some(since) = run.next().await {
        let wire = execute(statement, number as i64, first);
        first = false;
        let bytes = client.roundtrip(&wire, ReplyKind::Results).await?;
        run.note(since, bytes);
    }
    client.quit().await;
    Ok(())
}

async fn connects(run: &Run, first: Client, number: usize) -> Bench<()> {
    first.quit().await;
    let wire = query(&run.plan.mode.text(number));
    while let Some(since) = run.next().await {
        let mut client = Client::connect(&run.target).await?;
        let bytes = client.roundtrip(&wire, ReplyKind::Results).await?;
        client.quit().await;
        run.note(since, bytes);
    }
    Ok(())
}

/// Clients that log in and then say nothing, for as long as the value lives. `every`: one in so many of them asks
/// something first, so that their sessions have grown to what they are in use.
pub async fn idle(target: &Target, count: usize, every: usize) -> Bench<Vec<Client>> {
    let wire = query(&Mode::Text.text(0));
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
