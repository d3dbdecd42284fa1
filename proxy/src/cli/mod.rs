//! The command line: `pointsman init|check|serve --config FILE`.

mod check;
mod init;
mod lock;
mod panics;
mod report;
mod serve;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::runtime::Runtime;

/// A MySQL and MariaDB proxy: read/write splitting with one confirmed writer, pools, and honest errors.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the heartbeat table on each shard's writer and prints the rights that the proxy's account needs.
    Init {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Log in as this account instead of [backend] user; its password is taken from POINTSMAN_ADMIN_PASSWORD.
        #[arg(long, value_name = "NAME")]
        admin_user: Option<String>,
    },
    /// Checks the file, then every server, and lists all problems; exit code 1 if there are any.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Serves until SIGTERM.
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How the log is written, to standard error; RUST_LOG says how much of it.
        #[arg(long, value_enum, default_value = "text")]
        log_format: LogFormat,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Runs the command of this process's arguments. `workers` is the data path: it serves until the runtime's
/// shutdown, and returns when its last session is gone.
pub fn run(workers: impl FnOnce(Runtime) -> std::io::Result<()>) -> ExitCode {
    // Named once, because the control connections' driver takes whatever the process has chosen. An error means that
    // it was chosen already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default().is_ok();
    panics::report_by_place();
    let outcome = match Arguments::parse().command {
        Command::Init { config, admin_user } => {
            logging(LogFormat::Text, "error");
            load(&config).and_then(|c| init::run(c, admin_user))
        }
        Command::Check { config } => {
            logging(LogFormat::Text, "error");
            load(&config).and_then(check::run)
        }
        Command::Serve { config, log_format } => {
            logging(log_format, "info");
            load(&config).and_then(|c| serve::run(&config, c, workers))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            print_error(&message);
            ExitCode::FAILURE
        }
    }
}

fn load(path: &std::path::Path) -> Result<Config, String> {
    Config::load(path).map_err(|problems| format!("{} is not usable:\n{problems}", path.display()))
}

/// To stderr; RUST_LOG overrides the level.
fn logging(format: LogFormat, level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // The parser traces statements with their literals, which must not be logged at any level.
    let filter = match "sqlparser=off".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    // Its own complaint about a log that can't be written would go to the same place, and panic.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LogLines).log_internal_errors(false);
    let colours = std::io::stderr().is_terminal();
    let installed = match format {
        LogFormat::Text => builder.with_ansi(colours).with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if installed.is_err() {
        print_error("logging was set up twice");
    }
}

/// stderr as the log's place. A line that can't be written (a full disk, a closed pipe) is lost; clients are served on.
struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _lost = std::io::stderr().write_all(bytes).is_err();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One line to stdout. A closed pipe is no reason to fail.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}").is_ok();
}

/// One line to stderr. A closed pipe is no reason to fail.
fn print_error(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}").is_ok();
}

/// The runtime of control tasks: one thread beside the data path's.
fn control_runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|e| format!("the control thread can't be started: {e}"))
}
