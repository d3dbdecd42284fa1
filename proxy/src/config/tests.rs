//! Whole files: what is accepted, everything that is refused and how, reloads, and the manual's table.

use super::settings::{Absent, SECTIONS, SETTINGS};
use super::*;

/// The file of the manual's first page.
const MINIMAL: &str = r#"
[backend]
user = "pointsman"
password = "secret"

[[user]]
name = "app"
password = "app"

[[shard]]
name = "main"
masters = ["127.0.0.1:13306", "127.0.0.1:13309"]
replicas = ["127.0.0.1:13307", { address = "127.0.0.1:13308", weight = 50, zone = "b" }]
max_lag_ms = 1000
"#;

fn problems(text: &str) -> Vec<String> {
    Config::parse(text).unwrap_err().0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

#[test]
fn the_smallest_file_has_all_defaults() {
    let c = Config::parse(MINIMAL).unwrap();
    assert_eq!(c.listen.mysql, ["127.0.0.1:6033".parse().unwrap()]);
    assert_eq!(c.pool.max_connections_per_server, 200);
    assert_eq!(c.shards[0].spill_limit, 100);
    assert_eq!(c.topology.servers()[3].weight.0, 50);
    assert_eq!(c.users[0].backend_password.as_ref().unwrap().expose(), "app");
    assert_eq!(c.user("app").unwrap().consistency, Consistency::Session);
    assert!(c.user("root").is_none());
    assert!(!format!("{c:?}").contains("secret"));
}

#[test]
fn every_default_is_valid_and_every_setting_has_a_section() {
    for s in SETTINGS {
        assert!(SECTIONS.iter().any(|(name, _)| *name == s.section), "{}", s.path());
        if let Absent::Value(text) = s.default {
            assert!(format!("x = {text}").parse::<toml::Table>().is_ok(), "{}", s.path());
        }
    }
}

#[test]
fn unknown_keys_are_all_named_with_the_nearest() {
    let text = format!("{MINIMAL}\n[pol]\n[session]\nconsistancy = \"session\"\n[monitor]\nxyzzy = 1\n");
    assert_eq!(
        problems(&text),
        [
            "pol: no such section; did you mean 'pool'?",
            "session.consistancy: no such setting; did you mean 'consistency'?",
            "monitor.xyzzy: no such setting",
        ]
    );
}

#[test]
fn types_ranges_and_choices_are_all_checked_at_once() {
    let text = r#"
[listen]
mysql = 6033
tls = "of"
[backend]
user = "p"
[[user]]
password = 5
[[shard]]
name = "main"
masters = ["a", 7, { adress = "x" }]
max_lag_ms = 0
"#;
    assert_eq!(
        problems(text),
        [
            "listen.mysql: must be a string or a list of strings",
            "listen.tls: 'of' is none of off, optional, required; did you mean 'off'?",
            "user[0].name: is missing",
            "user[0].password: must be a string or a list of strings",
            "shard[0].masters[1]: must be \"host:port\" or { address = \"host:port\", ... }",
            "shard[0].masters[2].adress: no such setting; did you mean 'address'?",
            "shard[0].masters[2].address: is missing",
            "shard[0].max_lag_ms: 0 is not between 1 and 86400000",
        ]
    );
}

/// A wrong key or type hides no other mistake, and a key of another section is found there.
#[test]
fn mistakes_of_every_kind_are_told_together() {
    let text = r#"
[listen]
mysql = "nowhere"
bcklog = 5
[backend]
user = "p"
password = "x"
[[user]]
name = "app"
backend_password = "a"
backend_password_file = "/b"
[[shard]]
name = "main"
masters = ["a"]
consistancy = "session"
"#;
    assert_eq!(
        problems(text),
        [
            "listen.bcklog: no such setting; did you mean 'backlog'?",
            "shard[0].consistancy: no such setting; did you mean 'session.consistency'?",
            "listen.mysql: 'nowhere' is neither address:port (like 0.0.0.0:6033 or [::]:6033) nor unix:/path",
            "user[0].backend_password_file: can't stand beside backend_password",
        ]
    );
}

#[test]
fn values_are_checked_all_at_once() {
    let text = r#"
[listen]
mysql = ["here", "127.0.0.1:1"]
http = "unix:/x"
tls = "required"
compression = ["lz4"]
[backend]
user = "p"
tls = "verify_ca"
[[user]]
name = "app"
hosts = ["db.example"]
[[user]]
name = "app"
[[shard]]
name = "main"
masters = ["a", "a"]
max_lag_ms = 150
[[shard]]
name = "b"
masters = ["x:y"]
[session]
safe_functions = ["f"]
[proxy]
id = 3
count = 2
"#;
    let found: Vec<String> = problems(text).iter().map(|p| p.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        found,
        [
            "listen.tls_cert",
            "listen.tls_key",
            "listen.mysql",
            "listen.http",
            "listen.compression",
            "backend.tls_ca",
            "backend.password",
            "session.safe_functions",
            "user[0].hosts",
            "user[1].name",
            "shard[0].max_lag_ms",
            "shard[0]",
            "shard[1].masters[0]",
            "proxy.id",
        ]
    );
}

#[test]
fn a_broken_file_names_the_line_and_quotes_nothing() {
    let found = problems("[backend]\nuser = \"p\"\npassword = \"hunter2\n");
    assert!(found[0].contains("line 3") && !found[0].contains("hunter2"), "{found:?}");
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest() {
    let old = Config::parse(MINIMAL).unwrap();
    let text = MINIMAL.replace("max_lag_ms = 1000", "max_lag_ms = 2000");
    let text = format!("{text}\n[listen]\nmysql = \"127.0.0.1:7033\"\n[pool]\nmin_idle = 2\n");
    let new = Config::parse(&text).unwrap();
    let diff = old.diff(&new);
    assert_eq!(diff.live, ["shard", "pool"]);
    assert_eq!(diff.restart, ["listen.mysql"]);
    let merged = old.reloaded(new);
    assert_eq!(merged.listen.mysql, old.listen.mysql);
    assert_eq!(merged.shards[0].max_lag, Duration::from_millis(2000));
    assert_eq!(old.diff(&merged).restart, Vec::<String>::new());
    assert!(old.diff(&old).is_empty());
    // Limits of shards wait with their servers.
    let more =
        MINIMAL.replace("max_lag_ms = 1000", "max_lag_ms = 2000").replace("replicas = [", "replicas = [\"r9\", ");
    let diff = old.diff(&Config::parse(&more).unwrap());
    assert_eq!((diff.live, diff.restart), (vec![], vec!["shard.replicas".to_owned(), "shard".to_owned()]));
}

#[test]
fn polling_stretches_with_the_number_of_proxies() {
    let with = |n: u16| Config::parse(&format!("{MINIMAL}\n[proxy]\ncount = {n}\n")).unwrap().monitor.poll.as_millis();
    assert_eq!([with(1), with(8), with(9), with(256)], [100, 100, 200, 333]);
}

/// The TOML of the documents: README.md, docs/*.md, the container's own file.
fn examples() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = vec![];
    for page in pages.chain([root.join("README.md")]) {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            found.push((page.display().to_string(), block.split("```").next().unwrap().to_owned()));
        }
    }
    let container = root.join("docker/pointsman.toml");
    found.push((container.display().to_string(), std::fs::read_to_string(container).unwrap()));
    found
}

#[test]
fn the_examples_of_the_documents_are_accepted() {
    let examples = examples();
    assert!(examples.len() > 3, "{} examples", examples.len());
    for (page, text) in examples {
        // Secrets that only the reader's machine has, and what an excerpt leaves out.
        let secrets = |line: &str| match line.split_once(" = ") {
            Some(("password_file", _)) => "password = 'x'".to_owned(),
            Some(("password", value)) if value.starts_with("\"env:") => "password = 'x'".to_owned(),
            _ => line.to_owned(),
        };
        let mut whole: String = text.lines().map(|line| secrets(line) + "\n").collect();
        for (section, least) in [
            ("[backend]", "user = 'p'\npassword = 'x'"),
            ("[[user]]", "name = 'a'\npassword = 'x'"),
            ("[[shard]]", "name = 'm'\nmasters = ['127.0.0.1:1']"),
        ] {
            if !whole.contains(section) {
                whole.push_str(&format!("{section}\n{least}\n"));
            }
        }
        assert!(Config::parse(&whole).is_ok(), "{page}: {}\n{text}", problems(&whole).join("; "));
    }
}
