//! Well-known drivers: each runs its script of features through the proxy, and directly so that a failure of the
//! script itself is not taken for one of the proxy.

use std::process::{Command, Output};
use std::sync::OnceLock;

use pointsman_tests::places::{cache, repository};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, LabError, Login, Proxy, mysql9, template};

/// A script, and what shows that its language and driver are installed.
struct Driver<'a> {
    name: &'static str,
    /// Names its schema and its account with a hash.
    slug: &'static str,
    probe: &'static [&'static str],
    script: &'static [&'static str],
    environment: &'a [(&'a str, &'a str)],
}

/// Debian keeps Go libraries here; they have no module files.
pub(crate) const GO: &[(&str, &str)] = &[("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode")];
pub(crate) const CONNECTOR_J: &str = "/usr/share/java/mariadb-java-client.jar";

const SLUGS: [&str; 14] = [
    "mysqli",
    "pdo",
    "odd_mysqli",
    "odd_pdo",
    "pymysql",
    "mysqlclient",
    "perl",
    "ruby",
    "go",
    "java",
    "cli",
    "mysql",
    "node",
    "mysql_async",
];
/// Of the accounts that the proxy knows by their caching_sha2_password hash only.
const SHA2_PASSWORD: &str = "sha2-secret";
/// Both replicas are this far behind, and the proxy that is asked for lagging ones lets them be.
const LAG_S: u32 = 1;

/// The servers of one kind and three proxies before them, for all drivers: a pair, and two replicas that lag.
struct Grounds {
    group: Group,
    /// Reads go to the standby. Knows accounts by hash, and one that must use TLS.
    plain: Proxy,
    switching: Proxy,
    /// Reads go to the two lagging replicas where that shows a session no older state than its own.
    lagging: Proxy,
    /// The authority of the proxy's certificate.
    ca: String,
}

/// How a script logs in, and where.
struct Way<'a> {
    what: &'static str,
    port: u16,
    user: &'a str,
    password: &'a str,
    /// The file with the authority that the server's certificate is checked by; without TLS none.
    tls: Option<&'a str>,
}

impl Grounds {
    /// Those of this kind, started by the first test that asks.
    fn of(kind: Kind) -> Lab<Option<&'static Self>> {
        static MARIADB: OnceLock<Result<Option<Grounds>, String>> = OnceLock::new();
        static MYSQL9: OnceLock<Result<Option<Grounds>, String>> = OnceLock::new();
        let grounds = match kind {
            Kind::MariaDb => &MARIADB,
            Kind::MySql9 => &MYSQL9,
        };
        let started = grounds.get_or_init(|| Self::start(kind).map_err(|error| error.to_string()));
        started.as_ref().map(Option::as_ref).map_err(|error| LabError::Connection(error.clone()))
    }

    fn start(kind: Kind) -> Lab<Option<Self>> {
        let mut plan = GroupPlan::new(kind);
        plan.general_log = false;
        if kind == Kind::MariaDb {
            plan = plan.extra("--userstat=1");
        }
        let Some(group) = plan.start_or_skip()? else { return Ok(None) };
        for slug in SLUGS {
            group.sql(&format!("CREATE DATABASE drv_{slug} CHARACTER SET utf8mb4"))?;
            group.sql(&format!("GRANT ALL ON drv_{slug}.* TO app@'%'"))?;
        }
        group.wait_for_sync()?;
        for index in [2, 3] {
            group.delay_replication(index, LAG_S)?;
        }
        let lags = "max_lag_ms = 5000\nstandby_reads = false";
        let (ca, tls) = certificate(&group)?;
        let users = accounts(&group)?;
        Ok(Some(Self {
            plain: Proxy::of(&group).without_replicas().listen(&tls).more(&users).start()?,
            switching: Proxy::of(&group).shard(lags).more("[debug]\nalways_switch = true").start()?,
            lagging: Proxy::of(&group).shard(lags).start()?,
            group,
            ca,
        }))
    }

    fn ways<'a>(&'a self, sha2_user: &'a str) -> Vec<Way<'a>> {
        let way = |what, port| Way { what, port, user: "app", password: "app", tls: None };
        let mut ways = vec![
            way("directly", self.group.writer().port),
            way("through the proxy", self.plain.port),
            way("through the proxy, always switching, before lagging replicas", self.switching.port),
            way("through the proxy, before lagging replicas", self.lagging.port),
            Way { user: "tls", tls: Some(&self.ca), ..way("through the proxy, with TLS", self.plain.port) },
        ];
        if self.group.kind == Kind::MySql9 {
            // The first login of an account that is known by hash sends the password, under the proxy's RSA key.
            let rsa = way("through the proxy, by RSA", self.plain.port);
            ways.push(Way { user: sha2_user, password: SHA2_PASSWORD, ..rsa });
        }
        ways
    }

    fn assert_no_panic(&self) {
        for proxy in [&self.plain, &self.switching, &self.lagging] {
            let panics = proxy.panics();
            assert!(panics.is_empty(), "pointsman panicked (in this test or in one beside it): {panics:?}");
        }
    }
}

/// A certificate for the proxy, beside the writer's files: the path of its authority, which is itself, and the lines
/// of the configuration.
fn certificate(group: &Group) -> Lab<(String, String)> {
    let [key, pem] = ["drivers.key", "drivers.pem"].map(|name| group.writer().dir().join(name).display().to_string());
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]);
    openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &pem]);
    template::run(&mut openssl)?;
    let listen = format!("tls = \"optional\"\ntls_cert = \"{pem}\"\ntls_key = \"{key}\"");
    Ok((pem, listen))
}

/// An account that must use TLS, and on MySQL one by hash for each driver: the first login of each is a full one.
fn accounts(group: &Group) -> Lab<String> {
    let at_server = "backend_user = \"app\"\nbackend_password = \"app\"";
    let mut all = format!("[[user]]\nname = \"tls\"\npassword = \"app\"\nrequire_tls = true\n{at_server}\n");
    if group.kind == Kind::MySql9 {
        group.sql(&format!("CREATE USER sha2@'%' IDENTIFIED BY '{SHA2_PASSWORD}'"))?;
        let hash = "SELECT CONCAT('0x', HEX(authentication_string)) FROM mysql.user WHERE user = 'sha2'";
        let hash = group.writer().value(hash)?;
        for slug in SLUGS {
            all += &format!("[[user]]\nname = \"sha2_{slug}\"\npassword = \"{hash}\"\n{at_server}\n");
        }
    }
    Ok(all)
}

pub(crate) fn command(words: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).envs(environment.iter().copied()).current_dir(repository().join("tests/drivers"));
    command
}

pub(crate) fn succeeds(output: std::io::Result<Output>) -> bool {
    output.is_ok_and(|output| output.status.success())
}

fn run(driver: &Driver<'_>, way: &Way<'_>) -> String {
    let mut command = command(driver.script, driver.environment);
    command.envs([("HOST", "127.0.0.1"), ("USER", way.user), ("PASSWORD", way.password)]);
    command.env("DB", format!("drv_{}", driver.slug)).env("PORT", way.port.to_string());
    match way.tls {
        Some(ca) => command.env("TLS_CA", ca),
        None => command.env_remove("TLS_CA"),
    };
    let output = command.output().expect("the probe found the interpreter");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = if output.status.success() { "" } else { "FAIL the script ended with an error\n" };
    format!("{said}{failed}{}", String::from_utf8_lossy(&output.stderr))
}

fn assert_no_failure(name: &str, said: &str) {
    // PHP's driver complains of what it got out of order by a warning only.
    let is_failure = |line: &&str| line.starts_with("FAIL") || line.starts_with("PHP Warning");
    let failures: Vec<&str> = said.lines().filter(is_failure).collect();
    assert!(failures.is_empty(), "{name}:\n{}\n\neverything:\n{said}", failures.join("\n"));
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() > 8, "{name} ran too little:\n{said}");
}

fn check(driver: &Driver<'_>) -> Lab<()> {
    check_on(driver, &[Kind::MariaDb, Kind::MySql9])
}

fn check_on(driver: &Driver<'_>, kinds: &[Kind]) -> Lab<()> {
    if !succeeds(command(driver.probe, driver.environment).output()) {
        pointsman_tests::skipped(&format!("{} is not installed", driver.name));
        return Ok(());
    }
    let sha2_user = format!("sha2_{}", driver.slug);
    for &kind in kinds {
        let Some(grounds) = Grounds::of(kind)? else { continue };
        for way in grounds.ways(&sha2_user) {
            assert_no_failure(&format!("{} to {kind:?} {}", driver.name, way.what), &run(driver, &way));
        }
        grounds.assert_no_panic();
    }
    Ok(())
}

/// Compares what the script prints through the proxy with what it prints directly, line by line. How it logs in is
/// the others' matter.
fn check_transcript(driver: &Driver<'_>) -> Lab<()> {
    if !succeeds(command(driver.probe, driver.environment).output()) {
        pointsman_tests::skipped(&format!("{} is not installed", driver.name));
        return Ok(());
    }
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(grounds) = Grounds::of(kind)? else { continue };
        let mut ways = grounds.ways("").into_iter().filter(|way| way.user == "app");
        let expected = ways.next().map(|directly| run(driver, &directly)).unwrap_or_default();
        assert!(expected.lines().count() > 300, "{} to {kind:?} ran too little directly:\n{expected}", driver.name);
        for way in ways {
            let what = format!("{} to {kind:?} {}", driver.name, way.what);
            assert_same_transcript(&what, &expected, &run(driver, &way));
        }
        grounds.assert_no_panic();
    }
    Ok(())
}

fn assert_same_transcript(what: &str, expected: &str, got: &str) {
    let mut scene = "";
    for (number, line) in expected.lines().enumerate() {
        scene = line.strip_prefix("== ").unwrap_or(scene);
        let other = got.lines().nth(number).unwrap_or("the end");
        assert_eq!(other, line, "{what}, in \"{scene}\" (line {number}; expected is what it is directly)\n{got}");
    }
    assert_eq!(got.lines().count(), expected.lines().count(), "{what}: more lines than directly\n{got}");
}

/// Whatever the drivers do: the proxy before the lagging replicas does read from them.
#[test]
fn lagging_replicas_take_reads_of_sessions_that_wrote_nothing() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(grounds) = Grounds::of(kind)? else { continue };
        let reads = || grounds.group.replicas().iter().map(|r| r.selects_of("app")).sum::<Lab<u64>>();
        let before = reads()?;
        for _ in 0..10 {
            grounds.lagging.client()?.sql("SELECT 1")?;
        }
        assert!(reads()? >= before + 10, "{kind:?}");
    }
    Ok(())
}

#[test]
fn php_mysqli() -> Lab<()> {
    check(&Driver {
        name: "PHP mysqli",
        slug: "mysqli",
        probe: &["php", "-r", "exit(extension_loaded('mysqli') ? 0 : 1);"],
        script: &["php", "-d", "mysqli.allow_local_infile=1", "php/mysqli.php"],
        environment: &[],
    })
}

#[test]
fn php_pdo() -> Lab<()> {
    check(&Driver {
        name: "PDO_mysql",
        slug: "pdo",
        probe: &["php", "-r", "exit(extension_loaded('pdo_mysql') ? 0 : 1);"],
        script: &["php", "php/pdo.php"],
        environment: &[],
    })
}

#[test]
fn odd_uses_of_php_mysqli() -> Lab<()> {
    check_transcript(&Driver {
        name: "odd uses of PHP mysqli",
        slug: "odd_mysqli",
        probe: &["php", "-r", "exit(extension_loaded('mysqli') ? 0 : 1);"],
        script: &["php", "-d", "mysqli.allow_local_infile=1", "php/odd_mysqli.php"],
        environment: &[],
    })
}

#[test]
fn odd_uses_of_php_pdo() -> Lab<()> {
    check_transcript(&Driver {
        name: "odd uses of PDO_mysql",
        slug: "odd_pdo",
        probe: &["php", "-r", "exit(extension_loaded('pdo_mysql') ? 0 : 1);"],
        script: &["php", "php/odd_pdo.php"],
        environment: &[],
    })
}

#[test]
fn python_pymysql() -> Lab<()> {
    check(&Driver {
        name: "PyMySQL",
        slug: "pymysql",
        probe: &["/usr/bin/python3", "-c", "import pymysql"],
        script: &["/usr/bin/python3", "python/features.py", "pymysql"],
        environment: &[],
    })
}

#[test]
fn python_mysqlclient() -> Lab<()> {
    check(&Driver {
        name: "mysqlclient",
        slug: "mysqlclient",
        probe: &["/usr/bin/python3", "-c", "import MySQLdb"],
        script: &["/usr/bin/python3", "python/features.py", "MySQLdb"],
        environment: &[],
    })
}

#[test]
fn perl_dbd_mysql() -> Lab<()> {
    check(&Driver {
        name: "DBD::mysql",
        slug: "perl",
        probe: &["perl", "-MDBD::mysql", "-e", "1"],
        script: &["perl", "perl/features.pl"],
        environment: &[],
    })
}

#[test]
fn ruby_mysql2() -> Lab<()> {
    check(&Driver {
        name: "Ruby mysql2",
        slug: "ruby",
        probe: &["ruby", "-rmysql2", "-e", "1"],
        script: &["ruby", "ruby/features.rb"],
        environment: &[],
    })
}

#[test]
fn go_sql_driver() -> Lab<()> {
    check(&Driver {
        name: "go-sql-driver",
        slug: "go",
        probe: &["go", "list", "github.com/go-sql-driver/mysql"],
        script: &["go", "run", "go/main.go"],
        environment: GO,
    })
}

#[test]
fn connector_j() -> Lab<()> {
    check(&Driver {
        name: "MariaDB Connector/J",
        slug: "java",
        probe: &["sh", "-c", "command -v javac && test -e /usr/share/java/mariadb-java-client.jar"],
        script: &["java", "-cp", CONNECTOR_J, "java/Features.java"],
        environment: &[],
    })
}

#[test]
fn mariadb_command_line() -> Lab<()> {
    check(&Driver {
        name: "the mariadb client",
        slug: "cli",
        probe: &["mariadb", "--version"],
        script: &["sh", "cli/features.sh"],
        environment: &[],
    })
}

/// Not to MariaDB, whose accounts are of a plugin that this client lacks (mysql_native_password).
#[test]
fn mysql_command_line() -> Lab<()> {
    let root = match mysql9::root() {
        Err(LabError::Unavailable(why)) => {
            pointsman_tests::skipped(&why);
            return Ok(());
        }
        root => root?.display().to_string(),
    };
    let driver = Driver {
        name: "the mysql client",
        slug: "mysql",
        probe: &["sh", "-c", "test -x $ROOT/usr/bin/mysql"],
        script: &["sh", "cli/mysql.sh"],
        environment: &[("ROOT", &root)],
    };
    check_on(&driver, &[Kind::MySql9])
}

/// npm has no Debian package of mysql2: it is installed into the cache on first use.
#[test]
fn node_mysql2() -> Lab<()> {
    let home = cache()?.join("node");
    std::fs::create_dir_all(&home).map_err(LabError::file(&home))?;
    let modules = home.join("node_modules");
    if !modules.join("mysql2").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", "mysql2@^3.11.0", "--prefix"]).arg(&home);
        if !succeeds(npm.output()) {
            pointsman_tests::skipped("npm could not install mysql2");
            return Ok(());
        }
    }
    let modules = modules.display().to_string();
    check(&Driver {
        name: "Node mysql2",
        slug: "node",
        probe: &["node", "-e", "require('mysql2')"],
        script: &["node", "node/features.js"],
        environment: &[("NODE_PATH", &modules)],
    })
}

#[test]
fn rust_mysql_async() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(grounds) = Grounds::of(kind)? else { continue };
        // The laboratory's client speaks no TLS.
        for way in grounds.ways("sha2_mysql_async").into_iter().filter(|way| way.tls.is_none()) {
            eprintln!("mysql_async to {kind:?} {}", way.what);
            mysql_async_features(&Login::new(way.port, way.user, way.password).schema("drv_mysql_async"))?;
        }
        grounds.assert_no_panic();
    }
    Ok(())
}

fn mysql_async_features(login: &Login) -> Lab<()> {
    let mut client = pointsman_tests::Client::connect(login)?;
    client.sql("CREATE TABLE drv_rs (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50))")?;
    client.prepared("INSERT INTO drv_rs (a, s) VALUES (?, ?)", (1, "ü😀"))?;
    assert_eq!(client.last_ok(), (1, Some(1), 0));
    assert_eq!(client.prepared("SELECT s FROM drv_rs WHERE a = ?", (1,))?, [[Some("ü😀".to_owned())]]);
    client.sql("BEGIN")?;
    client.sql("DELETE FROM drv_rs")?;
    client.sql("ROLLBACK")?;
    assert_eq!(client.value("SELECT COUNT(*) FROM drv_rs")?, "1");
    let duplicate = client.sql("INSERT INTO drv_rs (id) VALUES (1)").expect_err("the key is taken");
    assert_eq!(duplicate.code(), Some(1062));
    client.ping()?;
    assert!(client.reset()?);
    client.sql("DROP TABLE drv_rs")?;
    Ok(())
}
