//! The rules of the house that no compiler checks, each with a message that says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use pointsman_tests::{Lab, LabError, places};

/// Longer functions can't be read at a glance.
const FUNCTION_LINES: usize = 70;
/// Longer files hold more than one noun.
const FILE_LINES: usize = 600;
/// The crates that do no I/O and read no clock, so that the same input gives the same plan.
const PURE: [&str; 3] = ["protocol", "shard-map", "planner"];
/// What a pure crate must not mention. Of `std::net` the addresses are plain values; the sockets are not.
const IMPURE: [&str; 9] = [
    "tokio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
];
const CRATES: [&str; 6] = ["protocol", "shard-map", "planner", "proxy", "tests", "benches"];

/// A Rust file of this repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines before the inline tests begin.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.contains("/tests.rs") || self.path.starts_with("tests/it");
        let end = if is_test_file { None } else { self.text.lines().position(|line| line.trim() == "#[cfg(test)]") };
        self.text.lines().enumerate().take(end.unwrap_or(usize::MAX)).map(|(index, line)| (index + 1, line))
    }

    fn is_test(&self) -> bool {
        let in_tests = ["tests/it/", "benches/", "tests/drivers/"].iter().any(|dir| self.path.starts_with(dir));
        in_tests
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.contains("/fuzz/")
    }
}

fn sources() -> Lab<Vec<Source>> {
    let root = places::repository();
    let mut found = vec![];
    for name in CRATES {
        collect(&root, &root.join(name), &mut found)?;
    }
    Ok(found)
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<Source>) -> Lab<()> {
    for entry in fs::read_dir(dir).map_err(LabError::file(dir))? {
        let path = entry.map_err(LabError::file(dir))?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(LabError::file(&path))?;
            let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            found.push(Source { path, text });
        }
    }
    Ok(())
}

/// Fails with all complaints at once.
fn report(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

#[test]
fn every_file_says_what_it_is_for() -> Lab<()> {
    let complaints: Vec<String> =
        sources()?.iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path.clone()).collect();
    report("begin these files with a line `//! ...` that says what they are for", &complaints);
    Ok(())
}

#[test]
fn files_hold_one_noun() -> Lab<()> {
    let mut complaints = vec![];
    for source in sources()?.iter().filter(|source| !source.is_test()) {
        let lines = source.code().count();
        if lines > FILE_LINES {
            complaints.push(format!("{}: {lines} lines without its tests", source.path));
        }
    }
    report(&format!("split these files, {FILE_LINES} lines are the limit"), &complaints);
    Ok(())
}

#[test]
fn functions_are_read_at_a_glance() -> Lab<()> {
    let mut complaints = vec![];
    for source in &sources()? {
        for (line, name, length) in functions(source) {
            if length > FUNCTION_LINES {
                complaints.push(format!("{}:{line}: `{name}` has {length} lines", source.path));
            }
        }
    }
    report(&format!("split these functions, {FUNCTION_LINES} lines are the limit"), &complaints);
    Ok(())
}

#[test]
fn the_code_is_for_the_oldest_rust_that_is_promised() -> Lab<()> {
    let chain = concat!("&& ", "let ");
    let mut complaints = vec![];
    for source in &sources()? {
        for (index, line) in source.text.lines().enumerate().filter(|(_, line)| line.contains(chain)) {
            complaints.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
        }
    }
    report("Debian 13's Rust, 1.85, has no let chains; nest these or use `match`", &complaints);
    Ok(())
}

/// The functions of a file: line, name, length. rustfmt puts a function's last brace below its first letter, so the
/// indentation tells where it ends.
fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let mut found = vec![];
    let lines: Vec<&str> = source.text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[index..].iter().position(|line| *line == end) {
            let entries = lines[index..index + length].iter().filter(|line| is_list_entry(line)).count();
            found.push((index + 1, name, length + 1 - entries));
        }
    }
    found
}

/// A line that is nothing but one literal of a list: a long list is read at a glance.
fn is_list_entry(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('"') && line.ends_with("\",")
}

fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let only_qualifiers = before
        .split_whitespace()
        .all(|word| matches!(word, "pub" | "const" | "async" | "extern" | "\"C\"") || word.starts_with("pub("));
    let is_one_line = line.trim_end().ends_with(['}', ';']);
    let name = after.split(['(', '<']).next()?;
    (only_qualifiers && !is_one_line).then(|| name.to_owned())
}

#[test]
fn nothing_unwraps_outside_of_tests() -> Lab<()> {
    let needle = concat!(".unwrap", "()");
    let mut complaints = vec![];
    for source in sources()?.iter().filter(|source| !source.is_test()) {
        let lines = source.code().filter(|(_, line)| line.contains(needle) && !line.trim_start().starts_with("//"));
        complaints.extend(lines.map(|(number, _)| format!("{}:{number}", source.path)));
    }
    report("answer an error here, or `expect(\"why it holds\")` for a local invariant", &complaints);
    Ok(())
}

#[test]
fn pure_crates_do_no_io_and_read_no_clock() -> Lab<()> {
    let mut complaints = vec![];
    let is_pure = |source: &&Source| !source.is_test() && PURE.iter().any(|name| source.path.starts_with(name));
    for source in sources()?.iter().filter(is_pure) {
        let code = source.code().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in code {
            let found = IMPURE.iter().find(|word| line.contains(*word));
            complaints.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
    for name in PURE {
        let manifest = places::repository().join(name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(LabError::file(&manifest))?;
        let dependencies = text.split("[dev-dependencies]").next().unwrap_or_default();
        if dependencies.lines().any(|line| line.starts_with("tokio")) {
            complaints.push(format!("{name}/Cargo.toml depends on tokio"));
        }
    }
    report("these crates get bytes, values and times in, and give values out", &complaints);
    Ok(())
}

#[test]
fn only_the_planner_knows_sqlparser() -> Lab<()> {
    let mut complaints = vec![];
    for name in CRATES.into_iter().filter(|name| *name != "planner") {
        let manifest = places::repository().join(name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(LabError::file(&manifest))?;
        if text.lines().any(|line| line.starts_with("sqlparser")) {
            complaints.push(format!("{name}/Cargo.toml"));
        }
    }
    report("sqlparser belongs to the planner alone", &complaints);
    Ok(())
}

#[test]
fn architecture_names_only_what_exists() -> Lab<()> {
    let path = places::repository().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).map_err(LabError::file(&path))?;
    let complaints: Vec<String> = named_paths(&text).into_iter().filter(|path| !exists(path)).collect();
    report("ARCHITECTURE.md names files that don't exist", &complaints);
    Ok(())
}

/// What stands in backticks and looks like a path of this repository: it begins with one of its directories.
fn named_paths(text: &str) -> Vec<String> {
    let dirs = [
        "protocol/",
        "shard-map/",
        "planner/",
        "proxy/",
        "tests/",
        "benches/",
        "docs/",
        "docker/",
        "scripts/",
        "demo/",
    ];
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| dirs.iter().any(|dir| word.starts_with(dir)) && !word.contains(['*', ' ', '<', '{']);
    quoted.filter(is_path).map(str::to_owned).collect()
}

fn exists(path: &str) -> bool {
    let root: PathBuf = places::repository();
    // `proxy/src/pool.rs:12` and `proxy/src/pool.rs::Lease` name the file before the colon.
    root.join(path.split(':').next().unwrap_or(path)).exists()
}
