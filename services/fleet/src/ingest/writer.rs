//! The batch writer: many devices wait for one COMMIT, and each hears of its own row.
//!
//! A COMMIT costs a write to disk, and a thousand devices that each wait for their own wait for each other. So readings
//! go into a bounded queue and out of it in batches ([`desk`](super::desk)). Nothing waits for company: a reading that comes while
//! none of its tenant is being written is written at once, and one that comes meanwhile goes with the next batch, which is the
//! larger the more there is to do.
//!
//! - No device is told "stored" before the COMMIT that holds the row has been answered.
//! - Each hears what became of its own: stored, stored before, or in conflict with what is stored.
//! - The queue is bounded by its places and by the wait that is to be expected ([`Pace`]); beyond either it refuses at once.
//!   It is better to be told to come again than to wait for nothing. One that waited longer than that is told so.
//! - The places and the lanes are shared fairly by the tenants ([`FairQueue`](super::queue::FairQueue)).
//! - One that leaves, or whose time is over, is taken out of the queue. One that is in a batch by then is written all the same,
//!   and what became of it is not known to the caller.
//! - A batch that fails because of a row in it is halved until that row is alone; its neighbours are stored. So is one for
//!   which the time was too short; those of it whose callers have left by then are left out.
//! - At the end, what is in the queue is still written.

use super::desk::{Clerk, Desk, LANES, MARGIN, NoPlace, Place, QUEUE};
use super::pace::Pace;
use super::partitions::Partitions;
use super::reading::Reading;
use super::refusal::StoreRefusal;
use super::store::{self, Fate};
use crate::refusal::NotDone;
use crate::tenants::TenantId;
use plimsoll::{Database, deadline};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// The most rows of one statement.
const BATCH: usize = 500;

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

/// The handle of the writer's task.
pub struct Writer {
    target: Target,
    clerk: Clerk,
    waiting: Arc<AtomicUsize>,
    /// The longest wait that a newcomer may expect.
    longest: Duration,
    /// The longest that one stays in the queue.
    patience: Duration,
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
        let pace = Arc::new(Mutex::new(Pace::new(LANES, BATCH, within / 24)));
        let target = Target { db, partitions, within, desk: Desk::new(room), pace, done: Arc::default() };
        let (sizes, batches) = (target.clone(), target.clone());
        let work = move |tenant, rows| write(batches.clone(), tenant, rows);
        let clerk = Clerk::start(Arc::clone(&target.desk), move || sizes.pace().batch(), work);
        Writer { target, clerk, waiting: Arc::default(), longest: within / 16, patience: within / 2 }
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
        let place = self.enter(tenant, Waiting { reading, fate, _counted })?;
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

    fn enter(&self, tenant: TenantId, waiting: Waiting) -> Result<Place<'_, Waiting>, StoreRefusal> {
        let desk = &self.target.desk;
        let pace = self.target.pace().clone();
        if pace.is_longer(desk.ahead_of(&tenant, pace.batch()), self.longest) {
            return Err(StoreRefusal::QueueFull);
        }
        let (place, gone) = desk.enter(tenant, waiting).map_err(|why| match why {
            NoPlace::Full => StoreRefusal::QueueFull,
            NoPlace::Closed => StoreRefusal::Stopping,
        })?;
        if let Some(gone) = gone {
            gone.tell(Err(StoreRefusal::QueueFull.into()));
        }
        Ok(place)
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
        self.target.done.stored.load(Ordering::Relaxed)
    }

    /// How long the newest batch took, from its first statement until its COMMIT was answered; zero before the first.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_millis(self.target.done.took_ms.load(Ordering::Relaxed))
    }

    /// Takes nothing more, writes what waits, and ends.
    ///
    /// # Cancel safety
    /// Dropped, the writer goes on to its end by itself.
    pub async fn stop(&self) {
        self.clerk.stop().await;
    }
}

/// Where readings are written, and how long a batch may take.
#[derive(Clone)]
struct Target {
    db: Database,
    partitions: Partitions,
    within: Duration,
    desk: Arc<Desk<Waiting>>,
    pace: Arc<Mutex<Pace>>,
    done: Arc<Done>,
}

impl Target {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// Writes one tenant's rows of a batch, and tells each its fate.
async fn write(target: Target, tenant: TenantId, rows: Vec<Waiting>) {
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
            target.pace().wrote(rows, took);
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
                target.pace().ran_out(rows, took);
            }
            Some(error)
        }
    }
}
