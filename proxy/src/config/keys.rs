//! Holds a parsed file against the list of settings: unknown keys (with the nearest name), types, ranges; and
//! fills in the defaults.

use toml::{Table, Value};

use super::problem::Problems;
use super::settings::{self, Absent, Kind, SECTIONS, SERVER_KEYS, Setting};

/// Below this likeness a suggestion confuses more than it helps.
const SUGGEST_FROM: f64 = 0.7;

/// Checks every section and completes it with defaults. What it has found is in `problems`; only a file without
/// problems can be turned into forms.
pub fn complete(file: &mut Table, problems: &mut Problems) {
    for name in file.keys() {
        if !SECTIONS.iter().any(|(s, _)| s == name) {
            let known: Vec<&str> = SECTIONS.iter().map(|(s, _)| *s).collect();
            problems.add(name.clone(), format!("no such section{}", suggest(name, &known)));
        }
    }
    for &(section, repeated) in SECTIONS {
        if repeated {
            complete_list(section, file, problems);
        } else {
            let value = file.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match value {
                Value::Table(table) => complete_section(section, section, table, problems),
                _ => problems.add(section, format!("must be a section, [{section}]")),
            }
        }
    }
}

fn complete_list(section: &str, file: &mut Table, problems: &mut Problems) {
    match file.entry(section).or_insert_with(|| Value::Array(vec![])) {
        Value::Array(list) if list.is_empty() => problems.add(section, format!("at least one [[{section}]] is needed")),
        Value::Array(list) => {
            for (i, item) in list.iter_mut().enumerate() {
                let path = format!("{section}[{i}]");
                match item {
                    Value::Table(table) => complete_section(section, &path, table, problems),
                    _ => problems.add(path, format!("must be a section, [[{section}]]")),
                }
            }
        }
        _ => problems.add(section, format!("must be written with double brackets, [[{section}]]")),
    }
}

fn complete_section(section: &str, path: &str, table: &mut Table, problems: &mut Problems) {
    let known: Vec<&str> = settings::of_section(section).map(|s| s.key).collect();
    for key in table.keys().filter(|k| !known.contains(&k.as_str())) {
        problems.add(format!("{path}.{key}"), format!("no such setting{}", suggest(key, &known)));
    }
    for setting in settings::of_section(section) {
        let path = format!("{path}.{}", setting.key);
        match (table.get(setting.key), setting.default) {
            (Some(value), _) => check_value(&path, value, setting.kind, problems),
            (None, Absent::Required) => problems.add(path, "is missing"),
            (None, Absent::Unset) => {}
            (None, Absent::Value(text)) => {
                table.insert(setting.key.to_owned(), default_value(setting, text));
            }
        }
    }
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

/// `; did you mean 'x'?`, when something known is near.
fn suggest(written: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(written, k), k))
        .filter(|(likeness, _)| *likeness >= SUGGEST_FROM)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| format!("; did you mean '{k}'?"))
        .unwrap_or_default()
}
