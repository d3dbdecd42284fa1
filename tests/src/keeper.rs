//! A process that can't outlive the laboratory, and whose directory goes with it.
//!
//! Between us and the process stands a shell that holds the reading end of a pipe of ours. When the pipe closes, which
//! the kernel does for us even after `kill -9`, the shell kills the process and removes its directory. The parent-death
//! signal of prctl(2) would not do: it is sent when the *thread* that started the process ends, and every test has a
//! thread of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Lab, LabError};
use crate::waiting;

/// $1 is the log, $2 the directory to remove (or empty), the rest is the command. `wait` last reaps the process, so its
/// number can't be given to another one while we may still send signals to it. SIGPIPE is ignored (behind the start of the
/// process, which would inherit that): killed in this moment, we read the number no more, and the shell is to live. A second removal takes what a copy that was
/// under way put there during the first.
const SCRIPT: &str = r#"
log=$1 dir=$2; shift 2
"$@" </dev/null >>"$log" 2>&1 &
trap '' PIPE
echo $!
exec >/dev/null 2>&1
read -r word
kill -9 $!
wait $!
[ "$word" = keep ] || [ -z "$dir" ] || rm -rf -- "$dir" || { sleep 2; rm -rf -- "$dir"; }
"#;

/// Threads that run are stopped at their next tick; one within the kernel, when it has its disk block.
const FROZEN_WITHIN: Duration = Duration::from_secs(5);

/// How much of a log is shown when something went wrong.
const LOG_TAIL: usize = 4_000;

/// What becomes of the directory when the process is put away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// Removed with the process.
    Remove,
    /// Kept: the process is to be started again in it.
    Keep,
}

/// A running (or stopped, or dead) process and the shell that watches over it.
pub struct Keeper {
    shell: Child,
    /// Open as long as the process is to live.
    leash: Option<ChildStdin>,
    process: Pid,
    name: String,
    log: PathBuf,
}

impl Keeper {
    /// Starts `command` (its program, arguments, environment and working directory count), writing to `log`.
    /// `dir` is removed when the keeper is dropped.
    pub fn start(name: &str, command: &Command, log: &Path, dir: Option<&Path>) -> Lab<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "keeper"]).arg(log).arg(dir.unwrap_or(Path::new("")));
        shell.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        if let Some(place) = command.get_current_dir() {
            shell.current_dir(place);
        }
        // A group of its own, so that Ctrl-C in a terminal reaches us and not the servers.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().map_err(LabError::file("sh"))?;
        let leash = shell.stdin.take();
        let process = read_pid(&mut shell).ok_or_else(|| LabError::Died { what: name.to_owned(), log: tail(log) })?;
        Ok(Self { shell, leash, process, name: name.to_owned(), log: log.to_path_buf() })
    }

    /// The number of the process itself, not of the shell.
    pub fn pid(&self) -> u32 {
        self.process.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether the process runs (a stopped one does, a zombie does not).
    pub fn is_alive(&self) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid())) else { return false };
        // The state follows the name, which stands in parentheses and may itself contain some: proc_pid_stat(5).
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    }

    /// Sends a signal; a process that is already dead is no error.
    pub fn signal(&self, signal: Signal) {
        let _already_dead = kill_process(self.process, signal);
    }

    /// SIGSTOP, and waits until no thread of it runs any more: the signal reaches one thread first, and another may still
    /// answer a packet meanwhile.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let _died_instead = waiting::until(&self.name, FROZEN_WITHIN, || self.is_frozen());
    }

    fn is_frozen(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.process.as_raw_nonzero())) else { return true };
        threads.flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The name before it, in brackets, may hold anything.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 'Z', 'X']))
        })
    }

    /// Asks the process to end and waits; answers whether it did within `limit`.
    pub fn terminate(&self, limit: Duration) -> bool {
        self.signal(Signal::TERM);
        waiting::until(&self.name, limit, || !self.is_alive()).is_ok()
    }

    /// The end of what the process wrote.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Kills the process if it still runs, and waits until it is gone.
    pub fn put_away(&mut self, directory: Directory) {
        if let Some(mut leash) = self.leash.take() {
            if directory == Directory::Keep {
                let _shell_gone = leash.write_all(b"keep\n");
            }
            drop(leash);
            let _status = self.shell.wait();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.put_away(Directory::Remove);
    }
}

/// Watches over a directory in which nothing runs yet: it is removed when the guard is dropped, or when we are killed.
/// Once a process's own keeper has the directory, put the guard away with [`Directory::Keep`].
pub fn guard(dir: &Path) -> Lab<Keeper> {
    Keeper::start("sleep", Command::new("sleep").arg("infinity"), Path::new("/dev/null"), Some(dir))
}

fn read_pid(shell: &mut Child) -> Option<Pid> {
    let mut line = String::new();
    BufReader::new(shell.stdout.take()?).read_line(&mut line).ok()?;
    Pid::from_raw(line.trim().parse().ok()?)
}

/// The end of a file, for messages.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let start = text.len().saturating_sub(LOG_TAIL);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::places;

    #[test]
    fn the_process_ends_also_when_its_owner_died_while_it_started() {
        let dir = places::fresh_dir("keeper").unwrap();
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "keeper", "/dev/null"]).arg(&dir).args(["sleep", "600"]);
        // What a killed owner leaves: a leash that is at its end, and nobody who reads.
        let status = shell.stdin(Stdio::null()).stdout(OwnedFd::from(writer)).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{status}");
        assert!(!dir.exists());
    }
}
