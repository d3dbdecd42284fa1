//! COM_STMT_SEND_LONG_DATA of one statement, kept for its next execution: the first bytes in memory, the rest in a
//! file without a name.

use crate::backend::conn::{BackendConn, BackendError};
use crate::core::Core;
use crate::error::ClientError;
use pointsman_protocol::frame::put_packet;
use pointsman_protocol::stmt::LongData;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of one statement kept in memory.
const IN_MEMORY: usize = 256 * 1024;
/// Bytes of all statements together kept in memory: beyond, they go to files.
const IN_MEMORY_TOGETHER: u64 = 64 * 1024 * 1024;
/// The same with the lists of what belongs to which parameter, which can't go to files: beyond, executions fail.
const LISTS_TOGETHER: u64 = 2 * IN_MEMORY_TOGETHER;
/// Read back and sent to a server at one time.
const BLOCK: usize = 256 * 1024;
/// What a piece counts beside its bytes when it is not joined to the one before.
const PIECE_COST: usize = 32;

/// Consecutive bytes of one parameter.
#[derive(Clone, Copy, Debug)]
struct Piece {
    parameter: u16,
    len: usize,
}

/// Why the next execution is refused.
#[derive(Clone, Debug)]
enum Refusal {
    /// More than `session.max_long_data`.
    TooLong(usize),
    /// All files together would be more than `session.max_spool`.
    SpoolFull,
    Failed(io::ErrorKind),
    /// For a parameter that the statement has not. A server's own statement would stay broken until it is reset, for
    /// every session that shares it, so the data goes to none.
    NoSuchParameter,
}

/// The long data of one statement.
#[derive(Debug, Default)]
pub(super) struct LongDataStore {
    /// Data bytes, and what the pieces cost.
    counted: usize,
    memory: Held,
    spool: Option<Spool>,
    refusal: Option<Refusal>,
}

/// What is in memory, counted with that of all others: the list of pieces, and bytes.
#[derive(Debug, Default)]
struct Held {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    counted: u64,
    total: Option<Arc<AtomicU64>>,
}

impl Held {
    fn push(&mut self, core: &Core, data: &[u8]) {
        self.count(core, data.len());
        self.bytes.extend_from_slice(data);
    }

    fn push_piece(&mut self, core: &Core, piece: Piece) {
        self.count(core, PIECE_COST);
        self.pieces.push(piece);
    }

    fn count(&mut self, core: &Core, more: usize) {
        let total = self.total.get_or_insert_with(|| core.shared.long_data_held.clone());
        total.fetch_add(more as u64, Ordering::Relaxed);
        self.counted += more as u64;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(total) = &self.total {
            total.fetch_sub(self.counted, Ordering::Relaxed);
        }
    }
}

/// Bytes behind those in memory. The file has no name; it goes with the last handle.
#[derive(Debug)]
struct Spool {
    file: Arc<File>,
    len: u64,
    total: Arc<AtomicU64>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.total.fetch_sub(self.len, Ordering::Relaxed);
    }
}

impl Spool {
    fn create(core: &Core) -> io::Result<Self> {
        let directory = core.config().proxy.state_directory();
        Ok(Self {
            file: Arc::new(unnamed_file(&directory, core.random())?),
            len: 0,
            total: core.shared.spooled.clone(),
        })
    }

    /// On a thread of its own: a disk may take its time. Not cancel safe.
    async fn write(&mut self, data: Vec<u8>) -> io::Result<()> {
        let (file, at, len) = (self.file.clone(), self.len, data.len() as u64);
        self.len += len;
        self.total.fetch_add(len, Ordering::Relaxed);
        on_a_thread(move || file.write_all_at(&data, at)).await
    }

    async fn read(&self, at: u64, mut block: Vec<u8>) -> io::Result<Vec<u8>> {
        let file = self.file.clone();
        on_a_thread(move || file.read_exact_at(&mut block, at).map(|()| block)).await
    }
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// Removed at once: nobody else can open it, and a crash leaves nothing behind.
fn unnamed_file(directory: &Path, random: u64) -> io::Result<File> {
    let path = directory.join(format!("long-data-{}-{random:016x}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl LongDataStore {
    /// Keeps one packet's data. What goes wrong shows at the execution, as the command has no reply.
    pub async fn append(&mut self, core: &Core, data: &LongData<'_>, parameters: u16) {
        if self.refusal.is_some() {
            return;
        }
        let exists = data.parameter < parameters;
        let kept = if exists { self.keep(core, data).await } else { Err(Refusal::NoSuchParameter) };
        if let Err(refusal) = kept {
            *self = Self { refusal: Some(refusal), ..Self::default() };
        }
    }

    /// After a refused execution: a wrong parameter is told until the statement is reset, the rest is over.
    pub fn forget_unless_wrong(&mut self) {
        if !matches!(self.refusal, Some(Refusal::NoSuchParameter)) {
            *self = Self::default();
        }
    }

    async fn keep(&mut self, core: &Core, data: &LongData<'_>) -> Result<(), Refusal> {
        let session = &core.config().session;
        let limit = session.max_long_data as usize;
        let together = core.shared.long_data_held.load(Ordering::Relaxed);
        let joins = self.memory.pieces.last().is_some_and(|p| p.parameter == data.parameter);
        self.counted += data.data.len() + if joins { 0 } else { PIECE_COST };
        if self.counted > limit.saturating_add(PIECE_COST) {
            return Err(Refusal::TooLong(limit));
        }
        // The first piece is the price of a statement with long data.
        let is_first = self.memory.pieces.is_empty();
        match self.memory.pieces.last_mut().filter(|_| joins) {
            Some(last) => last.len += data.data.len(),
            None if !is_first && together >= LISTS_TOGETHER => return Err(Refusal::SpoolFull),
            None => self.memory.push_piece(core, Piece { parameter: data.parameter, len: data.data.len() }),
        }
        let together = together.saturating_add(data.data.len() as u64);
        let fits = self.memory.bytes.len() + data.data.len() <= IN_MEMORY && together <= IN_MEMORY_TOGETHER;
        if self.spool.is_none() && fits {
            self.memory.push(core, data.data);
            return Ok(());
        }
        let all = core.shared.spooled.load(Ordering::Relaxed).saturating_add(data.data.len() as u64);
        if all > u64::from(session.max_spool) {
            return Err(Refusal::SpoolFull);
        }
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::create(core).map_err(failed)?),
        };
        spool.write(data.data.to_vec()).await.map_err(failed)
    }

    pub fn is_empty(&self) -> bool {
        self.memory.pieces.is_empty()
    }

    /// The error that the execution gets instead of running.
    pub fn refusal(&self) -> Option<ClientError> {
        Some(match self.refusal.as_ref()? {
            Refusal::TooLong(limit) => ClientError::long_data_too_large(*limit),
            Refusal::SpoolFull => ClientError::spool_full(),
            Refusal::Failed(kind) => ClientError::spool_failed(*kind),
            Refusal::NoSuchParameter => ClientError::no_such_parameter(),
        })
    }

    /// Sends all of it for a statement of this connection. The server joins packets of one parameter.
    pub async fn send(&self, conn: &mut BackendConn, statement: u32) -> Result<(), BackendError> {
        let (mut at, mut wire) = (0, Vec::new());
        for piece in &self.memory.pieces {
            let end = at + piece.len;
            loop {
                let block = self.block(at, end).await?;
                at += block.len();
                let mut payload = Vec::with_capacity(block.len() + 7);
                LongData { statement, parameter: piece.parameter, data: &block }.put(&mut payload);
                put_packet(&mut wire, 0, &payload);
                if wire.len() >= BLOCK {
                    conn.send(&wire).await?;
                    wire.clear();
                }
                if at >= end {
                    break;
                }
            }
        }
        if wire.is_empty() { Ok(()) } else { conn.send(&wire).await }
    }

    /// Bytes from `at` on, at most a block and not beyond `end`.
    async fn block(&self, at: usize, end: usize) -> io::Result<Vec<u8>> {
        let end = end.min(at + BLOCK);
        match &self.spool {
            Some(spool) if at >= self.memory.bytes.len() => {
                spool.read((at - self.memory.bytes.len()) as u64, vec![0; end - at]).await
            }
            _ => Ok(self.memory.bytes[at..end.min(self.memory.bytes.len())].to_vec()),
        }
    }
}

fn failed(error: io::Error) -> Refusal {
    tracing::error!(%error, "long data can't be spooled to proxy.state_dir");
    Refusal::Failed(error.kind())
}
