//! Golden cases: `tests/cases/*.txt` hold statements and what the analysis says of them.
//!
//! A file is a sequence of `-- comment` lines, statements (which may take several lines) and `=> ` lines with the
//! expected rendering. `-- reading: mysql ansi_quotes` changes how the statements below it are read, up to the next
//! such line. `UPDATE_CASES=1 cargo test` writes the renderings anew; review the difference.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pointsman_planner::{Analysis, ClientCharset, Reading, Reads, Routines, ServerKind, Statement, analyze};

/// MariaDB 10.11.14 and MySQL 9.7.0, with stacked statements allowed.
fn reading(words: &str) -> Reading {
    let mut reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
    reading.multi_statements = true;
    for word in words.split_whitespace() {
        match word {
            "mariadb" => {}
            "mysql" => (reading.server, reading.version) = (ServerKind::MySql, 90_700),
            "latin1" => reading.charset = ClientCharset::AsciiSafe,
            "gbk" => reading.charset = ClientCharset::Gbk,
            "sjis" => reading.charset = ClientCharset::Sjis,
            "ansi_quotes" => reading.ansi_quotes = true,
            "no_backslash_escapes" => reading.no_backslash_escapes = true,
            "ignore_space" => reading.ignore_space = true,
            "oracle" => reading.oracle = true,
            "single" => reading.multi_statements = false,
            _ => panic!("unknown reading {word}"),
        }
    }
    reading
}

fn render(analysis: &Analysis) -> String {
    let mut line: Vec<String> = analysis.statements.iter().map(render_statement).collect();
    if !analysis.cacheable {
        line.push("not cacheable".to_owned());
    }
    line.join(" | ")
}

fn render_statement(statement: &Statement) -> String {
    let mut out = format!("{:?} {:?}", statement.kind, statement.access);
    // Which queries name a table is tested where it is found out; here it would stand in most lines.
    let reads = statement.reads.difference(Reads::TABLES);
    if !reads.is_empty() {
        let names: Vec<&str> = reads.iter_names().map(|(name, _)| name).collect();
        write!(out, " reads {}", names.join("+")).expect("a String takes everything");
    }
    if !statement.user_vars_read.is_empty() {
        write!(out, " @{}", statement.user_vars_read.join(" @")).expect("a String takes everything");
    }
    for effect in &statement.effects {
        match effect {
            pointsman_planner::Effect::UserVarString { name, value } => {
                write!(out, " UserVarString(@{name} {})", String::from_utf8_lossy(value))
                    .expect("a String takes everything")
            }
            pointsman_planner::Effect::UserVarLiteral { name, value } => {
                write!(out, " UserVarLiteral(@{name} {})", String::from_utf8_lossy(value))
                    .expect("a String takes everything");
            }
            other => write!(out, " {other:?}").expect("a String takes everything"),
        }
    }
    out
}

/// The file's text with every `=> ` line as the analysis has it now.
fn renewed(file: &str) -> (String, usize) {
    let routines = Routines::new(["safe_f", "shop.safe_g"]);
    let (mut out, mut statement, mut count) = (String::new(), Vec::new(), 0);
    let mut current = reading("");
    for line in file.lines() {
        if let Some(words) = line.strip_prefix("-- reading:") {
            current = reading(words);
        }
        if line.starts_with("=> ") || line == "=>" {
            let text = statement.join("\n");
            let found = render(&analyze(text.as_bytes(), &current, &routines));
            writeln!(out, "=> {found}").expect("a String takes everything");
            statement.clear();
            count += 1;
            continue;
        }
        let is_remark = statement.is_empty() && (line.is_empty() || line.starts_with("-- "));
        if !is_remark {
            statement.push(line);
        }
        writeln!(out, "{line}").expect("a String takes everything");
    }
    assert!(statement.is_empty(), "the last statement has no `=>` line");
    (out, count)
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it is readable").path()).collect();
    files.sort();
    files
}

#[test]
fn analyses_are_as_recorded() {
    let mut total = 0;
    for path in files() {
        let recorded = fs::read_to_string(&path).unwrap();
        let (now, count) = renewed(&recorded);
        total += count;
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&path, now).unwrap();
            continue;
        }
        for (number, (was, is)) in recorded.lines().zip(now.lines()).enumerate() {
            assert_eq!(was, is, "{}:{}", path.display(), number + 1);
        }
        assert_eq!(recorded, now, "{}", path.display());
    }
    assert!(total >= 400, "only {total} cases");
}
