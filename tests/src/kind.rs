//! The kinds of database server that the laboratory knows, and what differs between them.

use std::path::Path;
use std::process::Command;

use crate::places;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// MariaDB from Debian's package of this machine (10.11 on Debian 12, 11.8 on Debian 13).
    MariaDb,
    /// MySQL 9 from Debian sid, in a directory of its own (see [`crate::mysql9`]).
    MySql9,
}

/// What a server is started with, besides what every server of the laboratory has.
pub struct Flags<'a> {
    /// The data directory as the server sees it (under a chroot not as we see it).
    pub dir: &'a str,
    pub port: u16,
    pub id: u32,
    pub read_only: bool,
    pub general_log: bool,
    pub extra: &'a [String],
}

/// Both kinds: small buffers, and packets large enough for the 40 MB tests. Nothing waits for the disk, but each commit
/// is handed to the kernel (`innodb_flush_log_at_trx_commit=2`): a crash of the machine may lose data, `kill -9` of a
/// server must not, else the tests that look for lost writes would blame the proxy.
const COMMON: &[&str] = &[
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--local-infile=1",
    "--log-bin=binlog",
    "--log-slave-updates=1",
    "--log-bin-trust-function-creators=1",
    "--relay-log=relay",
    "--slave-net-timeout=10",
    "--sync-binlog=0",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-buffer-size=2M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--key-buffer-size=1M",
    "--max-connections=600",
    "--max-allowed-packet=128M",
    "--character-set-server=utf8mb4",
];

/// The collation is the one that Debian's my.cnf sets; without `--no-defaults` a DBA has it too.
const MARIADB: &[&str] = &[
    "--collation-server=utf8mb4_general_ci",
    "--binlog-format=ROW",
    "--innodb-log-file-size=16M",
    "--aria-pagecache-buffer-size=2M",
    "--plugin-load-add=auth_ed25519",
];

const MYSQL9: &[&str] = &[
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--innodb-redo-log-capacity=16M",
    "--mysqlx=OFF",
    "--secure-file-priv=",
    "--skip-replica-start=OFF",
];

impl Kind {
    /// A word for names of directories and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql9 => "mysql9",
        }
    }

    /// The server program as a command; `root` is the directory that MySQL 9 is installed in.
    pub fn program(self, root: &Path) -> Command {
        match self {
            Self::MariaDb => Command::new("mariadbd"),
            Self::MySql9 => {
                let mut command = Command::new("chroot");
                command.arg(root).arg("/usr/sbin/mysqld");
                command
            }
        }
    }

    /// All arguments of a server. `--no-defaults` must come first, the servers insist on it.
    pub fn arguments(self, flags: &Flags<'_>) -> Vec<String> {
        let own = match self {
            Self::MariaDb => MARIADB,
            Self::MySql9 => MYSQL9,
        };
        let mut all: Vec<String> = COMMON.iter().chain(own).map(ToString::to_string).collect();
        let dir = flags.dir;
        all.extend([
            format!("--datadir={dir}/data"),
            format!("--socket={dir}/sock"),
            format!("--pid-file={dir}/pid"),
            format!("--tmpdir={dir}/tmp"),
            format!("--general-log-file={dir}/general.log"),
            format!("--general-log={}", u8::from(flags.general_log)),
            format!("--port={}", flags.port),
            format!("--server-id={}", flags.id),
            format!("--read-only={}", u8::from(flags.read_only)),
        ]);
        if places::is_root() {
            all.push("--user=root".to_owned());
        }
        all.extend_from_slice(flags.extra);
        all
    }
}
