//! GET DIAGNOSTICS: what it can tell of each condition is copied with the list of warnings before the connection is
//! given back. From then on it is answered here, and its user variables are literals that move with the session.

use super::literals::in_hex;
use super::results::{CapturedDiagnostics, Diagnostics};
use super::{Next, Session, Step};
use crate::backend::conn::{BackendConn, BackendError};
use crate::error::ClientError;
use pointsman_planner::diagnostics::{About, ConditionNumber, StatementItem, condition_items};
use pointsman_planner::{Effect, Reads, StatementKind, get_diagnostics_form};
use pointsman_protocol::row::text_values;
use std::mem::replace;

/// Of so many conditions of one statement everything is copied: each item goes through a user variable of the
/// connection. A list of warnings is copied whole.
const CONDITIONS_KEPT: usize = 16;
/// They begin so, as no application's will.
const VARIABLE: &str = "pointsman condition";

/// The items of one condition, in the order of the server's [`condition_items`].
pub(super) type Condition = Vec<Vec<u8>>;

/// Why a condition can't be had from the copy.
enum Missing {
    /// There is none of that number, which a server says itself.
    NoSuch,
    NotKept,
}

impl Session {
    /// The answer to GET DIAGNOSTICS, if no connection has what it asks for.
    pub(super) async fn get_diagnostics(&mut self, text: &[u8], reads: Reads, sequence: u8) -> Option<Step> {
        let elsewhere = match &self.results.diagnostics {
            Diagnostics::Empty => self.lease.is_none(),
            Diagnostics::OnConnection => false,
            Diagnostics::Captured(_) => true,
        };
        // What is wrong with it a server tells.
        let form = elsewhere.then(|| get_diagnostics_form(text, &self.state.reading)).flatten()?;
        let assigned = match &form.about {
            _ if form.stacked => Err(Missing::NoSuch),
            About::Statement(items) => Ok(self.statement_items(items)),
            About::Condition(number, items) => self.condition_items(number, items),
        };
        Some(match assigned {
            Ok(assigned) => self.assign_diagnostics(assigned, sequence).await,
            Err(Missing::NoSuch) => self.get_in_vain(text, reads, sequence).await,
            Err(Missing::NotKept) => {
                let error = ClientError::not_supported("GET DIAGNOSTICS of this condition after result_state_hold_ms");
                self.answer_error(sequence, &error).await
            }
        })
    }

    fn statement_items(&self, items: &[(String, StatementItem)]) -> Vec<(String, Vec<u8>)> {
        let count = match &self.results.diagnostics {
            Diagnostics::Captured(copy) => copy.warning_count,
            Diagnostics::Empty | Diagnostics::OnConnection => 0,
        };
        let value = |item: &StatementItem| match item {
            StatementItem::Number => unsigned(&count.to_string()),
            StatementItem::RowCount => self.results.row_count.to_string().into_bytes(),
        };
        items.iter().map(|(name, item)| (name.clone(), value(item))).collect()
    }

    fn condition_items(
        &self,
        number: &ConditionNumber,
        items: &[(String, usize)],
    ) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        let Diagnostics::Captured(copy) = &self.results.diagnostics else { return Err(Missing::NoSuch) };
        let number = match number {
            ConditionNumber::Integer(number) => *number,
            ConditionNumber::Variable(name) => self.integer_in(name)?,
            ConditionNumber::Other => return Err(Missing::NotKept),
        };
        if number == 0 || number > copy.warning_count {
            return Err(Missing::NoSuch);
        }
        let at = usize::try_from(number - 1).map_err(|_| Missing::NoSuch)?;
        let condition = copy.conditions.get(at).ok_or(Missing::NotKept)?;
        let names = condition_items(&self.state.reading);
        let value = |item: usize| Some(literal(names.get(item)?, condition.get(item)?));
        items
            .iter()
            .map(|(name, item)| Some((name.clone(), value(*item)?)))
            .collect::<Option<_>>()
            .ok_or(Missing::NotKept)
    }

    /// The number in a user variable, where that is known.
    fn integer_in(&self, variable: &str) -> Result<u64, Missing> {
        let set = self.state.wanted.user_vars.iter().find(|(name, _)| name == variable);
        let (_, value) = set.ok_or(Missing::NoSuch)?;
        let value = std::str::from_utf8(value).map_err(|_| Missing::NotKept)?;
        let digits = value.strip_prefix(UNSIGNED.0).and_then(|v| v.strip_suffix(UNSIGNED.1)).unwrap_or(value);
        digits.parse().map_err(|_| Missing::NotKept)
    }

    async fn assign_diagnostics(&mut self, assigned: Vec<(String, Vec<u8>)>, sequence: u8) -> Step {
        for (name, value) in assigned {
            self.state.set_user_var(&name, &value);
            self.pins.apply(&Effect::UserVarLiteral { name, value });
        }
        self.results.diagnostics.told_none();
        self.client.send_ok(sequence, self.status).await?;
        Ok(Next::Command)
    }

    /// It can only fail, on any server, whose error is then one more of the list.
    async fn get_in_vain(&mut self, text: &[u8], reads: Reads, sequence: u8) -> Step {
        let before = self.take_captured();
        let step = self.forward_query(text, StatementKind::GetDiagnostics, reads, sequence).await?;
        self.continue_captured(before).await;
        Ok(step)
    }

    /// Takes the copy for a statement that adds to the list, and that will find an empty one on its connection.
    pub(super) fn take_captured(&mut self) -> Option<Box<CapturedDiagnostics>> {
        match replace(&mut self.results.diagnostics, Diagnostics::Empty) {
            Diagnostics::Captured(copy) => Some(copy),
            other => {
                self.results.diagnostics = other;
                None
            }
        }
    }

    /// Puts the copy back, with what the statement has added.
    pub(super) async fn continue_captured(&mut self, before: Option<Box<CapturedDiagnostics>>) {
        let Some(mut copy) = before else { return };
        if let (Diagnostics::OnConnection, Some(mut conn)) = (&self.results.diagnostics, self.lease.take()) {
            // A connection that fails here is found dead by the next statement.
            let _ = self.copy_diagnostics(&mut conn).await;
            self.lease = Some(conn);
        }
        if let Diagnostics::Captured(more) = replace(&mut self.results.diagnostics, Diagnostics::Empty) {
            copy.append(*more, CONDITIONS_KEPT);
        }
        self.results.diagnostics = Diagnostics::Captured(copy);
    }

    /// Has the connection put the items of its conditions into user variables. Nothing else but SHOW WARNINGS leaves the
    /// list of a MySQL server as it is, so they are read when everything else has been.
    pub(super) async fn store_conditions(&self, conn: &mut BackendConn, count: usize) -> Result<usize, BackendError> {
        let count = count.min(CONDITIONS_KEPT);
        let items = condition_items(&self.state.reading);
        let get = |condition: usize| {
            let targets: Vec<_> =
                items.iter().enumerate().map(|(at, item)| format!("{}={item}", variable(condition, at))).collect();
            format!("GET DIAGNOSTICS CONDITION {} {}", condition + 1, targets.join(","))
        };
        let texts: Vec<String> = (0..count).map(get).collect();
        conn.query_all(&texts, &self.core.buffers).await?;
        Ok(count)
    }

    /// Reads them back.
    pub(super) async fn stored_conditions(
        &self,
        conn: &mut BackendConn,
        count: usize,
    ) -> Result<Vec<Condition>, BackendError> {
        let items = condition_items(&self.state.reading).len();
        if count == 0 {
            return Ok(Vec::new());
        }
        // Bytes are sent as they are, whatever character_set_results says.
        let all = (0..count).flat_map(|condition| (0..items).map(move |at| variable(condition, at)));
        let columns: Vec<String> = all.map(|name| format!("CAST({name} AS BINARY)")).collect();
        let text = format!("SELECT {} LIMIT 1", columns.join(","));
        let reply = conn.query(text.as_bytes(), &self.core.buffers).await?;
        let Some(row) = reply.rows.first() else { return Ok(Vec::new()) };
        let values: Vec<Vec<u8>> = text_values(row).map(|v| v.ok().flatten().unwrap_or_default().to_vec()).collect();
        Ok(values.chunks_exact(items).map(<[_]>::to_vec).collect())
    }
}

fn variable(condition: usize, item: usize) -> String {
    format!("@`{VARIABLE} {condition}.{item}`")
}

const UNSIGNED: (&str, &str) = ("CAST(", " AS UNSIGNED)");

fn unsigned(digits: &str) -> Vec<u8> {
    [UNSIGNED.0, digits, UNSIGNED.1].concat().into_bytes()
}

/// An expression with the type that the server's GET DIAGNOSTICS gives to the item.
fn literal(item: &str, value: &[u8]) -> Vec<u8> {
    if matches!(item, "MYSQL_ERRNO" | "ROW_NUMBER") {
        return unsigned(&String::from_utf8_lossy(value));
    }
    in_hex(b"utf8mb3", None, value)
}
