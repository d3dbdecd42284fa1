//! SET NAMES ... COLLATE: neither kind of server reports the collation that it sets, so it is asked.

use super::Session;
use super::outcome::Outcome;
use super::sync::NAMES_COLLATION;
use super::vars::Vars;
use crate::backend::conn::{BackendConn, BackendError};
use pointsman_protocol::row::text_values;

const CONNECTION_CHARSET: &str = "character_set_connection";
const CONNECTION_COLLATION: &str = "collation_connection";
const RESULTS_CHARSET: &str = "character_set_results";

/// Takes back what a newly reported character set has made untrue: its collation is the default one again, until
/// the server says otherwise.
pub(super) fn forget_collations(vars: Vars, reported: &[(String, Vec<u8>)]) -> Vars {
    let has = |name: &str| reported.iter().any(|(n, _)| n == name);
    let vars =
        if has(CONNECTION_CHARSET) && !has(CONNECTION_COLLATION) { vars.without(CONNECTION_COLLATION) } else { vars };
    if has(RESULTS_CHARSET) { vars.without(NAMES_COLLATION) } else { vars }
}

/// Whether the statement may have set a collation that its reply did not name.
pub(super) fn hides_collation(outcome: &Outcome, text: &[u8]) -> bool {
    let has = |name: &str| outcome.variables.iter().any(|(n, _)| n == name);
    has(CONNECTION_CHARSET) && !has(CONNECTION_COLLATION) && !is_plain_names(text)
}

/// Nothing but the word NAMES makes the default collation certain. A routine or PREPAREd text shows no words at all.
fn is_plain_names(text: &[u8]) -> bool {
    has_word(text, b"names") && !has_word(text, b"collate")
}

fn has_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word))
}

impl Session {
    /// Asks the connection for the collation that a statement has set. `text`: of that statement.
    pub(super) async fn learn_collation(
        &mut self,
        conn: &mut BackendConn,
        outcome: &Outcome,
        text: &[u8],
    ) -> Result<(), BackendError> {
        let reply = conn.query(b"SELECT @@collation_connection", &self.core.buffers).await?;
        let collation = reply.rows.first().and_then(|row| text_values(row).next()?.ok()?);
        let Some(collation) = collation else { return Ok(()) };
        let mut vars = self.state.wanted.vars.with(CONNECTION_COLLATION, collation);
        // SET NAMES gives the results the same collation; their columns' metadata tell it.
        let all_three = outcome.variables.iter().any(|(n, _)| n == RESULTS_CHARSET);
        if all_three && has_word(text, b"names") {
            vars = vars.with(NAMES_COLLATION, collation);
        }
        self.state.set_vars(&self.core, vars);
        conn.actual.vars.clone_from(&self.state.wanted.vars);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(names: &[&str]) -> Vec<(String, Vec<u8>)> {
        names.iter().map(|n| ((*n).to_owned(), b"latin1".to_vec())).collect()
    }

    #[test]
    fn a_new_character_set_has_its_own_collation() {
        let before = Vars::default().with(CONNECTION_COLLATION, b"utf8mb4_bin").with(NAMES_COLLATION, b"utf8mb4_bin");
        let after = forget_collations(before.clone(), &reported(&[CONNECTION_CHARSET]));
        assert_eq!((after.get(CONNECTION_COLLATION), after.get(NAMES_COLLATION)), (None, Some(&b"utf8mb4_bin"[..])));
        let after = forget_collations(before.clone(), &reported(&[CONNECTION_CHARSET, CONNECTION_COLLATION]));
        assert_eq!(after, before);
        assert!(forget_collations(before, &reported(&[CONNECTION_CHARSET, RESULTS_CHARSET])).is_empty());
    }

    #[test]
    fn only_names_alone_is_certain() {
        let outcome = Outcome { variables: reported(&[CONNECTION_CHARSET, RESULTS_CHARSET]), ..Outcome::default() };
        assert!(!hides_collation(&outcome, b"SET NAMES latin1"));
        for text in [&b"set names latin1 Collate latin1_bin"[..], b"CALL p()", b"SET CHARACTER SET latin1"] {
            assert!(hides_collation(&outcome, text));
        }
    }
}
