//! The packets of a reply, decoded to the last field.
//!
//! Source: MySQL source documentation, "OK_Packet", "ERR_Packet", "EOF_Packet", "Text Resultset".

use super::bytes::{Reader, printable};
use super::error::WireError;
use super::profile::capability as cap;

/// Server status flags that decide how a reply goes on.
pub mod status {
    pub const MORE_RESULTS: u16 = 0x0008;
    pub const NO_GOOD_INDEX_USED: u16 = 0x0010;
    pub const NO_INDEX_USED: u16 = 0x0020;
    pub const CURSOR_EXISTS: u16 = 0x0040;
    pub const LAST_ROW_SENT: u16 = 0x0080;
    pub const SESSION_STATE_CHANGED: u16 = 0x4000;
}

/// One packet of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Ok(OkPacket),
    Err(ErrPacket),
    Eof {
        warnings: u16,
        status: u16,
    },
    /// Number of columns that follow.
    Columns(u64),
    Column(Column),
    /// A row as it came, text or binary.
    Row(Vec<u8>),
    /// The server asks for a file of the client's.
    LocalInfile(String),
    /// Head of the answer to COM_STMT_PREPARE. The statement's id is left out: it is the server's own affair.
    Prepared {
        columns: u16,
        parameters: u16,
        warnings: u16,
    },
    /// The answer to COM_STATISTICS, a bare string.
    Statistics(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OkPacket {
    /// 0x00, or 0xfe where it stands at the end of rows.
    pub header: u8,
    pub affected_rows: u64,
    pub insert_id: u64,
    pub status: u16,
    pub warnings: u16,
    pub info: String,
    /// Session trackers: type and data, sorted.
    pub trackers: Vec<(u64, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrPacket {
    pub code: u16,
    pub state: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub catalog: String,
    pub schema: String,
    pub table: String,
    pub org_table: String,
    pub name: String,
    pub org_name: String,
    pub charset: u16,
    pub length: u32,
    pub kind: u8,
    pub flags: u16,
    pub decimals: u8,
    /// Whatever follows the fixed part: COM_FIELD_LIST puts the column's default here.
    pub rest: String,
}

impl OkPacket {
    pub fn read(packet: &[u8], capabilities: u32) -> Result<Self, WireError> {
        let mut reader = Reader(packet);
        let header = reader.u8("OK header")?;
        let affected_rows = reader.lenenc("affected rows")?;
        let insert_id = reader.lenenc("insert id")?;
        let status = reader.u16("status")?;
        let warnings = reader.u16("warnings")?;
        let mut info = String::new();
        let mut trackers = Vec::new();
        if capabilities & cap::SESSION_TRACK == 0 {
            info = printable(reader.0);
        } else if !reader.0.is_empty() {
            info = reader.text("info")?;
            if status & status::SESSION_STATE_CHANGED != 0 {
                trackers = read_trackers(reader.value("trackers")?.unwrap_or_default())?;
            }
        }
        Ok(Self { header, affected_rows, insert_id, status, warnings, info, trackers })
    }
}

fn read_trackers(bytes: &[u8]) -> Result<Vec<(u64, String)>, WireError> {
    let mut reader = Reader(bytes);
    let mut trackers = Vec::new();
    while !reader.0.is_empty() {
        let kind = reader.lenenc("tracker type")?;
        trackers.push((kind, reader.text("tracker data")?));
    }
    // Servers send variables in the order of a hash table, which differs from one process to the next.
    trackers.sort();
    Ok(trackers)
}

impl ErrPacket {
    pub fn read(packet: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader(packet);
        reader.take(1, "ERR header")?;
        let code = reader.u16("error code")?;
        // Before the handshake is done there is no SQLSTATE.
        let state =
            if reader.0.first() == Some(&b'#') { printable(&reader.take(6, "SQLSTATE")?[1..]) } else { String::new() };
        Ok(Self { code, state, message: printable(reader.0) })
    }
}

impl Column {
    pub fn read(packet: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader(packet);
        let catalog = reader.text("catalog")?;
        let schema = reader.text("schema")?;
        let table = reader.text("table")?;
        let org_table = reader.text("original table")?;
        let name = reader.text("name")?;
        let org_name = reader.text("original name")?;
        reader.lenenc("length of fixed fields")?;
        let charset = reader.u16("charset")?;
        let length = reader.u32("column length")?;
        let kind = reader.u8("column type")?;
        let flags = reader.u16("column flags")?;
        let decimals = reader.u8("decimals")?;
        reader.take(2, "filler")?;
        let rest = printable(reader.0);
        Ok(Self { catalog, schema, table, org_table, name, org_name, charset, length, kind, flags, decimals, rest })
    }
}

/// Reads the EOF packet's two fields.
pub fn read_eof(packet: &[u8]) -> Result<Event, WireError> {
    let mut reader = Reader(packet);
    reader.take(1, "EOF header")?;
    let warnings = reader.u16("warnings")?;
    let status = reader.u16("status")?;
    Ok(Event::Eof { warnings, status })
}

/// A named field of an event, as text.
pub type Field = (String, String);

impl Event {
    /// Status flags, where the packet carries any.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Ok(ok) => Some(ok.status),
            Self::Eof { status, .. } => Some(*status),
            Self::Err(_)
            | Self::Columns(_)
            | Self::Column(_)
            | Self::Row(_)
            | Self::LocalInfile(_)
            | Self::Prepared { .. }
            | Self::Statistics(_) => None,
        }
    }

    /// Every field, named, for comparing and printing.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let field = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
        match self {
            Self::Ok(ok) => ok.fields(),
            Self::Err(err) => {
                vec![field("err.code", &err.code), field("err.state", &err.state), field("err.message", &err.message)]
            }
            Self::Eof { warnings, status } => {
                vec![field("eof.warnings", warnings), field("eof.status", &format!("{status:#06x}"))]
            }
            Self::Columns(count) => vec![field("columns", count)],
            Self::Column(column) => column.fields(),
            Self::Row(bytes) => vec![field("row", &show_row(bytes))],
            Self::LocalInfile(name) => vec![field("local infile", name)],
            Self::Prepared { columns, parameters, warnings } => vec![
                field("prepared.columns", columns),
                field("prepared.parameters", parameters),
                field("prepared.warnings", warnings),
            ],
            Self::Statistics(text) => vec![field("statistics", text)],
        }
    }
}

impl OkPacket {
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        vec![
            ("ok.header".to_owned(), format!("{:#04x}", self.header)),
            ("ok.affected_rows".to_owned(), self.affected_rows.to_string()),
            ("ok.insert_id".to_owned(), self.insert_id.to_string()),
            ("ok.status".to_owned(), format!("{:#06x}", self.status)),
            ("ok.warnings".to_owned(), self.warnings.to_string()),
            ("ok.info".to_owned(), self.info.clone()),
            ("ok.trackers".to_owned(), format!("{:?}", self.trackers)),
        ]
    }
}

impl Column {
    fn fields(&self) -> Vec<Field> {
        vec![
            ("column.catalog".to_owned(), self.catalog.clone()),
            ("column.schema".to_owned(), self.schema.clone()),
            ("column.table".to_owned(), self.table.clone()),
            ("column.org_table".to_owned(), self.org_table.clone()),
            ("column.name".to_owned(), self.name.clone()),
            ("column.org_name".to_owned(), self.org_name.clone()),
            ("column.charset".to_owned(), self.charset.to_string()),
            ("column.length".to_owned(), self.length.to_string()),
            ("column.type".to_owned(), self.kind.to_string()),
            ("column.flags".to_owned(), format!("{:#06x}", self.flags)),
            ("column.decimals".to_owned(), self.decimals.to_string()),
            ("column.rest".to_owned(), self.rest.clone()),
        ]
    }
}

/// A text row as its values; what does not read as one (a binary row) as escaped bytes.
fn show_row(bytes: &[u8]) -> String {
    let mut reader = Reader(bytes);
    let mut values = Vec::new();
    while !reader.0.is_empty() {
        match reader.value("row") {
            Ok(Some(value)) => values.push(format!("'{}'", printable(value))),
            Ok(None) => values.push("NULL".to_owned()),
            Err(_) => return bytes.escape_ascii().to_string(),
        }
    }
    values.join(", ")
}
