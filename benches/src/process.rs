//! A program under measurement: started, looked at through /proc, and killed with its value.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Bench, BenchError};

/// How long a proxy may take until its port answers; under a counting tool that is long.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What stands in front of a program's own words: nothing, processors to keep to, a tool that counts.
#[derive(Clone, Debug, Default)]
pub struct Launcher(Vec<String>);

impl Launcher {
    /// On these processors only (`taskset -c`).
    #[must_use]
    pub fn on(processors: &str) -> Self {
        Self::tool(&["taskset", "-c", processors])
    }

    #[must_use]
    pub fn tool(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }
}

/// Killed when the value is dropped: nothing is left behind.
pub struct Program {
    child: Child,
    name: String,
}

impl Program {
    /// Starts it under the launcher, with its output in a file of `dir`.
    pub fn start(name: &str, launcher: &Launcher, argv: &[&str], dir: &Path) -> Bench<Self> {
        let log = File::create(dir.join(format!("{name}.log"))).map_err(BenchError::of(name))?;
        let mut words = launcher.0.clone();
        words.extend(argv.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new(&words[0]);
        let both = log.try_clone().map_err(BenchError::of(name))?;
        command.args(&words[1..]).stdin(Stdio::null()).stdout(log).stderr(both);
        let child = command.spawn().map_err(BenchError::of(words[0].clone()))?;
        Ok(Self { child, name: name.to_owned() })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the port accepts connections and `is_ready` says so too.
    pub fn wait_for_port(&mut self, port: u16, mut is_ready: impl FnMut() -> bool) -> Bench<()> {
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end && self.child.try_wait()?.is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && is_ready() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(BenchError::NotStarted(self.name.clone(), format!("{}.log", self.name)))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of all threads of a process, in nanoseconds (proc(5), `schedstat`: exact, unlike `stat`'s ticks).
/// Threads that have ended are not in it; proxies keep theirs.
#[must_use]
pub fn cpu_ns(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of_one = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(|task| of_one(task.ok()?.path())).sum()
}

/// The same with the threads that have ended, in ticks of the kernel's (proc(5), `stat`): for servers, which have a thread
/// for each connection.
#[must_use]
pub fn whole_cpu_ns(pid: u32) -> u64 {
    const USER_TIME: usize = 11;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program, in brackets, may hold anything.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return 0 };
    let ticks: u64 = fields.split(' ').skip(USER_TIME).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// Resident memory in KiB.
#[must_use]
pub fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> Bench<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}
