//! The `pointsman` program.

use std::process::ExitCode;

use pointsman_proxy::cli;
use pointsman_proxy::runtime::{Phase, Runtime};

fn main() -> ExitCode {
    cli::run(control_only)
}

/// Watches the servers without serving clients; the data path takes this place.
fn control_only(runtime: Runtime) -> std::io::Result<()> {
    let mut shutdown = runtime.shutdown;
    tokio::runtime::Builder::new_current_thread().build()?.block_on(shutdown.reached(Phase::Draining));
    Ok(())
}
