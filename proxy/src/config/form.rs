//! The file as it is written, after [`keys::complete`](super::keys::complete) has checked types and filled in
//! defaults: optional here is only what has no default.

use serde::Deserialize;

use super::secret::Secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    pub listen: ListenForm,
    pub backend: BackendForm,
    pub user: Vec<UserForm>,
    pub shard: Vec<ShardForm>,
    pub pool: PoolForm,
    pub session: SessionForm,
    pub monitor: MonitorForm,
    pub proxy: ProxyForm,
    pub debug: DebugForm,
}

/// One value or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// As a list.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ClientTls {
    Off,
    Optional,
    Required,
}

/// The modes of MySQL's `--ssl-mode` (reference manual, "Command Options for Encrypted Connections").
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum BackendTlsMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// Protocol compression.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    Off,
    Zlib,
    Zstd,
}

/// What a session may read after its own write.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Only where that write has arrived.
    Session,
    /// Anything within the lag limit.
    Eventual,
}

/// How replication lag is measured.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatMode {
    Write,
    Status,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenForm {
    pub mysql: OneOrMany<String>,
    pub admin: String,
    pub http: String,
    pub cores: u16,
    pub proxy_protocol_networks: Vec<String>,
    pub tls: ClientTls,
    pub tls_cert: Option<String>,
    pub tls_key: Option<String>,
    pub tls_client_ca: Option<String>,
    pub server_version: Option<String>,
    pub compression: Vec<String>,
    pub connect_timeout_s: u64,
    pub max_client_connections: u32,
    pub backlog: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendForm {
    pub user: String,
    pub password: Option<Secret>,
    pub password_file: Option<String>,
    pub tls: BackendTlsMode,
    pub tls_ca: Option<String>,
    pub tls_cert: Option<String>,
    pub tls_key: Option<String>,
    pub compression: Compression,
    pub connect_timeout_ms: u64,
    pub tcp_user_timeout_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserForm {
    pub name: String,
    pub password: Option<OneOrMany<Secret>>,
    pub password_file: Option<String>,
    pub hosts: Vec<String>,
    pub require_tls: bool,
    pub max_connections: u32,
    pub backend_user: Option<String>,
    pub backend_password: Option<Secret>,
    pub backend_password_file: Option<String>,
    pub default_schema: Option<String>,
    pub consistency: Option<Consistency>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardForm {
    pub name: String,
    pub masters: Vec<ServerForm>,
    pub replicas: Vec<ServerForm>,
    pub max_lag_ms: u64,
    pub standby_reads: bool,
    pub stale_reads: bool,
    pub spill_limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ServerForm {
    Address(String),
    Table(ServerTableForm),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTableForm {
    pub address: String,
    pub weight: Option<u16>,
    pub zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolForm {
    pub max_connections_per_server: u32,
    pub max_connections_per_user: u32,
    pub wait_timeout_ms: u64,
    pub min_idle: u32,
    pub max_age_s: u64,
    pub max_idle_s: u64,
    pub result_state_hold_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionForm {
    pub consistency: Consistency,
    pub idle_transaction_timeout_ms: u64,
    pub client_idle_timeout_s: u64,
    pub max_allowed_packet: u32,
    pub max_long_data: u32,
    pub max_spool: u32,
    pub max_prepared_statements: u32,
    pub metadata_cache_ms: u64,
    pub safe_functions: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorForm {
    pub poll_ms: u64,
    pub probe_timeout_ms: u64,
    pub heartbeat: HeartbeatMode,
    pub heartbeat_ms: u64,
    pub heartbeat_schema: String,
    pub writer_confirm_ms: u64,
    pub no_writer_wait_ms: u64,
    pub slow_start_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyForm {
    pub id: u8,
    pub count: u16,
    pub zone: Option<String>,
    pub state_dir: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugForm {
    pub always_switch: bool,
}
