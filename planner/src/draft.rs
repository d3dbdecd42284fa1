//! A statement's analysis in the making, and what all of its parts share.

use crate::analysis::{Access, Effect, FoundRows, Reads, Statement, StatementKind};
use crate::reading::Reading;
use crate::routines::Routines;

/// No application sets or reads more variables in one statement; each new one is compared with all before it.
const MAX_PARTS: usize = 256;

/// What an analysis depends on besides the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) routines: &'a Routines,
}

impl Statement {
    pub(crate) fn new(kind: StatementKind, access: Access) -> Self {
        let (reads, found_rows) = (Reads::default(), FoundRows::default());
        Self { kind, access, reads, user_vars_read: Vec::new(), effects: Vec::new(), found_rows }
    }

    /// A statement of which nothing is known.
    pub(crate) fn opaque() -> Self {
        let mut statement = Self::new(StatementKind::Opaque, Access::Write);
        statement.becomes_unknown();
        statement
    }

    /// The statement may do anything to data and session.
    pub(crate) fn becomes_unknown(&mut self) {
        self.raise(Access::Write);
        self.reads |= Reads::ANYTHING;
        self.add(Effect::Unknown);
    }

    pub(crate) fn raise(&mut self, access: Access) {
        self.access = self.access.max(access);
    }

    /// Adds an effect, once. A statement of too many effects is one that is not understood.
    pub(crate) fn add(&mut self, effect: Effect) {
        if self.effects.len() > MAX_PARTS {
            return;
        }
        if self.effects.len() == MAX_PARTS {
            self.raise(Access::Write);
            self.reads |= Reads::ANYTHING;
            self.effects.push(Effect::Unknown);
        } else if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    pub(crate) fn with(mut self, effect: Effect) -> Self {
        self.add(effect);
        self
    }

    pub(crate) fn reading(mut self, reads: Reads) -> Self {
        self.reads |= reads;
        self
    }

    pub(crate) fn reads_user_variable(&mut self, name: String) {
        self.reads |= Reads::USER_VARS;
        if self.user_vars_read.len() == MAX_PARTS {
            self.reads |= Reads::ANYTHING;
        } else if !self.user_vars_read.contains(&name) {
            self.user_vars_read.push(name);
        }
    }
}
