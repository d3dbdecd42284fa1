//! Every setting: its type, default, whether a reload applies it, and what it does. The one source of truth:
//! unknown keys, types and ranges are checked against it, absent keys get its defaults, and docs/settings.md is
//! printed from it.

use Absent::{Required, Unset, Value};
use Kind::{Bool, Choice, Number, Servers, Text, TextList, TextOrList};
use Reload::{Live, Restart};

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// One string or a list of them.
    TextOrList,
    TextList,
    Bool,
    /// Whole numbers of this range, ends included.
    Number(i64, i64),
    Choice(&'static [&'static str]),
    /// Strings, or tables of [`SERVER_KEYS`].
    Servers,
}

/// Whether SIGHUP applies a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    Live,
    Restart,
}

/// What holds when the file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The file must say.
    Required,
    /// Stays unset; the description says what that means.
    Unset,
    /// As it would be written in the file.
    Value(&'static str),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub section: &'static str,
    pub key: &'static str,
    pub kind: Kind,
    pub default: Absent,
    pub reload: Reload,
    pub doc: &'static str,
}

/// The tables of the file; `true` for those that are written as `[[name]]`.
pub const SECTIONS: &[(&str, bool)] = &[
    ("listen", false),
    ("backend", false),
    ("user", true),
    ("shard", true),
    ("pool", false),
    ("session", false),
    ("monitor", false),
    ("proxy", false),
    ("debug", false),
];

/// Keys of a server that is written as a table inside `masters` or `replicas`.
pub const SERVER_KEYS: &[(&str, Kind)] = &[("address", Text), ("weight", Number(0, 1000)), ("zone", Text)];

const DAY_S: i64 = 86_400;
const YEAR_S: i64 = 365 * DAY_S;
/// No timeout in milliseconds is longer than a day; more is a mistake of units.
const DAY_MS: i64 = DAY_S * 1000;
/// MySQL's own largest max_allowed_packet.
const GIB: i64 = 1 << 30;

const fn row(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: Absent,
    reload: Reload,
    doc: &'static str,
) -> Setting {
    Setting { section, key, kind, default, reload, doc }
}

/// All settings, in the order of the documentation.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    row("listen", "mysql", TextOrList, Value(r#""127.0.0.1:6033""#), Restart, "Where applications connect: `address:port` or `unix:/path`, one or a list."),
    row("listen", "admin", Text, Value(r#""127.0.0.1:6032""#), Restart, "Where administrators connect, with the same protocol. Empty: nowhere. (Kept free for them; this version does not listen there yet.)"),
    row("listen", "http", Text, Value(r#""127.0.0.1:6070""#), Restart, "Where `/healthz` and `/readyz` are answered. Empty: nowhere."),
    row("listen", "cores", Number(0, 1024), Value("0"), Restart, "Worker threads of the data path. 0: one for each core."),
    row("listen", "proxy_protocol_networks", TextList, Value("[]"), Restart, "Networks (`10.0.0.0/8`, `unix`) of load balancers whose connections begin with a PROXY protocol header, v1 or v2. From there it is required, from elsewhere refused."),
    row("listen", "tls", Choice(&["off", "optional", "required"]), Value(r#""off""#), Live, "Whether clients may or must use TLS. `required` refuses others with error 3159; the Unix socket is exempt."),
    row("listen", "tls_cert", Text, Unset, Live, "Certificate chain, PEM. Needed unless `tls` is `off`. The file's content is read again at a reload."),
    row("listen", "tls_key", Text, Unset, Live, "The certificate's private key, PEM."),
    row("listen", "tls_client_ca", Text, Unset, Live, "Clients that use TLS must show a certificate signed by one of these; with `tls = \"required\"` these are all. Unset: clients need none."),
    row("listen", "server_version", Text, Unset, Live, "Version in the greeting. Unset: that of the first shard's writer."),
    row("listen", "compression", TextList, Value(r#"["zlib", "zstd"]"#), Live, "Protocol compression offered to clients."),
    row("listen", "connect_timeout_s", Number(1, 3600), Value("10"), Live, "A client must have logged in by then (MySQL's connect_timeout)."),
    row("listen", "max_client_connections", Number(1, 1_000_000), Value("10000"), Live, "More clients get error 1040."),
    row("listen", "backlog", Number(1, 65_535), Value("1024"), Restart, "Connections that the kernel queues for accept(2); `net.core.somaxconn` caps it."),
    row("backend", "user", Text, Required, Live, "As whom the proxy itself logs in, for monitoring and the heartbeat."),
    row("backend", "password", Text, Unset, Live, "Its password; `env:NAME` takes it from the environment."),
    row("backend", "password_file", Text, Unset, Live, "File with the password (its first line), instead of `password`."),
    row("backend", "tls", Choice(&["disabled", "preferred", "required", "verify_ca", "verify_identity"]), Value(r#""preferred""#), Live, "TLS towards the servers, with the meaning of MySQL's --ssl-mode. `verify_ca` works with MySQL's auto-made certificates, which carry no host name."),
    row("backend", "tls_ca", Text, Unset, Live, "Authorities that sign the servers' certificates, PEM. Needed by `verify_ca` and `verify_identity`."),
    row("backend", "tls_cert", Text, Unset, Live, "The proxy's own certificate for servers that ask for one, PEM."),
    row("backend", "tls_key", Text, Unset, Live, "Its private key, PEM."),
    row("backend", "compression", Choice(&["off", "zlib", "zstd"]), Value(r#""off""#), Live, "Protocol compression towards the servers, where they offer it."),
    row("backend", "connect_timeout_ms", Number(10, DAY_MS), Value("2000"), Live, "Connecting and logging in to a server take no longer."),
    row("backend", "tcp_user_timeout_ms", Number(0, DAY_MS), Value("10000"), Live, "Unacknowledged bytes older than this end a connection to a server (TCP_USER_TIMEOUT of tcp(7)). 0: the kernel's default."),
    row("user", "name", Text, Required, Live, "The name that clients log in with."),
    row("user", "password", TextOrList, Unset, Live, "In clear, `*HEX` (mysql_native_password) or `$A$...` (caching_sha2_password; also as `0x...`, as SHOW CREATE USER prints it). A list during rotation: each is accepted, the first one is used at the servers. `env:NAME` takes it from the environment. Without any password here the account has none."),
    row("user", "password_file", Text, Unset, Live, "File with the password (its first line), instead of `password`."),
    row("user", "hosts", TextList, Value(r#"["%"]"#), Live, "Where the user may come from: `%`, `localhost` (also the Unix socket), an address, `10.0.%`, `10.0.0.0/8`."),
    row("user", "require_tls", Bool, Value("false"), Live, "Refuses the user without TLS (the Unix socket is exempt, as in MySQL)."),
    row("user", "max_connections", Number(0, 1_000_000), Value("0"), Live, "Client connections at one time, error 1226 beyond. 0: no limit of its own."),
    row("user", "backend_user", Text, Unset, Live, "The account at the servers. Unset: the same name."),
    row("user", "backend_password", Text, Unset, Live, "Its password, or `env:NAME`. Unset: the first password in clear."),
    row("user", "backend_password_file", Text, Unset, Live, "A file whose first line is that password."),
    row("user", "default_schema", Text, Unset, Live, "Schema of clients that name none."),
    row("user", "consistency", Choice(&["session", "eventual"]), Unset, Live, "Overrides `session.consistency`."),
    row("shard", "name", Text, Required, Restart, "Names the shard in logs, in the heartbeat table and to administrators."),
    row("shard", "masters", Servers, Required, Restart, "One server, or two that replicate from each other: `\"host:port\"`, `\"unix:/path\"` or `{ address = \"...\", weight = 100, zone = \"a\" }`. When servers change, the other settings of shards wait for the restart too."),
    row("shard", "replicas", Servers, Value("[]"), Restart, "Servers that only take reads, in the same form."),
    row("shard", "max_lag_ms", Number(1, DAY_MS), Value("1000"), Live, "A replica further behind takes no reads. At least `heartbeat_ms` + `poll_ms`: less can't be measured."),
    row("shard", "standby_reads", Bool, Value("true"), Live, "The master that takes no writes takes reads, under the same rule as a replica."),
    row("shard", "stale_reads", Bool, Value("false"), Live, "When no replica is fresh enough, reads go to a stale one instead of the writer."),
    row("shard", "spill_limit", Number(0, 1_000_000), Unset, Live, "Reads at one time that the writer takes over when no replica is fresh enough; the rest wait. Unset: half of `pool.max_connections_per_server`."),
    row("pool", "max_connections_per_server", Number(1, 100_000), Value("200"), Live, "Connections of this proxy to one server, all users together."),
    row("pool", "max_connections_per_user", Number(0, 100_000), Value("0"), Live, "Of these, for one user (during a change of its password, for each of the two). 0: no limit."),
    row("pool", "wait_timeout_ms", Number(1, DAY_MS), Value("5000"), Live, "A statement waits this long for a connection (first come, first served), then fails with error 1040."),
    row("pool", "min_idle", Number(0, 10_000), Value("0"), Live, "Idle connections kept open to each server for each user who was seen since the start."),
    row("pool", "max_age_s", Number(1, YEAR_S), Value("3600"), Live, "Older connections are replaced when idle."),
    row("pool", "max_idle_s", Number(1, YEAR_S), Value("60"), Live, "Connections idle for longer are closed; kept below the server's wait_timeout in any case."),
    row("pool", "result_state_hold_ms", Number(0, DAY_MS), Value("50"), Live, "After a statement with warnings the connection stays with its session this long, then SHOW WARNINGS is captured."),
    row("session", "consistency", Choice(&["session", "eventual"]), Value(r#""session""#), Live, "`session`: after a write, a session reads only where that write has arrived. `eventual`: reads may miss it."),
    row("session", "idle_transaction_timeout_ms", Number(0, DAY_MS), Value("0"), Live, "An open transaction idle for longer is rolled back and its client disconnected. 0: never."),
    row("session", "client_idle_timeout_s", Number(1, YEAR_S), Value("28800"), Live, "Clients idle for longer are disconnected, and so are those idle for longer than the servers' `wait_timeout` (CLIENT_INTERACTIVE: `interactive_timeout`). What a session sets itself goes before both."),
    row("session", "max_allowed_packet", Number(1024, GIB), Value("67108864"), Live, "Larger packets of a client are refused with error 1153."),
    row("session", "max_long_data", Number(0, GIB), Value("67108864"), Live, "Bytes of COM_STMT_SEND_LONG_DATA kept for one statement: 256 KiB in memory, the rest in an unnamed file in `proxy.state_dir`."),
    row("session", "max_spool", Number(0, 4_294_967_295), Value("1073741824"), Live, "Bytes of long data in such files, all clients together; beyond, the execution fails with error 1021."),
    row("session", "max_prepared_statements", Number(0, 1_000_000), Value("16382"), Live, "Prepared statements of one client, error 1461 beyond (the default is that of MySQL's max_prepared_stmt_count)."),
    row("session", "metadata_cache_ms", Number(0, DAY_MS), Value("1000"), Live, "How long the answer to a COM_STMT_PREPARE is told again without asking a server. DDL through this proxy ends it at once; DDL from elsewhere is noticed after this time. 0: each is asked of a server."),
    row("session", "safe_functions", TextList, Value("[]"), Live, "Stored functions that write nothing and leave no state, as `schema.name`; statements that call them may go to a replica."),
    row("monitor", "poll_ms", Number(10, 60_000), Value("100"), Live, "How often each server is asked for its state. Stretched when `proxy.count` is large."),
    row("monitor", "probe_timeout_ms", Number(10, 60_000), Value("1000"), Live, "A server that has not answered by then is down."),
    row("monitor", "heartbeat", Choice(&["write", "status"]), Value(r#""write""#), Live, "`write`: lag is measured by a row that the proxies update on the writer. `status`: by the server's own replication status, in whole seconds."),
    row("monitor", "heartbeat_ms", Number(10, 60_000), Value("100"), Live, "How often the heartbeat row is updated, by all proxies together."),
    row("monitor", "heartbeat_schema", Text, Value(r#""pointsman""#), Restart, "Schema of the table `heartbeat`; made by `pointsman init` only."),
    row("monitor", "writer_confirm_ms", Number(100, 60_000), Value("1000"), Live, "A master is the confirmed writer only while its state and its partner's were seen within this time."),
    row("monitor", "no_writer_wait_ms", Number(0, DAY_MS), Value("10000"), Live, "Writes wait this long for a confirmed writer, then fail."),
    row("monitor", "slow_start_s", Number(0, DAY_S), Value("10"), Live, "A server that takes reads again gets its full share only after this time."),
    row("proxy", "id", Number(0, 255), Value("0"), Restart, "This proxy's number, in the high bits of connection ids. Different for each proxy."),
    row("proxy", "count", Number(1, 256), Value("1"), Live, "How many proxies use these servers; stretches polling, and `check` multiplies limits by it."),
    row("proxy", "zone", Text, Unset, Restart, "Where this proxy stands; reads prefer servers of the same zone. Unset: no preference."),
    row("proxy", "state_dir", Text, Unset, Restart, "Where lock files lie, one for each listen address, and long data of prepared statements. Unset: `$RUNTIME_DIRECTORY` (systemd), else `$XDG_RUNTIME_DIR/pointsman`, else `pointsman-UID` in the temporary directory."),
    row("debug", "always_switch", Bool, Value("false"), Restart, "For tests: a session gets another connection after each statement that does not pin it."),
];

/// The settings of one section.
pub fn of_section(section: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |s| s.section == section)
}

impl Setting {
    /// As errors and documentation name it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}
