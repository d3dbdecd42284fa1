//! `make demo`: real servers, Pointsman and a PHP site, a tour that shows where each statement went, then Ctrl-C ends it.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

mod site;
mod tour;

use std::env;
use std::process::ExitCode;

use pointsman_tests::{Group, Lab, LabError, Proxy, places, trace};
use tokio::signal::unix::{SignalKind, signal};

use site::Site;

/// With this set to 1 the demo ends after the tour, for CI.
const ONCE_VARIABLE: &str = "DEMO_ONCE";
/// The port that the documentation names; another one is taken when it is in use.
const USUAL_PORT: u16 = 6033;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Lab<()> {
    println!("1. four MariaDB servers: a master pair that replicates from each other, and two replicas");
    let group = Group::start()?;
    for server in group.servers() {
        println!("   server {} ({}) on {}", server.id, tour::role(&group, server.id), server.address());
    }
    println!("2. pointsman init, pointsman serve");
    let proxy = Proxy::of(&group).mysql_port(USUAL_PORT).start()?;
    println!("   ready on 127.0.0.1:{}", proxy.port);
    fill(&proxy, &group)?;
    trace::wait_for_readers(&proxy, &group, &group.readers())?;
    println!("3. a PHP site whose only database is 127.0.0.1:{}", proxy.port);
    let site = Site::start(proxy.port)?;
    site.visit()?;
    println!("   http://127.0.0.1:{}/ was visited, signed, and something was bought\n", site.port);
    tour::run(&group, &proxy)?;
    if env::var_os(ONCE_VARIABLE).is_some_and(|value| value == "1") {
        return Ok(());
    }
    print_what_to_try(&group, &proxy, &site);
    wait_for_ctrl_c()
}

/// Makes the shop's tables through the proxy, as an application's installer does.
fn fill(proxy: &Proxy, group: &Group) -> Lab<()> {
    let path = places::repository().join("demo/schema.sql");
    let schema = std::fs::read_to_string(&path).map_err(LabError::file(&path))?;
    let mut client = proxy.client()?;
    for statement in schema.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        client.sql(statement)?;
    }
    group.wait_for_sync()
}

fn print_what_to_try(group: &Group, proxy: &Proxy, site: &Site) {
    let replica = &group.replicas()[0];
    println!("\nIt stays up until Ctrl-C. To try:");
    println!("   mariadb -h127.0.0.1 -P{} -uapp -papp shop", proxy.port);
    println!("   http://127.0.0.1:{}/", site.port);
    println!("   tail -f {}/general.log          # what replica {} is asked", replica.dir().display(), replica.id);
    println!("   mariadb -h127.0.0.1 -P{} -uroot -e 'STOP SLAVE'   # its reads move elsewhere", replica.port);
    println!("   kill -STOP {}; sleep 5; kill -CONT {}   # a replica that hangs", replica.pid(), replica.pid());
    println!("   curl http://127.0.0.1:{}/readyz", proxy.http_port);
    println!("   less {}", proxy.log_file().display());
}

fn wait_for_ctrl_c() -> Lab<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LabError::file("runtime"))?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(LabError::file("SIGINT"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(LabError::file("SIGTERM"))?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        println!("\nstopping");
        Ok(())
    })
}
