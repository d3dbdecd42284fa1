//! System calls of the thread that serves clients, by strace: lines of its log between two moments.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pointsman_benches::process::Launcher;
use pointsman_benches::{Bench, BenchError};

use crate::lab::{Edge, Lab, Statement};

/// What the ticks of the thread call is counted for so long while nobody asks, and taken off.
const IDLE: Duration = Duration::from_secs(2);
/// Until the last lines are in the log.
const LOGGED: Duration = Duration::from_millis(300);
const LOG: &str = "strace";
/// Works where counting does.
pub const PROBE: &[&str] = &["strace", "-D", "-f", "-o", "/dev/null", "true"];

/// -D: the proxy is our child and strace its own, so that both end when we end it.
pub fn launcher(dir: &Path) -> Launcher {
    let log = dir.join(LOG).display().to_string();
    Launcher::tool(&["strace", "-D", "-f", "-qq", "-ttt", "-s", "0", "-o", &log])
}

/// The calls for one statement.
pub fn calls(lab: &mut Lab, statement: Statement, clients: usize, count: usize) -> Bench<f64> {
    let thread = worker_thread(lab.pid())?;
    let idle = Span { from: now(), to: now() + IDLE.as_secs_f64() };
    std::thread::sleep(IDLE);
    let mut busy = Span { from: 0.0, to: 0.0 };
    let each = count / clients;
    lab.measured(statement, clients, each, |edge| {
        *(if edge == Edge::Begin { &mut busy.from } else { &mut busy.to }) = now();
        Ok(())
    })?;
    std::thread::sleep(LOGGED);
    let log = fs::read_to_string(lab.dir.join(LOG)).map_err(BenchError::of("strace's log"))?;
    let per_second = idle.calls(&log, thread) / idle.seconds();
    Ok((busy.calls(&log, thread) - per_second * busy.seconds()) / (each * clients) as f64)
}

/// From one moment to another, in seconds of the wall clock, as strace tells them.
struct Span {
    from: f64,
    to: f64,
}

impl Span {
    fn seconds(&self) -> f64 {
        self.to - self.from
    }

    /// Calls that the thread began within it. A line is `thread time call(...`; the second half of an interrupted
    /// one begins with `<...`.
    fn calls(&self, log: &str, thread: u32) -> f64 {
        let is_one = |line: &&str| {
            let mut words = line.split_whitespace();
            words.next().and_then(|id| id.parse().ok()) == Some(thread)
                && words.next().and_then(|at| at.parse().ok()).is_some_and(|at: f64| self.from <= at && at < self.to)
                && words.next().is_some_and(|call| call.contains('('))
        };
        log.lines().filter(is_one).count() as f64
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The proxy's thread that serves clients.
fn worker_thread(proxy: u32) -> Bench<u32> {
    let tasks = format!("/proc/{proxy}/task");
    let tasks = fs::read_dir(&tasks).map_err(BenchError::of(tasks))?;
    let is_worker =
        |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "core-0");
    let worker = tasks.flatten().find(is_worker);
    let number = worker.and_then(|task| task.file_name().to_str()?.parse().ok());
    number.ok_or_else(|| BenchError::Other("the proxy has no thread core-0".to_owned()))
}
