//! Asks every server of a database what it is and how far it is, and tells of what has changed.
//!
//! One task asks all of them, on the connections that the heartbeats keep anyway, so it needs none of its own. The
//! primary is asked first, and the replicas when it has answered: a replica that has replayed up to the primary's place is
//! then known to show everything that was committed when the primary was asked. A primary that does not answer keeps no
//! replica from being asked.
//!
//! A question that is not answered stays out and is not repeated on its connection, which a frozen server could not take.

use crate::call::postgres::Postgres;
use crate::call::replicas::{Replica, Replicas, Seen};
use crate::call::server::Server;
use crate::call::standing::{ASK, ASK_PRIMARY, Told};
use crate::driver_fault::fault_of;
use crate::event::Event;
use crate::lsn::Lsn;
use crate::moment::Moment;
use crate::place::ServerRole;
use crate::pool::Inner;
use crate::rules::route::{Demand, Standing};
use crate::settings::TargetSessionAttrs;
use crate::token::Timeline;
use crate::wire::handshake::Opened;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_postgres::SimpleQueryMessage;

/// Replicas wait for the answer of the primary no longer than this.
const HEAD_START: Duration = Duration::from_millis(50);
/// A server that owes its answer for longer than this does not answer, and one that cannot be asked for as long.
const LIMIT: Duration = Duration::from_secs(1);
/// How often refused reads are told of.
const REPORT: Duration = Duration::from_secs(1);

type Answer = (usize, Moment, Arc<Opened>, Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>);

/// Runs until the primary's pool is gone or closed.
pub(crate) async fn run(pool: Weak<Inner<Postgres>>, primary: Arc<Server>, replicas: Weak<Replicas>) {
    let every = primary.plan.replica_check();
    let mut watch = {
        let Some(replicas) = replicas.upgrade() else { return };
        Watch::over(&primary, &replicas)
    };
    let mut next = Instant::now();
    loop {
        tokio::select! {
            Some(answer) = watch.answers.next(), if !watch.answers.is_empty() => {
                let Some(replicas) = replicas.upgrade() else { return };
                watch.answered(&replicas, answer);
            }
            () = sleep_until(watch.head_start.unwrap_or(next).min(next)) => {
                let is_open = pool.upgrade().is_some_and(|inner| !inner.slots.lock().is_closed());
                let Some(replicas) = replicas.upgrade().filter(|_| is_open) else { return };
                watch.ask_replicas();
                if Instant::now() >= next {
                    next = Instant::now() + every;
                    watch.begin_round(&replicas);
                }
            }
        }
    }
}

/// One server, as the task watches it.
struct Watched {
    server: Arc<Server>,
    /// Since when it owes its answer, and on which connection.
    owed: Option<(Moment, Weak<Opened>)>,
    /// Since when there is no connection to ask it on.
    missing: Option<Moment>,
    role: Option<ServerRole>,
    /// Whether reads go to it, if that was told, and since when not.
    is_used: Option<bool>,
    unused_since: Moment,
    /// The cluster of a primary, as it has told on this connection.
    system: Option<(Weak<Opened>, String)>,
    /// What is known of statements is out of date once the replica has replayed so much.
    outdated_at: Option<Lsn>,
}

impl Watched {
    fn new(server: &Arc<Server>) -> Self {
        let unused_since = Moment::now();
        Watched {
            server: Arc::clone(server),
            owed: None,
            missing: None,
            role: None,
            is_used: None,
            unused_since,
            system: None,
            outdated_at: None,
        }
    }

    /// The connection on which it can be asked now.
    fn connection(&self) -> Option<Arc<Opened>> {
        self.server.observed.reserved.lock().clone().filter(|opened| !opened.link.is_closed())
    }

    /// Sends the question, unless one is out on this connection.
    fn ask(&mut self, index: usize) -> Option<BoxFuture<'static, Answer>> {
        let opened = self.connection()?;
        if self.owed.as_ref().is_some_and(|(_, on)| is_same(on, &opened)) {
            return None;
        }
        let is_known = self.system.as_ref().is_some_and(|(on, _)| is_same(on, &opened));
        let question = if is_known { ASK_PRIMARY } else { ASK };
        let asked = Moment::now();
        self.owed = Some((asked, Arc::downgrade(&opened)));
        Some(Box::pin(async move {
            let answer = opened.client.simple_query(question).await;
            (index, asked, opened, answer)
        }))
    }

    /// It does not answer: it owes an answer for too long, or there is no connection to ask it on and none can be opened. A
    /// connection that was ended alone, as by an administrator, is replaced and proves nothing.
    fn is_away(&mut self, now: Moment) -> bool {
        let is_late = self.owed.as_ref().is_some_and(|(since, _)| now.since(*since) > LIMIT);
        self.missing = match self.connection() {
            Some(_) => None,
            None => self.missing.or(Some(now)),
        };
        let is_unreachable = self.server.observed.cannot_reserve.load(Ordering::Acquire);
        is_late || self.missing.is_some_and(|since| is_unreachable || now.since(since) > LIMIT)
    }
}

/// Whether the connection is this one.
fn is_same(on: &Weak<Opened>, opened: &Arc<Opened>) -> bool {
    on.upgrade().is_some_and(|on| Arc::ptr_eq(&on, opened))
}

/// All servers; the primary is the first.
struct Watch {
    servers: Vec<Watched>,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// When the replicas are asked in this round, if they were not yet.
    head_start: Option<Instant>,
    reported: Moment,
    has_looked: bool,
    /// The epoch of what the primary's pool knows of statements.
    epoch: u64,
    /// What was told of each server's role last.
    roles: HashMap<String, (ServerRole, Timeline)>,
}

impl Watch {
    fn over(primary: &Arc<Server>, replicas: &Replicas) -> Self {
        let servers = std::iter::once(primary).chain(replicas.all.iter().map(|replica| &replica.server));
        let now = Moment::now();
        Watch {
            servers: servers.map(Watched::new).collect(),
            answers: FuturesUnordered::new(),
            head_start: None,
            reported: now,
            has_looked: false,
            epoch: primary.statements.epoch(),
            roles: HashMap::new(),
        }
    }

    /// Looks at what is out, and asks the primary.
    fn begin_round(&mut self, replicas: &Replicas) {
        let now = Moment::now();
        for (index, replica) in (1..).zip(&replicas.all) {
            let Some(watched) = self.servers.get_mut(index) else { continue };
            if watched.is_away(now) {
                self.learn(replicas, index, replica, Seen::nothing(Standing::Away, now));
            } else {
                self.tell_use(replicas, index, replica, now);
            }
        }
        self.head_start = Some(Instant::now() + HEAD_START);
        if let Some(question) = self.servers.first_mut().and_then(|primary| primary.ask(0)) {
            self.answers.push(question);
        }
        self.report(replicas, now);
    }

    fn ask_replicas(&mut self) {
        if self.head_start.take().is_none() {
            return;
        }
        let questions =
            self.servers.iter_mut().enumerate().skip(1).filter_map(|(index, watched)| watched.ask(index));
        self.answers.extend(questions);
    }

    fn answered(&mut self, replicas: &Replicas, (index, asked, opened, answer): Answer) {
        let Some(watched) = self.servers.get_mut(index) else { return };
        let is_last = watched.owed.as_ref().is_some_and(|(since, _)| *since == asked);
        if is_last {
            watched.owed = None;
        }
        // The connection has ended. Whether the server has, shows when there is no other one soon.
        if answer.as_ref().is_err_and(|error| fault_of(error).is_connectivity()) {
            return;
        }
        let told = answer.ok().and_then(|answer| Told::read(&answer));
        match index.checked_sub(1) {
            None => {
                if let Some(told) = told.filter(|_| is_last) {
                    self.primary_told(replicas, told, asked, &opened);
                }
                self.ask_replicas();
            }
            Some(place) => {
                let Some(replica) = replicas.all.get(place).filter(|_| is_last) else { return };
                let seen = match &told {
                    Some(told) => Seen { candidate: replicas.judge(told), asked },
                    None => Seen::nothing(Standing::Untold, asked),
                };
                self.learn(replicas, index, replica, seen);
            }
        }
    }

    fn primary_told(&mut self, replicas: &Replicas, mut told: Told, asked: Moment, opened: &Arc<Opened>) {
        let Some(primary) = self.servers.first_mut() else { return };
        let host = opened.session.host;
        if told.is_standby {
            // It was demoted without its connections being cut. The heartbeat opens another one, which leads elsewhere.
            if primary.server.plan.target_session_attrs() == TargetSessionAttrs::ReadWrite {
                primary.server.demoted(host, "it is a standby now");
                primary.server.observed.reserved.lock().take();
            }
            return;
        }
        match &primary.system {
            Some((_, system)) if told.system.is_empty() => told.system.clone_from(system),
            _ => primary.system = Some((Arc::downgrade(opened), told.system.clone())),
        }
        let before = replicas.primary_told(&told, asked);
        let server = primary.server.plan.hosts().get(host).map(ToString::to_string).unwrap_or_default();
        let is_news = before.is_some_and(|before| before < told.timeline);
        self.tell_role(server, ServerRole::Primary, told.timeline, is_news);
        self.pass_on_changes_of_the_schema(told.lsn);
    }

    /// Tells of a server's role, if it has not been told already and is news.
    fn tell_role(&mut self, server: String, role: ServerRole, timeline: Timeline, is_news: bool) {
        let before = self.roles.insert(server.clone(), (role, timeline));
        let is_told = before == Some((role, timeline));
        if let Some(primary) = self.servers.first().filter(|_| is_news && !is_told) {
            primary.server.events.tell(Event::RoleChanged { server, role, timeline: timeline.0 });
        }
    }

    /// A standby does not count changes of its catalog, so what is known of statements there is out of date when it is on
    /// the primary: as soon as the standby has replayed what had changed there.
    fn pass_on_changes_of_the_schema(&mut self, place: Lsn) {
        let Some((primary, replicas)) = self.servers.split_first_mut() else { return };
        let epoch = primary.server.statements.epoch();
        if std::mem::replace(&mut self.epoch, epoch) != epoch {
            replicas.iter_mut().for_each(|watched| watched.outdated_at = Some(place));
        }
    }

    /// Keeps what is known of a replica now, and tells what has changed.
    fn learn(&mut self, replicas: &Replicas, index: usize, replica: &Replica, seen: Seen) {
        replica.keep(seen);
        let role = match seen.candidate.standing {
            Standing::Following => Some(ServerRole::Replica),
            Standing::Promoted => Some(ServerRole::Primary),
            _ => None,
        };
        if let (Some(watched), Some(role)) = (self.servers.get_mut(index), role) {
            if watched.outdated_at.is_some_and(|place| seen.candidate.replayed >= place) {
                watched.outdated_at = None;
                watched.server.statements.outdate();
            }
            let is_news = watched.role.replace(role).is_some_and(|before| before != role);
            self.tell_role(replica.name.to_string(), role, seen.candidate.timeline, is_news);
        }
        self.tell_use(replicas, index, replica, Moment::now());
        let is_unknown = |replica: &Arc<Replica>| replica.seen().candidate.standing == Standing::Unknown;
        if !self.has_looked && !replicas.all.iter().any(is_unknown) {
            self.has_looked = true;
            replicas.first_look.notify_one();
        }
    }

    /// Tells when reads that demand nothing special begin to go to a replica, or go there no more.
    fn tell_use(&mut self, replicas: &Replicas, index: usize, replica: &Replica, now: Moment) {
        let Some(watched) = self.servers.get_mut(index) else { return };
        if replica.seen().candidate.standing == Standing::Unknown {
            return;
        }
        let fitness = replicas.fitness(replica, &Demand { lag: replicas.usual(), after: None }, now);
        match fitness {
            Ok(_) if watched.is_used != Some(true) => {
                watched.is_used = Some(true);
                let after = now.since(watched.unused_since);
                watched.server.events.tell(Event::ReplicaBack { server: replica.name.to_string(), after });
            }
            Err(why) if watched.is_used != Some(false) => {
                watched.is_used = Some(false);
                watched.unused_since = now;
                let (server, reason) = (replica.name.to_string(), why.to_string());
                watched.server.events.tell(Event::ReplicaLost { server, reason });
            }
            _ => {}
        }
    }

    fn report(&mut self, replicas: &Replicas, now: Moment) {
        if now.since(self.reported) < REPORT {
            return;
        }
        self.reported = now;
        let (refused, cap) = (replicas.fallback.take_untold(), replicas.fallback.cap);
        if let Some(primary) = self.servers.first().filter(|_| refused > 0) {
            primary.server.events.tell(Event::FallbackCapped { refused, cap });
        }
    }
}
