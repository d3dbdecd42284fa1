//! The `pointsman` program.

use std::process::ExitCode;

use pointsman_proxy::{cli, worker};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(worker::run)
}
