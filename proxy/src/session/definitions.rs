//! What servers have lately answered to COM_STMT_PREPARE, told again without asking.
//!
//! An answer is told again only while it is what a server would say: in the same state of the session, for the same
//! account, not across any DDL that went through this proxy, and not for longer than `session.metadata_cache_ms`,
//! which is when DDL from elsewhere is noticed. A session that must see its own writes is told only what came from a
//! server that had them. The execution prepares the statement where it runs, and brings the definitions of that moment.

use crate::backend::conn::StatementKey;
use crate::core::Core;
use crate::servers::Server;
use pointsman_planner::{Access, Analysis, Effect, Reads, StatementKind};
use pointsman_protocol::stmt::PrepareOk;
use pointsman_shard_map::GtidSet;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers that one core keeps.
const PER_CORE: usize = 1_024;
/// Longer answers (thousands of columns) are asked for each time.
pub const LONGEST: usize = 64 * 1024;

/// For whom an answer holds: the statement in its state, the account, the client's kind of packets (its login class has
/// MariaDB's extended metadata), and the flags that stand in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DefinitionKey {
    pub statement: StatementKey,
    pub account: u32,
    /// [`Capabilities::LOGIN_CLASS`](pointsman_protocol::capabilities::Capabilities::LOGIN_CLASS) bits of the client.
    pub class: u64,
    pub deprecate_eof: bool,
    pub status: u16,
}

/// Where and when an answer came from, noted before the question was sent.
#[derive(Clone, Debug)]
pub struct Origin {
    server: Arc<Server>,
    generation: u64,
    /// None: it was the confirmed writer, which has everything.
    applied: Option<Option<Arc<GtidSet>>>,
    schema_version: u64,
    asked_ms: u64,
}

/// An answer, as it went to a client.
#[derive(Clone, Debug)]
pub struct Definition {
    pub text: Rc<[u8]>,
    pub wire: Rc<[u8]>,
    pub ok: PrepareOk,
}

#[derive(Debug, Default)]
pub struct Definitions(RefCell<FxHashMap<DefinitionKey, (Definition, Origin)>>);

/// What a session may be told.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Only by a server that has applied this.
    pub token: Option<&'a GtidSet>,
    /// Only by the writer.
    pub writer_only: bool,
}

/// Counts the changes of schemas that went through this process.
#[derive(Debug, Default)]
pub struct SchemaChanges {
    /// Grows by one when a change begins and by one when it has ended.
    version: AtomicU64,
    /// Changes that have begun and not ended.
    running: AtomicU64,
}

/// A change under way.
pub struct SchemaChange(Arc<SchemaChanges>);

impl SchemaChanges {
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> SchemaChange {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.version.fetch_add(1, Ordering::SeqCst);
        SchemaChange(self.clone())
    }

    /// None while a change is under way.
    fn version(&self) -> Option<u64> {
        let version = self.version.load(Ordering::SeqCst);
        (self.running.load(Ordering::SeqCst) == 0).then_some(version)
    }
}

impl Drop for SchemaChange {
    fn drop(&mut self) {
        self.0.version.fetch_add(1, Ordering::SeqCst);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether the statement may change what prepared statements look like, or who may prepare them.
#[must_use]
pub fn changes_schema(analysis: &Analysis) -> bool {
    analysis.statements.iter().any(|s| match s.kind {
        StatementKind::Ddl => !s
            .effects
            .iter()
            .any(|e| matches!(e, Effect::CreateTemporaryTable { .. } | Effect::DropTable { temporary: true, .. })),
        StatementKind::Call | StatementKind::Execute | StatementKind::Admin | StatementKind::Opaque => true,
        _ => false,
    })
}

/// ALTER DATABASE, in a packet with its header or without.
#[must_use]
pub fn alters_schema(text: &[u8]) -> bool {
    const HEAD: usize = 64;
    let head = String::from_utf8_lossy(&text[..text.len().min(HEAD)]).to_ascii_lowercase();
    let words: Vec<&str> = head.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|w| w[0] == "alter" && (w[1] == "database" || w[1] == "schema"))
}

/// Whether the answer to preparing it may be kept: plain reads and writes, whose definitions follow from the schema.
#[must_use]
pub fn is_definable(analysis: &Analysis) -> bool {
    use StatementKind::{Delete, Insert, Replace, Select, Update};
    let [statement] = &analysis.statements[..] else { return false };
    matches!(statement.kind, Select | Insert | Replace | Update | Delete)
        && statement.access != Access::Writer
        && !statement.reads.intersects(Reads::USER_VARS | Reads::ANYTHING | Reads::SYSTEM_VARS)
        && !statement.effects.iter().any(Effect::binds_connection)
}

impl Core {
    /// What is to be known of a server before it is asked, so that its answer may be kept. None: it may not.
    pub fn definition_origin(&self, server: &Arc<Server>, is_writer: bool) -> Option<Origin> {
        let schema_version = self.shared.schema_changes.version()?;
        (!self.config().session.metadata_cache.is_zero()).then(|| Origin {
            generation: server.pool_generation(),
            applied: (!is_writer).then(|| server.applied_gtid()),
            schema_version,
            asked_ms: self.clock.now_ms(),
            server: server.clone(),
        })
    }

    /// An answer that holds for the asker.
    pub fn definition(&self, key: &DefinitionKey, text: &[u8], asker: Asker<'_>) -> Option<Definition> {
        let kept = self.definitions.0.borrow();
        let (definition, origin) = kept.get(key)?;
        let holds = self.holds(origin) && origin.suits(asker) && *definition.text == *text;
        holds.then(|| definition.clone())
    }

    fn holds(&self, origin: &Origin) -> bool {
        let age_ms = self.clock.now_ms().saturating_sub(origin.asked_ms);
        self.shared.schema_changes.version() == Some(origin.schema_version)
            && u128::from(age_ms) < self.config().session.metadata_cache.as_millis()
            && origin.server.pool_generation() == origin.generation
    }

    /// Keeps an answer. Where there are too many, those that no longer hold go, or else all.
    pub fn keep_definition(&self, key: DefinitionKey, definition: Definition, origin: Origin) {
        if definition.wire.len() > LONGEST || definition.text.len() > LONGEST || !self.holds(&origin) {
            return;
        }
        let mut kept = self.definitions.0.borrow_mut();
        if kept.len() >= PER_CORE {
            kept.retain(|_, (_, origin)| self.holds(origin));
        }
        if kept.len() >= PER_CORE {
            kept.clear();
        }
        kept.insert(key, (definition, origin));
    }
}

impl Origin {
    fn suits(&self, asker: Asker<'_>) -> bool {
        let Some(applied) = &self.applied else { return true };
        let has = |token| applied.as_ref().is_some_and(|a| a.contains(token));
        !asker.writer_only && asker.token.is_none_or(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_under_way_hides_everything_and_leaves_another_version() {
        let changes = Arc::new(SchemaChanges::default());
        let before = changes.version();
        let one = changes.begin();
        let two = changes.begin();
        drop(one);
        assert_eq!(changes.version(), None);
        drop(two);
        assert!(changes.version().is_some() && changes.version() != before);
    }
}
