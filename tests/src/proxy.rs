//! The real `pointsman` in front of a group: its configuration, its start and its end, and what it costs.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs, thread};

use rustix::process::Signal;

use crate::client::{Client, Login};
use crate::error::{Lab, LabError};
use crate::group::Group;
use crate::http::{self, Answer};
use crate::keeper::{self, Directory, Keeper};
use crate::template::{APP, POINTSMAN, SCHEMA};
use crate::{places, ports, template, waiting};

/// Names the program to test, for release builds; without it the one of this checkout is built.
pub const BINARY_VARIABLE: &str = "POINTSMAN_BIN";

/// How long the proxy may take until it is ready: it asks every server for its state first.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may drain at the end of a test. A test that is done has no open transaction worth more.
const DRAIN_LIMIT: Duration = Duration::from_secs(8);

/// When a started proxy counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// `GET /readyz` answers 200, so it has a confirmed writer, and its MySQL port accepts connections.
    Readyz,
    /// Its MySQL port accepts connections: for tests in which no writer is there from the start.
    Port,
}

/// What the proxy is configured with. The `*_lines` are TOML text, put into the table of that name.
#[derive(Clone, Debug)]
pub struct ProxyPlan {
    masters: Vec<String>,
    replicas: Vec<String>,
    /// Of each server that has more than an address: that address, and TOML text.
    details: Vec<(String, String)>,
    listen_lines: String,
    backend_lines: String,
    user_lines: String,
    shard_lines: String,
    proxy_lines: String,
    more: String,
    mysql_port: Option<u16>,
    unix_socket: bool,
    ready: Ready,
    init: bool,
    full_log: bool,
}

impl ProxyPlan {
    /// Lines for `[listen]`, such as `tls = "required"`.
    #[must_use]
    pub fn listen(mut self, lines: &str) -> Self {
        push_line(&mut self.listen_lines, lines);
        self
    }

    /// Lines for `[backend]`, such as `tls = "required"`.
    #[must_use]
    pub fn backend(mut self, lines: &str) -> Self {
        push_line(&mut self.backend_lines, lines);
        self
    }

    /// Applications may also come through the Unix socket [`Proxy::socket`].
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Lines for the `[[user]]` named `app`.
    #[must_use]
    pub fn user(mut self, lines: &str) -> Self {
        push_line(&mut self.user_lines, lines);
        self
    }

    /// Lines for the `[[shard]]`. `max_lag_ms` is 1000 unless set here.
    #[must_use]
    pub fn shard(mut self, lines: &str) -> Self {
        push_line(&mut self.shard_lines, lines);
        self
    }

    /// Lines for `[proxy]`, such as `id = 3`.
    #[must_use]
    pub fn proxy(mut self, lines: &str) -> Self {
        push_line(&mut self.proxy_lines, lines);
        self
    }

    /// Whole tables, such as `"[debug]\nalways_switch = true"` or another `[[user]]`.
    #[must_use]
    pub fn more(mut self, tables: &str) -> Self {
        push_line(&mut self.more, tables);
        self
    }

    /// A port that is wanted for applications, if it is free.
    #[must_use]
    pub fn mysql_port(mut self, port: u16) -> Self {
        self.mysql_port = Some(port);
        self
    }

    /// Other addresses for the masters, such as their Unix sockets.
    #[must_use]
    pub fn masters(mut self, addresses: &[String]) -> Self {
        self.masters = addresses.to_vec();
        self
    }

    /// More of that server than its address, such as `weight = 50, zone = "b"`.
    #[must_use]
    pub fn server(mut self, server: &crate::Server, details: &str) -> Self {
        self.details.push((server.address(), details.to_owned()));
        self
    }

    /// Whether replicas are configured at all.
    #[must_use]
    pub fn without_replicas(mut self) -> Self {
        self.replicas.clear();
        self
    }

    #[must_use]
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// No `pointsman init` first: the servers have no heartbeat table.
    #[must_use]
    pub fn without_init(mut self) -> Self {
        self.init = false;
        self
    }

    /// Its log can't be written: the disk is full.
    #[must_use]
    pub fn full_log(mut self) -> Self {
        self.full_log = true;
        self
    }

    /// The configuration file's text for these three ports; lock files go to `dir`, not to the machine's own place.
    pub fn toml(&self, mysql: u16, admin: u16, http: u16, dir: &Path) -> String {
        let (app, app_password) = APP;
        let (backend, backend_password) = POINTSMAN;
        let mut addresses = vec![format!("127.0.0.1:{mysql}")];
        if self.unix_socket {
            addresses.push(format!("unix:{}", socket_in(dir).display()));
        }
        let lag = if self.shard_lines.contains("max_lag_ms") { "" } else { "max_lag_ms = 1000\n" };
        format!(
            "[listen]\nmysql = {addresses:?}\nadmin = \"127.0.0.1:{admin}\"\nhttp = \"127.0.0.1:{http}\"\n{}\n\
             [backend]\nuser = \"{backend}\"\npassword = \"{backend_password}\"\n{}\n\
             [[user]]\nname = \"{app}\"\npassword = \"{app_password}\"\ndefault_schema = \"{SCHEMA}\"\n{}\n\
             [[shard]]\nname = \"main\"\nmasters = {}\nreplicas = {}\n{lag}{}\n\
             [proxy]\nstate_dir = {dir:?}\n{}\n{}",
            self.listen_lines,
            self.backend_lines,
            self.user_lines,
            self.servers_toml(&self.masters),
            self.servers_toml(&self.replicas),
            self.shard_lines,
            self.proxy_lines,
            self.more
        )
    }

    fn servers_toml(&self, addresses: &[String]) -> String {
        let one = |address: &String| match self.details.iter().find(|(of, _)| of == address) {
            Some((_, details)) => format!("{{ address = {address:?}, {details} }}"),
            None => format!("{address:?}"),
        };
        format!("[{}]", addresses.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    pub fn start(&self) -> Lab<Proxy> {
        let program = binary()?;
        let dir = places::fresh_dir("proxy")?;
        let mut guard = keeper::guard(&dir)?;
        let proxy = self.launch(&program, &dir)?;
        guard.put_away(Directory::Keep);
        proxy.wait_until_ready(self.ready)?;
        Ok(proxy)
    }

    fn launch(&self, program: &Path, dir: &Path) -> Lab<Proxy> {
        let port = self.mysql_port.map_or_else(ports::free, ports::free_or);
        let (admin_port, http_port) = (ports::free(), ports::free());
        let config = dir.join("pointsman.toml");
        fs::write(&config, self.toml(port, admin_port, http_port, dir)).map_err(LabError::file(&config))?;
        if self.init {
            template::run(Command::new(program).args(["init", "--config"]).arg(&config))?;
        }
        let log = dir.join("proxy.log");
        let mut command = if self.full_log { Command::new("sh") } else { Command::new(program) };
        if self.full_log {
            command.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"]).arg(program);
        }
        command.args(["serve", "--config"]).arg(&config).current_dir(dir).env("RUST_BACKTRACE", "1");
        let keeper = Keeper::start("pointsman", &command, &log, Some(dir))?;
        Ok(Proxy { port, admin_port, http_port, dir: dir.to_path_buf(), log, keeper })
    }
}

/// A running proxy. When it is dropped it gets SIGTERM, and a panic in its log fails the test.
pub struct Proxy {
    /// For applications.
    pub port: u16,
    pub admin_port: u16,
    pub http_port: u16,
    dir: PathBuf,
    log: PathBuf,
    keeper: Keeper,
}

impl Proxy {
    /// A plan for a proxy in front of that group, with the five lines of configuration that users start with.
    pub fn of(group: &Group) -> ProxyPlan {
        ProxyPlan {
            masters: group.masters().iter().map(crate::Server::address).collect(),
            replicas: group.replicas().iter().map(crate::Server::address).collect(),
            details: vec![],
            listen_lines: String::new(),
            backend_lines: String::new(),
            user_lines: String::new(),
            shard_lines: String::new(),
            proxy_lines: String::new(),
            more: String::new(),
            mysql_port: None,
            unix_socket: false,
            ready: Ready::Readyz,
            init: true,
            full_log: false,
        }
    }

    /// A new connection of the application.
    pub fn client(&self) -> Lab<Client> {
        Client::connect(&Login::app(self.port))
    }

    /// How the application logs in; to be changed by the test.
    pub fn login(&self) -> Login {
        Login::app(self.port)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.join("pointsman.toml")
    }

    /// The Unix socket, of a plan with [`ProxyPlan::unix_socket`].
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.dir)
    }

    /// Where its log lies.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// SIGHUP, after the test changed the configuration file.
    pub fn reload(&self) {
        self.keeper.signal(Signal::HUP);
    }

    /// SIGTERM; answers whether the proxy ended within `limit`.
    pub fn terminate(&self, limit: Duration) -> bool {
        self.keeper.terminate(limit)
    }

    pub fn is_alive(&self) -> bool {
        self.keeper.is_alive()
    }

    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// All that the proxy has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// GET of the HTTP port.
    pub fn http(&self, path: &str) -> Option<Answer> {
        http::get(self.http_port, path)
    }

    /// Resident memory in KiB (`VmRSS` of proc_pid_status(5)).
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// How many files and sockets the proxy holds open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// The lines of the log that tell of a panic.
    pub fn panics(&self) -> Vec<String> {
        self.log().lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect()
    }

    fn wait_until_ready(&self, ready: Ready) -> Lab<()> {
        let died = || LabError::Died { what: "pointsman".to_owned(), log: self.keeper.log_tail() };
        let listens = || TcpStream::connect(ports::local(self.port)).is_ok();
        let is_ready = || match ready {
            Ready::Readyz => self.http("/readyz").is_some_and(|answer| answer.status == 200) && listens(),
            Ready::Port => listens(),
        };
        waiting::until("pointsman is ready", START_LIMIT, || is_ready() || !self.is_alive()).map_err(|_| died())?;
        if self.is_alive() { Ok(()) } else { Err(died()) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.keeper.terminate(DRAIN_LIMIT);
        let panics = self.panics();
        if thread::panicking() {
            // The test failed already: the end of the log is what its reader wants next.
            eprintln!("the end of pointsman's log:\n{}", self.keeper.log_tail());
        } else {
            assert!(panics.is_empty(), "pointsman panicked:\n{}\n{}", panics.join("\n"), self.keeper.log_tail());
        }
    }
}

/// The program to test. It is built once in a test run, so that a test never runs against an old one.
pub fn binary() -> Lab<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match env::var_os(BINARY_VARIABLE) {
        Some(path) => Ok(PathBuf::from(path)),
        None => build().map_err(|error| error.to_string()),
    });
    let failed = |output: &String| LabError::Command { command: "cargo build".to_owned(), output: output.clone() };
    built.as_ref().cloned().map_err(failed)
}

/// Builds the program, which takes no time when it is built already.
fn build() -> Lab<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "pointsman-proxy", "--bin", "pointsman"]);
    // cargo tells a test of its package by the environment. Build scripts look at these (ring's does), so with them all
    // would be built anew, and again without them.
    for (name, _) in env::vars_os() {
        let is_of_this_package = name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|start| name.starts_with(start))
        });
        if is_of_this_package {
            command.env_remove(name);
        }
    }
    template::run(command.current_dir(places::repository()))?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| places::repository().join("target"), PathBuf::from);
    Ok(target.join("debug/pointsman"))
}

fn socket_in(dir: &Path) -> PathBuf {
    dir.join("proxy.sock")
}

fn push_line(text: &mut String, lines: &str) {
    text.push_str(lines);
    text.push('\n');
}
