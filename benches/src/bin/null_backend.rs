//! A MySQL server that does nothing, on one thread: `null-backend --port 3307`.

use std::io;
use std::net::Ipv4Addr;

use clap::Parser;
use pointsman_benches::null_backend;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Options {
    #[arg(long)]
    port: u16,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        null_backend::serve(listener).await
    })
}
