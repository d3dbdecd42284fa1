//! One core of the data path: everything that its sessions share, touched by one thread only.

pub mod alarm;
pub mod buffers;
pub(crate) mod defaults;
pub mod setup;
pub mod shared;
pub mod ticks;

use crate::backend::pool::Pools;
use crate::config::Config;
use crate::session::definitions::Definitions;
use crate::session::vars::Interner;
use alarm::{CoarseClock, SessionCell, SessionCells};
use buffers::BufPool;
use pointsman_planner::cache::AnalysisCache;
use pointsman_planner::reading::Reading;
use pointsman_planner::{Analysis, Routines};
use shared::Shared;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

pub struct Core {
    pub index: usize,
    pub shared: Arc<Shared>,
    pub clock: CoarseClock,
    pub cells: SessionCells,
    pub buffers: BufPool,
    pub interner: Interner,
    pub pools: Pools,
    pub definitions: Definitions,
    plans: RefCell<AnalysisCache>,
    /// What the cached analyses believe of stored functions.
    routines: RefCell<Routines>,
    random: Cell<u64>,
    shutting_down: Cell<bool>,
    /// Twice counted, so that a session's own handle costs no atomic.
    config: RefCell<Rc<ConfigHandle>>,
}

impl Core {
    #[must_use]
    pub fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            index,
            clock: CoarseClock::default(),
            cells: SessionCells::default(),
            buffers: BufPool::default(),
            interner: Interner::default(),
            pools: Pools::default(),
            definitions: Definitions::default(),
            plans: RefCell::new(AnalysisCache::default()),
            routines: RefCell::new(safe_functions(&shared.config.load())),
            random: Cell::new(rand::random::<u64>() | 1),
            shutting_down: Cell::new(false),
            config: RefCell::new(Rc::new(ConfigHandle(shared.config.load()))),
            shared,
        })
    }

    /// The analysis of a statement, from the cache where it was seen before.
    pub fn analyze(&self, text: &[u8], reading: &Reading) -> Rc<Analysis> {
        self.plans.borrow_mut().get_or_analyze(text, reading, &self.routines.borrow())
    }

    /// A cheap random number (xorshift64*), for choices that only need to be spread.
    pub fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn shut_down(&self) {
        self.shutting_down.set(true);
    }

    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.get()
    }

    /// Whether a waiting session has something better to do than wait.
    #[must_use]
    pub fn alarm_due(&self, cell: &SessionCell) -> bool {
        cell.is_due(self.clock.now_ms(), self.is_shutting_down())
    }

    /// The configuration in force, as of the last tick.
    #[must_use]
    pub fn config(&self) -> Rc<ConfigHandle> {
        self.config.borrow().clone()
    }

    fn refresh_config(&self) {
        let live = self.shared.config.load();
        let stale = !Arc::ptr_eq(&live, &self.config.borrow().0);
        if stale {
            let routines = safe_functions(&live);
            if *self.routines.borrow() != routines {
                *self.routines.borrow_mut() = routines;
                self.plans.borrow_mut().clear();
            }
            *self.config.borrow_mut() = Rc::new(ConfigHandle(live));
        }
    }

    /// One tick: time goes on, sessions whose time has come are woken.
    pub fn tick(&self, now_ms: u64) {
        self.clock.set(now_ms);
        self.refresh_config();
        self.cells.tick(now_ms, self.is_shutting_down(), self.shared.registry.kills());
    }
}

fn safe_functions(config: &Config) -> Routines {
    Routines::new(&config.session.safe_functions)
}

/// The configuration as one core holds it.
#[derive(Debug)]
pub struct ConfigHandle(Arc<Config>);

impl Deref for ConfigHandle {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}
