//! The statements that are kept prepared on one connection, counted for their server.

use super::conn::{Prepared, StatementKey};
use crate::servers::Server;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Statements kept prepared on one connection; the longest unused makes room.
const PER_CONNECTION: usize = 256;

impl Prepared {
    #[must_use]
    pub fn new(id: u32, used: u64) -> Self {
        Self { id, types: None, used, runs: 0, first_warned: false, lacks_schema: false }
    }
}

/// Prepared statements by what they mean. A statement whose cursor is open is not among them: it is its session's alone.
#[derive(Debug)]
pub struct PreparedStatements {
    kept: FxHashMap<StatementKey, Prepared>,
    server: Arc<Server>,
}

impl PreparedStatements {
    /// None yet, on a connection to this server.
    #[must_use]
    pub fn none(server: &Arc<Server>) -> Self {
        Self { kept: FxHashMap::default(), server: Arc::clone(server) }
    }

    /// Those that [`PreparedStatements::ids`] told on another core; the rest of what is known of them stays there.
    #[must_use]
    pub fn with_ids(server: &Arc<Server>, ids: &[(StatementKey, u32)]) -> Self {
        let mut all = Self::none(server);
        for (key, id) in ids {
            all.insert(*key, Prepared::new(*id, 0));
        }
        all
    }

    #[must_use]
    pub fn ids(&self) -> Vec<(StatementKey, u32)> {
        self.kept.iter().map(|(key, prepared)| (*key, prepared.id)).collect()
    }

    #[must_use]
    pub fn contains(&self, key: &StatementKey) -> bool {
        self.kept.contains_key(key)
    }

    #[must_use]
    pub fn get(&self, key: &StatementKey) -> Option<&Prepared> {
        self.kept.get(key)
    }

    pub fn get_mut(&mut self, key: &StatementKey) -> Option<&mut Prepared> {
        self.kept.get_mut(key)
    }

    /// Keeps a statement. Gives the one that had its place, which is to be closed.
    pub fn insert(&mut self, key: StatementKey, prepared: Prepared) -> Option<Prepared> {
        let replaced = self.kept.insert(key, prepared);
        if replaced.is_none() {
            self.server.count_prepared(1);
        }
        replaced
    }

    pub fn take(&mut self, key: &StatementKey) -> Option<Prepared> {
        let taken = self.kept.remove(key);
        self.server.count_prepared(-i64::from(taken.is_some()));
        taken
    }

    /// Takes out the longest unused statement where there are too many: on this connection, or on its server beyond
    /// `budget`. It is to be closed.
    pub fn make_room(&mut self, budget: i64) -> Option<Prepared> {
        if self.kept.len() < PER_CONNECTION && self.server.prepared_count() < budget {
            return None;
        }
        let oldest = self.kept.iter().min_by_key(|(_, prepared)| prepared.used).map(|(key, _)| *key)?;
        self.take(&oldest)
    }

    /// The connection was reset: its server has closed all of them.
    pub fn clear(&mut self) {
        self.server.count_prepared(-(self.kept.len() as i64));
        self.kept.clear();
    }
}

impl Drop for PreparedStatements {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::servers::Servers;

    fn prepared(id: u32, used: u64) -> Prepared {
        Prepared::new(id, used)
    }

    fn server() -> Arc<Server> {
        let text = "[backend]\nuser='p'\npassword='p'\n[[user]]\nname='a'\n[[shard]]\nname='s'\nmasters=['m']\n";
        Arc::clone(&Servers::new(&Config::parse(text).unwrap()).all()[0])
    }

    #[test]
    fn a_statement_prepared_again_replaces_the_first() {
        let server = server();
        let mut all = PreparedStatements::none(&server);
        assert!(all.insert((1, 1), prepared(7, 0)).is_none());
        assert_eq!(all.insert((1, 1), prepared(8, 0)).map(|p| p.id), Some(7));
        assert_eq!(server.prepared_count(), 1);
        drop(all);
        assert_eq!(server.prepared_count(), 0);
    }

    #[test]
    fn the_longest_unused_makes_room() {
        let server = server();
        let mut all = PreparedStatements::none(&server);
        for n in 0..PER_CONNECTION as u32 {
            assert!(all.make_room(1_000).is_none());
            all.insert((u64::from(n), 0), prepared(n, u64::from(1_000 - n)));
        }
        assert_eq!(all.make_room(1_000).map(|p| p.id), Some(PER_CONNECTION as u32 - 1));
        assert!(all.make_room(1_000).is_none());
    }

    #[test]
    fn connections_of_one_server_share_its_budget() {
        let server = server();
        let (mut first, mut second) = (PreparedStatements::none(&server), PreparedStatements::none(&server));
        first.insert((1, 1), prepared(1, 0));
        first.insert((2, 2), prepared(2, 1));
        assert!(second.make_room(2).is_none(), "what others keep can't be closed from here");
        second.insert((1, 1), prepared(1, 0));
        assert_eq!(second.make_room(2).map(|p| p.id), Some(1));
    }
}
