//! Deadlines of sessions without a timer each: one tick per core looks at all of them.

use crate::registry::SessionHandle;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

/// How often deadlines and kills are looked at: their precision. Every session costs a few nanoseconds a tick.
pub const TICK: Duration = Duration::from_millis(10);

/// Milliseconds since the core started, as of the last tick.
#[derive(Debug, Default)]
pub struct CoarseClock(Cell<u64>);

impl CoarseClock {
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.get()
    }

    pub fn set(&self, ms: u64) {
        self.0.set(ms);
    }
}

/// One session as the tick sees it.
#[derive(Debug)]
pub struct SessionCell {
    /// When the session wants to be woken; `u64::MAX` for never.
    deadline_ms: Cell<u64>,
    /// Has a transaction or a pin, which a drain lets come to its end.
    bound: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    pub handle: Arc<SessionHandle>,
}

impl SessionCell {
    #[must_use]
    pub fn new(handle: Arc<SessionHandle>) -> Rc<Self> {
        Rc::new(Self { deadline_ms: Cell::new(u64::MAX), bound: Cell::new(false), waker: RefCell::new(None), handle })
    }

    pub fn set_deadline(&self, ms: u64) {
        self.deadline_ms.set(ms);
    }

    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.deadline_ms.get()
    }

    pub fn set_bound(&self, bound: bool) {
        self.bound.set(bound);
    }

    /// Whether the session has something better to do than wait. An alarm that changes nothing would be given again
    /// at once, and the task would never come to an end of its turn: so a bound session is not told of a drain.
    #[must_use]
    pub fn is_due(&self, now_ms: u64, shutting_down: bool) -> bool {
        now_ms >= self.deadline_ms.get() || self.handle.is_killed() || shutting_down && !self.bound.get()
    }

    /// Called by the session's task when it waits.
    pub fn park(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &*waker {
            Some(w) if w.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
    }

    fn check(&self, now_ms: u64, shutting_down: bool) {
        if self.is_due(now_ms, shutting_down) {
            if let Some(w) = &*self.waker.borrow() {
                w.wake_by_ref();
            }
        }
    }
}

/// All sessions of one core.
#[derive(Debug, Default)]
pub struct SessionCells(RefCell<Vec<Rc<SessionCell>>>);

impl SessionCells {
    pub fn add(&self, cell: Rc<SessionCell>) {
        self.0.borrow_mut().push(cell);
    }

    pub fn remove(&self, cell: &Rc<SessionCell>) {
        let mut all = self.0.borrow_mut();
        if let Some(at) = all.iter().position(|c| Rc::ptr_eq(c, cell)) {
            all.swap_remove(at);
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Wakes the sessions whose time has come.
    pub fn tick(&self, now_ms: u64, shutting_down: bool) {
        for cell in self.0.borrow().iter() {
            cell.check(now_ms, shutting_down);
        }
    }
}
