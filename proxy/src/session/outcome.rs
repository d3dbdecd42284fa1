//! What the session learns from one reply.

use super::definitions::LONGEST;
use crate::core::buffers::BufPool;
use pointsman_protocol::reply::{Change, Changes, OkPacket, Status};
use pointsman_protocol::stmt::PrepareOk;

/// What a reply told.
#[derive(Debug, Default)]
pub struct Outcome {
    pub status: Status,
    pub affected_rows: u64,
    pub last_insert_id: u64,
    pub warnings: u16,
    /// Rows of the last result set; None when the last result was an OK.
    pub rows: Option<u64>,
    /// Code of the error that ended it.
    pub error: Option<u16>,
    /// It was the server's refusal to write because it is read-only.
    pub read_only: bool,
    /// Bytes have gone to the client.
    pub sent: bool,
    pub variables: Vec<(String, Vec<u8>)>,
    pub schema: Option<Vec<u8>>,
    pub state_changed: bool,
    pub gtids: Option<Vec<u8>>,
    pub prepared: Option<PrepareOk>,
    /// Columns of the first result set.
    pub columns: Option<u16>,
    /// The reply as it went to the client, where that was asked for and it is not too long.
    pub copy: Option<Vec<u8>>,
    pub infile: bool,
    /// Results in the reply (CALL, stacked statements).
    pub results: u32,
}

impl Outcome {
    pub(super) fn note_sent(&mut self, first: &[u8], second: &[u8]) {
        let Some(copy) = &mut self.copy else { return };
        copy.extend_from_slice(first);
        copy.extend_from_slice(second);
        if copy.len() > LONGEST {
            self.copy = None;
        }
    }

    /// Stacked statements tell of one each.
    pub(super) fn note_gtids(&mut self, told: &[u8], pool: &BufPool) {
        let gtids = self.gtids.get_or_insert_with(|| pool.take_vec());
        if !gtids.is_empty() && !told.is_empty() {
            gtids.push(b',');
        }
        gtids.extend_from_slice(told);
    }

    /// `pool`: each write tells of a GTID, for which there is a vector at hand.
    pub(super) fn note_end(&mut self, ok: &OkPacket<'_>, pool: &BufPool) {
        self.status = ok.status;
        self.warnings = ok.warnings;
        if ok.changes.is_empty() {
            return;
        }
        for change in Changes::new(ok.changes) {
            match change {
                Change::SystemVariable { name, value } if name == b"last_gtid" => self.note_gtids(value, pool),
                Change::SystemVariable { name, value } => {
                    self.variables.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
                }
                Change::Schema(name) => self.schema = Some(name.to_vec()),
                Change::StateChanged => self.state_changed = true,
                Change::Gtids(set) => self.note_gtids(set, pool),
                Change::Transaction { .. } | Change::Other => {}
            }
        }
    }
}
