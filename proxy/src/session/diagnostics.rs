//! SHOW WARNINGS and SHOW ERRORS after the connection went back: answered from the copy that was taken.

use super::commands::{Packets, plain_analysis};
use super::results::{CapturedDiagnostics, Diagnostics};
use super::{Next, Session, Step};
use crate::error::ClientError;
use pointsman_planner::{Analysis, DiagnosticsForm, Reads, Role, StatementKind, diagnostics_form};
use pointsman_protocol::frame::{HEADER_LEN, Header, put_packet};
use pointsman_protocol::response::ReplyKind;
use pointsman_protocol::row::text_values;
use pointsman_protocol::wire::put_lenenc_bytes;
use std::ops::Range;
use std::rc::Rc;

/// Level, Code and Message.
const COLUMNS: usize = 3;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowFormat {
    Text,
    /// For COM_STMT_EXECUTE.
    Binary,
}

impl Session {
    /// The answer to SHOW WARNINGS or SHOW ERRORS, if this is one and the proxy has it.
    pub(super) async fn captured_diagnostics(
        &mut self,
        analysis: &Analysis,
        text: &[u8],
        format: RowFormat,
        sequence: u8,
    ) -> Option<Step> {
        let [statement] = &analysis.statements[..] else { return None };
        let Diagnostics::Captured(captured) = &self.results.diagnostics else { return None };
        let wire = captured.of(statement.kind)?;
        let rows = match diagnostics_form(text, &self.state.reading) {
            Some(DiagnosticsForm::Rows { first, count }) => first..first.saturating_add(count),
            // Asked of a server, with the number filled in.
            Some(DiagnosticsForm::CountWarnings | DiagnosticsForm::CountErrors) => return None,
            None => {
                let error = ClientError::not_supported("this form of SHOW WARNINGS after result_state_hold_ms");
                return Some(self.answer_error(sequence, &error).await);
            }
        };
        let wire = cut(wire, &rows, format);
        self.results.diagnostics.told_none();
        Some(self.replay(&wire, sequence).await)
    }

    /// An error of the proxy's own that stands for one of a server's: a server is made to raise it, so that SHOW
    /// WARNINGS and GET DIAGNOSTICS find it there. It is told in any case: where all connections are in use, nobody
    /// waits for one.
    pub(super) async fn raise(&mut self, sequence: u8, error: &ClientError) -> Step {
        let message = error.message.replace('\'', "''");
        if message.contains('\\') || !self.has_connection_at_once().await {
            return self.answer_error(sequence, error).await;
        }
        let state = String::from_utf8_lossy(&error.sqlstate);
        let text = format!("SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO={}, MESSAGE_TEXT='{message}'", error.code);
        self.forward_query(text.as_bytes(), StatementKind::Signal, Reads::default(), sequence).await
    }

    /// Sends a statement that can only fail, so that its errors are the server's own. `kind`: the one whose results it leaves.
    pub(super) async fn forward_query(&mut self, text: &[u8], kind: StatementKind, reads: Reads, sequence: u8) -> Step {
        let (wire, server_sequence) = self.frame_query(text);
        let reply = ReplyKind::Results;
        let packets = Packets { wire: &wire, kind: reply, client_sequence: sequence, server_sequence, reads };
        let role = if self.is_bound() { Role::Held } else { Role::Any };
        self.forward_to(packets, role, &Rc::new(plain_analysis(kind, Vec::new()))).await
    }

    /// Relays packets that a server sent earlier, as this client reads them.
    async fn replay(&mut self, wire: &[u8], sequence: u8) -> Step {
        let out = super::relay::rewrite_captured(&self.client, wire, sequence, self.status);
        self.client.send(&out).await?;
        Ok(Next::Command)
    }
}

impl CapturedDiagnostics {
    /// Adds to the list what another statement has.
    pub fn append(&mut self, more: Self, conditions_kept: usize) {
        self.warnings = joined(&self.warnings, &more.warnings);
        self.errors = joined(&self.errors, &more.errors);
        // Without a gap before them.
        if self.conditions.len() as u64 == self.warning_count {
            self.conditions.extend(more.conditions);
            self.conditions.truncate(conditions_kept);
        }
        self.warning_count += more.warning_count;
        self.error_count += more.error_count;
        self.told = more.told;
    }

    fn of(&self, kind: StatementKind) -> Option<&[u8]> {
        match kind {
            StatementKind::ShowWarnings => Some(&self.warnings),
            StatementKind::ShowErrors => Some(&self.errors),
            _ => None,
        }
    }
}

/// The same reply with only these rows. Servers were asked with DEPRECATE_EOF: a count, the definitions, the rows,
/// the end.
fn cut(wire: &[u8], wanted: &Range<usize>, format: RowFormat) -> Vec<u8> {
    let packets = packets(wire);
    let rows = 1 + COLUMNS..packets.len().saturating_sub(1).max(1 + COLUMNS);
    let (mut out, mut sequence) = (Vec::with_capacity(wire.len() + packets.len()), 1);
    for (at, packet) in packets.iter().enumerate() {
        if !rows.contains(&at) {
            sequence = put_packet(&mut out, sequence, packet);
        } else if wanted.contains(&(at - rows.start)) {
            sequence = match format {
                RowFormat::Text => put_packet(&mut out, sequence, packet),
                RowFormat::Binary => put_packet(&mut out, sequence, &binary_row(packet)),
            };
        }
    }
    out
}

/// The rows of both, with what is around them in the first.
fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let (mut all, more) = (packets(first), packets(second));
    let rows = 1 + COLUMNS..more.len().saturating_sub(1).max(1 + COLUMNS);
    let end = all.pop();
    all.extend(more.get(rows).unwrap_or_default());
    all.extend(end);
    let (mut out, mut sequence) = (Vec::with_capacity(first.len() + second.len()), 1);
    for packet in all {
        sequence = put_packet(&mut out, sequence, packet);
    }
    out
}

fn packets(mut wire: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(header) = Header::read(wire) {
        let end = (HEADER_LEN + header.length).min(wire.len());
        all.push(&wire[HEADER_LEN..end]);
        wire = &wire[end..];
    }
    all
}

/// The packet header, no NULLs, then the values; the code is a number of four bytes.
fn binary_row(text: &[u8]) -> Vec<u8> {
    let mut row = vec![0, 0];
    for (column, value) in text_values(text).enumerate() {
        let value = value.ok().flatten().unwrap_or_default();
        if column == 1 {
            let code: u32 = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()).unwrap_or(0);
            row.extend_from_slice(&code.to_le_bytes());
        } else {
            put_lenenc_bytes(&mut row, value);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Vec<u8> {
        let mut wire = Vec::new();
        let rows = [&b"\x07Warning\x041365\x01a"[..], b"\x05Error\x041690\x01b"];
        let all = [&b"\x03"[..], b"level", b"code", b"message", rows[0], rows[1], b"\xfeend"];
        for (n, payload) in all.iter().enumerate() {
            put_packet(&mut wire, n as u8 + 1, payload);
        }
        wire
    }

    #[test]
    fn a_limit_takes_some_of_the_rows() {
        assert_eq!(cut(&reply(), &(0..usize::MAX), RowFormat::Text), reply());
        for (rows, message) in [(0..1, b'a'), (1..6, b'b')] {
            let out = cut(&reply(), &rows, RowFormat::Text);
            let packets = packets(&out);
            assert_eq!((packets.len(), packets[4].last()), (6, Some(&message)), "{rows:?}");
        }
    }

    #[test]
    fn what_is_appended_comes_behind_the_rows() {
        let out = joined(&reply(), &cut(&reply(), &(1..2), RowFormat::Text));
        let packets = packets(&out);
        assert_eq!((packets.len(), packets[6], packets[7]), (8, packets[5], &b"\xfeend"[..]));
        assert_eq!(joined(&reply(), b""), reply());
    }

    #[test]
    fn prepared_ones_have_binary_rows() {
        let out = cut(&reply(), &(0..usize::MAX), RowFormat::Binary);
        assert_eq!(packets(&out)[5], b"\0\0\x05Error\x9a\x06\0\0\x01b");
    }
}
