//! The proxy's own leading comment: `/* pointsman: role=writer|replica max_lag_ms=200 */`.

use crate::bytes::is_blank;

/// What a leading comment (or the query attributes of the same names) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hint {
    pub role: Option<HintRole>,
    pub max_lag_ms: Option<u32>,
    /// Settings that were not understood, and so have no effect.
    pub ignored: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintRole {
    Writer,
    Replica,
}

impl Hint {
    /// Takes one setting, from a comment or a query attribute; false (and counted) if it means nothing.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        match (name, value) {
            ("role", "writer") => self.role = Some(HintRole::Writer),
            ("role", "replica") => self.role = Some(HintRole::Replica),
            ("max_lag_ms", number) => match number.parse() {
                Ok(milliseconds) => self.max_lag_ms = Some(milliseconds),
                Err(_) => return self.ignore(),
            },
            _ => return self.ignore(),
        }
        true
    }

    /// Whether there is a setting of this name.
    #[must_use]
    pub fn names(name: &str) -> bool {
        matches!(name, "role" | "max_lag_ms")
    }

    fn ignore(&mut self) -> bool {
        self.ignored = self.ignored.saturating_add(1);
        false
    }
}

/// The hint in the comment that `text` begins with, or an empty one.
#[must_use]
pub fn leading_hint(text: &[u8]) -> Hint {
    let mut hint = Hint::default();
    let Some(body) = leading_comment(text) else { return hint };
    let Ok(settings) = std::str::from_utf8(body) else {
        hint.ignore();
        return hint;
    };
    for setting in settings.split([' ', '\t', '\r', '\n', ',']).filter(|s| !s.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        hint.set(name, value);
    }
    hint
}

/// What stands between `/* pointsman:` and `*/`.
fn leading_comment(text: &[u8]) -> Option<&[u8]> {
    /// Longer ones are no hints; the limit keeps a huge comment from being searched for its end.
    const MAX_HINT_BYTES: usize = 256;
    let comment = skip_blanks(text).strip_prefix(b"/*")?;
    let body = skip_blanks(comment).strip_prefix(b"pointsman:")?;
    let window = &body[..body.len().min(MAX_HINT_BYTES)];
    let end = memchr::memmem::find(window, b"*/")?;
    Some(&window[..end])
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    &text[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_comment_is_read() {
        let hint = leading_hint(b" /* pointsman: role=replica max_lag_ms=200 */ SELECT 1");
        assert_eq!(hint, Hint { role: Some(HintRole::Replica), max_lag_ms: Some(200), ignored: 0 });
        assert_eq!(leading_hint(b"/*pointsman:role=writer*/SELECT 1").role, Some(HintRole::Writer));
    }

    #[test]
    fn what_is_malformed_is_counted_and_ignored() {
        let hint = leading_hint(b"/* pointsman: role=master, max_lag_ms=soon shard=3 role=writer */ SELECT 1");
        assert_eq!(hint, Hint { role: Some(HintRole::Writer), max_lag_ms: None, ignored: 3 });
    }

    #[test]
    fn other_texts_have_no_hint() {
        for text in ["SELECT 1", "", "/", "/* role=writer */ SELECT 1", "SELECT 1 /* pointsman: role=writer */"] {
            assert_eq!(leading_hint(text.as_bytes()), Hint::default());
        }
        assert_eq!(leading_hint(b"/* pointsman: role=writer"), Hint::default());
        assert_eq!(leading_hint(b"/* pointsman: \xff */ SELECT 1").ignored, 1);
    }
}
