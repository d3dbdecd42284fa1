//! COM_QUERY: read, routed, run; or answered here where only the session knows.

use super::diagnostics::RowFormat;
use super::execute::Request;
use super::kill::KillWhat;
use super::outcome::Outcome;
use super::results::{Diagnostics, Kept, reads_earlier_diagnostics};
use super::{Next, Session, Step};
use crate::error::ClientError;
use pointsman_planner::rewrite::{FunctionName, Value, replace_calls};
use pointsman_planner::{
    Analysis, DiagnosticsForm, Effect, Hint, KillScope, Reads, Role, RoutePlan, RouteReason, SessionFacts,
    StatementKind, TxFacts, diagnostics_form, is_system_schema, leading_hint, plan, spell_out_session,
};
use pointsman_protocol::command::{parse_query, put_query};
use pointsman_protocol::frame::put_packet;
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::ReplyKind;

const SERIALIZABLE: &str = "SERIALIZABLE";

impl Session {
    pub(super) async fn query(&mut self, wire: &[u8], body: &[u8], sequence: u8) -> Step {
        let Ok(parsed) = parse_query(body, self.client.capabilities) else {
            return self.fail(sequence, &ClientError::malformed()).await;
        };
        let analysis = self.executed(self.with_literals(self.core.analyze(parsed.text, &self.state.reading)));
        let reads = analysis.reads();
        if may_answer_here(&analysis) {
            if let Some(step) = Box::pin(self.answer_here(&analysis, parsed.text, sequence)).await {
                return step;
            }
        }
        if reads.contains(Reads::DIAGNOSTICS) && self.needs_copy_in_stack(&analysis) {
            let error = ClientError::not_supported("SHOW WARNINGS among stacked statements after result_state_hold_ms");
            return self.answer_error(sequence, &error).await;
        }
        if self.status.contains(Status::IN_TRANS_READONLY) {
            Box::pin(self.leave_read_only(&analysis)).await;
        }
        let hint = hint_of(parsed.text, parsed.attributes.strings());
        let plan = self.plan(&analysis, &hint);
        // What DDL stores is not this session's to fill in (a view, a routine, a column's type).
        let stored = analysis.statements.iter().any(|s| s.kind == StatementKind::Ddl);
        let rewritten = if stored { None } else { self.rewrite(parsed.text, &analysis, reads) };
        let sent = rewritten.as_ref().map(|text| self.frame_query(text));
        let request = Request {
            wire: sent.as_ref().map_or(wire, |(bytes, _)| bytes),
            kind: ReplyKind::Results,
            client_sequence: sequence,
            server_sequence: sent.as_ref().map_or(sequence, |(_, next)| *next),
            cursor: None,
            statement_id: None,
            analysis: &analysis,
            plan,
            reads,
            execute: None,
        };
        // One for all attempts: handed through, it would lie in the task three times.
        let mut outcome = Outcome::default();
        let (next, replied) = self.execute(&request, &mut outcome).await?;
        if replied && outcome.error.is_none() && self.ends_session(&analysis) {
            return Ok(Next::Close);
        }
        Ok(next)
    }

    pub(super) fn plan(&self, analysis: &Analysis, hint: &Hint) -> RoutePlan {
        let transaction = if self.status.contains(Status::IN_TRANS_READONLY) {
            TxFacts::ReadOnly
        } else if self.status.contains(Status::IN_TRANS) {
            TxFacts::ReadWrite
        } else {
            TxFacts::None
        };
        let facts = SessionFacts {
            transaction,
            autocommit: self.status.contains(Status::AUTOCOMMIT) && !self.state.autocommit_off_untold,
            pinned: self.pins.is_pinned(),
            in_system_schema: self.state.wanted.schema.as_deref().is_some_and(is_system_schema),
        };
        let plan = plan(analysis, hint, &facts);
        if plan.reason == RouteReason::BeginsReadOnlyTransaction && self.is_serializable() {
            return RoutePlan { role: Role::Writer, reason: RouteReason::BeginsTransaction, ..plan };
        }
        plan
    }

    /// Whether the next transaction locks what it reads, which at a replica would keep nobody off.
    fn is_serializable(&self) -> bool {
        // MySQL and MariaDB since 11.1; MariaDB before.
        let names = ["transaction_isolation", "tx_isolation"];
        let own = names.iter().find_map(|name| self.state.wanted.vars.get(name));
        match own {
            Some(level) => level.eq_ignore_ascii_case(SERIALIZABLE.as_bytes()),
            None => self.shard().servers.iter().filter_map(|server| server.info()).any(|info| {
                let level = names.iter().find_map(|name| info.session_default(name));
                level.is_some_and(|level| level.eq_ignore_ascii_case(SERIALIZABLE))
            }),
        }
    }

    /// What the session answers without a server, if this is such a statement.
    async fn answer_here(&mut self, analysis: &Analysis, text: &[u8], sequence: u8) -> Option<Step> {
        let [statement] = &analysis.statements[..] else { return None };
        match statement.kind {
            StatementKind::Kill => self.kill_statement(analysis, text, sequence).await,
            StatementKind::ShowWarnings | StatementKind::ShowErrors => {
                self.captured_diagnostics(analysis, text, RowFormat::Text, sequence).await
            }
            StatementKind::GetDiagnostics => self.get_diagnostics(text, analysis.reads(), sequence).await,
            _ => None,
        }
    }

    /// Whether one of stacked statements asks for warnings of which there is only the copy.
    fn needs_copy_in_stack(&self, analysis: &Analysis) -> bool {
        analysis.statements.len() > 1
            && matches!(self.results.diagnostics, Diagnostics::Captured(_))
            && reads_earlier_diagnostics(&analysis.statements, self.state.reading.server)
    }

    /// KILL, in either protocol.
    pub(super) async fn kill_statement(&mut self, analysis: &Analysis, text: &[u8], sequence: u8) -> Option<Step> {
        // KILL QUERY ID and KILL USER speak of the server's own numbers and names.
        let servers_own = |e: &Effect| matches!(e, Effect::Kill { scope: KillScope::QueryId | KillScope::User, .. });
        let kills = |e: &Effect| matches!(e, Effect::Kill { .. });
        if analysis.effects().any(servers_own) || !analysis.effects().any(kills) {
            return None;
        }
        Some(match kill_target(analysis) {
            Some((id, what)) => self.kill(id, what, sequence).await,
            None => self.kill_computed(text, sequence).await,
        })
    }

    /// The statement as the server is to get it, where that is not what the client wrote.
    pub(super) fn rewrite(&self, text: &[u8], analysis: &Analysis, reads: Reads) -> Option<Vec<u8>> {
        let implied = analysis.effects().any(|e| matches!(e, Effect::ImpliedScope { .. }));
        let counted = if counts_diagnostics(analysis) { diagnostics_form(text, &self.state.reading) } else { None };
        let spelled = match counted.and_then(DiagnosticsForm::as_query) {
            // Of a list that the server has, it tells itself.
            Some(query) => return self.fill_in(query, reads),
            None if implied => spell_out_session(text, &self.state.reading),
            None => None,
        };
        self.fill_in(spelled.as_deref().unwrap_or(text), reads).or(spelled)
    }

    /// COMMIT RELEASE and ROLLBACK RELEASE end the session; so do the plain ones where `completion_type` says so.
    fn ends_session(&self, analysis: &Analysis) -> bool {
        let by_default = self.state.wanted.vars.get("completion_type").is_some_and(|v| v == b"RELEASE");
        analysis.effects().any(|e| match e {
            Effect::EndTransaction { release } => release.unwrap_or(by_default),
            _ => false,
        })
    }

    /// The statement with calls that only the session can answer replaced by their values.
    fn fill_in(&self, text: &[u8], reads: Reads) -> Option<Vec<u8>> {
        let asked = Reads::CONNECTION_ID | Reads::FOUND_ROWS | Reads::ROW_COUNT | Reads::DIAGNOSTICS;
        if !reads.intersects(asked) {
            return None;
        }
        // Beside the server's own thread numbers only the server's own answer fits.
        let compared = reads.contains(Reads::PROCESSLIST) || names_threads(text);
        let mut calls = Vec::new();
        if reads.contains(Reads::CONNECTION_ID) && !compared {
            calls.push((FunctionName::ConnectionId, Value::Unsigned(u64::from(self.client.cell.handle.id))));
        }
        // Where LAST_INSERT_ID() must be asked first, the other two are that query's by then.
        let asks_first = self.results.insert_id_is_doubtful() && reads.contains(Reads::LAST_INSERT_ID);
        let at_hand = self.lease.is_some() && !asks_first;
        if let (true, Kept::Known(n)) = (reads.contains(Reads::FOUND_ROWS) && !at_hand, self.results.found_rows) {
            calls.push((FunctionName::FoundRows, Value::Signed(i64::try_from(n).unwrap_or(i64::MAX))));
        }
        if reads.contains(Reads::ROW_COUNT) && !at_hand {
            calls.push((FunctionName::RowCount, Value::Signed(self.results.row_count)));
        }
        if let (true, Diagnostics::Captured(c)) = (reads.contains(Reads::DIAGNOSTICS), &self.results.diagnostics) {
            calls.push((FunctionName::WarningCount, Value::Unsigned(c.warning_count)));
            calls.push((FunctionName::ErrorCount, Value::Unsigned(c.error_count)));
        }
        replace_calls(text, &self.state.reading, &calls)
    }

    /// A COM_QUERY of the session's own making, and the packet number of its reply.
    pub(super) fn frame_query(&self, text: &[u8]) -> (Vec<u8>, u8) {
        let mut payload = Vec::with_capacity(text.len() + 3);
        put_query(&mut payload, text, self.client.capabilities);
        let mut wire = Vec::with_capacity(payload.len() + 8);
        let next = put_packet(&mut wire, 0, &payload);
        (wire, next)
    }
}

/// Whether [`Session::answer_here`] is to be asked: its future costs an allocation, which usual statements don't pay.
fn may_answer_here(analysis: &Analysis) -> bool {
    use StatementKind::{GetDiagnostics, Kill, ShowErrors, ShowWarnings};
    matches!(&analysis.statements[..], [s] if matches!(s.kind, Kill | ShowWarnings | ShowErrors | GetDiagnostics))
}

/// The leading comment's hint, and query attributes of the same names over it.
pub(super) fn hint_of<'a>(text: &[u8], attributes: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Hint {
    let mut hint = leading_hint(text);
    for (name, value) in attributes {
        // With the prefix it is meant for us; without it, it may be an attribute of the application's.
        let own = name.strip_prefix(b"pointsman.");
        let name = std::str::from_utf8(own.unwrap_or(name));
        if let (Ok(name), Ok(value)) = (name, std::str::from_utf8(value))
            && (own.is_some() || Hint::names(name))
        {
            hint.set(name, value);
        }
    }
    hint
}

fn kill_target(analysis: &Analysis) -> Option<(u64, KillWhat)> {
    analysis.effects().find_map(|e| match e {
        Effect::Kill { id: Some(id), scope: KillScope::Query } => Some((*id, KillWhat::Query)),
        Effect::Kill { id: Some(id), scope: KillScope::Connection } => Some((*id, KillWhat::Connection)),
        _ => None,
    })
}

/// SHOW COUNT(*) WARNINGS and the like, among others that are one statement.
fn counts_diagnostics(analysis: &Analysis) -> bool {
    let [statement] = &analysis.statements[..] else { return false };
    matches!(statement.kind, StatementKind::ShowWarnings | StatementKind::ShowErrors)
}

/// Whether a text that asks for CONNECTION_ID() compares it with what only the server numbers.
fn names_threads(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    [&b"is_used_lock"[..], b"pseudo_thread_id", b"processlist"]
        .iter()
        .any(|n| memchr::memmem::find(&lower, n).is_some())
}
