//! The servers that reads may go to: what is known of each, and which of them a read gets.
//!
//! What is known comes from the task that asks them all (`watch::replication`), and from reads that ask for themselves.
//! The choice is made by pure rules ([`route`](crate::rules::route)).

use super::database::Database;
use super::fallback::Fallback;
use super::postgres::Postgres;
use super::server::Server;
use super::standing::Told;
use crate::lsn::Lsn;
use crate::moment::Moment;
use crate::place::ServerRole;
use crate::pool::{Pool, PoolStatus};
use crate::rules::lag::LogHistory;
use crate::rules::route;
use crate::rules::route::{Candidate, Demand, Fitness, LagLimit, PrimaryView, Standing, Unfit};
use crate::settings::Plan;
use crate::token::Timeline;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What is known of a replica, and when it was asked for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) candidate: Candidate,
    /// When the question was sent.
    pub(crate) asked: Moment,
}

impl Seen {
    /// It told nothing.
    pub(crate) fn nothing(standing: Standing, asked: Moment) -> Self {
        let candidate =
            Candidate { standing, timeline: Timeline::default(), replayed: Lsn::default(), as_of: None };
        Seen { candidate, asked }
    }
}

/// One server that reads may go to.
pub(crate) struct Replica {
    pub(crate) name: Arc<str>,
    pub(crate) pool: Pool<Postgres>,
    pub(crate) server: Arc<Server>,
    seen: RwLock<Seen>,
    /// Told whenever something else is known of it.
    changed: Notify,
    /// Reads that hold a connection of it or wait for one.
    pub(crate) reads: AtomicUsize,
    pub(crate) served: AtomicU64,
}

impl Replica {
    pub(crate) fn new(name: Arc<str>, pool: Pool<Postgres>, server: Arc<Server>) -> Self {
        Replica {
            name,
            pool,
            server,
            seen: RwLock::new(Seen::nothing(Standing::Unknown, Moment::now())),
            changed: Notify::new(),
            reads: AtomicUsize::new(0),
            served: AtomicU64::new(0),
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.read()
    }

    /// Keeps what it told; gives what was known before.
    pub(crate) fn keep(&self, seen: Seen) -> Seen {
        let before = std::mem::replace(&mut *self.seen.write(), seen);
        self.changed.notify_waiters();
        before
    }

    /// Waits until it can certainly not be read from any more; for ever, as a rule.
    pub(crate) async fn lost(&self) -> Unfit {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.seen().candidate.standing {
                Standing::Following | Standing::Unknown => changed.await,
                standing => return Unfit::Standing(standing),
            }
        }
    }
}

/// What is known of the primary.
#[derive(Default)]
pub(crate) struct PrimaryKnown {
    pub(crate) view: PrimaryView,
    pub(crate) history: LogHistory,
    system: Option<String>,
    page: u64,
}

impl PrimaryKnown {
    /// It told this when it was asked at that moment. A server of an older timeline is one that was replaced, and one of
    /// another cluster is compared with nothing that was known before.
    fn told(&mut self, told: &Told, asked: Moment) {
        let is_same = self.system.as_ref() == Some(&told.system);
        if is_same && self.view.timeline.is_some_and(|known| told.timeline < known) {
            return;
        }
        if !is_same || self.view.timeline != Some(told.timeline) {
            self.history.forget();
        }
        self.history.note(told.lsn.without_header(told.page), asked);
        self.view = PrimaryView { timeline: Some(told.timeline), asked: self.history.latest() };
        self.system = Some(told.system.clone());
        self.page = told.page;
    }
}

/// All replicas of one database.
pub(crate) struct Replicas {
    pub(crate) all: Vec<Arc<Replica>>,
    primary: RwLock<PrimaryKnown>,
    pub(crate) fallback: Fallback,
    usual_lag: Option<LagLimit>,
    /// How long a read waits for a replica to replay a commit.
    pub(crate) wait: Duration,
    /// Told when each replica was asked for the first time.
    pub(crate) first_look: Notify,
}

impl Replicas {
    pub(crate) fn new(all: Vec<Arc<Replica>>, plan: &Plan) -> Self {
        Replicas {
            all,
            primary: RwLock::default(),
            fallback: Fallback::of(plan.replica_fallback_cap()),
            usual_lag: plan.max_replica_lag().map(LagLimit::Usual),
            wait: plan.replica_wait(),
            first_look: Notify::new(),
        }
    }

    /// What a read asks that does not say how far behind a replica may be.
    pub(crate) fn usual(&self) -> Option<LagLimit> {
        self.usual_lag
    }

    /// What is known of the primary now.
    pub(crate) fn primary(&self) -> PrimaryView {
        self.primary.read().view
    }

    /// The primary told this; gives its timeline before.
    pub(crate) fn primary_told(&self, told: &Told, asked: Moment) -> Option<Timeline> {
        let mut primary = self.primary.write();
        let before = primary.view.timeline;
        primary.told(told, asked);
        before
    }

    /// What a server's answer says of it as a replica.
    pub(crate) fn judge(&self, told: &Told) -> Candidate {
        let primary = self.primary.read();
        let standing = match &primary.system {
            _ if !told.is_standby => Standing::Promoted,
            Some(system) if *system != told.system => Standing::Foreign,
            _ => Standing::Following,
        };
        let replayed = told.lsn;
        Candidate { standing, timeline: told.timeline, replayed, as_of: primary.history.as_of(replayed) }
    }

    /// Whether a replica may serve a read with this demand.
    pub(crate) fn fitness(&self, replica: &Replica, demand: &Demand, now: Moment) -> Result<Fitness, Unfit> {
        let fitness = route::fitness(&replica.seen().candidate, demand, &self.primary(), now)?;
        if replica.server.breaker.is_closed() { Ok(fitness) } else { Err(Unfit::Refusing) }
    }

    /// Chooses a replica for a read that was not tried on these.
    pub(crate) fn choose(
        &self,
        demand: &Demand,
        tried: &[(usize, Unfit)],
        now: Moment,
    ) -> Option<(usize, &Arc<Replica>)> {
        let is_tried = |index| tried.iter().any(|(at, _)| *at == index);
        let fits = self.all.iter().enumerate().map(|(index, replica)| {
            if is_tried(index) { None } else { self.fitness(replica, demand, now).ok() }
        });
        let load = |index: usize| {
            self.all.get(index).map_or(usize::MAX, |replica| replica.reads.load(Ordering::Relaxed))
        };
        let draw = |below: u32| if below > 1 { fastrand::u32(..below) } else { 0 };
        let index = route::choose(fits, load, draw)?;
        self.all.get(index).map(|replica| (index, replica))
    }

    /// Why none of them may serve a read: "db2:5432 does not answer, db3:5432 is 12.3 s behind".
    pub(crate) fn reasons(&self, demand: &Demand, tried: &[(usize, Unfit)]) -> String {
        let now = Moment::now();
        let reason = |(index, replica): (usize, &Arc<Replica>)| {
            let tried = tried.iter().find(|(at, _)| *at == index).map(|(_, why)| *why);
            let why = self.fitness(replica, demand, now).err().or(tried);
            format!("{} {}", replica.name, why.unwrap_or(Unfit::Tried))
        };
        self.all.iter().enumerate().map(reason).collect::<Vec<_>>().join(", ")
    }
}

/// Where reads go, and what is known of each replica.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RoutingStatus {
    /// The replicas, in the order in which they were set.
    pub replicas: Vec<ReplicaStatus>,
    /// The timeline of the primary, once it has answered.
    pub timeline: Option<u32>,
    /// Reads that were to go to a replica and went to the primary.
    pub fell_back: u64,
    /// Reads that no server took.
    pub refused: u64,
    /// How many of the primary's connections reads may hold together that no replica could serve.
    pub fallback_cap: usize,
    /// How many of these they hold now, or wait for.
    pub fallback_inside: usize,
}

/// What is known of one replica.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// Its host.
    pub server: String,
    /// Its role when it last answered; none if it does not answer.
    pub role: Option<ServerRole>,
    /// Whether reads go to it that demand nothing special.
    pub is_used: bool,
    /// Why not, if they do not.
    pub reason: Option<String>,
    /// The most by which it can be behind the primary, now; none if that is not known. It is never less than the time
    /// since the primary was last asked.
    pub lag: Option<Duration>,
    /// How far it has replayed the log, as in `pg_last_wal_replay_lsn`.
    pub replayed: Option<String>,
    /// The timeline that it follows.
    pub timeline: Option<u32>,
    /// Reads that it was given.
    pub served: u64,
    /// Reads that hold one of its connections, or wait for one.
    pub reads: usize,
    /// The numbers of its pool.
    pub pool: PoolStatus,
}

impl Database {
    /// Where reads go, and what is known of each replica; `None` where no replica is set.
    #[must_use]
    pub fn routing(&self) -> Option<RoutingStatus> {
        let replicas = self.replicas.as_ref()?;
        let (fell_back, refused) = replicas.fallback.totals();
        Some(RoutingStatus {
            replicas: replicas.all.iter().map(|replica| replicas.status(replica)).collect(),
            timeline: replicas.primary().timeline.map(|timeline| timeline.0),
            fell_back,
            refused,
            fallback_cap: replicas.fallback.cap,
            fallback_inside: replicas.fallback.inside(),
        })
    }
}

impl Replicas {
    fn status(&self, replica: &Replica) -> ReplicaStatus {
        let now = Moment::now();
        let Candidate { standing, timeline, replayed, as_of } = replica.seen().candidate;
        let unfit = self.fitness(replica, &Demand { lag: self.usual_lag, after: None }, now).err();
        let role = match standing {
            Standing::Following | Standing::Foreign => Some(ServerRole::Replica),
            Standing::Promoted => Some(ServerRole::Primary),
            Standing::Unknown | Standing::Away | Standing::Untold => None,
        };
        ReplicaStatus {
            server: replica.name.to_string(),
            role,
            is_used: unfit.is_none(),
            reason: unfit.map(|unfit| unfit.to_string()),
            lag: as_of.map(|as_of| now.since(as_of)),
            replayed: role.map(|_| replayed.to_string()),
            timeline: role.map(|_| timeline.0),
            served: replica.served.load(Ordering::Relaxed),
            reads: replica.reads.load(Ordering::Relaxed),
            pool: replica.pool.status(),
        }
    }
}
