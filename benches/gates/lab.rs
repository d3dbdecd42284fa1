//! A proxy under a counting tool, the servers behind it, and clients that ask a known number of times.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use pointsman_benches::client::{Client, Driver, Target, execute, query};
use pointsman_benches::contender::{Contender, Servers, scratch};
use pointsman_benches::load;
use pointsman_benches::process::{Launcher, rss_kib};
use pointsman_benches::{Bench, BenchError};
use pointsman_protocol::response::ReplyKind;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Until the monitor has seen all servers and the caches are warm.
const WARM_UP: usize = 300;
/// After this time what a login leaves behind has been put away.
const SETTLED: Duration = Duration::from_secs(1);

/// How often the memory of a proxy at work is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    Text,
    /// As mysqlnd asks: no trackers, and EOF packets.
    TextOfOld,
    Prepared,
    Write,
    /// A new connection each time.
    Connect,
}

/// Where what is counted begins, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Begin,
    End,
}

impl Statement {
    fn driver(self) -> Driver {
        if self == Self::TextOfOld { Driver::Mysqlnd } else { Driver::Libmysqlclient }
    }

    fn text(self) -> &'static str {
        if self == Self::Write {
            "UPDATE sbtest1 SET k=k+1 WHERE id=500123"
        } else {
            "SELECT c FROM sbtest1 WHERE id=500123"
        }
    }
}

/// Clients that are logged in and silent.
pub struct Idle(#[allow(dead_code, reason = "held, not used")] Vec<Client>);

pub struct Lab {
    pub dir: PathBuf,
    proxy: Contender,
    _servers: Servers,
    runtime: Runtime,
    local: LocalSet,
}

impl Lab {
    /// A proxy with one worker thread, started by this launcher.
    pub fn under(launcher: impl FnOnce(&Path) -> Launcher) -> Bench<Self> {
        let dir = scratch()?;
        let launcher = launcher(&dir);
        Self::start(dir, &launcher, "")
    }

    /// A proxy whose clients may use TLS.
    pub fn with_tls() -> Bench<Self> {
        let dir = scratch()?;
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-keyout", "tls.key", "-out", "tls.pem"])
            .current_dir(&dir)
            .output()
            .map_err(BenchError::of("openssl"))?;
        if !made.status.success() {
            return Err(BenchError::Other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let (cert, key) = (dir.join("tls.pem"), dir.join("tls.key"));
        let listen = format!("tls = \"optional\"\ntls_cert = {cert:?}\ntls_key = {key:?}");
        Self::start(dir, &Launcher::default(), &listen)
    }

    fn start(dir: PathBuf, launcher: &Launcher, listen: &str) -> Bench<Self> {
        let servers = Servers::start(&Launcher::default(), &dir)?;
        let binary = release("pointsman")?;
        let proxy = Contender::pointsman_with(listen, &binary, &servers, launcher, 1, &dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut lab = Self { dir, proxy, _servers: servers, runtime, local: LocalSet::new() };
        for statement in [Statement::Text, Statement::TextOfOld, Statement::Prepared, Statement::Write] {
            lab.run(statement, 1, WARM_UP)?;
        }
        Ok(lab)
    }

    pub fn plain() -> Bench<Self> {
        Self::under(|_| Launcher::default())
    }

    pub fn pid(&self) -> u32 {
        self.proxy.pid()
    }

    fn target(&self, statement: Statement) -> Target {
        self.proxy.target(statement.driver())
    }

    /// So many clients, one statement after the other each, `each` of them.
    pub fn run(&mut self, statement: Statement, clients: usize, each: usize) -> Bench<()> {
        self.measured(statement, clients, each, |_| Ok(()))
    }

    /// The same, telling when the clients are at work: logged in, with their statements prepared.
    pub fn measured(
        &mut self,
        statement: Statement,
        clients: usize,
        each: usize,
        mut at_edge: impl FnMut(Edge) -> Bench<()>,
    ) -> Bench<()> {
        let target = Rc::new(self.target(statement));
        self.local.block_on(&self.runtime, async move {
            let mut ready = Vec::new();
            for _ in 0..clients {
                ready.push(Worker::new(&target, statement).await?);
            }
            at_edge(Edge::Begin)?;
            let work = ready.into_iter().map(|worker| tokio::task::spawn_local(worker.work(target.clone(), each)));
            let mut done = Vec::new();
            for task in work.collect::<Vec<_>>() {
                done.push(task.await.map_err(|e| BenchError::Other(e.to_string()))??);
            }
            at_edge(Edge::End)?;
            drop(done);
            Ok(())
        })
    }

    /// Logs in so many clients; one in ten asks something first.
    pub fn idle_clients(&mut self, count: usize) -> Bench<Idle> {
        let target = self.target(Statement::Text);
        let clients = self.local.block_on(&self.runtime, load::idle(&target, count, 10))?;
        std::thread::sleep(SETTLED);
        Ok(Idle(clients))
    }

    /// The same with what a driver makes of these options, and each asks something: a stream has its buffers by then.
    pub fn idle_drivers(&mut self, count: usize, options: &OptsBuilder) -> Bench<Vec<Conn>> {
        let target = self.target(Statement::Text);
        let opts: Opts = options
            .clone()
            .ip_or_hostname(target.addr.ip().to_string())
            .tcp_port(target.addr.port())
            .user(Some(&target.user))
            .pass(Some(&target.password))
            .db_name(Some(&target.schema))
            .prefer_socket(Some(false))
            // Given, so that the driver asks no server for them.
            .max_allowed_packet(Some(1 << 24))
            .wait_timeout(Some(28_800))
            .into();
        let clients = self.local.block_on(&self.runtime, async {
            let mut clients = Vec::with_capacity(count);
            for _ in 0..count {
                let mut client = Conn::new(opts.clone()).await?;
                client.query_drop(Statement::Text.text()).await?;
                clients.push(client);
            }
            Ok::<_, mysql_async::Error>(clients)
        });
        std::thread::sleep(SETTLED);
        clients.map_err(|e| BenchError::Other(e.to_string()))
    }

    pub fn resident_kib(&self) -> u64 {
        rss_kib(self.pid())
    }

    /// Takes a large result with pauses; by how many KiB the proxy has grown at most.
    pub fn slow_reader(&mut self, pause: Duration, before: u64) -> Bench<f64> {
        let (target, pid) = (self.target(Statement::Text), self.pid());
        let mut most = before;
        self.local.block_on(&self.runtime, async {
            let mut client = Client::connect(&target).await?;
            client.pause = pause;
            let wire = query("SELECT pad FROM big WHERE id > 1");
            let reading = client.roundtrip(&wire, ReplyKind::Results);
            tokio::pin!(reading);
            loop {
                tokio::select! {
                    read = &mut reading => return read,
                    () = tokio::time::sleep(LOOK_EVERY) => most = most.max(rss_kib(pid)),
                }
            }
        })?;
        Ok(growth(before, most))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// One client at work.
struct Worker {
    client: Client,
    statement: Statement,
    wire: Vec<u8>,
}

impl Worker {
    async fn new(target: &Target, statement: Statement) -> Bench<Self> {
        let mut client = Client::connect(target).await?;
        let mut wire = query(statement.text());
        if statement == Statement::Prepared {
            let id = client.prepare("SELECT c FROM sbtest1 WHERE id=?").await?;
            client.roundtrip(&execute(id, 1, true), ReplyKind::Results).await?;
            wire = execute(id, 1, false);
        }
        Ok(Self { client, statement, wire })
    }

    /// Gives the client back, so that its goodbye is not counted.
    async fn work(mut self, target: Rc<Target>, each: usize) -> Bench<Client> {
        for _ in 0..each {
            if self.statement == Statement::Connect {
                std::mem::replace(&mut self.client, Client::connect(&target).await?).quit().await;
            }
            self.client.roundtrip(&self.wire, ReplyKind::Results).await?;
        }
        Ok(self.client)
    }
}

pub fn growth(before: u64, after: u64) -> f64 {
    after.saturating_sub(before) as f64
}

/// A program of the release build: what the gates count is what is shipped, whatever they are built as themselves.
pub fn release(program: &str) -> Bench<PathBuf> {
    let own = std::env::current_exe().map_err(BenchError::of("own path"))?;
    // target/debug/deps/gates-...
    let target = own.ancestors().nth(3).unwrap_or(Path::new("target"));
    let path = target.join("release").join(program);
    path.canonicalize().map_err(BenchError::of(path.display().to_string()))
}
