//! Whole applications through the proxy: a dump and its restoring, WordPress and phpMyAdmin from Debian's packages.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use pointsman_tests::places::{fresh_dir, repository};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, LabError, Proxy, mysql9};

/// A client program of the server's own kind, logged in as the application at that port.
fn client(kind: Kind, program: &str, port: u16) -> Lab<Command> {
    let mut command = match kind {
        Kind::MariaDb => Command::new(format!("mariadb{program}")),
        Kind::MySql9 => {
            let mut command = Command::new("chroot");
            command.arg(mysql9::root()?).arg(format!("/usr/bin/mysql{}", program.trim_start_matches('-')));
            command
        }
    };
    command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=app", "--password=app"]);
    command.arg(format!("--port={port}"));
    Ok(command)
}

fn dump(kind: Kind, port: u16, schema: &str, file: &Path) -> Lab<()> {
    let mut command = client(kind, "-dump", port)?;
    command.args(["--single-transaction", "--routines", "--triggers", "--skip-dump-date", "--hex-blob"]);
    if kind == Kind::MySql9 {
        // These need rights on the whole server.
        command.args(["--no-tablespaces", "--set-gtid-purged=OFF"]);
    }
    run(command.arg(schema).stdout(File::create(file).map_err(LabError::file(file))?), file)
}

fn restore(kind: Kind, port: u16, schema: &str, file: &Path) -> Lab<()> {
    let mut command = client(kind, "", port)?;
    run(command.arg(schema).stdin(File::open(file).map_err(LabError::file(file))?), file)
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
    CREATE TABLE digit (n INT); INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); \
    INSERT INTO child (up, name, b, d, n) SELECT 1 + seq % 2, CONCAT('it''s \\\\ ', seq), REPEAT(CHAR(seq % 256), seq % 300), \
    '2024-01-01 00:00:00.000001' + INTERVAL seq SECOND, seq / 7 \
    FROM (SELECT a.n + 10 * b.n + 100 * c.n seq FROM digit a, digit b, digit c ORDER BY seq) numbers";

fn a_dump_is_the_same_and_can_be_restored(kind: Kind) -> Lab<()> {
    let mut plan = GroupPlan::new(kind);
    plan.general_log = false;
    let Some(group) = plan.start_or_skip()? else { return Ok(()) };
    let dir = fresh_dir("dump")?;
    let tables = dir.join("tables.sql");
    fs::write(&tables, TABLES).map_err(LabError::file(&tables))?;
    group.sql_everywhere("CREATE DATABASE second CHARACTER SET utf8mb4")?;
    group.sql_everywhere("GRANT ALL ON second.* TO app@'%'")?;
    group.sql_everywhere("GRANT ALL ON shop.* TO app@'%'")?;
    let proxy = Proxy::of(&group).start()?;
    restore(kind, proxy.port, "shop", &tables)?;
    group.wait_for_sync()?;
    let [direct, proxied, again] = ["direct.sql", "proxied.sql", "again.sql"].map(|name| dir.join(name));
    dump(kind, group.writer().port, "shop", &direct)?;
    dump(kind, proxy.port, "shop", &proxied)?;
    assert_same(&direct, &proxied, "the dump through the proxy");
    restore(kind, proxy.port, "second", &proxied)?;
    group.wait_for_sync()?;
    dump(kind, group.writer().port, "second", &again)?;
    assert_same(&direct, &again, "the dump of what was restored through the proxy");
    fs::remove_dir_all(&dir).map_err(LabError::file(&dir))
}

#[test]
fn a_dump_of_mariadb_is_the_same_and_can_be_restored() -> Lab<()> {
    a_dump_is_the_same_and_can_be_restored(Kind::MariaDb)
}

#[test]
fn a_dump_of_mysql9_is_the_same_and_can_be_restored() -> Lab<()> {
    a_dump_is_the_same_and_can_be_restored(Kind::MySql9)
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

/// Whether that file of an application's Debian package is there, and PHP with mysqli to run it.
fn is_installed(file: &str) -> bool {
    let php = Command::new("php").args(["-r", "exit(extension_loaded('mysqli') ? 0 : 1);"]).status();
    Path::new(file).exists() && php.is_ok_and(|status| status.success())
}

/// Runs the site of that folder on the database at `port`; `direct` is its writer past the proxy.
fn site(folder: &str, port: u16, direct: u16) -> String {
    let script = repository().join("tests/drivers").join(folder).join("site.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).envs([("HOST", "127.0.0.1"), ("USER", "app"), ("PASSWORD", "app"), ("DB", "shop")]);
    command.env("PORT", port.to_string()).env("DIRECT_PORT", direct.to_string());
    let output = command.output().expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("FAIL"), "{folder}: {said}");
    said
}

/// A group whose servers count what each account does.
fn counting_group() -> Lab<Group> {
    let mut plan = GroupPlan::new(Kind::MariaDb).extra("--userstat=1");
    plan.general_log = false;
    plan.start()
}

fn selects_at_replicas(group: &Group) -> Lab<u64> {
    group.replicas().iter().map(|replica| replica.selects_of("app")).sum()
}

/// Without and with a session that gets another connection after every statement.
const WAYS: [&str; 2] = ["", "[debug]\nalways_switch = true\n"];

#[test]
fn wordpress_installs_itself_and_works() -> Lab<()> {
    if !is_installed("/usr/share/wordpress/wp-load.php") {
        pointsman_tests::skipped("the packages wordpress and php-mysql are not installed");
        return Ok(());
    }
    let group = counting_group()?;
    let direct = group.writer().port;
    let works = |port: u16| {
        let said = site("wordpress", port, direct);
        assert!(said.contains("ok search") && said.contains("ok no database error logged"), "{said}");
    };
    works(direct);
    for more in WAYS {
        let proxy = Proxy::of(&group).more(more).start()?;
        let before = selects_at_replicas(&group)?;
        let written: u64 = group.writer().counter("Com_insert")?;
        works(proxy.port);
        assert!(selects_at_replicas(&group)? - before > 100, "pages are read from replicas");
        assert!(group.writer().counter("Com_insert")? > written + 50, "and written at the writer");
        group.wait_for_sync()?;
    }
    Ok(())
}

/// What an administrator's account has beside the application's rights. None of it writes past read_only.
const ADMINISTRATOR: [&str; 2] = [
    "GRANT PROCESS, RELOAD, CREATE USER, SHOW DATABASES, BINLOG MONITOR ON *.* TO app@'%'",
    "GRANT ALL ON shop.* TO app@'%'",
];

#[test]
fn phpmyadmin_shows_its_pages_and_works() -> Lab<()> {
    if !is_installed("/usr/share/phpmyadmin/index.php") {
        pointsman_tests::skipped("the packages phpmyadmin and php-mysql are not installed");
        return Ok(());
    }
    let group = counting_group()?;
    for grant in ADMINISTRATOR {
        group.sql_everywhere(grant)?;
    }
    for more in WAYS {
        let proxy = Proxy::of(&group).more(more).start()?;
        let before = selects_at_replicas(&group)?;
        let said = site("phpmyadmin", proxy.port, group.writer().port);
        assert!(said.contains("ok edit a row") && said.contains("ok no complaint of PHP's"), "{said}");
        assert!(selects_at_replicas(&group)? > before, "rows are read from replicas");
        group.wait_for_sync()?;
    }
    Ok(())
}
