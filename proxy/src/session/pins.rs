//! Why a session must keep its backend connection beyond the transaction, and when the reason is gone.

use pointsman_planner::{Analysis, Effect};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The reasons, each with what would end it.
#[derive(Debug, Default)]
pub struct Pins(Option<Box<Reasons>>);

#[derive(Debug, Default)]
struct Reasons {
    /// Temporary tables, until each is dropped.
    temporary_tables: BTreeSet<String>,
    /// User variables that only the server can compute, until each is set to a literal.
    user_vars: BTreeSet<String>,
    /// Text-protocol prepared statements, until deallocated, and what they are where that is known.
    prepared: BTreeMap<String, Option<Rc<Analysis>>>,
    handlers: BTreeSet<String>,
    /// How often each GET_LOCK with a literal name was taken; those with a computed one only a release of all ends.
    locks: BTreeMap<String, u32>,
    unnamed_locks: bool,
    table_locks: bool,
    global_lock: bool,
    /// Variables that hold for the next transaction alone.
    next_transaction: BTreeSet<String>,
    /// With autocommit off a savepoint lives on its connection before the server calls it a transaction.
    savepoint: bool,
    cursors: BTreeSet<u32>,
    /// `WHERE id IS NULL` asks for the row of the last INSERT, once.
    auto_is_null: bool,
    xa: bool,
    role: Role,
    /// Bound until the connection is reset: profiling, what a routine may have done.
    until_reset: Option<&'static str>,
    /// Not even a reset brings it back: the numbers of profiled queries.
    outlasts_reset: bool,
}

/// The session's role, which not even a reset brings back.
#[derive(Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    OfLogin,
    /// SET ROLE NONE or DEFAULT has run; whether that is the login's, the server has to say.
    GivenUp,
    Set,
}

impl Reasons {
    fn name(&self) -> Option<&'static str> {
        let checks = [
            (!self.temporary_tables.is_empty(), "a temporary table"),
            (!self.user_vars.is_empty(), "a computed user variable"),
            (!self.prepared.is_empty(), "a PREPAREd statement"),
            (!self.handlers.is_empty(), "an open HANDLER"),
            (!self.locks.is_empty() || self.unnamed_locks, "a GET_LOCK"),
            (self.table_locks, "LOCK TABLES"),
            (self.global_lock, "a global lock"),
            (!self.next_transaction.is_empty(), "a setting for the next transaction"),
            (self.savepoint, "a savepoint"),
            (!self.cursors.is_empty(), "an open cursor"),
            (self.auto_is_null, "sql_auto_is_null"),
            (self.xa, "an XA transaction"),
            (self.role != Role::OfLogin, "SET ROLE"),
        ];
        checks.iter().find(|(holds, _)| *holds).map(|(_, name)| *name).or(self.until_reset)
    }
}

impl Pins {
    /// The first reason, in words; None when nothing pins.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.0.as_ref().and_then(|r| r.name())
    }

    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.0.is_some() && self.reason().is_some()
    }

    #[must_use]
    pub fn has_temporary_tables(&self) -> bool {
        self.0.as_ref().is_some_and(|r| !r.temporary_tables.is_empty())
    }

    /// Forgets everything: the connection was reset or is gone.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    fn reasons(&mut self) -> &mut Reasons {
        self.0.get_or_insert_default()
    }

    /// Drops the box when its last reason went.
    fn tidy(&mut self) {
        if self.reason().is_none() {
            self.0 = None;
        }
    }

    /// Whether it is to be found out if the session's role is the login's again.
    #[must_use]
    pub fn gave_role_up(&self) -> bool {
        self.0.as_ref().is_some_and(|r| r.role == Role::GivenUp)
    }

    /// The answer to that.
    pub fn role_is_the_logins(&mut self, same: bool) {
        if let Some(r) = &mut self.0 {
            r.role = if same { Role::OfLogin } else { Role::Set };
        }
        self.tidy();
    }

    pub fn savepoint_set(&mut self) {
        self.reasons().savepoint = true;
    }

    /// What the text of a PREPARE is.
    pub fn text_is(&mut self, name: &str, analysis: Rc<Analysis>) {
        if let Some(known) = self.reasons().prepared.get_mut(name) {
            *known = Some(analysis);
        }
    }

    /// What an EXECUTE of that name runs, if that is known.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&Rc<Analysis>> {
        self.0.as_ref()?.prepared.get(name)?.as_ref()
    }

    pub fn cursor_opened(&mut self, statement: u32) {
        self.reasons().cursors.insert(statement);
    }

    pub fn cursor_closed(&mut self, statement: u32) {
        if let Some(r) = &mut self.0 {
            r.cursors.remove(&statement);
        }
        self.tidy();
    }

    /// What the session's `sql_auto_is_null` is now.
    pub fn auto_is_null(&mut self, on: bool) {
        if on {
            self.reasons().auto_is_null = true;
        } else if let Some(r) = &mut self.0 {
            r.auto_is_null = false;
            self.tidy();
        }
    }

    /// The server reported a change of state that the statement does not explain.
    pub fn unexplained_change(&mut self) {
        self.reasons().until_reset = Some("session state changed by a routine");
    }

    /// COMMIT or ROLLBACK has run, and no new transaction was chained to it: what was set for one alone is used up. An
    /// autocommitted statement uses it up only if it opens a table of an engine that has transactions, which only the
    /// server knows.
    pub fn transaction_ended(&mut self) {
        if let Some(r) = &mut self.0 {
            r.next_transaction.clear();
            self.tidy();
        }
    }

    /// `SET autocommit = 1` has ended a READ ONLY transaction: MySQL keeps that for the next one.
    pub fn ended_by_autocommit(&mut self) {
        self.reasons().next_transaction.insert("autocommit".to_owned());
    }

    /// Takes in what a statement did when it succeeded.
    pub fn apply(&mut self, effect: &Effect) {
        if self.apply_new(effect) {
            return;
        }
        let Some(r) = &mut self.0 else { return };
        match effect {
            Effect::UserVarLiteral { name, .. } => {
                r.user_vars.remove(name);
            }
            Effect::DropTable { name, .. } => {
                r.temporary_tables.remove(name);
            }
            Effect::RenameTable { from, to } if r.temporary_tables.remove(from) => {
                r.temporary_tables.insert(to.clone());
            }
            Effect::UnlockTables => {
                r.table_locks = false;
                r.global_lock = false;
            }
            Effect::ReleaseLock { name: Some(name) } => match r.locks.get_mut(name) {
                Some(times) if *times > 1 => *times -= 1,
                _ => drop(r.locks.remove(name)),
            },
            Effect::ReleaseAllLocks => {
                r.locks.clear();
                r.unnamed_locks = false;
            }
            Effect::DeallocateText { name } => {
                r.prepared.remove(name);
            }
            Effect::HandlerClose { name } => {
                r.handlers.remove(name);
            }
            Effect::XaEnd => r.xa = false,
            Effect::EndTransaction { .. } | Effect::ImplicitCommit | Effect::Begin { .. } => r.savepoint = false,
            Effect::GlobalUnlock => r.global_lock = false,
            _ => {}
        }
        self.tidy();
    }

    /// Effects that add a reason; true when it was one of them.
    fn apply_new(&mut self, effect: &Effect) -> bool {
        match effect {
            Effect::CreateTemporaryTable { name } => {
                self.reasons().temporary_tables.insert(name.clone());
            }
            Effect::UserVarComputed { name } => {
                self.reasons().user_vars.insert(name.clone());
            }
            Effect::LockTables => self.reasons().table_locks = true,
            Effect::GlobalLock => self.reasons().global_lock = true,
            Effect::GetLock { name: Some(name) } => {
                *self.reasons().locks.entry(name.clone()).or_default() += 1;
            }
            Effect::GetLock { name: None } => self.reasons().unnamed_locks = true,
            Effect::PrepareText { name, .. } => {
                self.reasons().prepared.insert(name.clone(), None);
            }
            Effect::HandlerOpen { name } => {
                self.reasons().handlers.insert(name.clone());
            }
            Effect::OneShotVar { name } if is_for_a_transaction(name) => {
                self.reasons().next_transaction.insert(name.clone());
            }
            // No reply tells when it is used up (an INSERT that needs no id leaves `insert_id`), nor does a reset of
            // the connection forget all of them.
            Effect::OneShotVar { .. } => {
                self.reasons().until_reset = Some("a setting for the next statement");
                self.reasons().outlasts_reset = true;
            }
            Effect::XaBegin => self.reasons().xa = true,
            // Sessions opened before a SET GLOBAL keep their values, so this one keeps its connection.
            Effect::SetGlobalVar { .. } => self.reasons().until_reset = Some("SET GLOBAL"),
            Effect::SequenceUsed => self.reasons().until_reset = Some("a sequence's LASTVAL"),
            Effect::SetRole { given_up } => {
                self.reasons().role = if *given_up { Role::GivenUp } else { Role::Set };
            }
            Effect::SessionBound { what } => {
                self.reasons().until_reset = Some(what);
                self.reasons().outlasts_reset |= *what == "profiling";
            }
            Effect::Unknown => {
                self.reasons().until_reset.get_or_insert("a routine or a statement that is not understood");
            }
            _ => return false,
        }
        true
    }

    /// Whether COM_RESET_CONNECTION clears all of it, so that the connection may be pooled again.
    #[must_use]
    pub fn reset_clears(&self) -> bool {
        self.0.as_ref().is_none_or(|r| !r.xa && !r.outlasts_reset && r.role == Role::OfLogin)
    }
}

/// `SET TRANSACTION` names the variables so, on either kind of server.
fn is_for_a_transaction(variable: &str) -> bool {
    matches!(variable, "tx_isolation" | "tx_read_only" | "transaction_isolation" | "transaction_read_only")
}

/// What counts although its statement failed in part.
pub(super) fn ends_a_pin(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::DropTable { .. }
            | Effect::RenameTable { .. }
            | Effect::UserVarLiteral { .. }
            | Effect::UnlockTables
            | Effect::ReleaseLock { .. }
            | Effect::ReleaseAllLocks
            | Effect::DeallocateText { .. }
            | Effect::HandlerClose { .. }
            | Effect::XaEnd
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_planner::PreparedText;

    #[test]
    fn a_pin_ends_with_its_cause() {
        let t = || "t".to_owned();
        let pairs = [
            (Effect::CreateTemporaryTable { name: t() }, Effect::DropTable { name: t(), temporary: true }),
            (Effect::UserVarComputed { name: t() }, Effect::UserVarLiteral { name: t(), value: vec![b'1'] }),
            (Effect::LockTables, Effect::UnlockTables),
            (Effect::GetLock { name: Some(t()) }, Effect::ReleaseLock { name: Some(t()) }),
            (Effect::GetLock { name: None }, Effect::ReleaseAllLocks),
            (Effect::PrepareText { name: t(), text: PreparedText::Unclear }, Effect::DeallocateText { name: t() }),
            (Effect::HandlerOpen { name: t() }, Effect::HandlerClose { name: t() }),
            (Effect::XaBegin, Effect::XaEnd),
        ];
        for (begin, end) in pairs {
            let mut pins = Pins::default();
            pins.apply(&begin);
            assert!(pins.is_pinned(), "{begin:?}");
            pins.apply(&end);
            assert!(!pins.is_pinned(), "{begin:?} then {end:?}");
        }
    }

    #[test]
    fn another_lock_s_release_does_not_unpin() {
        let mut pins = Pins::default();
        pins.apply(&Effect::GetLock { name: Some("a".into()) });
        pins.apply(&Effect::ReleaseLock { name: Some("b".into()) });
        assert!(pins.is_pinned());
    }

    #[test]
    fn a_lock_taken_twice_is_released_twice() {
        let mut pins = Pins::default();
        let (get, release) =
            (Effect::GetLock { name: Some("a".into()) }, Effect::ReleaseLock { name: Some("a".into()) });
        [&get, &get, &release].into_iter().for_each(|effect| pins.apply(effect));
        assert!(pins.is_pinned());
        pins.apply(&release);
        assert!(!pins.is_pinned());
    }

    #[test]
    fn a_renamed_temporary_table_pins_under_its_new_name() {
        let mut pins = Pins::default();
        pins.apply(&Effect::CreateTemporaryTable { name: "a".into() });
        pins.apply(&Effect::RenameTable { from: "a".into(), to: "b".into() });
        pins.apply(&Effect::DropTable { name: "a".into(), temporary: false });
        assert!(pins.is_pinned());
        pins.apply(&Effect::DropTable { name: "b".into(), temporary: true });
        assert!(!pins.is_pinned());
    }

    #[test]
    fn what_a_routine_may_have_done_lasts_until_reset() {
        let mut pins = Pins::default();
        pins.apply(&Effect::Unknown);
        pins.apply(&Effect::ReleaseAllLocks);
        assert_eq!(pins.reason(), Some("a routine or a statement that is not understood"));
        pins.clear();
        assert!(!pins.is_pinned());
    }
}
