//! The built-in functions of MySQL 5.7 to 9 and MariaDB 10 to 12, and what a call of them means for a session.
//!
//! Sources: MySQL manual "Built-In Function and Operator Reference"; MariaDB's information_schema.SQL_FUNCTIONS,
//! information_schema.KEYWORDS and help tables.

use std::cmp::Ordering;

use crate::reading::{Reading, ServerKind};

/// What a call does or needs, beyond computing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// Depends on its arguments, the clock or chance only.
    Plain,
    GetLock,
    ReleaseLock,
    ReleaseAllLocks,
    /// IS_FREE_LOCK, IS_USED_LOCK: about locks, which are all held on the writer.
    LockState,
    LastInsertId,
    RowCount,
    FoundRows,
    ConnectionId,
    /// NEXTVAL, SETVAL.
    NextValue,
    /// LASTVAL.
    LastValue,
    /// Answers differ from server to server: files, replication positions.
    WriterOnly,
    /// Answers differ from connection to connection.
    ConnectionState,
}

/// Sorted lines: the lower-case name, then the first version of MariaDB and of MySQL that has it built in (`0`: any
/// version; `-`: none). Where a name is not built in, a stored function may bear it, and do anything.
const PLAIN: &str = include_str!("builtins.txt");

/// What the built-in function of this lower-cased name is; nothing if there is none.
pub(crate) fn builtin(name: &str, reading: &Reading) -> Option<Builtin> {
    Some(match name {
        "get_lock" => Builtin::GetLock,
        "release_lock" => Builtin::ReleaseLock,
        "release_all_locks" => Builtin::ReleaseAllLocks,
        "is_free_lock" | "is_used_lock" => Builtin::LockState,
        "last_insert_id" => Builtin::LastInsertId,
        "row_count" => Builtin::RowCount,
        "found_rows" => Builtin::FoundRows,
        "connection_id" => Builtin::ConnectionId,
        "nextval" | "setval" => Builtin::NextValue,
        "lastval" => Builtin::LastValue,
        "load_file"
        | "master_pos_wait"
        | "source_pos_wait"
        | "master_gtid_wait"
        | "binlog_gtid_pos"
        | "wait_for_executed_gtid_set"
        | "wait_until_sql_thread_after_gtids"
        | "wsrep_sync_wait_upto_gtid" => Builtin::WriterOnly,
        "ps_current_thread_id" | "ps_thread_id" | "wsrep_last_seen_gtid" | "wsrep_last_written_gtid" => {
            Builtin::ConnectionState
        }
        _ => return is_plain(name, reading).then_some(Builtin::Plain),
    })
}

fn is_plain(name: &str, reading: &Reading) -> bool {
    let Some(line) = find_line(name) else { return false };
    let mut versions = line.split(' ').skip(1);
    let mariadb = versions.next();
    let since = match reading.server {
        ServerKind::MariaDb => mariadb,
        ServerKind::MySql => versions.next(),
    };
    since.and_then(|version| version.parse::<u32>().ok()).is_some_and(|since| since <= reading.version)
}

/// Binary search over the lines of `PLAIN`.
fn find_line(name: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, PLAIN.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = PLAIN[..middle].rfind('\n').map_or(0, |newline| newline + 1);
        let line = PLAIN[begin..].lines().next().unwrap_or_default();
        match line.split(' ').next().unwrap_or_default().cmp(name) {
            Ordering::Equal => return Some(line),
            Ordering::Less => low = begin + line.len() + 1,
            Ordering::Greater => high = begin,
        }
    }
    None
}

/// Functions whose name is one only when the parenthesis touches it, unless IGNORE_SPACE is set; with a blank
/// between it is a stored function's (MySQL manual, "Function Name Parsing and Resolution").
pub(crate) fn must_touch_parenthesis(name: &str) -> bool {
    const NAMES: &str = "adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat max \
        mid min now position session_user std stddev stddev_pop stddev_samp subdate substr substring sum \
        sysdate system_user trim var_pop var_samp variance";
    NAMES.split(' ').any(|word| word == name)
}

/// Reserved words that may stand before a parenthesis without being called.
pub(crate) fn is_grammar(name: &str) -> bool {
    const WORDS: &str = "all and as asc between binary by case char character collate cross cube dec decimal desc distinct \
        distinctrow div double else escape except exists fixed float for force from group having \
        high_priority ignore in index inner int integer intersect into is join key lateral like limit match \
        natural nchar not numeric of on or order outer over partition real recursive regexp return rlike \
        select set sounds sql_big_result sql_calc_found_rows sql_small_result straight_join then union using \
        values varbinary varchar when where with xor";
    WORDS.split(' ').any(|word| word == name)
}

/// As `is_grammar`, for words that are not reserved on every server but stand in fixed places.
pub(crate) fn is_soft_grammar(name: &str) -> bool {
    matches!(
        name,
        "against" | "any" | "some" | "row" | "offset" | "minus" | "sql_no_cache" | "sql_cache" | "sql_buffer_result"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::ClientCharset;

    fn reading(server: ServerKind, version: u32) -> Reading {
        Reading { server, version, ..Reading::new(ServerKind::MariaDb, 0, ClientCharset::Utf8) }
    }

    #[test]
    fn the_list_is_sorted_and_every_name_is_found() {
        let names: Vec<&str> = PLAIN.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert!(names.is_sorted() && names.len() > 500);
        assert!(PLAIN.lines().all(|line| line.split(' ').count() == 3));
        assert!(names.iter().all(|name| find_line(name).is_some()));
        assert!(["", "zzz", "aaa", "abs 0", "abs\nacos"].iter().all(|name| find_line(name).is_none()));
    }

    #[test]
    fn a_name_is_built_in_from_its_version_on() {
        assert!(is_plain("uuid_v7", &reading(ServerKind::MariaDb, 110_800)));
        assert!(!is_plain("uuid_v7", &reading(ServerKind::MariaDb, 101_114)));
        assert!(!is_plain("nvl", &reading(ServerKind::MySql, 90_700)));
        assert!(is_plain("nvl", &reading(ServerKind::MariaDb, 101_114)));
    }

    #[test]
    fn what_matters_to_sessions_is_not_plain() {
        for name in ["get_lock", "last_insert_id", "nextval", "connection_id", "load_file"] {
            assert!(find_line(name).is_none(), "{name} is listed as harmless");
        }
    }
}
