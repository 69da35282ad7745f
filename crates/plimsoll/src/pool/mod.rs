//! The pool: a bounded number of connections, lent in turn, each proven clean before it is lent again.
//!
//! One short lock protects where every connection is and which callers wait: that is decided in
//! [`rules`](crate::rules). What a connection *is* stays behind the trait [`Manage`], so that the same code can be
//! measured with connections that cost nothing.
//!
//! | file | what is in it |
//! |---|---|
//! | here | the pool, and what it asks of its connections |
//! | [`ask`] | what a caller asks for |
//! | [`acquire`], [`wait`] | the fast path, the queue, the check |
//! | [`refusal`] | the error that tells why there is no connection |
//! | [`lease`] | a lent connection, and how it comes back |
//! | [`leaks`] | leases that are held for long |
//! | [`meter`] | what is measured of acquisitions and leases |
//! | [`connects`] | connects, on tasks of the pool's own |
//! | [`clock`], [`alarm`] | one clock for all limits, and how it is woken |
//! | [`janitor`] | upkeep |
//! | [`shutdown`] | an end that always comes |
//! | [`snapshot`] | the numbers of the pool |
//! | [`fairness`] | a refusal takes part of its task's turn |
//! | [`foreign_runtime`] | callers on another runtime |
//! | `model` | the hand-over alone, for the model checker |

pub(crate) mod acquire;
pub(crate) mod alarm;
mod ask;
pub(crate) mod clock;
pub(crate) mod connects;
pub(crate) mod fairness;
pub(crate) mod foreign_runtime;
pub(crate) mod janitor;
mod leaks;
pub(crate) mod lease;
mod manage;
pub(crate) mod meter;
#[cfg(plimsoll_loom)]
pub mod model;
mod refusal;
pub(crate) mod shutdown;
pub(crate) mod snapshot;
pub(crate) mod wait;

pub use crate::rules::request::Priority;
pub use ask::Ask;
pub(crate) use ask::cap;
pub use lease::{Home, Lease};
pub use manage::{Manage, Verdict};
pub use shutdown::Shutdown;
pub use snapshot::{LeaseState, LeaseStatus, NotARunningId, Observed, PoolSize, PoolStatus, RunningId};

use crate::deadline::{self, Deadline};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::fault::Fault;
use crate::rules::gate::GateRules;
use crate::rules::slots::allowance::Allowance;
use crate::rules::slots::{PoolLimits, Slots};
use crate::settings::{Enforcement, Plan};
use crate::sync;
use alarm::Alarm;
pub(crate) use connects::LastConnect;
use meter::Metering;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// A pool of one kind of connection.
pub struct Pool<M: Manage> {
    pub(crate) inner: Arc<Inner<M>>,
}

impl<M: Manage> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool { inner: Arc::clone(&self.inner) }
    }
}

pub(crate) struct Inner<M: Manage> {
    pub(crate) manager: M,
    pub(crate) plan: Plan,
    pub(crate) slots: CacheAligned<sync::Mutex<Slots<M::Connection, M::Handle>>>,
    pub(crate) last_connect: sync::Mutex<LastConnect>,
    /// Whether callers wait, as a hint that needs no lock: a connection that is given back then has the clock read before
    /// the lock is taken.
    pub(crate) is_crowded: AtomicBool,
    /// Tells the clock when to look.
    pub(crate) alarm: Arc<Alarm>,
    /// Told whenever a connection was opened or closed, or could not be opened.
    pub(crate) changed: Notify,
    pub(crate) runtime: Handle,
    pub(crate) events: Events,
    pub(crate) metering: Metering,
}

/// Begins a cache line.
#[repr(align(64))]
pub(crate) struct CacheAligned<T>(T);

impl<T> Deref for CacheAligned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<M: Manage> Inner<M> {
    /// How long this return may take.
    pub(crate) fn return_limit(&self, handle: &M::Handle) -> Duration {
        self.manager.return_limit(handle).unwrap_or(self.plan.reclaim_timeout())
    }
}

impl<M: Manage> Pool<M> {
    /// Makes a pool and starts its clock and its janitor on the current runtime. It connects nothing by itself before
    /// it is asked, except to keep the minimum; a plan has a maximum of at least one. It logs no events and counts none in
    /// metrics; the pool of a [`Database`](crate::Database) does.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(manager: M, plan: &Plan) -> Self {
        Pool::with_events(manager, plan, Events::new(None), Arc::new(Alarm::new()), Metering::default())
    }

    pub(crate) fn with_events(
        manager: M,
        plan: &Plan,
        events: Events,
        alarm: Arc<Alarm>,
        metering: Metering,
    ) -> Self {
        let limits = PoolLimits {
            min: plan.pool_min(),
            max: plan.pool_max(),
            overflow: plan.max_overflow(),
            connects: plan.connect_limit(),
        };
        let rules = GateRules {
            reserve: plan.priority_reserve(),
            mode: plan.admission(),
            margin: plan.deadline_margin(),
        };
        let mut slots = Slots::new(limits, plan.max_waiting()).with_rules(rules);
        slots.allowance = Allowance::new(plan.connection_budget() != Enforcement::On);
        let inner = Arc::new(Inner {
            manager,
            slots: CacheAligned(sync::Mutex::new(slots)),
            last_connect: sync::Mutex::new(LastConnect::Never),
            is_crowded: AtomicBool::new(false),
            alarm,
            changed: Notify::new(),
            runtime: Handle::current(),
            events,
            metering,
            plan: plan.clone(),
        });
        inner.runtime.spawn(clock::run(Arc::downgrade(&inner), Arc::clone(&inner.alarm)));
        inner.runtime.spawn(janitor::run(Arc::downgrade(&inner)));
        Pool { inner }
    }

    /// Lends a connection, by the pool's limit and the deadline of the surrounding scope, whichever is earlier.
    ///
    /// # Errors
    /// Tells which limit passed, which work holds the oldest lease, and how the last connect went.
    ///
    /// # Cancel safety
    /// Dropping it leaves the queue; what had been granted goes to the next. A connect that it caused goes on.
    pub async fn acquire(&self, ask: Ask) -> Result<Lease<M>> {
        acquire::acquire(&self.inner, ask, deadline::current()).await
    }

    /// Lends what is idle, and does not wait: `None` if nothing is, or a caller that waits comes first. It opens no
    /// connection.
    ///
    /// # Errors
    /// The pool is closed, or the deadline of the surrounding scope has passed.
    ///
    /// # Cancel safety
    /// As [`Pool::acquire`]. It waits only for the check of a connection that was idle for longer than `check_after_idle`: a
    /// second at the most.
    pub async fn try_acquire(&self, ask: Ask) -> Result<Option<Lease<M>>> {
        match self.acquire(ask.tried()).await {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if error.fault() == Fault::PoolExhausted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// [`Pool::acquire`] by this deadline, whatever the surrounding scope says.
    pub(crate) async fn acquire_until(&self, ask: Ask, deadline: Option<Deadline>) -> Result<Lease<M>> {
        acquire::acquire(&self.inner, ask, deadline).await
    }

    /// Changes how many connections there may be, and says what holds now. More are opened when wanted; fewer as they come
    /// back. A maximum of 0 is 1, and a minimum above the maximum is the maximum.
    ///
    /// The overflow stays as it was set (`max_overflow`): as many as that are still opened above the new maximum under load
    /// and closed when they come back. Where a connection budget is kept, it may allow fewer.
    pub fn resize(&self, min: usize, max: usize) -> PoolSize {
        let size = {
            let mut slots = self.inner.slots.lock();
            slots.limits.max = max.max(1);
            slots.limits.min = min.min(slots.limits.max);
            let limits = slots.limits;
            PoolSize { min: limits.min, max: limits.max, overflow: limits.overflow }
        };
        janitor::tidy(&self.inner);
        size
    }

    /// Lends nothing from now on. Callers wait, by their own limits; a connection that is given back is not lent again.
    pub fn pause(&self) {
        self.inner.slots.lock().pause();
    }

    /// Lends again, first to the callers that wait.
    pub fn resume(&self) {
        self.inner.slots.lock().resume();
        connects::refill(&self.inner);
    }

    /// Whether [`Pool::pause`] holds.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner.slots.lock().is_paused()
    }

    /// Why an acquisition would not begin well now: the pool is closed, paused, or its queue is full.
    pub(crate) fn foreseen_refusal(&self, ask: Ask) -> Option<Error> {
        refusal::foreseen(&self.inner, ask)
    }

    /// The error of an acquisition of this work, if the pool is closed.
    pub(crate) fn closed_refusal(&self, ask: Ask) -> Option<Error> {
        refusal::closed(&self.inner, ask)
    }

    /// What the pool looks like now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        snapshot::status(&self.inner)
    }

    /// The same without the leases, each of which has its statement looked up.
    pub(crate) fn numbers(&self) -> PoolStatus {
        snapshot::numbers(&self.inner.slots.lock())
    }

    /// The connection of the lease that is meant, if that has not ended.
    pub(crate) fn lent(&self, running: RunningId) -> Option<M::Handle> {
        snapshot::lent(&self.inner, running)
    }

    /// Closes the pool: waiters are refused, idle connections closed, lent ones waited for up to the limit; statements
    /// that still run then are stopped, and connections that are not given back are ended. It always returns.
    ///
    /// # Cancel safety
    /// Dropping it stops the waiting; the pool stays closed.
    pub async fn close(&self) -> Shutdown {
        self.close_within(Duration::MAX).await
    }

    /// [`Pool::close`] that takes no longer than `within`.
    ///
    /// # Cancel safety
    /// Dropping it stops the waiting; the pool stays closed.
    pub async fn close_within(&self, within: Duration) -> Shutdown {
        shutdown::close(&self.inner, within).await
    }

    /// Whether [`Pool::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.slots.lock().is_closed()
    }
}
