//! Callers wait at a desk, and what they wait for is done for many of one tenant at a time.
//!
//! The writer of readings and the lookup of devices are such desks. Who waits, and whose turn it is, is a [`FairQueue`]; when a
//! group begins is decided by [`Rounds`]: at once where nothing of the tenant is under way, else with the others that come
//! meanwhile. There is one task for a desk, and one more for each group under way, of which there are as many as there are lanes.

use super::queue::{Entry, FairQueue, Ticket};
use super::rounds::Rounds;
use crate::tenants::TenantId;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Readings, or questions about devices, that may wait.
pub(super) const QUEUE: usize = 5000;

/// Groups that are under way at a time, of the pool's ten connections.
pub(super) const LANES: usize = 4;

/// How long the next group of a tenant waits for its last one. A group takes less where the database is well.
const LULL: Duration = Duration::from_millis(20);

/// How long before the end of its request a caller leaves, so that its device hears that nothing is stored.
pub(super) const MARGIN: Duration = Duration::from_millis(50);

/// Those who wait, and what is under way.
pub(super) struct Desk<T> {
    state: Mutex<State<T>>,
    /// Rung when a group may be able to begin.
    bell: Notify,
}

struct State<T> {
    queue: FairQueue<TenantId, T>,
    rounds: Rounds<TenantId>,
    is_closed: bool,
}

/// Why one who came has no place.
pub(super) enum NoPlace {
    Full,
    Closed,
}

/// What is to be done now.
enum Next<T> {
    Begins(TenantId, Vec<T>),
    /// Some wait for what is under way, until this time at the longest if a lane is free.
    Waits(Option<Instant>),
    /// None waits.
    Nothing,
}

impl<T> Desk<T> {
    /// Nothing waits, and there is room for so many.
    pub(super) fn new(room: usize) -> Arc<Self> {
        Desk::with(room, Rounds::new(LANES, LULL))
    }

    fn with(room: usize, rounds: Rounds<TenantId>) -> Arc<Self> {
        let state = State { queue: FairQueue::new(room), rounds, is_closed: false };
        Arc::new(Desk { state: Mutex::new(state), bell: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, and the one who had to go for it.
    pub(super) fn enter(&self, tenant: TenantId, waiting: T) -> Result<(Place<'_, T>, Option<T>), NoPlace> {
        let mut state = self.state();
        if state.is_closed {
            return Err(NoPlace::Closed);
        }
        let (ticket, gone) = match state.queue.enter(&tenant, waiting) {
            Entry::Waits(ticket) => (ticket, None),
            Entry::InsteadOf(ticket, gone) => (ticket, Some(gone)),
            Entry::Full(_) => return Err(NoPlace::Full),
        };
        drop(state);
        self.bell.notify_one();
        Ok((Place { desk: self, tenant, ticket }, gone))
    }

    /// How many are served before one of this tenant that comes now, if a turn has so many.
    pub(super) fn ahead_of(&self, tenant: &TenantId, turn: usize) -> usize {
        self.state().queue.ahead_of(tenant, turn)
    }

    fn next(&self, most: usize, now: Instant) -> Next<T> {
        let mut state = self.state();
        let State { queue, rounds, .. } = &mut *state;
        if queue.is_empty() {
            return Next::Nothing;
        }
        if !rounds.has_a_free_lane() {
            return Next::Waits(None);
        }
        match queue.take_where(most, |tenant, waiting| rounds.may_begin(tenant, waiting >= most, now)) {
            Some((tenant, group)) => {
                rounds.begin(&tenant, now);
                Next::Begins(tenant, group)
            }
            // Each of them has a group under way, and so they are few.
            None => Next::Waits(queue.keys().filter_map(|tenant| rounds.due(tenant)).min()),
        }
    }
}

/// A place at a desk, which is given up when the caller leaves.
pub(super) struct Place<'a, T> {
    desk: &'a Desk<T>,
    tenant: TenantId,
    ticket: Ticket,
}

impl<T> Place<'_, T> {
    /// Whether it was still waiting; then it is in no group and never will be.
    pub(super) fn leave(&self) -> bool {
        let waiting = self.desk.state().queue.leave(&self.tenant, self.ticket);
        waiting.is_some()
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The handle of a desk's task, which ends with [`Clerk::stop`], or when this is dropped.
pub(super) struct Clerk {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Clerk {
    /// Starts to take groups of up to `most` from the desk and to have each done by `work`.
    pub(super) fn start<T, F>(
        desk: Arc<Desk<T>>,
        most: impl Fn() -> usize + Send + 'static,
        work: impl Fn(TenantId, Vec<T>) -> F + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        Clerk { stop, task: Mutex::new(Some(tokio::spawn(run(desk, most, work, stopped)))) }
    }

    /// Takes nothing more, does what waits, and ends.
    ///
    /// # Cancel safety
    /// Dropped, the task goes on to its end by itself.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!("a task of the ingest ended badly: {error}");
        }
    }
}

/// A group that is under way, for as long as this lives.
struct UnderWay<T> {
    desk: Arc<Desk<T>>,
    tenant: TenantId,
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.desk.state().rounds.end(&self.tenant);
        self.desk.bell.notify_one();
    }
}

async fn run<T, F>(
    desk: Arc<Desk<T>>,
    most: impl Fn() -> usize,
    work: impl Fn(TenantId, Vec<T>) -> F,
    mut stopped: watch::Receiver<bool>,
) where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut groups = JoinSet::new();
    let mut is_open = true;
    loop {
        while groups.try_join_next().is_some() {}
        if is_open && stopped.has_changed().unwrap_or(true) {
            is_open = false;
            desk.state().is_closed = true;
        }
        let until = match desk.next(most(), Instant::now()) {
            Next::Begins(tenant, group) => {
                let under_way = UnderWay { desk: Arc::clone(&desk), tenant: tenant.clone() };
                let work = work(tenant, group);
                groups.spawn(async move {
                    let _under_way = under_way;
                    work.await;
                });
                continue;
            }
            Next::Nothing if !is_open => break,
            Next::Nothing => None,
            Next::Waits(until) => until,
        };
        let due = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = desk.bell.notified() => {}
            () = due => {}
            // Also when the handle was dropped.
            _ = stopped.changed(), if is_open => stopped.mark_changed(),
        }
    }
    while groups.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::{mpsc, oneshot};

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    /// A group as it was begun, with what ends it.
    type Begun = (String, Vec<u32>, oneshot::Sender<()>);

    /// A desk whose groups, of four at most, are told to the receiver.
    fn desk(lull: Duration) -> (Arc<Desk<u32>>, Clerk, mpsc::UnboundedReceiver<Begun>) {
        let desk = Desk::with(100, Rounds::new(4, lull));
        let (tell, told) = mpsc::unbounded_channel();
        let work = move |tenant: TenantId, group| {
            let (end, ended) = oneshot::channel();
            tell.send((tenant.as_str().to_owned(), group, end)).unwrap();
            async move { drop(ended.await) }
        };
        (Arc::clone(&desk), Clerk::start(desk, || 4, work), told)
    }

    fn enter<'a>(desk: &'a Desk<u32>, name: &str, n: u32) -> Place<'a, u32> {
        desk.enter(tenant(name), n).ok().unwrap().0
    }

    #[tokio::test]
    async fn those_that_come_meanwhile_go_together() {
        let (desk, _clerk, mut told) = desk(Duration::from_secs(3600));
        let mut places = vec![enter(&desk, "a", 1)];
        let (name, group, first) = told.recv().await.unwrap();
        assert_eq!((name.as_str(), group), ("a", vec![1]));
        places.extend([2, 3].map(|n| enter(&desk, "a", n)));
        places.push(enter(&desk, "b", 4));
        let (name, group, _of_b) = told.recv().await.unwrap();
        assert_eq!((name.as_str(), group), ("b", vec![4]), "another tenant does not wait for this one");
        first.send(()).unwrap();
        let (name, group, second) = told.recv().await.unwrap();
        assert_eq!((name.as_str(), group), ("a", vec![2, 3]));
        places.extend([5, 6, 7, 8, 9].map(|n| enter(&desk, "a", n)));
        let (_, group, third) = told.recv().await.unwrap();
        assert_eq!(group, [5, 6, 7, 8], "a full one waits for none");
        drop((second, third));
        let (_, group, _fourth) = told.recv().await.unwrap();
        assert_eq!(group, [9]);
    }

    #[tokio::test]
    async fn none_waits_for_a_slow_one_longer_than_the_lull_while_a_lane_is_free() {
        let (desk, _clerk, mut told) = desk(Duration::from_millis(1));
        let (mut places, mut stuck) = (Vec::new(), Vec::new());
        for n in 1..=4 {
            places.push(enter(&desk, "a", n));
            let (_, group, end) = told.recv().await.unwrap();
            assert_eq!(group, [n]);
            stuck.push(end);
        }
        places.push(enter(&desk, "a", 5));
        places.push(enter(&desk, "b", 6));
        tokio::task::yield_now().await;
        assert!(told.try_recv().is_err(), "all lanes are taken");
        drop(stuck.pop());
        assert!(told.recv().await.is_some());
    }

    #[tokio::test]
    async fn one_that_leaves_is_in_no_group_and_the_rest_is_done_before_the_end() {
        let (desk, clerk, mut told) = desk(Duration::from_secs(3600));
        let _first = enter(&desk, "a", 1);
        let (_, _, first) = told.recv().await.unwrap();
        let (left, _stays) = (enter(&desk, "a", 2), enter(&desk, "a", 3));
        assert!(left.leave() && !left.leave());
        let stopping = tokio::spawn(async move { clerk.stop().await });
        first.send(()).unwrap();
        let (_, group, second) = told.recv().await.unwrap();
        assert_eq!(group, [3]);
        while !desk.state().is_closed {
            tokio::task::yield_now().await;
        }
        assert!(matches!(desk.enter(tenant("a"), 4), Err(NoPlace::Closed)));
        assert!(!stopping.is_finished());
        second.send(()).unwrap();
        stopping.await.unwrap();
    }
}
