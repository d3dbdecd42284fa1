//! The differences that are known and told to the users: a list beside the corpus, in which every line must be true.
//!
//! A line is `script | statement | servers | profiles | places | reason`. `servers`, `profiles` and `places` are words
//! with commas between, or `all`; a profile may be named by its beginning. `#` begins a remark. Two differences on one
//! statement are one line.

use std::fs;
use std::io;

use super::campaign::{Report, corpus_directory};
use super::compare::Difference;

/// What a comparison ran on; the list names all three.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub server: &'a str,
    pub profile: &'a str,
    /// What is behind the proxy and how it goes about: one server, lagging replicas, always another connection.
    pub place: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    script: String,
    statement: String,
    servers: Vec<String>,
    profiles: Vec<String>,
    places: Vec<String>,
}

/// The list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known(Vec<Entry>);

/// Why a run is not as the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Differences that the list does not have.
    pub unknown: Vec<Difference>,
    /// Statements of the list that answered alike: the line is to go.
    pub unseen: Vec<String>,
}

impl Known {
    /// `known-differences.txt` of the corpus.
    pub fn read() -> io::Result<Self> {
        let text = fs::read_to_string(corpus_directory().join("known-differences.txt"))?;
        Self::parse(&text).map_err(|line| io::Error::other(format!("known-differences.txt:{line} makes no sense")))
    }

    /// The list, or the number of a line that makes no sense.
    fn parse(text: &str) -> Result<Self, usize> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        lines.map(|(at, line)| Entry::parse(line).ok_or(at + 1)).collect::<Result<_, _>>().map(Self)
    }

    /// Holds a report against the list.
    #[must_use]
    pub fn judge(&self, report: &Report, setting: Setting<'_>) -> Verdict {
        let here: Vec<&Entry> = self.0.iter().filter(|entry| entry.is_for(setting)).collect();
        let known = |difference: &&Difference| here.iter().any(|entry| entry.tells_of(difference));
        let unknown = report.differences.iter().filter(|d| !known(d)).cloned().collect();
        let seen = |entry: &&&Entry| report.differences.iter().any(|d| entry.tells_of(d));
        let unseen = here.iter().filter(|entry| !seen(entry)).map(|e| format!("{}: {}", e.script, e.statement));
        Verdict { unknown, unseen: unseen.collect() }
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [script, statement, servers, profiles, places, reason] = fields[..] else { return None };
        let words = |list: &str| list.split(',').map(|word| word.trim().to_owned()).collect();
        (!reason.is_empty()).then(|| Self {
            script: script.to_owned(),
            statement: statement.to_owned(),
            servers: words(servers),
            profiles: words(profiles),
            places: words(places),
        })
    }

    fn is_for(&self, setting: Setting<'_>) -> bool {
        let any = |words: &[String], is: &dyn Fn(&str) -> bool| words.iter().any(|word| word == "all" || is(word));
        any(&self.servers, &|word| word == setting.server)
            && any(&self.profiles, &|word| setting.profile.starts_with(word))
            && any(&self.places, &|word| word == setting.place)
    }

    fn tells_of(&self, difference: &Difference) -> bool {
        let script = difference.place.split(':').next();
        script == Some(self.script.as_str()) && difference.statement == self.statement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# a remark\n\na.sql | SELECT 1 | mysql | mysqlnd,found-rows-text | one,switch | why\n";

    fn report(place: &str, statement: &str) -> Report {
        let difference = Difference {
            place: place.to_owned(),
            connection: "1".to_owned(),
            statement: statement.to_owned(),
            fields: Vec::new(),
        };
        Report { steps: 1, differences: vec![difference] }
    }

    #[test]
    fn a_line_excuses_its_statement_where_it_says_so() {
        let known = Known::parse(LIST).unwrap();
        let here = Setting { server: "mysql", profile: "mysqlnd-binary", place: "switch" };
        assert_eq!(known.judge(&report("a.sql:7", "SELECT 1"), here), Verdict::default());
        for elsewhere in [
            Setting { server: "mariadb", ..here },
            Setting { profile: "libmysqlclient-text", ..here },
            Setting { place: "replicas", ..here },
        ] {
            assert_eq!(known.judge(&report("a.sql:7", "SELECT 1"), elsewhere).unknown.len(), 1, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_longer_true_is_told() {
        let known = Known::parse(LIST).unwrap();
        let here = Setting { server: "mysql", profile: "found-rows-text", place: "one" };
        let verdict = known.judge(&report("b.sql:7", "SELECT 1"), here);
        assert_eq!((verdict.unknown.len(), verdict.unseen), (1, vec!["a.sql: SELECT 1".to_owned()]));
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        assert_eq!(Known::parse("# x\na.sql | SELECT 1 | all | all | all | \n"), Err(2));
    }
}
