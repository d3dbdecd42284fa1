//! The state of a session that moves with it between connections, and how its statements are to be read.

use super::names::forget_collations;
use super::outcome::Outcome;
use super::sync::{COMPUTED, Wanted, family};
use super::vars::{BIG_SELECTS, JOIN_LIMIT, Vars};
use crate::backend::open::schema_name;
use crate::core::Core;
use crate::core::defaults::begins_without_autocommit;
use crate::servers::ServerInfo;
use pointsman_planner::reading::{ClientCharset, Reading, ServerKind};
use pointsman_planner::{Analysis, Effect};
use pointsman_protocol::Capabilities;
use pointsman_protocol::charset::Collation;
use std::rc::Rc;

/// Variables that the proxy never carries over: they follow from others, hold for one statement, or are its own.
const NOT_CARRIED: &[&str] = &[
    "character_set_database",
    "collation_database",
    "error_count",
    "external_user",
    "gtid_seq_no",
    "hostname",
    "identity",
    "in_transaction",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "proxy_user",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "session_track_gtids",
    "session_track_schema",
    "session_track_state_change",
    "session_track_system_variables",
    "statement_id",
    "warning_count",
];

/// The variables after a server reported these to have changed.
#[must_use]
pub fn absorb(vars: &Vars, reported: &[(String, Vec<u8>)]) -> Vars {
    let carried = reported.iter().filter(|(name, _)| !NOT_CARRIED.contains(&name.as_str()));
    let vars = carried.fold(forget_collations(vars.clone(), reported), |all, (name, value)| all.with(name, value));
    let value_of = |name: &str| reported.iter().find(|(n, _)| n == name).map(|(_, value)| &value[..]);
    match (value_of(JOIN_LIMIT), value_of(BIG_SELECTS)) {
        (Some(limit), None) => vars.with(BIG_SELECTS, if limit == NO_JOIN_LIMIT { b"ON" } else { b"OFF" }),
        _ => vars,
    }
}

/// The greatest value of `max_join_size`.
const NO_JOIN_LIMIT: &[u8] = b"18446744073709551615";

#[derive(Debug)]
pub struct SessionState {
    pub wanted: Wanted,
    pub reading: Reading,
    /// The schema that the session stands in although the servers no longer have it.
    pub(super) missing_schema: Option<Rc<str>>,
    /// What the login gave it as `wait_timeout`, and what that is now, in seconds.
    initial_wait_s: u64,
    wait_s: u64,
    /// Autocommit is off since the login, which MySQL's status does not tell.
    pub(super) autocommit_off_untold: bool,
}

impl SessionState {
    #[must_use]
    pub fn new(core: &Core, charset: u16, capabilities: Capabilities) -> Self {
        let info = core.server_info();
        let info = info.as_deref();
        let wanted = Wanted {
            schema: None,
            vars: core.interner.intern(info.map_or_else(Vars::default, |info| initial_vars(info, capabilities))),
            charset,
            multi_statements: capabilities.contains(Capabilities::MULTI_STATEMENTS),
            user_vars: Rc::default(),
            reads_user_vars: false,
        };
        let reading = read_as(info, &wanted);
        let wait_s = wait_timeout(info, &wanted.vars);
        let autocommit_off_untold = has_autocommit_off_untold(info, &wanted.vars);
        Self { wanted, reading, missing_schema: None, initial_wait_s: wait_s, wait_s, autocommit_off_untold }
    }

    /// Back to what the login gave (COM_RESET_CONNECTION, COM_CHANGE_USER). The schema stays.
    pub fn reset(&mut self, core: &Core, charset: u16, capabilities: Capabilities) {
        let schema = self.wanted.schema.take().or(self.missing_schema.take());
        // Servers give the longer or shorter wait of CLIENT_INTERACTIVE to a login only.
        *self = Self::new(core, charset, capabilities.difference(Capabilities::INTERACTIVE));
        self.wanted.schema = schema;
    }

    /// Takes in what the server's trackers said, but for what holds for this or the next statement only.
    pub fn note_changes(&mut self, core: &Core, outcome: &Outcome, analysis: &Analysis) {
        if let Some(schema) = &outcome.schema {
            self.wanted.schema = schema_name(schema);
            self.missing_schema = None;
        }
        if outcome.variables.is_empty() {
            return;
        }
        let passing = |n: &str| analysis.effects().any(|e| passes(e, n));
        let lasting: Vec<_> = outcome.variables.iter().filter(|(name, _)| !passing(name)).cloned().collect();
        self.set_vars(core, absorb(&self.wanted.vars, &lasting));
    }

    /// The status of a reply tells of autocommit even where MariaDB's trackers are silent (`SET @@autocommit=OFF`).
    pub fn note_autocommit(&mut self, core: &Core, on: bool) {
        let value: &[u8] = if on { b"ON" } else { b"OFF" };
        if self.wanted.vars.get("autocommit") != Some(value) {
            self.set_vars(core, self.wanted.vars.with("autocommit", value));
        }
    }

    /// A variable was set to DEFAULT: it has no value of its own any more where that moves (timestamp).
    pub fn forget_var(&mut self, core: &Core, name: &str) {
        if self.wanted.vars.get(name).is_some() {
            self.set_vars(core, self.wanted.vars.without(name));
        }
    }

    pub(super) fn set_vars(&mut self, core: &Core, vars: Vars) {
        self.wanted.vars = core.interner.intern(vars);
        let info = core.server_info();
        let info = info.as_deref();
        self.reading = read_as(info, &self.wanted);
        self.wait_s = wait_timeout(info, &self.wanted.vars);
        self.autocommit_off_untold &= has_autocommit_off_untold(info, &self.wanted.vars);
    }

    /// How long the client may be silent, with the proxy's own limit: what the session has asked for goes before both.
    #[must_use]
    pub fn idle_limit_s(&self, own_limit: u64) -> u64 {
        if self.wait_s == self.initial_wait_s { self.wait_s.min(own_limit) } else { self.wait_s }
    }

    pub fn set_handshake_collation(&mut self, core: &Core, id: u16) {
        if self.wanted.charset != id {
            self.wanted.charset = id;
            self.reading = read_as(core.server_info().as_deref(), &self.wanted);
        }
    }

    pub fn set_multi_statements(&mut self, core: &Core, on: bool) {
        self.wanted.multi_statements = on;
        self.reading = read_as(core.server_info().as_deref(), &self.wanted);
    }

    pub fn set_user_var(&mut self, name: &str, value: &[u8]) {
        let all = Rc::make_mut(&mut self.wanted.user_vars);
        all.retain(|(n, _)| n != name);
        all.push((name.to_owned(), value.to_vec()));
    }

    /// The connection that knew the computed ones is gone: they are NULL again.
    pub fn forget_computed_user_vars(&mut self) {
        if self.wanted.user_vars.iter().any(|(_, v)| v == COMPUTED) {
            Rc::make_mut(&mut self.wanted.user_vars).retain(|(_, v)| v != COMPUTED);
        }
    }
}

fn passes(effect: &Effect, variable: &str) -> bool {
    matches!(effect, Effect::OneShotVar { name } | Effect::StatementVar { name } if name == variable)
}

/// Two login flags change variables at the servers; here these are replayed.
fn initial_vars(info: &ServerInfo, capabilities: Capabilities) -> Vars {
    let mut vars = Vars::default();
    if capabilities.contains(Capabilities::IGNORE_SPACE) && !info.sql_mode.split(',').any(|m| m == "IGNORE_SPACE") {
        let separator = if info.sql_mode.is_empty() { "" } else { "," };
        vars = vars.with("sql_mode", format!("{}{separator}IGNORE_SPACE", info.sql_mode).as_bytes());
    }
    if capabilities.contains(Capabilities::INTERACTIVE) && info.interactive_timeout != info.wait_timeout {
        vars = vars.with(WAIT_TIMEOUT, info.interactive_timeout.to_string().as_bytes());
    }
    vars
}

fn has_autocommit_off_untold(info: Option<&ServerInfo>, vars: &Vars) -> bool {
    let untold = |info: &ServerInfo| info.kind == ServerKind::MySql && begins_without_autocommit(info);
    vars.get("autocommit").is_none() && info.is_some_and(untold)
}

const WAIT_TIMEOUT: &str = "wait_timeout";

/// The session's `wait_timeout` in seconds; without one, that of the servers.
fn wait_timeout(info: Option<&ServerInfo>, vars: &Vars) -> u64 {
    let own = vars.get(WAIT_TIMEOUT).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
    own.or_else(|| info.map(|info| u64::from(info.wait_timeout))).unwrap_or(u64::MAX)
}

fn read_as(info: Option<&ServerInfo>, wanted: &Wanted) -> Reading {
    let of_server = || info.map_or(&b""[..], |i| i.sql_mode.as_bytes());
    let kind = info.map_or(ServerKind::MariaDb, |i| i.kind);
    let mut reading = Reading {
        server: kind,
        version: info.map_or(100_000, |i| i.version_number),
        charset: client_charset(wanted, kind, info),
        ansi_quotes: false,
        no_backslash_escapes: false,
        ignore_space: false,
        oracle: false,
        multi_statements: wanted.multi_statements,
    };
    for mode in wanted.vars.get("sql_mode").unwrap_or_else(of_server).split(|b| *b == b',') {
        let is = |name: &[u8]| mode.eq_ignore_ascii_case(name);
        reading.ansi_quotes |= is(b"ANSI_QUOTES") || is(b"ANSI");
        reading.no_backslash_escapes |= is(b"NO_BACKSLASH_ESCAPES");
        reading.ignore_space |= is(b"IGNORE_SPACE");
        reading.oracle |= is(b"ORACLE");
    }
    reading
}

fn client_charset(wanted: &Wanted, kind: ServerKind, info: Option<&ServerInfo>) -> ClientCharset {
    let of_server = || info.and_then(|i| i.session_default("character_set_client")).map_or(&b""[..], str::as_bytes);
    let of_handshake = || match Collation::by_id(wanted.charset, family(kind)) {
        Some(collation) => collation.charset().as_bytes(),
        None => of_server(),
    };
    match wanted.vars.get("character_set_client").unwrap_or_else(of_handshake) {
        b"gbk" => ClientCharset::Gbk,
        b"gb18030" => ClientCharset::Gb18030,
        b"big5" => ClientCharset::Big5,
        b"sjis" => ClientCharset::Sjis,
        b"cp932" => ClientCharset::Cp932,
        b"utf8mb4" | b"utf8mb3" | b"utf8" | b"ascii" => ClientCharset::Utf8,
        _ => ClientCharset::AsciiSafe,
    }
}
