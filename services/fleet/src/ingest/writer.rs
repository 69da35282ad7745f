//! The batch writer: many devices wait for one COMMIT, and each hears of its own row.
//!
//! A COMMIT costs a write to disk, and a thousand devices that each wait for their own wait for each other. So readings
//! go into a bounded queue and out of it in batches. There is no clock in it: whoever comes while nothing is being
//! written is written at once, and whoever comes meanwhile goes with the next batch, which is the larger the more there
//! is to do.
//!
//! - Nobody is told "stored" before the COMMIT that holds the row has been answered.
//! - A queue that is full refuses at once. It is better to be told to come again than to wait for nothing.
//! - A batch that fails because of a row in it is halved until that row is alone; its neighbours are stored.
//! - Whoever has stopped waiting is written all the same: the device will send again, and it will be the same reading.
//! - At the end, what is in the queue is still written.

use super::partitions::Partitions;
use super::reading::Reading;
use super::refusal::StoreRefusal;
use super::store;
use crate::refusal::NotDone;
use crate::tenants::TenantId;
use plimsoll::{Database, deadline};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// The most rows of one statement.
const BATCH: usize = 500;

/// Readings that may wait.
pub const QUEUE: usize = 5000;

/// Batches that are written at a time, of the pool's ten connections.
const LANES: usize = 4;

struct Waiting {
    tenant: TenantId,
    reading: Reading,
    fate: oneshot::Sender<Result<(), NotDone<StoreRefusal>>>,
    _counted: Counted,
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
    queue: mpsc::Sender<Waiting>,
    waiting: Arc<AtomicUsize>,
    done: Arc<Done>,
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
        let (queue, waiting) = mpsc::channel(room);
        let (stop, stopped) = watch::channel(false);
        let done = Arc::<Done>::default();
        let target = Target { db, partitions, within, done: Arc::clone(&done) };
        let task = tokio::spawn(run(target, waiting, stopped));
        Writer { queue, waiting: Arc::default(), done, stop, task: Mutex::new(Some(task)) }
    }

    /// Puts a reading into the queue and waits until the COMMIT that holds it has been answered.
    ///
    /// # Errors
    /// Why it was not stored. After a failure whose outcome is unknown it may have been stored.
    ///
    /// # Cancel safety
    /// Dropped, the reading is written all the same if it was in the queue already.
    pub async fn store(&self, tenant: TenantId, reading: Reading) -> Result<(), NotDone<StoreRefusal>> {
        let (fate, told) = oneshot::channel();
        let _counted = Counted::one_more(&self.waiting);
        self.queue.try_send(Waiting { tenant, reading, fate, _counted }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreRefusal::QueueFull,
            mpsc::error::TrySendError::Closed(_) => StoreRefusal::Stopping,
        })?;
        told.await.unwrap_or_else(|_| Err(StoreRefusal::Stopping.into()))
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
    done: Arc<Done>,
}

/// What was written.
#[derive(Default)]
struct Done {
    stored: AtomicU64,
    took_ms: AtomicU64,
}

impl Done {
    fn one_more_batch(&self, rows: usize, took: Duration) {
        self.stored.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.took_ms.store(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

async fn run(target: Target, mut queue: mpsc::Receiver<Waiting>, mut stopped: watch::Receiver<bool>) {
    let lanes = Arc::new(Semaphore::new(LANES));
    let mut writing = JoinSet::new();
    let mut is_open = true;
    // The lane comes first: while none is free, the next batch grows in the queue.
    while let Ok(lane) = Arc::clone(&lanes).acquire_owned().await {
        while writing.try_join_next().is_some() {}
        let mut batch = Vec::with_capacity(BATCH);
        let taken = tokio::select! {
            taken = queue.recv_many(&mut batch, BATCH) => taken,
            // Also when the handle was dropped.
            _ = stopped.changed(), if is_open => {
                queue.close();
                is_open = false;
                continue;
            }
        };
        if taken == 0 {
            break;
        }
        let mut lane = Some(lane);
        for (tenant, rows) in by_tenant(batch) {
            let lane = match lane.take() {
                Some(lane) => lane,
                None => match Arc::clone(&lanes).acquire_owned().await {
                    Ok(lane) => lane,
                    Err(_) => return,
                },
            };
            writing.spawn(write(target.clone(), tenant, rows, lane));
        }
    }
    while writing.join_next().await.is_some() {}
}

fn by_tenant(batch: Vec<Waiting>) -> BTreeMap<TenantId, Vec<Waiting>> {
    let mut tenants: BTreeMap<TenantId, Vec<Waiting>> = BTreeMap::new();
    for waiting in batch {
        tenants.entry(waiting.tenant.clone()).or_default().push(waiting);
    }
    tenants
}

/// Writes one tenant's rows of a batch, and tells each its fate.
async fn write(target: Target, tenant: TenantId, rows: Vec<Waiting>, _lane: OwnedSemaphorePermit) {
    let Target { db, partitions, within, done } = target;
    let began = Instant::now();
    let mut parts = vec![rows];
    let all = async {
        while let Some(mut part) = parts.pop() {
            let readings: Vec<&Reading> = part.iter().map(|waiting| &waiting.reading).collect();
            match store::insert(&db, &partitions, &tenant, &readings).await {
                Ok(()) => {
                    done.one_more_batch(part.len(), began.elapsed());
                    tell(part, || Ok(()));
                }
                Err(error) if part.len() > 1 && store::is_about_a_row(&error) => {
                    let half = part.split_off(part.len() / 2);
                    parts.push(half);
                    parts.push(part);
                }
                Err(error) => {
                    tracing::warn!("{} readings of tenant {tenant} were not stored: {error}", part.len());
                    let error = Arc::new(error);
                    tell(part, || Err(store::not_stored(&error)));
                }
            }
        }
    };
    deadline::within(within, all).await;
}

fn tell(part: Vec<Waiting>, fate: impl Fn() -> Result<(), NotDone<StoreRefusal>>) {
    for waiting in part {
        // Whoever is not there any more does not need it.
        let _ = waiting.fate.send(fate());
    }
}
