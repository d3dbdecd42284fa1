//! A data directory of each kind of server, made once and then copied: a copy takes a fraction of an installation.
//!
//! The accounts of the laboratory are in it from the start, so they need no replication and every server begins with
//! an empty binary log.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::error::{Lab, LabError};
use crate::keeper::{self, Keeper};
use crate::kind::Kind;
use crate::{mysql9, places};

/// The application's account, the same at the servers and at the proxy.
pub const APP: (&str, &str) = ("app", "app");
/// The proxy's own account at the servers.
pub const POINTSMAN: (&str, &str) = ("pointsman", "secret");
/// The account that the servers replicate with.
pub const REPLICATION: (&str, &str) = ("replication", "copies");
/// The schema that exists from the start and that the application logs in to.
pub const SCHEMA: &str = "shop";

/// All that an application is granted. Not SUPER or READ_ONLY ADMIN: an account that passes by read_only could write
/// on a standby, and `pointsman check` refuses it.
const APP_RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, \
    SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, \
    ALTER ROUTINE, EVENT, TRIGGER";

/// What `pointsman init` says that the proxy's account needs, and no more: so the tests prove that it suffices.
const POINTSMAN_MARIADB: &str = "REPLICA MONITOR";
const POINTSMAN_MYSQL9: &str = "REPLICATION CLIENT";
const POINTSMAN_HEARTBEAT: &str = "SELECT, INSERT, UPDATE, CREATE";

/// Held by the thread that looks for a template and makes it.
static MAKING: Mutex<()> = Mutex::new(());

/// Where a kind of server lives: its template, and where copies of it may lie.
pub struct Template {
    pub kind: Kind,
    /// The root directory for MySQL 9, `/` for MariaDB.
    pub root: PathBuf,
    data: PathBuf,
}

impl Template {
    /// The template of that kind, made on first use.
    pub fn of(kind: Kind) -> Lab<Self> {
        let (root, shelf) = match kind {
            Kind::MariaDb => (PathBuf::from("/"), places::cache()?),
            Kind::MySql9 => {
                let root = mysql9::root()?;
                let shelf = root.join("tmp");
                (root, shelf)
            }
        };
        let data = shelf.join(format!("template-{}-{:016x}", kind.word(), fingerprint(kind, &root)?));
        let template = Self { kind, root, data };
        // Tests that begin together would all make it, each for itself.
        let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if !template.data.exists() {
            template.make(&shelf)?;
        }
        Ok(template)
    }

    /// A new directory for one server with `data/` and `tmp/` in it, and the guard that removes it until the server's
    /// own keeper has it.
    pub fn copy(&self) -> Lab<(PathBuf, Keeper)> {
        let dir = match self.kind {
            Kind::MariaDb => places::fresh_dir(self.kind.word())?,
            Kind::MySql9 => places::fresh_dir_in(&self.root.join("tmp"), self.kind.word())?,
        };
        let guard = keeper::guard(&dir)?;
        let tmp = dir.join("tmp");
        fs::create_dir_all(&tmp).map_err(LabError::file(&tmp))?;
        let mut copy = Command::new("cp");
        run(copy.args(["-a", "--reflink=auto"]).arg(&self.data).arg(dir.join("data")))?;
        Ok((dir, guard))
    }

    /// A path as the server sees it.
    pub fn inside(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        format!("/{}", inside.display())
    }

    fn make(&self, shelf: &Path) -> Lab<()> {
        let dir = places::fresh_dir_in(shelf, "template")?;
        let _removes_what_is_left = keeper::guard(&dir)?;
        self.install(&dir).and_then(|()| {
            let data = dir.join("data");
            // A server's UUID must be its own; MySQL makes a new one when the file is missing.
            let _mariadb_has_none = fs::remove_file(data.join("auto.cnf"));
            match fs::rename(&data, &self.data) {
                // Another run was faster: its template is as good.
                Err(_) if self.data.exists() => Ok(()),
                other => other.map_err(LabError::file(&self.data)),
            }
        })
    }

    fn install(&self, dir: &Path) -> Lab<()> {
        let accounts = dir.join("accounts.sql");
        fs::write(&accounts, accounts_sql(self.kind)).map_err(LabError::file(&accounts))?;
        let data = format!("--datadir={}/data", self.inside(dir));
        // In the system's, another server that starts would remove this one's tables as left behind.
        let tmp = dir.join("tmp");
        fs::create_dir_all(&tmp).map_err(LabError::file(&tmp))?;
        let tmp = format!("--tmpdir={}", self.inside(&tmp));
        let accounts = self.inside(&accounts);
        let mut command = match self.kind {
            Kind::MariaDb => {
                let mut command = Command::new("mariadb-install-db");
                command.args(["--no-defaults", &data, &tmp, "--skip-test-db"]);
                // Forced, it does not ask whether the machine's own name resolves, which a container's may not.
                command.args(["--auth-root-authentication-method=normal", "--force"]);
                command.args(["--innodb-log-file-size=16M", &format!("--extra-file={accounts}")]);
                command
            }
            Kind::MySql9 => {
                let mut command = self.kind.program(&self.root);
                command.args(["--no-defaults", &data, &tmp, "--initialize-insecure"]);
                command.arg("--innodb-redo-log-capacity=16M");
                command.arg(format!("--init-file={accounts}"));
                command
            }
        };
        if places::is_root() {
            command.arg("--user=root");
        }
        run(&mut command)
    }
}

/// Changes with the server's version and with what is put into a template.
fn fingerprint(kind: Kind, root: &Path) -> Lab<u64> {
    let mut command = kind.program(root);
    let version = command.arg("--version").output().map_err(|error| LabError::Command {
        command: format!("{command:?}"),
        output: format!("{error}; `make deps` installs it"),
    })?;
    let mut hasher = DefaultHasher::new();
    version.stdout.hash(&mut hasher);
    accounts_sql(kind).hash(&mut hasher);
    Ok(hasher.finish())
}

/// The statements that make the laboratory's accounts. root may come in through TCP, because under chroot the socket's
/// path differs, and has no password, because the servers listen on the loopback interface of a test machine only.
fn accounts_sql(kind: Kind) -> String {
    let mut statements = vec![];
    match kind {
        Kind::MariaDb => statements.push("FLUSH PRIVILEGES".to_owned()),
        Kind::MySql9 => {
            statements.push("CREATE USER root@'127.0.0.1' IDENTIFIED BY ''".to_owned());
            statements.push("GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION".to_owned());
        }
    }
    for (name, password) in [APP, POINTSMAN, REPLICATION] {
        statements.push(format!("CREATE USER {name}@'%' IDENTIFIED BY '{password}'"));
    }
    let pointsman = match kind {
        Kind::MariaDb => POINTSMAN_MARIADB,
        Kind::MySql9 => POINTSMAN_MYSQL9,
    };
    statements.push(format!("GRANT {APP_RIGHTS} ON *.* TO app@'%'"));
    statements.push(format!("GRANT {pointsman} ON *.* TO pointsman@'%'"));
    statements.push(format!("GRANT {POINTSMAN_HEARTBEAT} ON pointsman.* TO pointsman@'%'"));
    statements.push("GRANT REPLICATION SLAVE ON *.* TO replication@'%'".to_owned());
    // The installation itself runs with the server's compiled default, which is latin1 on MariaDB 10.11.
    statements.push(format!("CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4"));
    // One statement a line: that is how both servers read such a file.
    statements.join(";\n") + ";\n"
}

/// Runs a command to its end; its output becomes the error's text.
pub fn run(command: &mut Command) -> Lab<()> {
    let shown = format!("{command:?}");
    let output =
        command.output().map_err(|error| LabError::Command { command: shown.clone(), output: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(LabError::Command { command: shown, output: String::from_utf8_lossy(&said).into_owned() })
}
