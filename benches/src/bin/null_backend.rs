//! A MySQL server that does nothing, on one thread: `null-backend --port 3307`. With `--replica` it calls itself
//! a replica that is up to date.

use std::io;
use std::net::Ipv4Addr;

use clap::Parser;
use pointsman_benches::null_backend::{self, Role};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Options {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    replica: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let role = if options.replica { Role::Replica } else { Role::Writer };
        null_backend::serve(listener, role).await
    })
}
