//! Whole applications through the proxy: a dump and its restoring, and WordPress from Debian's package.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use pointsman_tests::places::{fresh_dir, repository};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, LabError, Proxy};

/// A client program of MariaDB's, logged in as the application at that port.
fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=app", "--password=app"]);
    command.arg(format!("--port={port}"));
    command
}

fn dump(port: u16, schema: &str, file: &Path) -> Lab<()> {
    let mut command = client("mariadb-dump", port);
    command.args(["--single-transaction", "--routines", "--triggers", "--skip-dump-date", "--hex-blob", schema]);
    run(command.stdout(File::create(file).map_err(LabError::file(file))?), file)
}

fn restore(port: u16, schema: &str, file: &Path) -> Lab<()> {
    run(client("mariadb", port).arg(schema).stdin(File::open(file).map_err(LabError::file(file))?), file)
}

fn run(command: &mut Command, file: &Path) -> Lab<()> {
    let output = command.stderr(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
    let output = output.map_err(LabError::file(file))?;
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Types that a dump must escape, keys that point forward, a trigger, a view and a procedure.
const TABLES: &str = "CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, up INT, name VARCHAR(50), b BLOB, d DATETIME(6), \
    n DECIMAL(20,10), j LONGTEXT, KEY(up)); \
    CREATE TABLE parent (id INT PRIMARY KEY, p POINT, e ENUM('a','ü')); \
    ALTER TABLE child ADD FOREIGN KEY (up) REFERENCES parent (id); \
    CREATE TRIGGER set_name BEFORE INSERT ON child FOR EACH ROW SET NEW.name = COALESCE(NEW.name, 'none'); \
    CREATE VIEW both_of AS SELECT child.id, e FROM child JOIN parent ON parent.id = up; \
    CREATE PROCEDURE count_them() SELECT COUNT(*) FROM child; \
    INSERT INTO parent VALUES (1, POINT(1,2), 'ü'), (2, NULL, NULL); \
    INSERT INTO child (up, name, b, d, n) SELECT 1 + seq % 2, CONCAT('it''s \\\\ ', seq), REPEAT(CHAR(seq % 256), seq % 300), \
    '2024-01-01 00:00:00.000001' + INTERVAL seq SECOND, seq / 7 FROM seq_1_to_5000";

#[test]
fn a_dump_is_the_same_and_can_be_restored() -> Lab<()> {
    let mut plan = GroupPlan::new(Kind::MariaDb);
    plan.general_log = false;
    let group = plan.start()?;
    let dir = fresh_dir("dump")?;
    let tables = dir.join("tables.sql");
    fs::write(&tables, TABLES).map_err(LabError::file(&tables))?;
    group.sql_everywhere("CREATE DATABASE second")?;
    group.sql_everywhere("GRANT ALL ON second.* TO app@'%'")?;
    group.sql_everywhere("GRANT ALL ON shop.* TO app@'%'")?;
    let proxy = Proxy::of(&group).start()?;
    restore(proxy.port, "shop", &tables)?;
    group.wait_for_sync()?;
    let [direct, proxied, again] = ["direct.sql", "proxied.sql", "again.sql"].map(|name| dir.join(name));
    dump(group.writer().port, "shop", &direct)?;
    dump(proxy.port, "shop", &proxied)?;
    assert_same(&direct, &proxied, "the dump through the proxy");
    restore(proxy.port, "second", &proxied)?;
    group.wait_for_sync()?;
    dump(group.writer().port, "second", &again)?;
    assert_same(&direct, &again, "the dump of what was restored through the proxy");
    fs::remove_dir_all(&dir).map_err(LabError::file(&dir))
}

/// Equal but for the comments that name the schema and the port.
fn assert_same(left: &Path, right: &Path, what: &str) {
    let lines = |path: &Path| -> Vec<String> {
        let text = fs::read(path).expect("the dump was written");
        String::from_utf8_lossy(&text).lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect()
    };
    let (left, right) = (lines(left), lines(right));
    let differs = left.iter().zip(&right).position(|(a, b)| a != b);
    assert!(differs.is_none() && left.len() == right.len(), "{what} differs, first in line {differs:?}");
}

fn is_installed() -> bool {
    let php = Command::new("php").args(["-r", "exit(extension_loaded('mysqli') ? 0 : 1);"]).status();
    Path::new("/usr/share/wordpress/wp-load.php").exists() && php.is_ok_and(|status| status.success())
}

fn site(port: u16) -> String {
    let script = repository().join("tests/drivers/wordpress/site.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).envs([("HOST", "127.0.0.1"), ("USER", "app"), ("PASSWORD", "app"), ("DB", "shop")]);
    let output = command.env("PORT", port.to_string()).output().expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn selects_at_replicas(group: &Group) -> Lab<u64> {
    group.replicas().iter().map(|replica| replica.counter("Com_select")).sum()
}

fn assert_site_works(port: u16) {
    let said = site(port);
    assert!(!said.contains("FAIL"), "{said}");
    assert!(said.contains("ok search") && said.contains("ok no database error logged"), "{said}");
}

#[test]
fn wordpress_installs_itself_and_works() -> Lab<()> {
    if !is_installed() {
        eprintln!("skipped: the packages wordpress and php-mysql are not installed");
        return Ok(());
    }
    let mut plan = GroupPlan::new(Kind::MariaDb);
    plan.general_log = false;
    let group = plan.start()?;
    assert_site_works(group.writer().port);
    for more in ["", "[debug]\nalways_switch = true\n"] {
        let proxy = Proxy::of(&group).more(more).start()?;
        let before = selects_at_replicas(&group)?;
        let written: u64 = group.writer().counter("Com_insert")?;
        assert_site_works(proxy.port);
        assert!(selects_at_replicas(&group)? - before > 100, "pages are read from replicas");
        assert!(group.writer().counter("Com_insert")? > written + 50, "and written at the writer");
        group.wait_for_sync()?;
    }
    Ok(())
}
