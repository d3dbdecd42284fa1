//! Well-known drivers: each runs its script of features through the proxy, and directly so that a failure of the
//! script itself is not taken for one of the proxy.

use std::process::{Command, Output};

use pointsman_tests::places::{cache, repository};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, LabError, Login, Proxy};

/// A script, and what shows that its language and driver are installed.
struct Driver<'a> {
    name: &'static str,
    probe: &'static [&'static str],
    script: &'static [&'static str],
    environment: &'a [(&'a str, &'a str)],
}

/// Debian keeps Go libraries here; they have no module files.
const GO: &[(&str, &str)] = &[("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode")];
const CONNECTOR_J: &str = "/usr/share/java/mariadb-java-client.jar";

fn command(words: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).envs(environment.iter().copied()).current_dir(repository().join("tests/drivers"));
    command
}

fn succeeds(output: std::io::Result<Output>) -> bool {
    output.is_ok_and(|output| output.status.success())
}

fn run(driver: &Driver<'_>, port: u16) -> String {
    let mut command = command(driver.script, driver.environment);
    let login = [("HOST", "127.0.0.1"), ("USER", "app"), ("PASSWORD", "app"), ("DB", "shop")];
    let output = command.envs(login).env("PORT", port.to_string()).output();
    let output = output.expect("the probe found the interpreter");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = if output.status.success() { "" } else { "FAIL the script ended with an error\n" };
    format!("{said}{failed}{}", String::from_utf8_lossy(&output.stderr))
}

fn assert_no_failure(name: &str, said: &str) {
    let failures: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failures.is_empty(), "{name}:\n{}\n\neverything:\n{said}", failures.join("\n"));
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() > 8, "{name} ran too little:\n{said}");
}

fn check(driver: &Driver<'_>) -> Lab<()> {
    if !succeeds(command(driver.probe, driver.environment).output()) {
        eprintln!("skipped: {} is not installed", driver.name);
        return Ok(());
    }
    let mut plan = GroupPlan::new(Kind::MariaDb);
    plan.general_log = false;
    let group = plan.start()?;
    group.sql_everywhere("GRANT CREATE ROUTINE, ALTER ROUTINE ON shop.* TO app@'%'")?;
    assert_no_failure(&format!("{} directly", driver.name), &run(driver, group.writer().port));
    through(driver, &group, "")?;
    through(driver, &group, "[debug]\nalways_switch = true\n")
}

fn through(driver: &Driver<'_>, group: &Group, more: &str) -> Lab<()> {
    let proxy = Proxy::of(group).more(more).start()?;
    assert_no_failure(&format!("{} through the proxy {more}", driver.name), &run(driver, proxy.port));
    Ok(())
}

#[test]
fn php_mysqli() -> Lab<()> {
    check(&Driver {
        name: "PHP mysqli",
        probe: &["php", "-r", "exit(extension_loaded('mysqli') ? 0 : 1);"],
        script: &["php", "-d", "mysqli.allow_local_infile=1", "php/mysqli.php"],
        environment: &[],
    })
}

#[test]
fn php_pdo() -> Lab<()> {
    check(&Driver {
        name: "PDO_mysql",
        probe: &["php", "-r", "exit(extension_loaded('pdo_mysql') ? 0 : 1);"],
        script: &["php", "php/pdo.php"],
        environment: &[],
    })
}

#[test]
fn python_pymysql() -> Lab<()> {
    check(&Driver {
        name: "PyMySQL",
        probe: &["/usr/bin/python3", "-c", "import pymysql"],
        script: &["/usr/bin/python3", "python/features.py", "pymysql"],
        environment: &[],
    })
}

#[test]
fn python_mysqlclient() -> Lab<()> {
    check(&Driver {
        name: "mysqlclient",
        probe: &["/usr/bin/python3", "-c", "import MySQLdb"],
        script: &["/usr/bin/python3", "python/features.py", "MySQLdb"],
        environment: &[],
    })
}

#[test]
fn perl_dbd_mysql() -> Lab<()> {
    check(&Driver {
        name: "DBD::mysql",
        probe: &["perl", "-MDBD::mysql", "-e", "1"],
        script: &["perl", "perl/features.pl"],
        environment: &[],
    })
}

#[test]
fn ruby_mysql2() -> Lab<()> {
    check(&Driver {
        name: "Ruby mysql2",
        probe: &["ruby", "-rmysql2", "-e", "1"],
        script: &["ruby", "ruby/features.rb"],
        environment: &[],
    })
}

#[test]
fn go_sql_driver() -> Lab<()> {
    check(&Driver {
        name: "go-sql-driver",
        probe: &["go", "list", "github.com/go-sql-driver/mysql"],
        script: &["go", "run", "go/main.go"],
        environment: GO,
    })
}

#[test]
fn connector_j() -> Lab<()> {
    check(&Driver {
        name: "MariaDB Connector/J",
        probe: &["sh", "-c", "command -v javac && test -e /usr/share/java/mariadb-java-client.jar"],
        script: &["java", "-cp", CONNECTOR_J, "java/Features.java"],
        environment: &[],
    })
}

#[test]
fn mariadb_command_line() -> Lab<()> {
    check(&Driver {
        name: "the mariadb client",
        probe: &["mariadb", "--version"],
        script: &["sh", "cli/features.sh"],
        environment: &[],
    })
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
            eprintln!("skipped: npm could not install mysql2");
            return Ok(());
        }
    }
    let modules = modules.display().to_string();
    check(&Driver {
        name: "Node mysql2",
        probe: &["node", "-e", "require('mysql2')"],
        script: &["node", "node/features.js"],
        environment: &[("NODE_PATH", &modules)],
    })
}

#[test]
fn rust_mysql_async() -> Lab<()> {
    let group = Group::start()?;
    let proxy = Proxy::of(&group).start()?;
    for port in [group.writer().port, proxy.port] {
        mysql_async_features(port)?;
    }
    Ok(())
}

fn mysql_async_features(port: u16) -> Lab<()> {
    let mut client = pointsman_tests::Client::connect(&Login::app(port))?;
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
