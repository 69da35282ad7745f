//! The batch writer: many devices wait for one COMMIT, and each hears of its own row.
//!
//! A COMMIT costs a write to disk, and a thousand devices that each wait for their own wait for each other. So readings
//! go into a bounded queue and out of it in batches. There is no clock in it: a reading that comes while nothing is being
//! written is written at once, and one that comes meanwhile goes with the next batch, which is the larger the more there
//! is to do.
//!
//! - No device is told "stored" before the COMMIT that holds the row has been answered.
//! - Each hears what became of its own: stored, stored before, or in conflict with what is stored.
//! - The queue is bounded by its places and by the wait that is to be expected ([`Pace`]); beyond either it refuses at once.
//!   It is better to be told to come again than to wait for nothing. One that waited longer than that is told so.
//! - The places and the lanes are shared fairly by the tenants ([`FairQueue`]).
//! - One that leaves, or whose time is over, is taken out of the queue. One that is in a batch by then is written all the same,
//!   and what became of it is not known to the caller.
//! - A batch that fails because of a row in it is halved until that row is alone; its neighbours are stored. So is one for
//!   which the time was too short; those of it whose callers have left by then are left out.
//! - At the end, what is in the queue is still written.

use super::pace::Pace;
use super::partitions::Partitions;
use super::queue::{Entry, FairQueue, Ticket};
use super::reading::Reading;
use super::refusal::StoreRefusal;
use super::store::{self, Fate};
use crate::refusal::NotDone;
use crate::tenants::TenantId;
use plimsoll::{Database, deadline};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

/// The most rows of one statement.
const BATCH: usize = 500;

/// Readings that may wait.
pub const QUEUE: usize = 5000;

/// Batches that are written at a time, of the pool's ten connections.
const LANES: usize = 4;

/// How long before the end of its request a reading leaves the queue, so that its device hears that it is not stored.
const MARGIN: Duration = Duration::from_millis(50);

/// What a waiter is told.
type Told = Result<Fate, NotDone<StoreRefusal>>;

struct Waiting {
    reading: Reading,
    fate: oneshot::Sender<Told>,
    _counted: Counted,
}

impl Waiting {
    fn tell(self, fate: Told) {
        let is_repeatable = self.reading.is_repeatable;
        // One that has left does not need it.
        let _ = self.fate.send(fate.map_err(|why| why.map(|refusal| refusal.told_of(is_repeatable))));
    }
}

/// One of those that wait, for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one_more(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(waiting))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What callers and lanes share.
struct Desk {
    state: Mutex<State>,
    /// Rung when there is something to write.
    bell: Notify,
    /// The longest wait that a newcomer may expect.
    longest: Duration,
}

struct State {
    queue: FairQueue<TenantId, Waiting>,
    pace: Pace,
    is_closed: bool,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, tenant: TenantId, waiting: Waiting) -> Result<Place<'_>, StoreRefusal> {
        let mut state = self.state();
        if state.is_closed {
            return Err(StoreRefusal::Stopping);
        }
        let ahead = state.queue.ahead_of(&tenant, state.pace.batch());
        if state.pace.is_longer(ahead, self.longest) {
            return Err(StoreRefusal::QueueFull);
        }
        let (ticket, gone) = match state.queue.enter(&tenant, waiting) {
            Entry::Waits(ticket) => (ticket, None),
            Entry::InsteadOf(ticket, gone) => (ticket, Some(gone)),
            Entry::Full(_) => return Err(StoreRefusal::QueueFull),
        };
        drop(state);
        if let Some(gone) = gone {
            gone.tell(Err(StoreRefusal::QueueFull.into()));
        }
        self.bell.notify_one();
        Ok(Place { desk: self, tenant, ticket })
    }
}

/// A place in the queue, which is given up when the caller leaves.
struct Place<'a> {
    desk: &'a Desk,
    tenant: TenantId,
    ticket: Ticket,
}

impl Place<'_> {
    /// Whether it was still in the queue; then it is in no batch and never will be.
    fn leave(&self) -> bool {
        let waiting = self.desk.state().queue.leave(&self.tenant, self.ticket);
        waiting.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The handle of the writer's task.
pub struct Writer {
    desk: Arc<Desk>,
    waiting: Arc<AtomicUsize>,
    done: Arc<Done>,
    /// The longest that one stays in the queue.
    patience: Duration,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the writer, whose batches each have so long: less than a request, so that the device still hears of it. It ends
    /// with [`Writer::stop`], or when its handle is dropped.
    #[must_use]
    pub fn start(db: Database, partitions: Partitions, within: Duration) -> Self {
        Writer::with_queue(db, partitions, within, QUEUE)
    }

    /// The same with room for so many readings that wait.
    #[must_use]
    pub fn with_queue(db: Database, partitions: Partitions, within: Duration, room: usize) -> Self {
        let pace = Pace::new(LANES, BATCH, within / 24);
        let state = State { queue: FairQueue::new(room), pace, is_closed: false };
        let desk = Arc::new(Desk { state: Mutex::new(state), bell: Notify::new(), longest: within / 16 });
        let (stop, stopped) = watch::channel(false);
        let done = Arc::<Done>::default();
        let target = Target { db, partitions, within, desk: Arc::clone(&desk), done: Arc::clone(&done) };
        let task = tokio::spawn(run(target, stopped));
        Writer {
            desk,
            waiting: Arc::default(),
            done,
            patience: within / 2,
            stop,
            task: Mutex::new(Some(task)),
        }
    }

    /// Puts a reading into the queue and waits until the COMMIT that holds it has been answered, or until it is certain that
    /// it is not stored.
    ///
    /// # Errors
    /// Why it was not stored. After a failure whose outcome is unknown it may have been stored.
    ///
    /// # Cancel safety
    /// Dropped, the reading leaves the queue; if it was in a batch already, it is written all the same.
    pub async fn store(&self, tenant: TenantId, reading: Reading) -> Told {
        let is_repeatable = reading.is_repeatable;
        let (fate, mut told) = oneshot::channel();
        let _counted = Counted::one_more(&self.waiting);
        let place = self.desk.enter(tenant, Waiting { reading, fate, _counted })?;
        let (until, late) = self.patience();
        let told = match timeout_at(until, &mut told).await {
            Ok(told) => told,
            Err(_) if place.leave() => return Err(late.into()),
            // It is being written.
            Err(_) => told.await,
        };
        match told {
            Ok(told) => told,
            Err(_) if place.leave() => Err(StoreRefusal::Stopping.into()),
            Err(_) => Err(StoreRefusal::OutcomeUnknown.told_of(is_repeatable).into()),
        }
    }

    /// How long this caller stays in the queue, and what it is told then.
    fn patience(&self) -> (Instant, StoreRefusal) {
        let longest = Instant::now() + self.patience;
        match deadline::current().and_then(|deadline| deadline.instant().checked_sub(MARGIN)) {
            Some(end) if end < longest => (end, StoreRefusal::NotInTime),
            _ => (longest, StoreRefusal::QueueFull),
        }
    }

    /// Readings that were taken and whose fate is not known yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Readings that were acknowledged since the start, one that was sent twice counted twice.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.done.stored.load(Ordering::Relaxed)
    }

    /// How long the newest batch took, from its first statement until its COMMIT was answered; zero before the first.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_millis(self.done.took_ms.load(Ordering::Relaxed))
    }

    /// Takes nothing more, writes what waits, and ends.
    ///
    /// # Cancel safety
    /// Dropped, the writer goes on to its end by itself.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!("the writer ended badly: {error}");
        }
    }
}

/// Where readings are written, and how long a batch may take.
#[derive(Clone)]
struct Target {
    db: Database,
    partitions: Partitions,
    within: Duration,
    desk: Arc<Desk>,
    done: Arc<Done>,
}

/// What was written.
#[derive(Default)]
struct Done {
    stored: AtomicU64,
    took_ms: AtomicU64,
}

impl Done {
    fn one_more_batch(&self, acknowledged: usize, took: Duration) {
        self.stored.fetch_add(u64::try_from(acknowledged).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.took_ms.store(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

async fn run(target: Target, mut stopped: watch::Receiver<bool>) {
    let lanes = Arc::new(Semaphore::new(LANES));
    let mut writing = JoinSet::new();
    let mut is_open = true;
    // The lane comes first: while none is free, the next batch grows in the queue.
    while let Ok(lane) = Arc::clone(&lanes).acquire_owned().await {
        while writing.try_join_next().is_some() {}
        loop {
            if is_open && stopped.has_changed().unwrap_or(true) {
                is_open = false;
                target.desk.state().is_closed = true;
            }
            let next = {
                let mut state = target.desk.state();
                let most = state.pace.batch();
                state.queue.take(most)
            };
            if let Some((tenant, rows)) = next {
                writing.spawn(write(target.clone(), tenant, rows, lane));
                break;
            }
            if !is_open {
                while writing.join_next().await.is_some() {}
                return;
            }
            tokio::select! {
                () = target.desk.bell.notified() => {}
                // Also when the handle was dropped.
                _ = stopped.changed(), if is_open => stopped.mark_changed(),
            }
        }
    }
}

/// Writes one tenant's rows of a batch, and tells each its fate.
async fn write(target: Target, tenant: TenantId, rows: Vec<Waiting>, _lane: OwnedSemaphorePermit) {
    let mut parts = vec![rows];
    let all = async {
        while let Some(part) = parts.pop() {
            // Those that left were told that they may be stored.
            let mut part: Vec<_> = part.into_iter().filter(|waiting| !waiting.fate.is_closed()).collect();
            let Some(error) = attempt(&target, &tenant, &mut part).await else { continue };
            if part.len() > 1 && (store::is_about_a_row(&error) || store::ran_out_of_time(&error)) {
                let half = part.split_off(part.len() / 2);
                parts.push(half);
                parts.push(part);
                continue;
            }
            tracing::warn!("{} readings of tenant {tenant} were not stored: {error}", part.len());
            let error = Arc::new(error);
            for waiting in part {
                waiting.tell(Err(store::not_stored(&error)));
            }
        }
    };
    deadline::within(target.within, all).await;
}

/// Writes these rows and tells each its fate; after a failure they are still there.
async fn attempt(target: &Target, tenant: &TenantId, part: &mut Vec<Waiting>) -> Option<plimsoll::Error> {
    if part.is_empty() {
        return None;
    }
    let (began, rows) = (Instant::now(), part.len());
    let readings: Vec<&Reading> = part.iter().map(|waiting| &waiting.reading).collect();
    let insert = store::insert(&target.db, &target.partitions, tenant, &readings);
    // So that there is time left for its halves.
    let within = if rows > 1 { target.within / 3 } else { target.within };
    let result = deadline::within(within, insert).await;
    let took = began.elapsed();
    match result {
        Ok(fates) => {
            target.desk.state().pace.wrote(rows, took);
            let acknowledged = fates.iter().filter(|fate| !matches!(fate, Fate::Conflict)).count();
            target.done.one_more_batch(acknowledged, took);
            for (waiting, fate) in part.drain(..).zip(fates) {
                waiting.tell(match fate {
                    Fate::Conflict => Err(StoreRefusal::Conflict.into()),
                    fate => Ok(fate),
                });
            }
            None
        }
        Err(error) => {
            if store::ran_out_of_time(&error) {
                target.desk.state().pace.ran_out(rows, took);
            }
            Some(error)
        }
    }
}
