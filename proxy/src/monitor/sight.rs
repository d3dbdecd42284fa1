//! What one probe has seen of one server. Plain values: the judgements on them are pure functions elsewhere.

use std::sync::Arc;

use pointsman_shard_map::GtidSet;

use crate::servers::Moment;

/// One answered probe.
#[derive(Clone, Debug)]
pub struct Sight {
    /// When the question was sent: what was seen may be as old as this.
    pub asked: Moment,
    pub read_only: bool,
    /// `@@server_id`.
    pub server_id: u32,
    pub applied: Option<Arc<GtidSet>>,
    /// The server's UTC clock, in microseconds.
    pub clock: i64,
    pub heartbeat: Heartbeat,
    pub replication: Replication,
}

/// The heartbeat row of the shard as this server shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Written at this moment of the writer's UTC clock, in microseconds.
    At(i64),
    /// No table, no row, or no right to read it.
    Missing,
    /// `monitor.heartbeat = "status"`.
    Off,
}

/// What the server says of its own replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replication {
    /// One for each source; none on a server that replicates from nobody.
    Channels(Vec<Channel>),
    /// The server does not tell: a right is missing, or the answer was late.
    Unknown,
}

/// One replication source of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub receiver: Receiver,
    pub applier_runs: bool,
    /// The source's `server_id`, once connected.
    pub source_server_id: Option<u32>,
    /// Whole seconds, as the server estimates.
    pub seconds_behind: Option<u64>,
    /// Why the receiver or the applier has stopped; 0 when neither has an error.
    pub error: u32,
}

/// The IO thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Connected,
    /// Tries to connect; receives nothing.
    Connecting,
    Stopped,
}

/// How the last attempt to see a server went.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The last answered probe, however old.
    pub sight: Option<Sight>,
    pub reach: Reach,
}

/// Whether the server can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// No attempt has ended yet.
    #[default]
    Untried,
    Answered,
    /// The last attempt failed.
    Failed,
}

impl Replication {
    /// Whether it may be receiving from the server of this id. What is not known is taken for yes.
    #[must_use]
    pub fn may_receive_from(&self, source: Option<u32>) -> bool {
        match self {
            Self::Unknown => true,
            Self::Channels(channels) => channels.iter().any(|c| {
                let other_source = matches!((c.source_server_id, source), (Some(a), Some(b)) if a != b);
                c.receiver == Receiver::Connected && !other_source
            }),
        }
    }

    /// Whether everything that should run does; None when the server does not tell.
    #[must_use]
    pub fn runs(&self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Channels(channels) => Some(
                !channels.is_empty() && channels.iter().all(|c| c.receiver == Receiver::Connected && c.applier_runs),
            ),
        }
    }

    /// Whether it applies what it has received, but does not receive from each of its sources.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Channels(channels) => {
                !channels.is_empty()
                    && channels.iter().all(|c| c.applier_runs)
                    && channels.iter().any(|c| c.receiver != Receiver::Connected)
            }
        }
    }

    /// The furthest behind of all sources; None when any of them does not say.
    #[must_use]
    pub fn seconds_behind(&self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Channels(channels) => {
                let all: Option<Vec<u64>> = channels.iter().map(|c| c.seconds_behind).collect();
                all?.into_iter().max()
            }
        }
    }
}
