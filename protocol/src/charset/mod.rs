//! Collation ids, their names and character sets, and how a character set's bytes are to be scanned.
//!
//! Source: information_schema of the servers themselves; MySQL manual, "Connection Character Sets and
//! Collations".

mod mariadb;
mod mysql;

/// Whose ids are meant. Five ids (the Croatian ones) have other names on MariaDB, and utf8mb4 another default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    MySql,
    MariaDb,
}

/// A collation that servers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Collation {
    pub id: u16,
    pub name: &'static str,
}

impl Collation {
    /// The name of its character set, which every collation's name begins with.
    #[must_use]
    pub fn charset(self) -> &'static str {
        self.name.split_once('_').map_or(self.name, |(charset, _)| charset)
    }

    /// The collation with this id. What the family doesn't have is looked for in the other, as newer MariaDB
    /// servers take MySQL's 0900 collations too; no id means different character sets in the two.
    #[must_use]
    pub fn by_id(id: u16, family: Family) -> Option<Self> {
        let (own, other) = tables(family);
        [own, other].into_iter().find_map(|table| {
            let at = table.binary_search_by_key(&id, |(id, _)| *id).ok()?;
            Some(table[at].into())
        })
    }

    /// The collation with this name, in any case; `utf8_` means `utf8mb3_`.
    #[must_use]
    pub fn by_name(name: &str, family: Family) -> Option<Self> {
        let (own, other) = tables(family);
        let same = |known: &str| match strip_prefix_ignore_case(name, "utf8_") {
            Some(rest) => strip_prefix_ignore_case(known, "utf8mb3_").is_some_and(|k| k.eq_ignore_ascii_case(rest)),
            None => known.eq_ignore_ascii_case(name),
        };
        [own, other].into_iter().find_map(|table| table.iter().find(|(_, known)| same(known)).copied().map(Self::from))
    }

    /// What `SET NAMES charset` selects on a server with default settings.
    #[must_use]
    pub fn default_of(charset: &str, family: Family) -> Option<Self> {
        let charset = if charset.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { charset };
        let defaults = match family {
            Family::MySql => mysql::DEFAULTS,
            Family::MariaDb => mariadb::DEFAULTS,
        };
        let known = defaults.iter().filter_map(|id| Self::by_id(*id, family));
        known.into_iter().find(|collation| collation.charset().eq_ignore_ascii_case(charset))
    }
}

impl From<(u16, &'static str)> for Collation {
    fn from((id, name): (u16, &'static str)) -> Self {
        Self { id, name }
    }
}

type Table = &'static [(u16, &'static str)];

/// The family's own table and the other one.
fn tables(family: Family) -> (Table, Table) {
    match family {
        Family::MySql => (mysql::COLLATIONS, mariadb::COLLATIONS),
        Family::MariaDb => (mariadb::COLLATIONS, mysql::COLLATIONS),
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

/// How bytes of a character set split into characters, as far as quotes and backslashes are concerned. Where
/// it isn't [`Self::AsciiSafe`], a character's later bytes may look like one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scanning {
    AsciiSafe,
    Gbk,
    Gb18030,
    Big5,
    Sjis,
    Cp932,
    /// ucs2, utf16, utf16le, utf32: servers refuse them as character_set_client.
    NotForClients,
}

impl Scanning {
    #[must_use]
    pub fn of_charset(name: &str) -> Self {
        const SPECIAL: [(&str, Scanning); 9] = [
            ("gbk", Scanning::Gbk),
            ("gb18030", Scanning::Gb18030),
            ("big5", Scanning::Big5),
            ("sjis", Scanning::Sjis),
            ("cp932", Scanning::Cp932),
            ("ucs2", Scanning::NotForClients),
            ("utf16", Scanning::NotForClients),
            ("utf16le", Scanning::NotForClients),
            ("utf32", Scanning::NotForClients),
        ];
        let found = SPECIAL.iter().find(|(special, _)| special.eq_ignore_ascii_case(name));
        found.map_or(Self::AsciiSafe, |(_, scanning)| *scanning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_names_and_names_have_ids() {
        for family in [Family::MySql, Family::MariaDb] {
            let (own, _) = tables(family);
            assert!(own.is_sorted_by_key(|(id, _)| *id));
            for (id, name) in own {
                let collation = Collation::by_id(*id, family).unwrap();
                assert_eq!(collation.name, *name);
                assert_eq!(Collation::by_name(name, family), Some(collation));
                assert!(Collation::default_of(collation.charset(), family).is_some(), "{name}");
            }
            assert_eq!(Collation::by_id(0, family), None);
            assert_eq!(Collation::by_id(u16::MAX, family), None);
            assert_eq!(Collation::by_name("utf8_GENERAL_ci", family).map(|c| c.id), Some(33));
            assert_eq!(Collation::by_name("nonsense", family), None);
            assert_eq!(Collation::default_of("UTF8", family).map(|c| c.id), Some(33));
        }
    }

    #[test]
    fn families_differ_where_they_do() {
        let name = |id, family| Collation::by_id(id, family).unwrap().name;
        assert_eq!(name(245, Family::MySql), "utf8mb4_croatian_ci");
        assert_eq!(name(245, Family::MariaDb), "utf8mb4_croatian_mysql561_ci");
        assert_eq!(name(255, Family::MariaDb), "utf8mb4_0900_ai_ci");
        assert_eq!(name(2304, Family::MariaDb), "utf8mb4_uca1400_ai_ci");
        assert_eq!(Collation::default_of("utf8mb4", Family::MySql).unwrap().id, 255);
        assert_eq!(Collation::default_of("utf8mb4", Family::MariaDb).unwrap().id, 45);
        assert_eq!(Collation::by_id(63, Family::MySql).unwrap().charset(), "binary");
        // No id may name different character sets in the two, or the fallback would lie.
        for (id, _) in mysql::COLLATIONS {
            let (a, b) = (Collation::by_id(*id, Family::MySql), Collation::by_id(*id, Family::MariaDb));
            assert_eq!(a.unwrap().charset(), b.unwrap().charset());
        }
    }

    #[test]
    fn multibyte_sets_are_scanned_as_such() {
        for (name, scanning) in [
            ("utf8mb4", Scanning::AsciiSafe),
            ("latin1", Scanning::AsciiSafe),
            ("eucjpms", Scanning::AsciiSafe),
            ("ujis", Scanning::AsciiSafe),
            ("euckr", Scanning::AsciiSafe),
            ("gb2312", Scanning::AsciiSafe),
            ("GBK", Scanning::Gbk),
            ("gb18030", Scanning::Gb18030),
            ("big5", Scanning::Big5),
            ("sjis", Scanning::Sjis),
            ("cp932", Scanning::Cp932),
            ("utf16le", Scanning::NotForClients),
        ] {
            assert_eq!(Scanning::of_charset(name), scanning, "{name}");
        }
    }
}
