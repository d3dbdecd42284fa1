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

/// A deadline that is not further away than this is looked at with each tick, a later one twice in this time.
const SOON_MS: u64 = 1_000;
/// The place of a cell that has been removed.
const NOWHERE: usize = usize::MAX;

/// One session as the tick sees it.
#[derive(Debug)]
pub struct SessionCell {
    /// When the session wants to be woken; `u64::MAX` for never.
    deadline_ms: Cell<u64>,
    /// Has a transaction or a pin, which a drain lets come to its end.
    bound: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Its place among all cells.
    place: Cell<usize>,
    is_soon: Cell<bool>,
    soon: Rc<Soon>,
    pub handle: Arc<SessionHandle>,
}

/// The cells whose deadline is near: those of sessions at work, and few others.
#[derive(Debug, Default)]
struct Soon {
    now_ms: Cell<u64>,
    cells: RefCell<Vec<Rc<SessionCell>>>,
}

impl SessionCell {
    pub fn set_deadline(self: &Rc<Self>, ms: u64) {
        self.deadline_ms.set(ms);
        self.note_if_soon();
    }

    fn is_near(&self) -> bool {
        let ends = self.deadline_ms.get() < self.soon.now_ms.get().saturating_add(SOON_MS);
        self.place.get() != NOWHERE && (ends || self.handle.is_killed())
    }

    fn note_if_soon(self: &Rc<Self>) {
        if !self.is_soon.get() && self.is_near() {
            self.is_soon.set(true);
            self.soon.cells.borrow_mut().push(self.clone());
        }
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

/// All sessions of one core. Ten thousand idle ones must not cost the active ones a look at each with every tick.
#[derive(Debug, Default)]
pub struct SessionCells {
    all: RefCell<Vec<Rc<SessionCell>>>,
    soon: Rc<Soon>,
    /// When all were last looked at.
    looked_at_ms: Cell<u64>,
    /// [`Registry::kills`](crate::registry::Registry::kills) at that time.
    kills_seen: Cell<u64>,
}

impl SessionCells {
    /// A cell for a new session, to be removed at its end.
    pub fn add(&self, handle: Arc<SessionHandle>) -> Rc<SessionCell> {
        let mut all = self.all.borrow_mut();
        let cell = Rc::new(SessionCell {
            deadline_ms: Cell::new(u64::MAX),
            bound: Cell::new(false),
            waker: RefCell::new(None),
            place: Cell::new(all.len()),
            is_soon: Cell::new(false),
            soon: self.soon.clone(),
            handle,
        });
        all.push(cell.clone());
        cell
    }

    pub fn remove(&self, cell: &SessionCell) {
        let mut all = self.all.borrow_mut();
        // The next tick lets go of it, too.
        let place = cell.place.replace(NOWHERE);
        if place < all.len() {
            all.swap_remove(place);
        }
        if let Some(moved) = all.get(place) {
            moved.place.set(place);
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.all.borrow().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.borrow().is_empty()
    }

    /// Wakes the sessions whose time has come. `kills`: how many sessions of the process were ever killed.
    pub fn tick(&self, now_ms: u64, shutting_down: bool, kills: u64) {
        self.soon.now_ms.set(now_ms);
        let killed = self.kills_seen.replace(kills) != kills;
        if shutting_down || killed || now_ms >= self.looked_at_ms.get() + SOON_MS / 2 {
            self.looked_at_ms.set(now_ms);
            for cell in self.all.borrow().iter() {
                cell.note_if_soon();
                cell.check(now_ms, shutting_down);
            }
        }
        self.soon.cells.borrow_mut().retain(|cell| {
            let near = cell.is_near();
            cell.is_soon.set(near);
            if near {
                cell.check(now_ms, shutting_down);
            }
            near
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn sessions_are_woken_at_their_deadlines_when_killed_and_when_all_ends() {
        let (registry, cells) = (Registry::new(0), SessionCells::default());
        let sessions: Vec<_> = (0..3)
            .map(|_| {
                let cell = cells.add(registry.add(registry.next_id(), "app".into()));
                let woken = Arc::new(Woken::default());
                cell.park(&Context::from_waker(&Waker::from(woken.clone())));
                (cell, woken)
            })
            .collect();
        let woken = || sessions.iter().map(|(_, w)| w.0.swap(0, Ordering::Relaxed) > 0).collect::<Vec<_>>();
        sessions[0].0.set_deadline(5_000);
        sessions[1].0.set_deadline(50);
        for (now, expected) in [(40, [false; 3]), (50, [false, true, false]), (4_990, [false, true, false])] {
            cells.tick(now, false, 0);
            assert_eq!(woken(), expected, "at {now} ms");
        }
        sessions[1].0.set_deadline(u64::MAX);
        cells.tick(5_000, false, 0);
        assert_eq!(woken(), [true, false, false]);
        registry.kill(&sessions[2].0.handle);
        cells.tick(5_010, false, registry.kills());
        assert_eq!(woken(), [true, false, true]);
        cells.remove(&sessions[0].0);
        cells.tick(5_020, true, registry.kills());
        assert_eq!(woken(), [false, true, true]);
        assert_eq!(cells.len(), 2);
    }
}
