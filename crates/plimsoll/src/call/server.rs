//! One PostgreSQL server, as all connections of its pool share it: its settings, its breaker, and what is known of it.

use super::breaker::CircuitBreaker;
use super::health::HealthCache;
use super::statement::cache::StatementKnowledge;
use crate::event::Event;
use crate::events::Events;
use crate::moment::{Moment, nanos};
use crate::place::{Place, ServerRole};
use crate::pool::alarm::Alarm;
use crate::record::Monitor;
use crate::record::slow_log::SlowLog;
use crate::settings::Plan;
use crate::wire::demotion::Demotions;
use crate::wire::handshake::Opened;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What all connections of one pool share. The fields that every statement reads come first and fill one cache line.
#[repr(C, align(64))]
pub(crate) struct Server {
    pub(crate) limits: StatementLimits,
    /// The pool's clock, which watches the limits of statements too.
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) breaker: Arc<CircuitBreaker>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) events: Events,
    /// The runtime of the pool, on which its connections are driven.
    pub(crate) runtime: Handle,
    /// Told of each statement that has ended, and by the pool of acquisitions and leases.
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) slow_log: Arc<SlowLog>,
    pub(crate) statements: StatementKnowledge,
    pub(crate) observed: Observed,
    /// When the pool was opened.
    #[cfg(feature = "otlp")]
    pub(crate) opened_at: std::time::SystemTime,
    /// Becomes true when the pool is closed. Each listener's task holds a receiver until its connection has ended.
    pub(crate) closing: watch::Sender<bool>,
    /// Which server it is, where there are several.
    pub(crate) place: Option<Place>,
    pub(crate) demotions: Arc<Demotions>,
}

const _: () = assert!(std::mem::offset_of!(Server, plan) <= 64);

/// What was found out about the server beside the calls.
#[derive(Default)]
pub(crate) struct Observed {
    /// The connection on which the heartbeat asks. It serves other short questions about the server too.
    pub(crate) reserved: Mutex<Option<Arc<Opened>>>,
    /// The last connect for it has failed.
    pub(crate) cannot_reserve: AtomicBool,
    /// The server had no connection left for the heartbeat.
    pub(crate) is_heartbeat_crowded_out: AtomicBool,
    pub(crate) health: HealthCache,
    /// The limits that the newest connection does not carry.
    pub(crate) missing_guardrails: Mutex<Vec<String>>,
    /// What other clients were found to have left in the sessions behind a pooler.
    pub(crate) pollution: Mutex<Option<String>>,
}

/// The limits on one statement.
pub(crate) struct StatementLimits {
    /// This program's own.
    pub(crate) client: Option<Duration>,
    /// The server's.
    pub(crate) server: Option<Duration>,
    /// With this many nanoseconds left or fewer, nothing is sent.
    pub(crate) floor: u64,
    /// A statement is stopped at most this many nanoseconds before its deadline.
    pub(crate) margin: u64,
}

impl StatementLimits {
    /// The one that comes first.
    pub(crate) fn configured(&self) -> Option<Duration> {
        [self.client, self.server].into_iter().flatten().min()
    }
}

impl Server {
    pub(crate) fn new(
        plan: Arc<Plan>,
        events: Events,
        monitor: Arc<Monitor>,
        slow_log: Arc<SlowLog>,
        place: Option<Place>,
        demotions: Arc<Demotions>,
    ) -> Self {
        Server {
            limits: StatementLimits {
                client: plan.client_statement_timeout(),
                server: plan.statement_timeout(),
                floor: nanos(plan.deadline_floor()),
                margin: nanos(plan.deadline_margin()),
            },
            alarm: Arc::new(Alarm::new()),
            breaker: Arc::new(CircuitBreaker::new(&plan, events.clone())),
            runtime: Handle::current(),
            monitor,
            slow_log,
            statements: StatementKnowledge::new(plan.type_cache()),
            observed: Observed::default(),
            #[cfg(feature = "otlp")]
            opened_at: std::time::SystemTime::now(),
            closing: watch::Sender::new(false),
            place,
            demotions,
            events,
            plan,
        }
    }

    /// Whether reads are sent here, and nothing else.
    pub(crate) fn is_replica(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.role == ServerRole::Replica)
    }

    /// The server at this place of the list of hosts takes no writes any more. The first to notice that tells of it.
    pub(crate) fn demoted(&self, host: usize, reason: &'static str) {
        if self.demotions.demoted(host, Moment::now()) {
            let server = self.plan.hosts().get(host).map(ToString::to_string).unwrap_or_default();
            self.breaker.is_news();
            self.events.tell(Event::Demoted { server, reason });
        }
    }
}
