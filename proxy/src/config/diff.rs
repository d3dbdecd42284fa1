//! What a reload changes: which of it takes effect at once, and which waits for a restart.

use pointsman_shard_map::{Role, Weight};

use super::settings::{Reload, SETTINGS};
use super::{Config, Problems};

/// The difference between the running configuration and a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDiff {
    /// Applied at once.
    pub live: Vec<String>,
    /// The old value goes on until a restart.
    pub restart: Vec<String>,
}

impl ConfigDiff {
    /// Whether anything changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }

    fn note(&mut self, path: &str, same: bool) {
        if same {
            return;
        }
        let (section, key) = path.split_once('.').unwrap_or((path, ""));
        let setting = SETTINGS.iter().find(|s| s.section == section && s.key == key);
        match setting.map_or(Reload::Live, |s| s.reload) {
            Reload::Live => self.live.push(path.to_owned()),
            Reload::Restart => self.restart.push(path.to_owned()),
        }
    }
}

impl Config {
    /// Names what differs in `new`.
    #[must_use]
    pub fn diff(&self, new: &Self) -> ConfigDiff {
        let mut diff = ConfigDiff::default();
        self.diff_listen(new, &mut diff);
        diff.note("backend", self.backend == new.backend);
        diff.note("user", self.users == new.users);
        for (path, role) in [("shard.masters", Role::Master), ("shard.replicas", Role::Replica)] {
            diff.note(path, self.servers_of(role).eq(new.servers_of(role)));
        }
        match self.topology == new.topology {
            true => diff.note("shard", self.shards == new.shards),
            // They wait with the servers.
            false if self.shards != new.shards => diff.restart.push("shard".to_owned()),
            false => {}
        }
        diff.note("pool", self.pool == new.pool);
        diff.note("session", self.session == new.session);
        diff.note("monitor.heartbeat_schema", self.monitor.heartbeat_schema == new.monitor.heartbeat_schema);
        let schema = self.monitor.heartbeat_schema.clone();
        let monitor = super::Monitoring { heartbeat_schema: schema, ..new.monitor.clone() };
        diff.note("monitor", self.monitor == monitor);
        diff.note("proxy.id", self.proxy.id == new.proxy.id);
        diff.note("proxy.count", self.proxy.count == new.proxy.count);
        diff.note("proxy.zone", self.proxy.zone == new.proxy.zone);
        diff.note("proxy.state_dir", self.proxy.state_dir == new.proxy.state_dir);
        diff.note("debug.always_switch", self.always_switch == new.always_switch);
        diff
    }

    /// What the file says of the servers in that role.
    fn servers_of(&self, role: Role) -> impl Iterator<Item = (&str, String, Weight, Option<&str>)> {
        self.topology.servers().iter().filter(move |s| s.role == role).map(|s| {
            let shard = self.topology.shards().iter().find(|shard| shard.id == s.shard);
            (shard.map_or("", |shard| shard.name.as_str()), s.addr.to_string(), s.weight, s.zone.as_deref())
        })
    }

    fn diff_listen(&self, new: &Self, diff: &mut ConfigDiff) {
        let (a, b) = (&self.listen, &new.listen);
        diff.note("listen.mysql", a.mysql == b.mysql);
        diff.note("listen.admin", a.admin == b.admin);
        diff.note("listen.http", a.http == b.http);
        diff.note("listen.cores", a.cores == b.cores);
        diff.note("listen.proxy_protocol_networks", a.proxy_protocol_networks == b.proxy_protocol_networks);
        diff.note("listen.tls", a.tls == b.tls);
        diff.note("listen.server_version", a.server_version == b.server_version);
        diff.note("listen.compression", (a.zlib, a.zstd) == (b.zlib, b.zstd));
        diff.note("listen.connect_timeout_s", a.connect_timeout == b.connect_timeout);
        diff.note("listen.max_client_connections", a.max_client_connections == b.max_client_connections);
        diff.note("listen.backlog", a.backlog == b.backlog);
    }

    /// The new configuration with the old values where only a restart can change them: what runs after a reload.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> Self {
        let same_topology = self.topology == new.topology;
        let mut merged = new;
        merged.listen.mysql.clone_from(&self.listen.mysql);
        merged.listen.admin.clone_from(&self.listen.admin);
        merged.listen.http = self.listen.http;
        merged.listen.cores = self.listen.cores;
        merged.listen.proxy_protocol_networks.clone_from(&self.listen.proxy_protocol_networks);
        merged.listen.backlog = self.listen.backlog;
        if !same_topology {
            // Limits belong to servers by their place in the list, which would no longer be the same one.
            merged.topology.clone_from(&self.topology);
            merged.shards.clone_from(&self.shards);
        }
        merged.monitor.heartbeat_schema.clone_from(&self.monitor.heartbeat_schema);
        merged.proxy.id = self.proxy.id;
        merged.proxy.zone.clone_from(&self.proxy.zone);
        merged.proxy.state_dir.clone_from(&self.proxy.state_dir);
        merged.always_switch = self.always_switch;
        merged
    }

    /// Loads the file again; a file with mistakes changes nothing.
    pub fn reload(&self, path: &std::path::Path) -> Result<(Self, ConfigDiff), Problems> {
        let new = Self::load(path)?;
        let diff = self.diff(&new);
        Ok((self.reloaded(new), diff))
    }
}
