//! The task that keeps a pool to its budget.
//!
//! Once a second it tells the server how many connections the pool has, in the name of the heartbeat's connection, and reads
//! who else is there. What the pool may have follows from that: see [`share`](crate::rules::share). Between the readings it
//! divides the program's share anew where several pools have one budget, since what one needs changes sooner than what
//! there is.
//!
//! Behind a pooler nothing is read. The server does not know which of the pooler's sessions is whose, and its limit is not
//! the pooler's. A refusal is heeded all the same. So it is without a heartbeat, whose connection is what shows an instance.

use super::Membership;
use super::question::{self, History};
use crate::call::postgres::Postgres;
use crate::call::server::Server;
use crate::event::Event;
use crate::moment::Moment;
use crate::pool::{Inner, connects, janitor};
use crate::rules::share::Instance;
use crate::rules::share::mark::{self, Mark};
use crate::settings::Enforcement;
use crate::wire::connect::Pooler;
use crate::wire::handshake::Opened;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;

/// How often the program's share is divided anew among its pools.
const TICK: Duration = Duration::from_millis(100);
/// How often the server is asked, with a quarter of jitter: instances that were started together need not ask together.
const EVERY: Duration = Duration::from_secs(1);
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a connection of the pool is given up for the heartbeat's.
const MAKE_ROOM: Duration = Duration::from_secs(5);
/// A server that does not allow the question is asked again after this.
const NOT_ALLOWED: Duration = Duration::from_secs(60);

/// Runs until the pool is gone or closed.
pub(crate) async fn run(pool: Weak<Inner<Postgres>>, server: Arc<Server>, membership: Membership) {
    let now = Instant::now();
    let history = History::default();
    let mut keeper = Keeper {
        server,
        membership,
        history,
        read_at: now,
        room_at: now,
        tell_at: now + EVERY,
        shown: None,
        told: None,
    };
    loop {
        sleep(TICK).await;
        let Some(question) = pool.upgrade().and_then(|inner| keeper.tick(&inner)) else { break };
        // The pool is not held meanwhile: it may end.
        if let Some(question) = question {
            keeper.ask(question).await;
        }
    }
}

struct Keeper {
    server: Arc<Server>,
    membership: Membership,
    history: History,
    /// When the server is to be asked next.
    read_at: Instant,
    /// When a connection may be given up again for the heartbeat's.
    room_at: Instant,
    /// The name that the heartbeat's connection was given, and which connection that is.
    shown: Option<(i32, String)>,
    /// When changes are to be told next: at most once a second.
    tell_at: Instant,
    /// How many connections the budget allowed when that was told last, if those were not all.
    told: Option<usize>,
}

/// A question that is due.
struct Question {
    ready: Arc<Opened>,
    /// The name that the connection is to have.
    name: Option<String>,
    me: Instance,
}

impl Keeper {
    /// Does what is due without the server; gives what is to be asked of it, if that is due. `None` once the pool is closed.
    fn tick(&mut self, inner: &Arc<Inner<Postgres>>) -> Option<Option<Question>> {
        if inner.slots.lock().is_closed() {
            return None;
        }
        if self.membership.is_divided() {
            self.membership.balance();
        }
        let now = Instant::now();
        if now >= self.tell_at {
            self.tell_at = now + EVERY;
            self.tell(inner);
        }
        if now < self.read_at {
            return Some(None);
        }
        self.make_room(inner);
        let ready = self.server.observed.reserved.lock().clone();
        let is_readable = |ready: &Arc<Opened>| {
            self.server.plan.heartbeat().is_some() && ready.session.pooler == Pooler::None
        };
        let Some(ready) = ready.filter(is_readable) else {
            self.try_more(inner, None);
            return Some(None);
        };
        self.read_at = Instant::now() + EVERY.mul_f64(0.75 + 0.5 * fastrand::f64());
        Some(Some(self.question(inner, ready)))
    }

    fn question(&mut self, inner: &Inner<Postgres>, ready: Arc<Opened>) -> Question {
        let holds = {
            let slots = inner.slots.lock();
            slots.total() - slots.opening()
        };
        let mark = Mark { token: self.membership.budget().token(), holds, most: self.membership.most() };
        let is_shown = self.server.plan.connection_budget() == Enforcement::On;
        let name = is_shown.then(|| mark::compose(self.server.plan.application_name(), Some(mark)));
        let pid = ready.link.state.pid();
        let is_new =
            |name: &String| self.shown.as_ref().is_none_or(|(of, shown)| *of != pid || shown != name);
        let me = Instance { token: mark.token, pools: 1, holds, most: mark.most };
        Question { ready, name: name.filter(is_new), me }
    }

    async fn ask(&mut self, question: Question) {
        let Question { ready, name, me } = question;
        let text = question::question(name.as_deref());
        let answer = timeout(PATIENCE, ready.client.simple_query(&text)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                self.read_at = Instant::now() + NOT_ALLOWED;
                return;
            }
            Ok(Err(_)) | Err(_) => return,
        };
        if let Some(name) = name {
            self.shown = Some((ready.link.state.pid(), name));
        }
        let now = Moment::now();
        let shares = question::read(&answer).and_then(|reading| self.history.add(reading, me, now));
        if let Some(shares) = shares {
            self.membership.read(shares);
            if let Some(inner) = self.membership.pool.upgrade() {
                self.try_more(&inner, Some(shares.free));
            }
        }
    }

    /// Tries more connections than the server had when it refused one.
    fn try_more(&self, inner: &Arc<Inner<Postgres>>, free: Option<usize>) {
        let has_grown = {
            let mut slots = inner.slots.lock();
            let before = slots.ceiling();
            slots.try_more(free, Moment::now());
            slots.ceiling() > before
        };
        if has_grown {
            connects::refill(inner);
        }
    }

    /// Gives one connection of the pool up, if the heartbeat was refused its own for want of one. Not often: another program
    /// may be quicker to take it.
    fn make_room(&mut self, inner: &Arc<Inner<Postgres>>) {
        let now = Instant::now();
        if now < self.room_at || !self.server.observed.is_heartbeat_crowded_out.swap(false, Ordering::AcqRel)
        {
            return;
        }
        self.room_at = now + MAKE_ROOM;
        inner.slots.lock().make_room(Moment::now());
        janitor::tidy(inner);
    }

    /// Tells that there may be more or fewer connections than when it was told last.
    fn tell(&mut self, inner: &Inner<Postgres>) {
        let (to, configured, reason) = {
            let slots = inner.slots.lock();
            (slots.budgeted(), slots.configured(), slots.restriction())
        };
        let from = self.told.unwrap_or(configured);
        self.told = reason.is_some().then_some(to);
        let is_dark = self.server.plan.connection_budget() != Enforcement::On;
        match reason {
            Some(reason) if to < from => {
                self.server.events.tell(Event::BudgetShrunk { from, to, reason, is_dark });
            }
            _ if to > from => self.server.events.tell(Event::BudgetGrown { from, to, is_dark }),
            _ => {}
        }
    }
}
