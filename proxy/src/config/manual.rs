//! Prints docs/settings.md from the list of settings.

use std::fmt::Write;

use super::settings::{self, Absent, Kind, Reload, SECTIONS, Setting};

const HEAD: &str = "# Settings\n\nEvery setting of `pointsman.toml`. This page is printed from the program's own list \
(`proxy/src/config/settings.rs`); a test keeps them the same. How to use them is told in [configure.md](configure.md).\n\n\
*Reload* says whether SIGHUP applies a change; the others take effect at the next start.\n";

/// The whole page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for &(section, repeated) in SECTIONS {
        let title = if repeated { format!("[[{section}]]") } else { format!("[{section}]") };
        page.push_str(&format!(
            "\n## {title}\n\n| key | value | default | reload | |\n| --- | --- | --- | --- | --- |\n"
        ));
        for setting in settings::of_section(section) {
            page.push_str(&row(setting));
        }
    }
    page
}

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        Absent::Required => "required".to_owned(),
        Absent::Unset => "unset".to_owned(),
        Absent::Value(text) => format!("`{text}`"),
    };
    let reload = match setting.reload {
        Reload::Live => "yes",
        Reload::Restart => "restart",
    };
    // A bar would end the cell.
    let doc = setting.doc.replace('|', "\\|");
    let mut row = String::new();
    let value = value(setting.kind);
    writeln!(row, "| `{}` | {value} | {default} | {reload} | {doc} |", setting.key).expect("strings take everything");
    row
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Text => "string".to_owned(),
        Kind::TextOrList => "string or list".to_owned(),
        Kind::TextList => "list of strings".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Number(min, max) => format!("{min} to {max}"),
        Kind::Choice(choices) => {
            let quoted: Vec<String> = choices.iter().map(|c| format!("`\"{c}\"`")).collect();
            quoted.join(", ")
        }
        Kind::Servers => "list of servers".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");

    #[test]
    fn the_manual_lists_the_settings_as_they_are() {
        let written = std::fs::read_to_string(FILE).unwrap();
        assert!(
            written == page(),
            "docs/settings.md is old; `cargo test -p pointsman-proxy write_settings -- --ignored`"
        );
    }

    #[test]
    #[ignore = "writes docs/settings.md"]
    fn write_settings() {
        std::fs::write(FILE, page()).unwrap();
    }
}
