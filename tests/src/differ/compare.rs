//! Where two runs of one script differ, field by field.

use std::fmt;

use super::connection::Reply;
use super::corpus::{Action, Mask, Step};
use super::error::WireError;
use super::reply::{Event, Field, status};
use super::runner::Outcome;

/// Fields shown for one statement: the first ones say what is wrong, the rest follows from them.
const MAX_FIELDS: usize = 4;
/// Characters of a value that are shown.
const MAX_VALUE: usize = 400;
const MASKED: &str = "(masked)";

/// One statement that was answered differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub place: String,
    pub connection: String,
    pub statement: String,
    /// Field, its value in the first run, its value in the second.
    pub fields: Vec<(String, String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} [connection {}]: {}", self.place, self.connection, shorten(&self.statement))?;
        for (name, direct, proxied) in &self.fields {
            writeln!(f, "    {name}")?;
            writeln!(f, "      direct: {}", shorten(direct))?;
            writeln!(f, "      proxy:  {}", shorten(proxied))?;
        }
        Ok(())
    }
}

fn shorten(value: &str) -> String {
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}… ({} bytes)", &value[..end], value.len()),
        None => value.to_owned(),
    }
}

/// All differences of two runs of the same script.
#[must_use]
pub fn compare(direct: &[Outcome], proxied: &[Outcome]) -> Vec<Difference> {
    assert_eq!(direct.len(), proxied.len(), "both runs take the same steps");
    direct.iter().zip(proxied).filter_map(|(left, right)| compare_step(left, right)).collect()
}

/// One line on what a step gave, for people who write the corpus.
#[must_use]
pub fn summary(outcome: &Outcome) -> String {
    let last = flatten(outcome).into_iter().rfind(|(name, _)| !name.contains("ok.") && !name.contains("eof."));
    let last = last.map(|(name, value)| format!("{name} {}", shorten(&value))).unwrap_or_default();
    format!("{}:{} {} => {last}", outcome.script, outcome.step.line, shorten(&describe(&outcome.step.action)))
}

fn compare_step(left: &Outcome, right: &Outcome) -> Option<Difference> {
    let broken = [left, right].into_iter().find_map(never_right);
    if broken.is_none() && left.replies == right.replies {
        return None;
    }
    let (before, after) = (flatten(left), flatten(right));
    let mut fields = differing(&before, &after);
    if let (true, Some(error)) = (fields.is_empty(), broken) {
        fields.push(("failure of both".to_owned(), error.clone(), error));
    }
    if fields.is_empty() {
        return None;
    }
    Some(Difference {
        place: format!("{}:{}", left.script, left.step.line),
        connection: left.connection.clone(),
        statement: describe(&left.step.action),
        fields,
    })
}

/// What no server does on purpose is no answer, even where both runs have it. Closing a connection is one.
fn never_right(outcome: &Outcome) -> Option<String> {
    outcome.replies.iter().find_map(|(_, reply)| match reply {
        Err(WireError::Closed | WireError::Refused { .. }) | Ok(_) => None,
        Err(error) => Some(error.to_string()),
    })
}

fn differing(left: &[Field], right: &[Field]) -> Vec<(String, String, String)> {
    let absent = ("(nothing)".to_owned(), "(nothing)".to_owned());
    let count = left.len().max(right.len());
    (0..count)
        .map(|index| (left.get(index).unwrap_or(&absent), right.get(index).unwrap_or(&absent)))
        .filter(|(a, b)| a != b)
        .take(MAX_FIELDS)
        .map(|(a, b)| {
            if a.0 == b.0 {
                (a.0.clone(), a.1.clone(), b.1.clone())
            } else {
                (format!("{} / {}", a.0, b.0), format!("{} = {}", a.0, a.1), format!("{} = {}", b.0, b.1))
            }
        })
        .collect()
}

fn flatten(outcome: &Outcome) -> Vec<Field> {
    outcome.replies.iter().flat_map(|(command, reply)| flatten_reply(command, reply, &outcome.step)).collect()
}

fn flatten_reply(command: &str, reply: &Reply, step: &Step) -> Vec<Field> {
    let events = match reply {
        Ok(events) => events,
        Err(error) => return vec![(format!("{command}: failure"), error.to_string())],
    };
    let mut fields = Vec::new();
    let mut in_definitions = false;
    for run in events.chunk_by(|a, b| is_row(a) && is_row(b)) {
        let behind_definitions = in_definitions && matches!(run[0], Event::Eof { .. });
        in_definitions = matches!(run[0], Event::Columns(_) | Event::Column(_) | Event::Prepared { .. });
        if behind_definitions {
            fields.extend(definitions_end(&run[0], step.mask));
        } else if is_row(&run[0]) {
            rows(run, step, &mut fields);
        } else {
            fields.extend(run.iter().map(without_tracking).flat_map(|e| e.fields()).map(|f| masked(f, step.mask)));
        }
    }
    fields.into_iter().map(|(name, value)| (format!("{command}: {name}"), value)).collect()
}

/// What the EOF behind the definitions tells that a proxy can know there. How many warnings there are by then and
/// whether an index was found missing, a server that leaves this EOF out (as it does for the proxy) tells only at
/// the end of the rows; there all is compared.
fn definitions_end(event: &Event, mask: Mask) -> Vec<Field> {
    const KNOWN_AT_THE_END: u16 = status::NO_GOOD_INDEX_USED | status::NO_INDEX_USED;
    let Event::Eof { status, .. } = without_tracking(event) else { return Vec::new() };
    let known = Event::Eof { warnings: 0, status: status & !KNOWN_AT_THE_END };
    known.fields().into_iter().map(|field| masked(field, mask)).collect()
}

/// An EOF packet has no room for trackers, and yet MariaDB sometimes sets the flag that tells of them.
fn without_tracking(event: &Event) -> Event {
    match event {
        Event::Eof { warnings, status } => {
            Event::Eof { warnings: *warnings, status: status & !status::SESSION_STATE_CHANGED }
        }
        other => other.clone(),
    }
}

fn is_row(event: &Event) -> bool {
    matches!(event, Event::Row(_))
}

fn rows(run: &[Event], step: &Step, fields: &mut Vec<Field>) {
    if step.mask.count {
        return fields.push(("rows".to_owned(), MASKED.to_owned()));
    }
    let mut rows: Vec<Field> = run.iter().flat_map(row_fields).collect();
    if step.mask.rows {
        rows.iter_mut().for_each(|(_, value)| MASKED.clone_into(value));
    }
    if step.sorted {
        rows.sort();
    }
    fields.extend(rows);
}

/// A row's values, and its length, which tells apart two encodings of the same value.
fn row_fields(event: &Event) -> Vec<Field> {
    let Event::Row(bytes) = event else { return event.fields() };
    event.fields().into_iter().map(|(name, value)| (name, format!("{value} [{} bytes]", bytes.len()))).collect()
}

fn masked((name, value): Field, mask: Mask) -> Field {
    let hide = match name.as_str() {
        "err.message" => mask.message,
        "ok.info" => mask.info,
        "ok.trackers" => mask.trackers,
        "ok.status" | "eof.status" => mask.status,
        "column.length" => mask.length,
        "statistics" => true,
        _ => false,
    };
    let value = if hide { MASKED.to_owned() } else { value };
    (name, value)
}

fn describe(action: &Action) -> String {
    match action {
        Action::Statement(text) => text.clone(),
        other => format!("{other:?}"),
    }
}
