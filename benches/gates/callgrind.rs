//! Instructions and allocations of the thread that serves clients, by valgrind's callgrind.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pointsman_benches::process::Launcher;
use pointsman_benches::{Bench, BenchError};

use crate::lab::{Edge, Lab, Statement, release};

/// What the ticks of the thread cost is counted for so long while nobody asks, and taken off.
const IDLE: Duration = Duration::from_secs(2);
/// What the allocator of the program calls (jemalloc with the prefix of its crate).
const ALLOCATOR: &str = "_rjem_";
const ALLOCATIONS: [&str; 5] = ["malloc", "mallocx", "calloc", "realloc", "rallocx"];
/// Functions that only the thread calls that serves clients.
const SERVES: &str = "pointsman_proxy::session::";
/// Within the scratch folder: the counts, and valgrind's channel for commands.
const OUT: &str = "callgrind";
const CHANNEL: &str = "vgdb";
/// Works where counting does.
pub const PROBE: &[&str] = &["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "true"];

/// Of one statement.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub instructions: f64,
    pub allocations: f64,
}

pub fn launcher(dir: &Path) -> Launcher {
    let out = format!("--callgrind-out-file={}", dir.join(OUT).display());
    let channel = format!("--vgdb-prefix={}", dir.join(CHANNEL).display());
    let counting = ["--tool=callgrind", "--separate-threads=yes", "--compress-strings=no"];
    Launcher::tool(&[&["valgrind", &out, &channel][..], &counting].concat())
}

/// The cost of one statement to the thread that serves it.
pub fn cost(lab: &mut Lab, statement: Statement, count: usize) -> Bench<Cost> {
    let (pid, dir) = (lab.pid(), lab.dir.clone());
    dump(pid, &dir)?;
    let began = Instant::now();
    std::thread::sleep(IDLE);
    let (idle, idle_lasted) = (dump(pid, &dir)?, began.elapsed());
    let (mut began, mut lasted, mut busy) = (began, idle_lasted, String::new());
    lab.measured(statement, 1, count, |edge| {
        match edge {
            Edge::Begin => drop(dump(pid, &dir)?),
            Edge::End => {
                lasted = began.elapsed();
                busy = dump(pid, &dir)?;
            }
        }
        began = Instant::now();
        Ok(())
    })?;
    let (busy, thread) = worker(&dir, &busy)?;
    let idle = Counts::read(&read(&dir.join(format!("{idle}{thread}")))?);
    let ticks = lasted.as_secs_f64() / idle_lasted.as_secs_f64();
    Ok(Cost {
        instructions: (busy.instructions - idle.instructions * ticks) / count as f64,
        allocations: (busy.allocations - idle.allocations * ticks) / count as f64,
    })
}

/// Has valgrind write what it has counted since the last time; what the names of its files begin with.
fn dump(pid: u32, dir: &Path) -> Bench<String> {
    let channel = format!("--vgdb-prefix={}", dir.join(CHANNEL).display());
    let output = Command::new("vgdb").args([&channel, &format!("--pid={pid}"), "dump"]).output();
    let output = output.map_err(BenchError::of("vgdb"))?;
    if !output.status.success() {
        return Err(BenchError::Other(format!("vgdb: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let number = |name: &str| name.strip_prefix(OUT)?.strip_prefix('.')?.split('-').next()?.parse::<u32>().ok();
    let last = names(dir)?.iter().filter_map(|name| number(name)).max();
    let last = last.ok_or_else(|| BenchError::Other("valgrind has written nothing".to_owned()))?;
    Ok(format!("{OUT}.{last}-"))
}

fn names(dir: &Path) -> Bench<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(BenchError::of(dir.display().to_string()))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// What the thread that serves clients has done in a dump, and the end of its file's name.
fn worker(dir: &Path, part: &str) -> Bench<(Counts, String)> {
    for name in names(dir)? {
        let Some(thread) = name.strip_prefix(part) else { continue };
        let text = read(&dir.join(&name))?;
        if text.contains(SERVES) {
            return Ok((Counts::read(&text), thread.to_owned()));
        }
    }
    Err(BenchError::Other(format!("no thread in valgrind's files {part}* has served a client")))
}

fn read(path: &Path) -> Bench<String> {
    fs::read_to_string(path).map_err(BenchError::of(path.display().to_string()))
}

/// Of one thread, between two dumps.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    instructions: f64,
    allocations: f64,
}

impl Counts {
    /// Format: valgrind's manual, "Callgrind Format Specification". A call is `cfn=` with the function that is called,
    /// then `calls=` with how often.
    fn read(text: &str) -> Self {
        let mut counts = Self::default();
        let mut allocates = false;
        for line in text.lines() {
            if let Some(called) = line.strip_prefix("cfn=") {
                allocates = called.strip_prefix(ALLOCATOR).is_some_and(|name| ALLOCATIONS.contains(&name));
            } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| allocates) {
                counts.allocations += first_number(calls);
            } else if let Some(total) = line.strip_prefix("summary:") {
                counts.instructions = first_number(total);
            }
        }
        counts
    }
}

fn first_number(text: &str) -> f64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// Instructions of one analysis that the cache knows, of a program that does nothing else: two runs, one of them longer.
pub fn analysis() -> Bench<f64> {
    const FEW: u32 = 1_000;
    const MANY: u32 = 11_000;
    let program = release("examples/analysis_loop")?.display().to_string();
    let counted = |rounds: u32| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", &program, &rounds.to_string()])
            .output()
            .map_err(BenchError::of("valgrind"))?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let total = told.lines().find_map(|line| line.split_once("Collected :").map(|(_, n)| first_number(n)));
        total.ok_or_else(|| BenchError::Other(format!("valgrind: {told}")))
    };
    Ok((counted(MANY)? - counted(FEW)?) / f64::from(MANY - FEW))
}
