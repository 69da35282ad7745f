//! Watches the service and its database while a drill goes on.
//!
//! Questions to the service are asked at fixed times, whether or not earlier ones were answered, and their time counts from the moment
//! at which each was due: a service that stands still is asked on, as its clients would. Each question ends by its own limit, so
//! there are never more under way than come in that time.

use super::ask_service::Place;
use super::record::{Probe, Record, Seen};
use super::server::Server;
use plimsoll::DirectConnection;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How much longer than promised an answer is waited for, so that late and never can be told apart by a little.
const GRACE: Duration = Duration::from_secs(1);

/// How often health and sessions are asked for.
const LOOK: Duration = Duration::from_millis(250);

/// What is watched, and how.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) service: Place,
    pub(super) health: Option<Place>,
    pub(super) server: Server,
    pub(super) rate: u32,
    pub(super) answer_within: Duration,
}

/// Watches for as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) record: Record,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Where an answer belongs.
#[derive(Clone, Copy)]
enum Kind {
    Service,
    Health,
}

impl Watch {
    /// Begins to watch. The session is the one that looks at the others.
    pub(super) fn begin(watched: &Watched, session: DirectConnection) -> Self {
        let record = Record::begin();
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let limit = watched.answer_within + GRACE;
        let every = Duration::from_secs(1) / watched.rate.max(1);
        let service = Questions { place: watched.service.clone(), kind: Kind::Service, every, limit };
        tasks.spawn(service.ask(record.clone(), stopped.clone()));
        if let Some(place) = watched.health.clone() {
            let health = Questions { place, kind: Kind::Health, every: LOOK, limit };
            tasks.spawn(health.ask(record.clone(), stopped.clone()));
        }
        tasks.spawn(samples(watched.server.clone(), session, record.clone(), stopped));
        Watch { record, stop, tasks }
    }

    /// Asks no more, and waits for the answers that are under way.
    ///
    /// # Cancel safety
    /// Dropped, no answer is waited for.
    pub(super) async fn end(mut self) -> Seen {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.record.seen()
    }
}

struct Questions {
    place: Place,
    kind: Kind,
    every: Duration,
    limit: Duration,
}

impl Questions {
    async fn ask(self, record: Record, mut stopped: watch::Receiver<bool>) {
        let mut under_way = JoinSet::new();
        let mut due = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                () = sleep_until(due) => {}
            }
            under_way.spawn(one(self.place.clone(), self.kind, due, self.limit, record.clone()));
            due += self.every;
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }
}

async fn one(place: Place, kind: Kind, due: Instant, limit: Duration, record: Record) {
    let answer = place.ask(limit.saturating_sub(due.elapsed())).await;
    let probe = Probe { at: due.duration_since(record.epoch), took: due.elapsed(), answer };
    record.write(|seen| match kind {
        Kind::Service => seen.probes.push(probe),
        Kind::Health => seen.health.push(probe),
    });
}

/// Looks at the sessions; connects again where the server was away.
async fn samples(
    server: Server,
    session: DirectConnection,
    record: Record,
    mut stopped: watch::Receiver<bool>,
) {
    let mut session = Some(session);
    let mut due = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = sleep_until(due) => {}
        }
        let look = async {
            let with = match session.take() {
                Some(session) if !session.is_closed() => session,
                _ => server.session().await.ok()?,
            };
            let sample = server.sample(&with, record.epoch.elapsed()).await.ok()?;
            record.write(|seen| seen.samples.push(sample));
            Some(with)
        };
        session = tokio::select! {
            looked = look => looked,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        // A look that took long is not followed by many at once.
        due = (due + LOOK).max(Instant::now());
    }
}
