//! Brings a connection into a session's state: schema, character sets, variables, user variables, the last
//! insert id. What differs is written in front of the statement; mostly nothing does.

use super::vars::{Interner, Vars, put_assignment};
use crate::backend::conn::{Actual, BackendConn};
use pointsman_planner::{Reads, ServerKind};
use pointsman_protocol::charset::{Collation, Family};
use pointsman_protocol::command::{COM_INIT_DB, COM_SET_OPTION};
use std::rc::Rc;

/// Stands for the value of a user variable that only the server knows; no literal equals it. The session is
/// pinned to the connection that has it.
pub const COMPUTED: &[u8] = b"\0";

const NULL: &[u8] = b"NULL";

/// Stands for the collation id of a handshake where the server's own default holds.
pub const SERVER_DEFAULT: u16 = 0;

/// The variables that SET NAMES sets.
pub const NAMES_VARIABLES: [&str; 4] =
    ["character_set_client", "character_set_connection", "character_set_results", "collation_connection"];

/// Not a variable: the collation that SET NAMES ... COLLATE gave to the results, which no variable tells.
pub const NAMES_COLLATION: &str = "names collation";

/// What a server takes from the session when it prepares a statement, and keeps for all executions: how the text is read,
/// and what MySQL decides as it resolves the expressions. All else is looked up by each execution; and to put some of it
/// would end a transaction (autocommit) or be refused within one.
const KEPT_BY_PREPARED: [&str; 12] = [
    "sql_mode",
    "old_mode",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
    NAMES_COLLATION,
    "default_collation_for_utf8mb4",
    "character_set_collations",
    "div_precision_increment",
    "group_concat_max_len",
    "lc_time_names",
];

/// The state of a session that moves with it from connection to connection.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub schema: Option<Rc<str>>,
    pub vars: Rc<Vars>,
    /// Collation id of the client's handshake.
    pub charset: u16,
    pub multi_statements: bool,
    /// User variables, by their literals.
    pub user_vars: Rc<Vec<(String, Vec<u8>)>>,
    /// The statement at hand may read any user variable.
    pub reads_user_vars: bool,
}

/// What a statement needs beyond variables and schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    pub user_vars: bool,
    /// Restore LAST_INSERT_ID() to this.
    pub last_insert_id: Option<u64>,
    /// SHOW WARNINGS must be empty.
    pub empty_diagnostics: bool,
    /// The statement is a USE: the schema before it does not matter, and may be gone.
    pub changes_schema: bool,
}

/// The commands in front of a statement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefix {
    /// As many replies will come.
    pub commands: usize,
    /// Which of them changes the schema.
    pub schema: Option<usize>,
}

impl Needs {
    #[must_use]
    pub fn of(reads: Reads) -> Self {
        let any = reads.contains(Reads::ANYTHING);
        Self { user_vars: any || reads.contains(Reads::USER_VARS), ..Self::default() }
    }
}

pub const CLIENT_CHARSET: &str = "character_set_client";
const RESULTS_CHARSET: &str = "character_set_results";

impl Wanted {
    /// What the meaning of a prepared statement depends on.
    #[must_use]
    pub fn hash_parts(&self) -> impl std::hash::Hash + '_ {
        (&self.schema, &*self.vars, self.charset)
    }

    /// This state, but for what a statement keeps that was prepared in the state `then`.
    #[must_use]
    pub fn as_prepared_in(&self, then: &Self, interner: &Interner) -> Self {
        let mut wanted = Self { schema: then.schema.clone(), charset: then.charset, ..self.clone() };
        if !Rc::ptr_eq(&self.vars, &then.vars) {
            let kept = KEPT_BY_PREPARED.iter().fold((*self.vars).clone(), |all, name| match then.vars.get(name) {
                Some(value) => all.with(name, value),
                None => all.without(name),
            });
            wanted.vars = interner.intern(kept);
        }
        wanted
    }

    /// Whether the connection is in this state already, as far as each statement sees it.
    #[must_use]
    pub fn matches(&self, actual: &Actual) -> bool {
        Rc::ptr_eq(&self.vars, &actual.vars)
            && self.reachable_from(actual)
            && actual.charset == Some(self.charset)
            && self.multi_statements == actual.multi_statements
            && self.schema == actual.schema
    }

    /// Whether nothing of what a statement needs has to be brought to the connection.
    #[must_use]
    pub fn has(&self, actual: &Actual, needs: Needs) -> bool {
        (!needs.user_vars || self.user_vars.is_empty() && actual.user_vars.is_empty())
            && (needs.last_insert_id.is_none() || needs.last_insert_id == actual.last_insert_id)
            && (!needs.empty_diagnostics || actual.diagnostics_empty)
    }

    /// A connection that has a schema can't be brought back to having none; and a user variable that is set to
    /// NULL is not the same as one that was never set (its type tells).
    #[must_use]
    pub fn reachable_from(&self, actual: &Actual) -> bool {
        let stale = |(name, _): &(String, Vec<u8>)| !self.user_vars.iter().any(|(n, _)| n == name);
        (self.schema.is_some() || actual.schema.is_none())
            && !(self.reads_user_vars && actual.user_vars.iter().any(stale))
    }

    /// Appends the commands that bring `conn` into this state.
    #[must_use]
    pub fn put_prefix(&self, out: &mut Vec<u8>, conn: &BackendConn, needs: Needs) -> Prefix {
        let mut prefix = Prefix::default();
        if !self.matches(&conn.actual) {
            prefix = self.put_basic(out, conn, needs);
        }
        let commands = &mut prefix.commands;
        if needs.user_vars {
            *commands += self.put_user_vars(out, conn);
        }
        if let Some(id) = needs.last_insert_id.filter(|id| conn.actual.last_insert_id != Some(*id)) {
            conn.put_query(out, format!("SET last_insert_id={id}").as_bytes());
            *commands += 1;
        }
        if needs.empty_diagnostics && !conn.actual.diagnostics_empty {
            // MySQL clears the list at each statement; MariaDB at one that uses tables, as which a derived one counts.
            conn.put_query(out, b"DO (SELECT 1 FROM (SELECT 1) AS x)");
            *commands += 1;
        }
        prefix
    }

    fn put_basic(&self, out: &mut Vec<u8>, conn: &BackendConn, needs: Needs) -> Prefix {
        let Prefix { mut commands, mut schema } = Prefix::default();
        if self.multi_statements != conn.actual.multi_statements {
            let option: u16 = if self.multi_statements { 0 } else { 1 };
            BackendConn::put_command(out, COM_SET_OPTION, &option.to_le_bytes());
            commands += 1;
        }
        let mut actual = conn.actual.vars.clone();
        let moves = self.schema != conn.actual.schema && !needs.changes_schema;
        if let Some(name) = self.schema.as_ref().filter(|_| moves) {
            if !name.is_ascii() {
                // The name is read in the connection's character set. Trackers tell it in this one.
                conn.put_query(out, format!("SET {CLIENT_CHARSET}=utf8mb4").as_bytes());
                actual = Rc::new(actual.with(CLIENT_CHARSET, b"utf8mb4"));
                commands += 1;
            }
            BackendConn::put_command(out, COM_INIT_DB, name.as_bytes());
            schema = Some(commands);
            commands += 1;
        }
        let mut set = b"SET ".to_vec();
        self.put_vars(&mut set, conn, &actual);
        if set.len() > 4 {
            set.pop();
            conn.put_query(out, &set);
            commands += 1;
        }
        Prefix { commands, schema }
    }

    /// Appends the assignments that lead from `actual` to this, each with a comma behind it.
    fn put_vars(&self, set: &mut Vec<u8>, conn: &BackendConn, actual: &Rc<Vars>) {
        let stale = |n: &&str| actual.get(n).is_some() && self.vars.get(n).is_none();
        let collation = self.vars.get(NAMES_COLLATION);
        let names = conn.actual.charset != Some(self.charset)
            || NAMES_VARIABLES.iter().any(stale)
            || collation != actual.get(NAMES_COLLATION);
        let mut base = actual.clone();
        if let (true, Some(collation), Some(charset)) = (names, collation, self.vars.get(RESULTS_CHARSET)) {
            set.extend_from_slice(&[b"NAMES ", charset, b" COLLATE ", collation, b","].concat());
            let sets = NAMES_VARIABLES.iter().fold((*base).clone(), |all, n| all.with(n, charset));
            base = Rc::new(sets.with("collation_connection", collation));
        } else if names {
            let kind = conn.server.info().map_or(ServerKind::MariaDb, |i| i.kind);
            if let Some(c) = Collation::by_id(self.charset, family(kind)) {
                set.extend_from_slice(format!("NAMES {} COLLATE {},", c.charset(), c.name).as_bytes());
            } else {
                set.extend_from_slice(b"NAMES DEFAULT,");
            }
            base = Rc::new(NAMES_VARIABLES.iter().fold((*base).clone(), |all, n| all.without(n)));
        }
        for change in self.vars.changes_from(&base).filter(|c| c.name() != NAMES_COLLATION) {
            put_assignment(set, change);
            set.push(b',');
        }
    }

    fn put_user_vars(&self, out: &mut Vec<u8>, conn: &BackendConn) -> usize {
        let mut set = b"SET ".to_vec();
        for (name, value) in &conn.actual.user_vars {
            if value != NULL && !self.user_vars.iter().any(|(n, _)| n == name) {
                put_user_var(&mut set, name, NULL);
            }
        }
        for (name, value) in self.user_vars.iter() {
            if value != COMPUTED && !conn.actual.user_vars.iter().any(|(n, v)| n == name && v == value) {
                put_user_var(&mut set, name, value);
            }
        }
        if set.len() == 4 {
            return 0;
        }
        set.pop();
        conn.put_query(out, &set);
        1
    }

    /// Notes on the connection what the prefix has done.
    pub fn adopt(&self, conn: &mut BackendConn, needs: Needs) {
        let actual = &mut conn.actual;
        if !needs.changes_schema {
            actual.schema.clone_from(&self.schema);
        }
        actual.vars.clone_from(&self.vars);
        actual.charset = Some(self.charset);
        actual.multi_statements = self.multi_statements;
        if needs.user_vars {
            // Once set they are never again as if they had not been, even when they are NULL.
            actual.user_vars.retain(|(name, _)| !self.user_vars.iter().any(|(n, _)| n == name));
            actual.user_vars.iter_mut().for_each(|(_, value)| *value = NULL.to_vec());
            actual.user_vars.extend(self.user_vars.iter().cloned());
        }
        if needs.last_insert_id.is_some() {
            actual.last_insert_id = needs.last_insert_id;
        }
        if needs.empty_diagnostics {
            actual.diagnostics_empty = true;
        }
    }
}

fn put_user_var(set: &mut Vec<u8>, name: &str, value: &[u8]) {
    set.extend_from_slice(b"@`");
    set.extend_from_slice(name.replace('`', "``").as_bytes());
    set.extend_from_slice(b"`=");
    set.extend_from_slice(value);
    set.push(b',');
}

/// Whose collation ids a server's are.
#[must_use]
pub fn family(kind: ServerKind) -> Family {
    match kind {
        ServerKind::MariaDb => Family::MariaDb,
        ServerKind::MySql => Family::MySql,
    }
}
