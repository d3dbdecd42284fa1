//! The proxies that are compared, and the servers behind them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::client::{Driver, Target};
use crate::error::{Bench, BenchError};
use crate::process::{Launcher, Program, free_port};

/// The account of the load at Pointsman; the null backend lets in whoever comes.
const APP: (&str, &str) = ("app", "app");
const SCHEMA: &str = "sbtest";

/// Clients that Pointsman must let in at once.
const MAX_CLIENTS: usize = 20_000;
/// HAProxy, which takes two descriptors for each, gets no idle ones.
const HAPROXY_CLIENTS: usize = 4_000;

/// What the proxies stand in front of: a writer, and a replica for those who split reads from writes.
pub struct Servers {
    pub writer: Contender,
    pub replica: Contender,
}

impl Servers {
    pub fn start(launcher: &Launcher, dir: &Path) -> Bench<Self> {
        Ok(Self {
            writer: Contender::null_backend("null-writer", launcher, &[], dir)?,
            replica: Contender::null_backend("null-replica", launcher, &["--replica"], dir)?,
        })
    }
}

/// A program that was built beside the one that runs (the gates run from a folder below).
fn beside_us(name: &str) -> Bench<String> {
    let own = std::env::current_exe().map_err(BenchError::of("own path"))?;
    let places = own.ancestors().skip(1).take(2).map(|dir| dir.join(name));
    let found = places.into_iter().find(|path| path.is_file());
    let found = found
        .ok_or_else(|| BenchError::Other(format!("{name} is not built (cargo build -p pointsman-benches --bins)")))?;
    Ok(found.display().to_string())
}

/// A running proxy or server.
pub struct Contender {
    pub name: &'static str,
    pub port: u16,
    program: Program,
}

impl Contender {
    /// Pointsman, from the given binary, with so many worker threads.
    pub fn pointsman(binary: &Path, servers: &Servers, launcher: &Launcher, cores: usize, dir: &Path) -> Bench<Self> {
        Self::pointsman_with("", binary, servers, launcher, cores, dir)
    }

    /// The same, with lines for its section `[listen]`.
    pub fn pointsman_with(
        listen: &str,
        binary: &Path,
        servers: &Servers,
        launcher: &Launcher,
        cores: usize,
        dir: &Path,
    ) -> Bench<Self> {
        let (port, http) = (free_port()?, free_port()?);
        let config = dir.join("pointsman.toml");
        let text = format!(
            "[listen]\nmysql = \"127.0.0.1:{port}\"\nadmin = \"\"\nhttp = \"127.0.0.1:{http}\"\ncores = {cores}\n\
             max_client_connections = {MAX_CLIENTS}\n{listen}\n\
             [backend]\nuser = \"pointsman\"\npassword = \"secret\"\n\
             [[user]]\nname = \"{}\"\npassword = \"{}\"\n\
             [[shard]]\nname = \"main\"\nmasters = [\"127.0.0.1:{}\"]\nreplicas = [\"127.0.0.1:{}\"]\n\
             [proxy]\nstate_dir = {dir:?}\n",
            APP.0, APP.1, servers.writer.port, servers.replica.port
        );
        fs::write(&config, text).map_err(BenchError::of(config.display().to_string()))?;
        let argv = [&binary.display().to_string(), "serve", "--config", &config.display().to_string()];
        let mut program = Program::start("pointsman", launcher, &argv, dir)?;
        program.wait_for_port(port, || ready(http))?;
        Ok(Self { name: "pointsman", port, program })
    }

    /// HAProxy as a TCP relay: the yardstick.
    pub fn haproxy(backend: u16, launcher: &Launcher, threads: usize, dir: &Path) -> Bench<Self> {
        let port = free_port()?;
        let config = dir.join("haproxy.cfg");
        let text = format!(
            "global\n  nbthread {threads}\n  maxconn {HAPROXY_CLIENTS}\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  \
             maxconn {HAPROXY_CLIENTS}\n\
             listen mysql\n  bind 127.0.0.1:{port}\n  server one 127.0.0.1:{backend}\n"
        );
        fs::write(&config, text).map_err(BenchError::of(config.display().to_string()))?;
        let argv = ["haproxy", "-f", &config.display().to_string()];
        let mut program = Program::start("haproxy", launcher, &argv, dir)?;
        program.wait_for_port(port, || true)?;
        Ok(Self { name: "haproxy", port, program })
    }

    /// ProxySQL with the same rule that Pointsman has by itself: reads to the replica. `None`: it is not installed.
    pub fn proxysql(servers: &Servers, launcher: &Launcher, threads: usize, dir: &Path) -> Bench<Option<Self>> {
        if !is_on_path("proxysql") {
            return Ok(None);
        }
        let (port, admin, data) = (free_port()?, free_port()?, dir.join("proxysql"));
        fs::create_dir_all(&data).map_err(BenchError::of(data.display().to_string()))?;
        let config = dir.join("proxysql.cnf");
        let (user, password) = APP;
        let (writer, replica) = (servers.writer.port, servers.replica.port);
        let text = format!(
            "datadir={data:?}\nadmin_variables={{ mysql_ifaces=\"127.0.0.1:{admin}\" }}\n\
             mysql_variables={{ threads={threads} interfaces=\"127.0.0.1:{port}\" monitor_enabled=false \
             max_connections={HAPROXY_CLIENTS} default_schema=\"{SCHEMA}\" }}\n\
             mysql_servers=( {{ address=\"127.0.0.1\" port={writer} hostgroup=0 max_connections=1000 }}, \
             {{ address=\"127.0.0.1\" port={replica} hostgroup=1 max_connections=1000 }} )\n\
             mysql_users=( {{ username=\"{user}\" password=\"{password}\" default_hostgroup=0 }} )\n\
             mysql_query_rules=( {{ rule_id=1 active=1 match_digest=\"^SELECT\" destination_hostgroup=1 apply=1 }} )\n"
        );
        fs::write(&config, text).map_err(BenchError::of(config.display().to_string()))?;
        let argv = ["proxysql", "-f", "--idle-threads", "-c", &config.display().to_string()];
        let mut program = Program::start("proxysql", launcher, &argv, dir)?;
        program.wait_for_port(port, || true)?;
        Ok(Some(Self { name: "proxysql", port, program }))
    }

    /// MySQL Router, routing by connection. `None`: it is not installed.
    pub fn mysql_router(backend: u16, launcher: &Launcher, threads: usize, dir: &Path) -> Bench<Option<Self>> {
        if !is_on_path("mysqlrouter") {
            return Ok(None);
        }
        let port = free_port()?;
        let config = dir.join("mysqlrouter.conf");
        let text = format!(
            "[DEFAULT]\nlogging_folder=\nruntime_folder={dir}\ndata_folder={dir}\nmax_total_connections={HAPROXY_CLIENTS}\n\
             [logger]\nlevel=WARNING\n[io]\nthreads={threads}\n\
             [routing:bench]\nbind_address=127.0.0.1\nbind_port={port}\ndestinations=127.0.0.1:{backend}\n\
             routing_strategy=first-available\nprotocol=classic\nmax_connections={HAPROXY_CLIENTS}\n\
             client_ssl_mode=DISABLED\nserver_ssl_mode=DISABLED\n",
            dir = dir.display()
        );
        fs::write(&config, text).map_err(BenchError::of(config.display().to_string()))?;
        let argv = ["mysqlrouter", "-c", &config.display().to_string()];
        let mut program = Program::start("mysqlrouter", launcher, &argv, dir)?;
        program.wait_for_port(port, || true)?;
        Ok(Some(Self { name: "mysqlrouter", port, program }))
    }

    /// A null backend in a process of its own.
    fn null_backend(name: &'static str, launcher: &Launcher, own: &[&str], dir: &Path) -> Bench<Self> {
        let port = free_port()?;
        let program = beside_us("null-backend")?;
        let port_word = port.to_string();
        let mut argv = vec![program.as_str(), "--port", &port_word];
        argv.extend(own);
        let mut program = Program::start(name, launcher, &argv, dir)?;
        program.wait_for_port(port, || true)?;
        Ok(Self { name, port, program })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    #[must_use]
    pub fn target(&self, driver: Driver) -> Target {
        target(self.port, driver)
    }
}

/// The load's login at that port.
#[must_use]
pub fn target(port: u16, driver: Driver) -> Target {
    Target {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        user: APP.0.to_owned(),
        password: APP.1.to_owned(),
        schema: SCHEMA.to_owned(),
        driver,
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// GET /readyz says 200.
fn ready(http: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, http)) else { return false };
    let mut answer = String::new();
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.split_whitespace().nth(1) == Some("200")
}

/// A fresh directory for configurations and logs of one run.
pub fn scratch() -> Bench<PathBuf> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let dir = std::env::temp_dir().join(format!("pointsman-bench-{}-{}", std::process::id(), since.as_micros()));
    fs::create_dir_all(&dir).map_err(BenchError::of(dir.display().to_string()))?;
    Ok(dir)
}
