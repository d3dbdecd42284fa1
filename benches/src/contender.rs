//! The proxies that are compared, each with one worker thread in front of the same backend.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::client::{Driver, Target};
use crate::error::{Bench, BenchError};
use crate::process::{Program, free_port};

/// The account of the load at Pointsman; the null backend lets in whoever comes.
const APP: (&str, &str) = ("app", "app");
const SCHEMA: &str = "sbtest";

/// A running proxy.
pub struct Contender {
    pub name: &'static str,
    pub port: u16,
    program: Program,
}

impl Contender {
    /// Pointsman, from the given binary.
    pub fn pointsman(binary: &Path, backend: u16, core: Option<usize>, cores: usize, dir: &Path) -> Bench<Self> {
        let (port, http) = (free_port()?, free_port()?);
        let config = dir.join("pointsman.toml");
        let text = format!(
            "[listen]\nmysql = \"127.0.0.1:{port}\"\nadmin = \"\"\nhttp = \"127.0.0.1:{http}\"\ncores = {cores}\n\
             [backend]\nuser = \"pointsman\"\npassword = \"secret\"\n\
             [[user]]\nname = \"{}\"\npassword = \"{}\"\n\
             [[shard]]\nname = \"main\"\nmasters = [\"127.0.0.1:{backend}\"]\nreplicas = []\n\
             [proxy]\nstate_dir = {dir:?}\n",
            APP.0, APP.1
        );
        fs::write(&config, text).map_err(BenchError::of(config.display().to_string()))?;
        let argv = [&binary.display().to_string(), "serve", "--config", &config.display().to_string()];
        let mut program = Program::start("pointsman", core, &argv, dir)?;
        program.wait_for_port(port, || ready(http))?;
        Ok(Self { name: "pointsman", port, program })
    }

    /// HAProxy as a TCP relay: the yardstick.
    pub fn haproxy(backend: u16, core: Option<usize>, dir: &Path) -> Bench<Self> {
        let port = free_port()?;
        let config = dir.join("haproxy.cfg");
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4000\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  maxconn 4000\n\
             listen mysql\n  bind 127.0.0.1:{port}\n  server one 127.0.0.1:{backend}\n"
        );
        fs::write(&config, text).map_err(BenchError::of(config.display().to_string()))?;
        let argv = ["haproxy", "-f", &config.display().to_string()];
        let mut program = Program::start("haproxy", core, &argv, dir)?;
        program.wait_for_port(port, || true)?;
        Ok(Self { name: "haproxy", port, program })
    }

    /// A backend of ours in a process of its own.
    pub fn null_backend(core: Option<usize>, dir: &Path) -> Bench<Self> {
        let port = free_port()?;
        let own = std::env::current_exe().map_err(BenchError::of("own path"))?;
        let program = own.with_file_name("null-backend");
        let argv = [&program.display().to_string(), "--port", &port.to_string()];
        let mut program = Program::start("null-backend", core, &argv, dir)?;
        program.wait_for_port(port, || true)?;
        Ok(Self { name: "null-backend", port, program })
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
    let dir = std::env::temp_dir().join(format!("pointsman-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).map_err(BenchError::of(dir.display().to_string()))?;
    Ok(dir)
}
