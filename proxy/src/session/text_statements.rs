//! What an effect means in this session: the statement behind a name of PREPARE, the schema of a table's name, and
//! whether a lock was taken at all.

use super::Session;
use super::literals::bytes_of;
use super::outcome::Outcome;
use pointsman_planner::{Analysis, Effect, PreparedText, Reads, StatementKind};
use pointsman_protocol::frame::{HEADER_LEN, Header};
use std::borrow::Cow;
use std::rc::Rc;

/// Stands for the schema of a table of which nobody knows it. No name of a schema has a NUL.
const SOME_SCHEMA: &str = "\0";

impl Session {
    /// What an EXECUTE runs: the statement that its name stands for where that is known.
    pub(super) fn executed(&self, analysis: Rc<Analysis>) -> Rc<Analysis> {
        let [statement] = &analysis.statements[..] else { return analysis };
        if statement.kind != StatementKind::Execute {
            return analysis;
        }
        let name = statement.effects.iter().find_map(|e| match e {
            Effect::ExecuteText { name } => Some(name),
            _ => None,
        });
        let Some(inner) = name.and_then(|name| self.pins.text_of(name)) else { return analysis };
        let mut inner = Analysis::clone(inner);
        // USING takes its values from user variables.
        if let [one] = &mut inner.statements[..] {
            one.reads |= statement.reads & Reads::USER_VARS;
            one.user_vars_read.extend(statement.user_vars_read.iter().cloned());
        }
        Rc::new(inner)
    }

    /// Takes note of what a PREPARE has given a name. A text that is not known pins, when it is executed, until reset.
    pub(super) fn note_prepared_text(&mut self, name: &str, text: &PreparedText) {
        let text = match text {
            PreparedText::Literal(text) => Some(text.clone()),
            PreparedText::Variable(variable) => self.plain_value(variable),
            PreparedText::Unclear => None,
        };
        let Some(text) = text else { return };
        let analysis = self.with_literals(self.core.analyze(text.as_bytes(), &self.state.reading));
        let understood = matches!(&analysis.statements[..], [s] if s.kind != StatementKind::Opaque);
        if understood {
            self.pins.text_is(name, analysis);
        }
    }

    /// The text in a user variable that was set to a plain string.
    fn plain_value(&self, variable: &str) -> Option<String> {
        let (_, literal) = self.state.wanted.user_vars.iter().find(|(name, _)| name == variable)?;
        String::from_utf8(bytes_of(literal)?).ok().filter(|text| text.is_ascii())
    }

    /// In which schema the effects of a statement take place. None: nobody knows for all of them.
    pub(super) fn schema_before_effects(&self, analysis: &Analysis) -> Option<Rc<str>> {
        let changes = analysis.effects().any(|e| matches!(e, Effect::Use { .. } | Effect::Unknown));
        self.state.wanted.schema.clone().filter(|_| !changes)
    }
}

/// The effect with the names of tables in full: the same name in another schema is another table.
pub(super) fn qualified<'a>(effect: &'a Effect, schema: Option<&str>) -> Cow<'a, Effect> {
    let full = |name: &str| {
        let schema = schema.unwrap_or(SOME_SCHEMA).to_lowercase();
        if name.contains('.') { name.to_owned() } else { format!("{schema}.{name}") }
    };
    Cow::Owned(match effect {
        Effect::CreateTemporaryTable { name } => Effect::CreateTemporaryTable { name: full(name) },
        Effect::DropTable { name, temporary } => Effect::DropTable { name: full(name), temporary: *temporary },
        Effect::RenameTable { from, to } => Effect::RenameTable { from: full(from), to: full(to) },
        _ => return Cow::Borrowed(effect),
    })
}

/// Whether the reply to the statement is to be read for the answer of its one GET_LOCK or RELEASE_LOCK.
pub(super) fn takes_one_lock(analysis: &Analysis) -> bool {
    let [statement] = &analysis.statements[..] else { return false };
    statement.kind == StatementKind::Select
        && matches!(&statement.effects[..], [Effect::GetLock { name: Some(_) } | Effect::ReleaseLock { name: Some(_) }])
}

/// Whether the reply says that the lock was not taken, or not given back.
pub(super) fn refuted(effect: &Effect, outcome: &Outcome) -> bool {
    let is_lock = matches!(effect, Effect::GetLock { name: Some(_) } | Effect::ReleaseLock { name: Some(_) });
    is_lock && outcome.rows == Some(1) && outcome.copy.as_deref().is_some_and(says_no)
}

/// A row of the text protocol that is a single `0` or NULL.
fn says_no(mut wire: &[u8]) -> bool {
    const NO: [&[u8]; 2] = [b"\x010", b"\xfb"];
    while let Some(header) = Header::read(wire) {
        let end = HEADER_LEN + header.length;
        let Some(payload) = wire.get(HEADER_LEN..end) else { return false };
        if NO.contains(&payload) {
            return true;
        }
        wire = &wire[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_protocol::frame::put_packet;

    #[test]
    fn only_a_single_zero_or_null_says_no() {
        let rows: [(&[u8], bool); 4] = [(b"\x010", true), (b"\xfb", true), (b"\x011", false), (b"\x010\x010", false)];
        for (row, no) in rows {
            let mut wire = Vec::new();
            let packets: [&[u8]; 4] = [b"\x01", b"\x03def", row, b"\xfe\0\0\x02\0"];
            for packet in packets {
                put_packet(&mut wire, 0, packet);
            }
            assert_eq!(says_no(&wire), no, "{row:?}");
        }
    }

    #[test]
    fn tables_of_one_name_in_two_schemas_are_two() {
        let create = Effect::CreateTemporaryTable { name: "t".into() };
        assert_ne!(qualified(&create, Some("a")), qualified(&create, Some("b")));
        let named = Effect::CreateTemporaryTable { name: "a.t".into() };
        assert_eq!(qualified(&create, Some("A")), qualified(&named, Some("b")));
    }
}
