//! Applications that only read, while no server takes writes: every driver logs in and reads.

use std::path::PathBuf;
use std::time::Duration;

use pointsman_tests::places::cache;
use pointsman_tests::{Client, Group, GroupPlan, Kind, Lab, Login, Proxy, mysql9, trace, waiting};

use crate::drivers::{CONNECTOR_J, GO, command, succeeds};

/// How soon the proxy must have noticed that there is no writer.
const NOTICED: Duration = Duration::from_secs(20);

/// ER_OPTION_PREVENTS_STATEMENT, ER_SERVER_SHUTDOWN.
const NO_WRITER: Option<u16> = Some(1290);
const WRITER_CHANGED: Option<u16> = Some(1053);

const READ: &str = "SELECT b FROM t WHERE a = 1";

/// A program that reads `b` of row 1 a few times and prints it.
struct Reader {
    name: &'static str,
    probe: &'static [&'static str],
    script: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const fn reader(name: &'static str, probe: &'static [&'static str], script: &'static [&'static str]) -> Reader {
    Reader { name, probe, script, environment: &[] }
}

const READERS: [Reader; 9] = [
    reader(
        "PHP",
        &["php", "-r", "exit(extension_loaded('mysqli') && extension_loaded('pdo_mysql') ? 0 : 1);"],
        &["php", "php/reads.php"],
    ),
    reader(
        "PyMySQL",
        &["/usr/bin/python3", "-c", "import pymysql"],
        &["/usr/bin/python3", "python/reads.py", "pymysql"],
    ),
    reader(
        "mysqlclient",
        &["/usr/bin/python3", "-c", "import MySQLdb"],
        &["/usr/bin/python3", "python/reads.py", "MySQLdb"],
    ),
    reader("DBD::mysql", &["perl", "-MDBD::mysql", "-e", "1"], &["perl", "perl/reads.pl"]),
    reader("Ruby mysql2", &["ruby", "-rmysql2", "-e", "1"], &["ruby", "ruby/reads.rb"]),
    reader("Node mysql2", &["node", "-e", "require('mysql2')"], &["node", "node/reads.js"]),
    Reader {
        name: "go-sql-driver",
        probe: &["go", "list", "github.com/go-sql-driver/mysql"],
        script: &["go", "run", "go/reads/main.go"],
        environment: GO,
    },
    reader(
        "MariaDB Connector/J",
        &["sh", "-c", "command -v javac && test -e /usr/share/java/mariadb-java-client.jar"],
        &["java", "-cp", CONNECTOR_J, "java/Reads.java"],
    ),
    reader("the mariadb client", &["mariadb", "--version"], &["sh", "cli/reads.sh", "mariadb"]),
];

const MYSQL_CLIENT: Reader =
    reader("the mysql client", &["sh", "-c", "test -n \"$ROOT\""], &["sh", "cli/reads.sh", "mysql"]);

/// Where Node's and MySQL's programs find what they need, if it is there.
struct Places {
    node: PathBuf,
    mysql: Option<PathBuf>,
}

impl Places {
    fn find(kind: Kind) -> Lab<Self> {
        let mysql = if kind == Kind::MySql9 { Some(mysql9::root()?) } else { None };
        Ok(Self { node: cache()?.join("node/node_modules"), mysql })
    }
}

fn reads(reader: &Reader, proxy: &Proxy, places: &Places) {
    let prepared = |words| {
        let mut command = command(words, reader.environment);
        command.env("NODE_PATH", &places.node).envs(places.mysql.iter().map(|root| ("ROOT", root)));
        command
    };
    if !succeeds(prepared(reader.probe).output()) {
        return pointsman_tests::skipped(&format!("{} is not installed", reader.name));
    }
    let mut script = prepared(reader.script);
    script.envs([("HOST", "127.0.0.1"), ("USER", "app"), ("PASSWORD", "app"), ("DB", "shop")]);
    let output = script.env("PORT", proxy.port.to_string()).output().expect("the probe found the interpreter");
    let said = String::from_utf8_lossy(&output.stdout);
    let only_the_row = !said.is_empty() && said.lines().all(|line| line == "first");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && only_the_row, "{}:\n{said}\n{errors}", reader.name);
}

/// A pair and a replica of that kind, with a row to read.
fn started(kind: Kind) -> Lab<Option<(Group, Proxy)>> {
    let plan = GroupPlan::new(kind).replicas(1).extra("--slave-net-timeout=4");
    let Some(group) = plan.start_or_skip()? else { return Ok(None) };
    group.sql_everywhere("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(40)) ENGINE=InnoDB")?;
    group.sql_everywhere("INSERT INTO t VALUES (1, 'first')")?;
    let waits = "[monitor]\nno_writer_wait_ms = 500";
    // The standby becomes the writer in the end, and nothing that began before is to be there.
    let proxy = Proxy::of(&group).shard("standby_reads = false").more(waits).start()?;
    trace::wait_for_readers(&proxy, &group, &[group.server(2)])?;
    Ok(Some((group, proxy)))
}

fn wait_for_loss(proxy: &Proxy) -> Lab<()> {
    waiting::until("the writer is missed", NOTICED, || {
        proxy.client().and_then(|mut new| new.sql("DELETE FROM t")).is_err_and(|refused| refused.code() == NO_WRITER)
    })
}

fn everyone_reads(kind: Kind, away: impl FnOnce(&Group) -> Lab<()>) -> Lab<()> {
    let Some((group, proxy)) = started(kind)? else { return Ok(()) };
    let places = Places::find(kind)?;
    away(&group)?;
    wait_for_loss(&proxy)?;
    READERS.iter().for_each(|reader| reads(reader, &proxy, &places));
    if kind == Kind::MySql9 {
        reads(&MYSQL_CLIENT, &proxy, &places);
    }
    questions_are_answered(&mut proxy.client()?, kind)?;
    a_read_with_autocommit_off_ends_in_no_write(&group, &proxy)
}

/// What Connector/J, phpMyAdmin and others ask; and what only the writer could say.
fn questions_are_answered(client: &mut Client, kind: Kind) -> Lab<()> {
    for question in QUESTIONS {
        client.sql(question).unwrap_or_else(|error| panic!("{question}: {error}"));
        client.prepared(question, ()).unwrap_or_else(|error| panic!("{question}, prepared: {error}"));
    }
    let status = if kind == Kind::MariaDb { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
    for own in [status, "SELECT @@server_id", "SHOW PROCESSLIST"] {
        let refused = client.sql(own).expect_err("only the writer could say");
        assert_eq!(refused.code(), NO_WRITER, "{own}: {refused}");
    }
    Ok(())
}

const QUESTIONS: [&str; 15] = [
    "SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS \
     character_set_client, @@init_connect AS init_connect, @@license AS license, @@lower_case_table_names AS \
     lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@sql_mode AS sql_mode, @@system_time_zone AS \
     system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout",
    "SELECT @@version, @@version_comment",
    "SHOW SESSION VARIABLES LIKE 'FOREIGN_KEY_CHECKS'",
    "SHOW VARIABLES",
    "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
    "SHOW GRANTS",
    "SHOW DATABASES",
    "SHOW FULL TABLES FROM `shop`",
    "SHOW TABLE STATUS FROM `shop` LIKE 't'",
    "SHOW FULL COLUMNS FROM t",
    "SHOW INDEXES FROM `shop`.`t`",
    "SHOW CREATE TABLE t",
    "SHOW STORAGE ENGINES",
    "DESCRIBE t",
    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME",
];

/// The transaction that such a read opens lives at a server that takes no writes, and none is sent there.
fn a_read_with_autocommit_off_ends_in_no_write(group: &Group, proxy: &Proxy) -> Lab<()> {
    let mut client = proxy.client()?;
    client.sql("SET autocommit = 0")?;
    assert_eq!(client.value(READ)?, "first");
    let refused = client.sql("UPDATE t SET b = 'second'").expect_err("there is no writer");
    assert_eq!(refused.code(), NO_WRITER, "{refused}");
    assert_eq!(client.value(READ)?, "first");
    group.set_writer(1)?;
    trace::wait_for_writer(proxy, group, group.server(1))?;
    let refused = client.sql("UPDATE t SET b = 'second'").expect_err("the transaction began elsewhere");
    assert_eq!(refused.code(), WRITER_CHANGED, "{refused}");
    client.sql("UPDATE t SET b = 'second' WHERE a = 1")?;
    assert_eq!(client.value(READ)?, "second");
    client.sql("COMMIT")?;
    let direct = Client::connect(&Login::app(group.writer().port))?.value(READ)?;
    assert_eq!(direct, "second");
    Ok(())
}

#[test]
fn every_driver_reads_after_the_writer_was_killed() -> Lab<()> {
    everyone_reads(Kind::MariaDb, |group| {
        group.writer().kill9();
        Ok(())
    })
}

#[test]
fn every_driver_reads_after_the_writer_was_killed_on_mysql9() -> Lab<()> {
    everyone_reads(Kind::MySql9, |group| {
        group.writer().kill9();
        Ok(())
    })
}

#[test]
fn every_driver_reads_while_both_masters_are_read_only() -> Lab<()> {
    everyone_reads(Kind::MariaDb, |group| group.writer().set_read_only(true))
}
