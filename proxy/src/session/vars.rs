//! The session variables of a session or of a backend connection, as far as they differ from a fresh login.

use rustc_hash::FxHashSet;
use std::cell::RefCell;
use std::rc::Rc;

/// Changed variables, sorted by name. Shared and never changed in place: equal sets are one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vars(Vec<(Rc<str>, Rc<[u8]>)>);

/// To set this sets [`BIG_SELECTS`] as well, and no tracker tells. (In the order of their names it comes first.)
pub const JOIN_LIMIT: &str = "max_join_size";
pub const BIG_SELECTS: &str = "sql_big_selects";

/// What must be SET so that one set of variables becomes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarChange<'a> {
    Set(&'a str, &'a [u8]),
    Default(&'a str),
}

impl VarChange<'_> {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Default(name) => name,
        }
    }
}

impl Vars {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let at = self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    #[must_use]
    pub fn with(&self, name: &str, value: &[u8]) -> Self {
        let mut all = self.0.clone();
        match all.binary_search_by(|(n, _)| (**n).cmp(name)) {
            Ok(at) => all[at].1 = value.into(),
            Err(at) => all.insert(at, (name.into(), value.into())),
        }
        Self(all)
    }

    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(n, _)| &**n != name).cloned().collect())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// The changes that lead from `actual` to `self`.
    pub fn changes_from<'a>(&'a self, actual: &'a Self) -> impl Iterator<Item = VarChange<'a>> {
        let stale = actual.iter().filter(|(n, _)| self.get(n).is_none()).map(|(n, _)| VarChange::Default(n));
        let limit_changes = self.get(JOIN_LIMIT) != actual.get(JOIN_LIMIT);
        let follows = move |name: &str| limit_changes && name == BIG_SELECTS;
        let set = self.iter().filter(move |(n, v)| actual.get(n) != Some(*v) || follows(n));
        let set = set.map(|(n, v)| VarChange::Set(n, v));
        stale.chain(set)
    }
}

/// More distinct sets than this at one time are a sign of per-request values; then unused ones are dropped.
const SWEEP_AT: usize = 1_024;

/// Keeps one allocation for each distinct set, so that comparing two is comparing pointers.
#[derive(Debug, Default)]
pub struct Interner(RefCell<FxHashSet<Rc<Vars>>>);

impl Interner {
    pub fn intern(&self, vars: Vars) -> Rc<Vars> {
        let mut known = self.0.borrow_mut();
        if let Some(same) = known.get(&vars) {
            return same.clone();
        }
        if known.len() >= SWEEP_AT {
            known.retain(|v| Rc::strong_count(v) > 1);
        }
        let new = Rc::new(vars);
        known.insert(new.clone());
        new
    }
}

/// Appends `name=value` for a SET statement. Trackers give numbers and words alike as text; numbers must not be
/// quoted (error 1232), everything else must be.
pub fn put_assignment(out: &mut Vec<u8>, change: VarChange<'_>) {
    match change {
        VarChange::Default(name) if WRONG_DEFAULT.contains(&name) => {
            out.extend_from_slice(format!("{name}=@@global.{name}").as_bytes());
        }
        VarChange::Default(name) => {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=DEFAULT");
        }
        VarChange::Set(name, value) => {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            put_value(out, name, value);
        }
    }
}

/// MySQL (9.7 and before) takes DEFAULT for OFF here, whatever the global value is.
const WRONG_DEFAULT: &[&str] = &["foreign_key_checks", "unique_checks"];

fn put_value(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if is_number(value) {
        out.extend_from_slice(value);
    } else if value.is_empty() && NULLABLE.contains(&name) {
        out.extend_from_slice(b"NULL");
    } else if value.iter().all(|&b| b.is_ascii() && b != b'\\' && b != b'\'' && b != 0) {
        out.push(b'\'');
        out.extend_from_slice(value);
        out.push(b'\'');
    } else {
        // Neither sql_mode nor character set changes the reading of a hexadecimal literal.
        out.extend_from_slice(b"x'");
        for b in value {
            out.extend_from_slice(format!("{b:02x}").as_bytes());
        }
        out.push(b'\'');
    }
}

/// Variables whose empty tracked value means NULL.
const NULLABLE: &[&str] = &["character_set_results"];

fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let mut dots = 0;
    !digits.is_empty()
        && digits.iter().all(|b| match b {
            b'.' => {
                dots += 1;
                dots == 1
            }
            b => b.is_ascii_digit(),
        })
        && digits[0] != b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(list: &[(&str, &str)]) -> Vars {
        list.iter().fold(Vars::default(), |all, (n, v)| all.with(n, v.as_bytes()))
    }

    #[test]
    fn changes_set_what_differs_and_reset_what_is_stale() {
        let actual =
            vars(&[("sql_mode", "ANSI"), ("sql_notes", "OFF"), ("time_zone", "+00:00"), ("unique_checks", "OFF")]);
        let wanted = vars(&[("sql_mode", ""), ("time_zone", "+00:00"), ("max_join_size", "5")]);
        let mut out = Vec::new();
        for change in wanted.changes_from(&actual) {
            put_assignment(&mut out, change);
            out.push(b';');
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "sql_notes=DEFAULT;unique_checks=@@global.unique_checks;max_join_size=5;sql_mode='';"
        );
    }

    #[test]
    fn what_follows_another_variable_is_set_again_behind_it() {
        let wanted = vars(&[("max_join_size", "2"), ("sql_big_selects", "ON")]);
        let actual = vars(&[("max_join_size", "5"), ("sql_big_selects", "ON")]);
        let changes: Vec<_> = wanted.changes_from(&actual).map(|c| c.name().to_owned()).collect();
        assert_eq!(changes, ["max_join_size", "sql_big_selects"]);
        assert_eq!(wanted.changes_from(&wanted).count(), 0);
    }

    #[test]
    fn values_are_quoted_so_that_no_mode_changes_them() {
        for (name, value, text) in [
            ("timestamp", "1.500000", "timestamp=1.500000"),
            ("character_set_results", "", "character_set_results=NULL"),
            ("sql_mode", "", "sql_mode=''"),
            ("debug", "a'b", "debug=x'612762'"),
            ("time_zone", "+05:30", "time_zone='+05:30'"),
        ] {
            let mut out = Vec::new();
            put_assignment(&mut out, VarChange::Set(name, value.as_bytes()));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn equal_sets_are_one_allocation() {
        let interner = Interner::default();
        let a = interner.intern(vars(&[("sql_mode", "ANSI")]));
        let b = interner.intern(vars(&[("sql_mode", "ANSI")]));
        assert!(Rc::ptr_eq(&a, &b));
    }
}
