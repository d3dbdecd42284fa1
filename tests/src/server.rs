//! One database server: start it, ask it, stop it, kill it, start it again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use crate::client::{Client, Login, Rows};
use crate::error::{Lab, LabError};
use crate::keeper::{Directory, Keeper};
use crate::kind::{Flags, Kind};
use crate::template::Template;
use crate::{ports, waiting};

/// How long a server may take until it accepts connections: crash recovery on a busy two-core machine included.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to shut down in order.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Between the look for a free port and the server's bind another process may have taken it.
const ATTEMPTS: u32 = 3;

/// What a server is to be like.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    pub kind: Kind,
    /// `@@server_id`; must differ within a group.
    pub id: u32,
    pub read_only: bool,
    /// Whether every statement is written down, which [`crate::trace`] needs. Costs speed: off for benchmarks.
    pub general_log: bool,
    /// More arguments for the server's command line.
    pub extra: Vec<String>,
}

impl ServerPlan {
    pub fn new(kind: Kind, id: u32) -> Self {
        Self { kind, id, read_only: false, general_log: true, extra: vec![] }
    }
}

/// A server that runs unless a test stopped it.
pub struct Server {
    pub kind: Kind,
    pub id: u32,
    pub port: u16,
    dir: PathBuf,
    template: Template,
    plan: ServerPlan,
    /// What `--read-only` is at the next start, as a careful DBA keeps it in my.cnf.
    read_only: AtomicBool,
    keeper: Mutex<Keeper>,
}

impl Server {
    /// A server of its own, not part of a group.
    pub fn start(kind: Kind) -> Lab<Self> {
        Self::start_as(&ServerPlan::new(kind, 1))
    }

    pub fn start_as(plan: &ServerPlan) -> Lab<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(plan) {
                Err(LabError::Died { .. }) if attempt < ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    fn try_start(plan: &ServerPlan) -> Lab<Self> {
        let template = Template::of(plan.kind)?;
        let (dir, mut guard) = template.copy()?;
        let port = ports::free();
        let keeper = launch(&template, &dir, port, plan, plan.read_only)?;
        guard.put_away(Directory::Keep);
        let server = Self {
            kind: plan.kind,
            id: plan.id,
            port,
            dir,
            template,
            plan: plan.clone(),
            read_only: AtomicBool::new(plan.read_only),
            keeper: Mutex::new(keeper),
        };
        server.wait_until_up()?;
        Ok(server)
    }

    /// `127.0.0.1:port`, as the proxy's configuration wants it.
    pub fn address(&self) -> String {
        ports::local(self.port).to_string()
    }

    /// A new connection as root.
    pub fn client(&self) -> Lab<Client> {
        Client::connect(&Login::root(self.port))
    }

    /// A new connection as the application, in its schema.
    pub fn app(&self) -> Lab<Client> {
        Client::connect(&Login::app(self.port))
    }

    /// Runs one statement as root on a connection of its own.
    pub fn sql(&self, statement: &str) -> Lab<Rows> {
        self.client()?.sql(statement)
    }

    /// The first cell of a statement's answer, as root.
    pub fn value(&self, statement: &str) -> Lab<String> {
        self.client()?.value(statement)
    }

    /// A counter of `SHOW GLOBAL STATUS`, such as `Com_select`.
    pub fn counter(&self, name: &str) -> Lab<u64> {
        let rows = self.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}'"))?;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().nth(1)).flatten();
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// SELECTs in the text protocol that this account has run since the start. MariaDB counts them only with
    /// `--userstat=1`.
    pub fn selects_of(&self, user: &str) -> Lab<u64> {
        let statement = match self.kind {
            Kind::MariaDb => {
                format!("SELECT SUM(select_commands) FROM information_schema.user_statistics WHERE user = '{user}'")
            }
            Kind::MySql9 => format!(
                "SELECT SUM(count_star) FROM performance_schema.events_statements_summary_by_user_by_event_name \
                 WHERE user = '{user}' AND event_name = 'statement/sql/select'"
            ),
        };
        Ok(self.value(&statement)?.parse().unwrap_or(0))
    }

    /// The ids of this user's connections at the server.
    pub fn connections_of(&self, user: &str) -> Lab<Vec<String>> {
        self.client()?.column(&format!("SELECT id FROM information_schema.processlist WHERE user = '{user}'"))
    }

    /// SIGSTOP: the server keeps its sockets and answers nothing.
    pub fn stop(&self) {
        self.keeper().freeze();
    }

    /// SIGCONT after [`Server::stop`].
    pub fn cont(&self) {
        self.keeper().signal(Signal::CONT);
    }

    /// SIGKILL: what was written to the kernel stays, what the server had in its buffers is lost.
    pub fn kill9(&self) {
        self.keeper().put_away(Directory::Keep);
    }

    /// Shuts the server down in order.
    pub fn shutdown(&self) -> Lab<()> {
        let mut keeper = self.keeper();
        keeper.signal(Signal::CONT);
        let ended = keeper.terminate(STOP_LIMIT);
        keeper.put_away(Directory::Keep);
        if ended { Ok(()) } else { Err(LabError::Died { what: self.name(), log: keeper.log_tail() }) }
    }

    /// Starts the server again on its port and data, after [`Server::kill9`] or [`Server::shutdown`] (or kills it
    /// first).
    pub fn restart(&self) -> Lab<()> {
        {
            let mut keeper = self.keeper();
            keeper.put_away(Directory::Keep);
            let read_only = self.read_only.load(Ordering::Relaxed);
            *keeper = launch(&self.template, &self.dir, self.port, &self.plan, read_only)?;
        }
        self.wait_until_up()
    }

    /// Sets `read_only` now and for later starts.
    pub fn set_read_only(&self, on: bool) -> Lab<()> {
        self.read_only.store(on, Ordering::Relaxed);
        self.sql(&format!("SET GLOBAL read_only = {}", u8::from(on))).map(drop)
    }

    /// Remembers `read_only` for the next start, for a server that is down.
    pub fn set_read_only_at_start(&self, on: bool) {
        self.read_only.store(on, Ordering::Relaxed);
    }

    pub fn is_alive(&self) -> bool {
        self.keeper().is_alive()
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.keeper().pid()
    }

    /// Where its files lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The end of its error log.
    pub fn log_tail(&self) -> String {
        self.keeper().log_tail()
    }

    fn name(&self) -> String {
        format!("{} {} on port {}", self.kind.word(), self.id, self.port)
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_up(&self) -> Lab<()> {
        let mut up = false;
        waiting::until(&format!("{} accepts connections", self.name()), START_LIMIT, || {
            up = self.client().is_ok_and(|mut client| client.ping().is_ok());
            up || !self.is_alive()
        })?;
        if up { Ok(()) } else { Err(LabError::Died { what: self.name(), log: self.log_tail() }) }
    }
}

fn launch(template: &Template, dir: &Path, port: u16, plan: &ServerPlan, read_only: bool) -> Lab<Keeper> {
    let inside = template.inside(dir);
    let general_log = plan.general_log;
    let flags = Flags { dir: &inside, port, id: plan.id, read_only, general_log, extra: &plan.extra };
    let mut command = plan.kind.program(&template.root);
    command.args(plan.kind.arguments(&flags));
    Keeper::start(plan.kind.word(), &command, &dir.join("error.log"), Some(dir))
}
