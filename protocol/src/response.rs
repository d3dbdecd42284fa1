//! Where a server's reply begins and ends, without decoding rows.
//!
//! ```text
//!            OK, ERR ------------------------------------------+
//!           /                                                  v
//!   Head --+-- column count --> Columns --> Rows --> OK/EOF/ERR --> Done
//!     ^     \                                          |       ^
//!     |      LOCAL INFILE --> (client's data) --> Head |       |
//!     +------------------- MORE_RESULTS ---------------+-------+
//! ```
//!
//! The reader walks frame headers in the relay's own buffer. Definitions and rows pass untouched, except
//! that packet numbers are shifted in place where the relay has added or left out a packet before them.

use crate::capabilities::Capabilities;
use crate::error::ProtocolError;
use crate::frame::{HEADER_LEN, Header, MAX_PAYLOAD};
use crate::reply::{EOF_HEADER, EOF_LEN, ERR_HEADER, LOCAL_INFILE_HEADER, OK_HEADER, Status};
use crate::wire::Cursor;

/// What kind of reply a command brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// COM_QUERY, COM_STMT_EXECUTE, COM_PROCESS_INFO: results, one or many.
    Results,
    /// COM_STMT_PREPARE.
    Prepare,
    /// COM_STMT_FETCH and COM_FIELD_LIST: packets up to an EOF.
    Rows,
    /// One packet: OK, EOF or ERR.
    Single,
    /// One packet of text (COM_STATISTICS), or ERR.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// Column definitions still to come.
    Columns(u64),
    /// All definitions have passed; the reader has stopped there once.
    ColumnsEnd,
    /// The classic EOF between definitions and rows is due.
    ColumnsEof,
    Rows,
    Prepare,
    /// Parameter definitions left, then column definitions left.
    PrepareDefinitions {
        left: u64,
        then: u64,
    },
    PrepareEof {
        then: u64,
    },
    Single,
    Text,
    Done,
}

/// A packet that the relay must look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Ok,
    /// An OK or EOF that ends rows (or stands in EOF's place).
    End,
    Err,
    LocalInfile,
    ColumnCount,
    PrepareOk,
    /// The classic EOF after definitions, from a server without DEPRECATE_EOF.
    DefinitionsEof,
    Text,
}

/// Why the walk stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This many bytes must stand behind the passed ones before the walk can go on.
    NeedBytes(usize),
    /// The definitions of a result set (or of a prepared statement's parameters or columns) have all passed.
    DefinitionsEnd,
    /// A whole packet of this wire length (header included) stands behind the passed bytes.
    Packet(Control, usize),
    /// The reply is over.
    Done,
}

/// One step of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Bytes at the front that go to the client as they are.
    pub pass: usize,
    pub stop: Stop,
}

/// Follows one reply.
#[derive(Clone, Debug)]
pub struct ResponseReader {
    state: State,
    deprecate_eof: bool,
    /// Bytes of the current frame that have not been walked yet.
    skip: usize,
    /// The current frame continues a packet.
    continued: bool,
    /// Added to each packet number.
    shift: u8,
    /// The number that the client expects on the next packet.
    next_sequence: u8,
    rows: u64,
    /// Packets up to an EOF, which ends the reply whatever its flags say.
    field_list: bool,
}

impl ResponseReader {
    /// `client_sequence` is the packet number that the client expects first, `server_sequence` the one that
    /// the server will use (they differ where the command was sent on in another number of frames).
    #[must_use]
    pub fn new(kind: ReplyKind, server: Capabilities, client_sequence: u8, server_sequence: u8) -> Self {
        let state = match kind {
            ReplyKind::Results => State::Head,
            ReplyKind::Prepare => State::Prepare,
            ReplyKind::Rows => State::Rows,
            ReplyKind::Single => State::Single,
            ReplyKind::Text => State::Text,
        };
        Self {
            state,
            deprecate_eof: server.contains(Capabilities::DEPRECATE_EOF),
            skip: 0,
            continued: false,
            shift: client_sequence.wrapping_sub(server_sequence),
            next_sequence: client_sequence,
            rows: 0,
            field_list: kind == ReplyKind::Rows,
        }
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Nothing of a packet has been passed without its end: an ERR packet may be put in here.
    #[must_use]
    pub fn at_packet_boundary(&self) -> bool {
        self.skip == 0 && !self.continued
    }

    /// Rows of the current result set so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The number for a packet that the relay puts in now; later packets move up by one.
    pub fn insert_packet(&mut self) -> u8 {
        self.shift = self.shift.wrapping_add(1);
        let n = self.next_sequence;
        self.next_sequence = n.wrapping_add(1);
        n
    }

    /// The relay leaves out the packet it was just shown; later packets move down by one.
    pub fn omit_packet(&mut self) {
        self.shift = self.shift.wrapping_sub(1);
    }

    /// What is added to the server's packet numbers at this point.
    #[must_use]
    pub fn shift(&self) -> u8 {
        self.shift
    }

    /// Numbers the frame header of a control packet that goes to the client as it is.
    pub fn renumber(&mut self, header: &mut [u8]) {
        if let Some(sequence) = header.get_mut(3) {
            *sequence = sequence.wrapping_add(self.shift);
            self.next_sequence = sequence.wrapping_add(1);
        }
    }

    /// Takes the number for a packet that replaces the one just shown.
    pub fn replace_packet(&mut self) -> u8 {
        let n = self.next_sequence;
        self.next_sequence = n.wrapping_add(1);
        n
    }

    /// The client has sent its own packets (LOCAL INFILE data); the next packet to it has this number.
    pub fn resume_after_client(&mut self, next_sequence: u8) {
        self.next_sequence = next_sequence;
    }

    /// Walks over what may pass. `buf` begins where the last walk's passed bytes (and any packet it stopped at,
    /// which the caller has consumed and told by [`Self::accept`]) ended.
    pub fn walk(&mut self, buf: &mut [u8]) -> Result<Walk, ProtocolError> {
        let mut at = 0;
        loop {
            if self.skip > 0 {
                let n = self.skip.min(buf.len() - at);
                at += n;
                self.skip -= n;
                if self.skip > 0 {
                    return Ok(Walk { pass: at, stop: Stop::NeedBytes(1) });
                }
            }
            match self.state {
                State::Done => return Ok(Walk { pass: at, stop: Stop::Done }),
                State::ColumnsEnd if !self.continued => {
                    self.state = if self.deprecate_eof { State::Rows } else { State::ColumnsEof };
                    return Ok(Walk { pass: at, stop: Stop::DefinitionsEnd });
                }
                State::PrepareEof { then } if self.deprecate_eof && !self.continued => {
                    self.state = Self::definitions(then, 0);
                    return Ok(Walk { pass: at, stop: Stop::DefinitionsEnd });
                }
                _ => {}
            }
            let Some(header) = Header::read(&buf[at..]) else {
                return Ok(Walk { pass: at, stop: Stop::NeedBytes(HEADER_LEN) });
            };
            if self.continued {
                self.pass_frame(header, &mut buf[at..]);
                at += HEADER_LEN;
                continue;
            }
            let first = buf.get(at + HEADER_LEN).copied();
            match self.classify(header, first)? {
                Class::Unknown => return Ok(Walk { pass: at, stop: Stop::NeedBytes(HEADER_LEN + 1) }),
                Class::Pass => {
                    self.pass_frame(header, &mut buf[at..]);
                    self.count_passed();
                    at += HEADER_LEN;
                }
                Class::Control(control) => {
                    let len = HEADER_LEN + header.length;
                    if buf.len() - at < len {
                        return Ok(Walk { pass: at, stop: Stop::NeedBytes(len) });
                    }
                    return Ok(Walk { pass: at, stop: Stop::Packet(control, len) });
                }
            }
        }
    }

    /// Takes note of the control packet that the walk stopped at, and says what it means for the reply.
    /// `payload` is the packet without its header, `status` the one of an OK, EOF or END.
    pub fn accept(&mut self, control: Control, payload: &[u8], status: Status) -> Result<(), ProtocolError> {
        self.state = match (control, self.state) {
            (Control::ColumnCount, _) => {
                let n = Cursor::new(payload).lenenc("column count")?;
                self.rows = 0;
                State::Columns(n)
            }
            (Control::Ok | Control::End, State::Single) | (Control::Err | Control::Text, _) => State::Done,
            (Control::Ok | Control::End, _) if status.contains(Status::MORE_RESULTS) && !self.field_list => State::Head,
            (Control::Ok | Control::End, _) => State::Done,
            (Control::LocalInfile, _) => State::Head,
            (Control::DefinitionsEof, State::PrepareEof { then }) => Self::definitions(then, 0),
            // With an open cursor the classic EOF behind the definitions ends the reply.
            (Control::DefinitionsEof, _) if status.contains(Status::CURSOR_EXISTS) => State::Done,
            (Control::DefinitionsEof, _) => State::Rows,
            (Control::PrepareOk, _) => {
                let mut c = Cursor::new(payload);
                c.bytes(5, "prepare OK")?;
                let columns = u64::from(c.u16("column count")?);
                let parameters = u64::from(c.u16("parameter count")?);
                Self::definitions(parameters, columns)
            }
        };
        Ok(())
    }

    fn definitions(left: u64, then: u64) -> State {
        match (left, then) {
            (0, 0) => State::Done,
            (0, left) => State::PrepareDefinitions { left, then: 0 },
            (left, then) => State::PrepareDefinitions { left, then },
        }
    }

    /// A server without DEPRECATE_EOF put its own EOF after the definitions.
    #[must_use]
    pub fn server_deprecates_eof(&self) -> bool {
        self.deprecate_eof
    }

    fn pass_frame(&mut self, header: Header, at: &mut [u8]) {
        at[3] = header.sequence.wrapping_add(self.shift);
        self.next_sequence = at[3].wrapping_add(1);
        self.continued = header.length == MAX_PAYLOAD;
        self.skip = header.length;
    }

    fn count_passed(&mut self) {
        match &mut self.state {
            State::Columns(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.state = State::ColumnsEnd;
                }
            }
            State::Rows => self.rows += 1,
            State::PrepareDefinitions { left, then } => {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    let then = *then;
                    self.state = State::PrepareEof { then };
                }
            }
            _ => {}
        }
    }

    fn classify(&self, header: Header, first: Option<u8>) -> Result<Class, ProtocolError> {
        match self.state {
            State::Columns(_) | State::PrepareDefinitions { .. } => return Ok(Class::Pass),
            State::Rows if header.length == MAX_PAYLOAD => return Ok(Class::Pass),
            _ => {}
        }
        let Some(first) = first else { return Ok(Class::Unknown) };
        Ok(match (self.state, first) {
            (State::Rows, EOF_HEADER) => Class::Control(Control::End),
            (_, ERR_HEADER) => Class::Control(Control::Err),
            (State::Rows, _) => Class::Pass,
            (State::Text, _) => Class::Control(Control::Text),
            (State::Head, OK_HEADER) => Class::Control(Control::Ok),
            (State::Head, LOCAL_INFILE_HEADER) => Class::Control(Control::LocalInfile),
            (State::Head, EOF_HEADER) => return Err(ProtocolError::Invalid("reply header")),
            (State::Head, _) => Class::Control(Control::ColumnCount),
            (State::Single, OK_HEADER) => Class::Control(Control::Ok),
            (State::Single, EOF_HEADER) => Class::Control(Control::End),
            (State::Prepare, OK_HEADER) => Class::Control(Control::PrepareOk),
            (State::ColumnsEof | State::PrepareEof { .. }, EOF_HEADER) if header.length == EOF_LEN => {
                Class::Control(Control::DefinitionsEof)
            }
            _ => return Err(ProtocolError::Invalid("reply packet")),
        })
    }
}

enum Class {
    /// The first payload byte is not here yet.
    Unknown,
    Pass,
    Control(Control),
}
