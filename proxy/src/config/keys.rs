//! Holds a parsed file against the list of settings: unknown keys (with the nearest name), types, ranges; and
//! fills in the defaults.

use toml::{Table, Value};

use super::problem::Problems;
use super::settings::{self, Absent, Kind, SECTIONS, SERVER_KEYS, Setting};

/// Below this likeness a suggestion confuses more than it helps.
const SUGGEST_FROM: f64 = 0.7;

/// Whether forms can be made of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// What was wrong has been taken out, or replaced by the default, so that the rest can be checked as well.
    Usable,
    /// Something lacks that has no default.
    Broken,
}

/// Checks every section and completes it with defaults. What it has found is in `problems`.
pub fn complete(file: &mut Table, problems: &mut Problems) -> Shape {
    let known: Vec<&str> = SECTIONS.iter().map(|(s, _)| *s).collect();
    let unknown: Vec<String> = file.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
    for name in unknown {
        problems.add(name.clone(), format!("no such section{}", suggest(&name, &known)));
        file.remove(&name);
    }
    let mut shape = Shape::Usable;
    for &(section, repeated) in SECTIONS {
        let of_section = if repeated {
            complete_list(section, file, problems)
        } else {
            let value = file.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match value {
                Value::Table(table) => complete_section(section, section, table, problems),
                _ => broken(problems, section, format!("must be a section, [{section}]")),
            }
        };
        shape = shape.and(of_section);
    }
    shape
}

impl Shape {
    fn and(self, other: Self) -> Self {
        if self == Self::Usable { other } else { self }
    }
}

fn broken(problems: &mut Problems, path: impl Into<String>, message: impl Into<String>) -> Shape {
    problems.add(path, message);
    Shape::Broken
}

fn complete_list(section: &str, file: &mut Table, problems: &mut Problems) -> Shape {
    match file.entry(section).or_insert_with(|| Value::Array(vec![])) {
        Value::Array(list) if list.is_empty() => {
            problems.add(section, format!("at least one [[{section}]] is needed"));
            Shape::Usable
        }
        Value::Array(list) => {
            let each = list.iter_mut().enumerate().map(|(i, item)| {
                let path = format!("{section}[{i}]");
                match item {
                    Value::Table(table) => complete_section(section, &path, table, problems),
                    _ => broken(problems, path, format!("must be a section, [[{section}]]")),
                }
            });
            each.fold(Shape::Usable, Shape::and)
        }
        _ => broken(problems, section, format!("must be written with double brackets, [[{section}]]")),
    }
}

fn complete_section(section: &str, path: &str, table: &mut Table, problems: &mut Problems) -> Shape {
    let known: Vec<&str> = settings::of_section(section).map(|s| s.key).collect();
    let unknown: Vec<String> = table.keys().filter(|k| !known.contains(&k.as_str())).cloned().collect();
    for key in unknown {
        problems.add(format!("{path}.{key}"), format!("no such setting{}", suggest_setting(&key, &known)));
        table.remove(&key);
    }
    let mut shape = Shape::Usable;
    for setting in settings::of_section(section) {
        let path = format!("{path}.{}", setting.key);
        let before = problems.0.len();
        if let Some(value) = table.get(setting.key) {
            check_value(&path, value, setting.kind, problems);
        }
        let wrong = problems.0.len() > before;
        if wrong {
            table.remove(setting.key);
        }
        match setting.default {
            _ if table.contains_key(setting.key) => {}
            Absent::Required if wrong => shape = Shape::Broken,
            Absent::Required => shape = broken(problems, path, "is missing"),
            Absent::Unset => {}
            Absent::Value(text) => {
                table.insert(setting.key.to_owned(), default_value(setting, text));
            }
        }
    }
    shape
}

/// The default as a value.
fn default_value(setting: &Setting, text: &str) -> Value {
    let table: Table = format!("x = {text}").parse().expect("a test parses every default");
    table.get("x").cloned().unwrap_or_else(|| unreachable!("{} has a default without a value", setting.path()))
}

fn check_value(path: &str, value: &Value, kind: Kind, problems: &mut Problems) {
    match (kind, value) {
        (Kind::Text | Kind::TextOrList, Value::String(_)) | (Kind::Bool, Value::Boolean(_)) => {}
        (Kind::TextOrList | Kind::TextList, Value::Array(list)) if list.iter().all(Value::is_str) => {}
        (Kind::Number(min, max), Value::Integer(n)) => {
            if !(min..=max).contains(n) {
                problems.add(path, format!("{n} is not between {min} and {max}"));
            }
        }
        (Kind::Choice(choices), Value::String(text)) => {
            if !choices.contains(&text.as_str()) {
                problems.add(path, format!("'{text}' is none of {}{}", choices.join(", "), suggest(text, choices)));
            }
        }
        (Kind::Servers, Value::Array(list)) => {
            for (i, server) in list.iter().enumerate() {
                check_server(&format!("{path}[{i}]"), server, problems);
            }
        }
        (kind, _) => problems.add(path, format!("must be {}", wanted(kind))),
    }
}

fn check_server(path: &str, value: &Value, problems: &mut Problems) {
    let table = match value {
        Value::String(_) => return,
        Value::Table(table) => table,
        _ => return problems.add(path, "must be \"host:port\" or { address = \"host:port\", ... }"),
    };
    let known: Vec<&str> = SERVER_KEYS.iter().map(|(k, _)| *k).collect();
    for (key, value) in table {
        match SERVER_KEYS.iter().find(|(k, _)| k == key) {
            Some((_, kind)) => check_value(&format!("{path}.{key}"), value, *kind, problems),
            None => problems.add(format!("{path}.{key}"), format!("no such setting{}", suggest(key, &known))),
        }
    }
    if !table.contains_key("address") {
        problems.add(format!("{path}.address"), "is missing");
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Choice(_) => "a string",
        Kind::TextOrList => "a string or a list of strings",
        Kind::TextList => "a list of strings",
        Kind::Bool => "true or false",
        Kind::Number(..) => "a whole number",
        Kind::Servers => "a list of servers",
    }
}

/// A setting of this section, else one of another.
fn suggest_setting(written: &str, known: &[&str]) -> String {
    let here = suggest(written, known);
    if !here.is_empty() {
        return here;
    }
    let all: Vec<String> = settings::SETTINGS.iter().map(Setting::path).collect();
    let elsewhere: Vec<&str> = settings::SETTINGS.iter().map(|s| s.key).collect();
    let nearest = nearest(written, &elsewhere);
    nearest.map(|at| format!("; did you mean '{}'?", all[at])).unwrap_or_default()
}

/// `; did you mean 'x'?`, when something known is near.
fn suggest(written: &str, known: &[&str]) -> String {
    nearest(written, known).map(|at| format!("; did you mean '{}'?", known[at])).unwrap_or_default()
}

/// The place of what is most like it, if anything is.
fn nearest(written: &str, known: &[&str]) -> Option<usize> {
    let likeness = known.iter().map(|k| strsim::jaro_winkler(written, k)).enumerate();
    likeness.filter(|(_, l)| *l >= SUGGEST_FROM).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
}
