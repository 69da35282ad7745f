//! The connection budget: the live instances of all programs share what the server, the role and the database allow, and
//! the pools of one program share what it may have.
//!
//! | file | what it holds |
//! |---|---|
//! | here | [`Budget`], which pools share, and the division |
//! | [`keeper`] | the task of each pool: reads, divides, tells |
//! | [`question`] | what is asked of the server, and how its answer is read |
//! | [`status`] | what a program is told of it |

pub(crate) mod keeper;
pub(crate) mod question;
pub(crate) mod status;

use crate::call::postgres::Postgres;
use crate::moment::Moment;
use crate::pool::{Inner, janitor};
use crate::rules::share::Share;
use crate::rules::share::divide::{Claim, Demand, divide};
use crate::rules::share::mark::{Mark, Token};
use crate::rules::slots::allowance::{Bound, Granted};
use crate::settings::{Enforcement, Plan};
use crate::wire::connect::Pooler;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// Pools of one program that share their connections.
///
/// A program has a pool for each use, so that none can take the connections of another: one for requests, one for jobs, one
/// for health. Each has a largest size, and all of them together would be more than the program should open. Pools that
/// share a budget count as one live instance among those that share the server. What the instance may have is divided
/// among them: each is guaranteed its `pool_min`, at least one, and connections that one of them does not need now another
/// may open, up to its own `pool_max` and `max_overflow`.
///
/// ```no_run
/// use plimsoll::{Budget, Database, Settings};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let budget = Budget::of(32);
/// let settings = Settings::from_env()?;
/// let web = Database::connect_with(settings.clone().pool_min(4).pool_max(30), &budget).await?;
/// let jobs = Database::connect_with(settings.clone().pool_min(2).pool_max(20), &budget).await?;
/// let health = Database::connect_with(settings.pool_min(1).pool_max(2), &budget).await?;
/// println!("{:?}", web.connection_budget());
/// # let _ = (jobs, health); Ok(()) }
/// ```
///
/// A pool that was opened by [`Database::connect`](crate::Database::connect) has a budget of its own, without a total, and
/// counts as an instance of its own. The pools of one budget should lead to the same server. The setting
/// `connection_budget` of a pool decides whether the budget holds for it.
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    token: Token,
    total: Option<usize>,
    members: Mutex<Vec<Member>>,
}

/// A pool that shares a budget.
struct Member {
    pool: Weak<Inner<Postgres>>,
    demand: Demand,
    shares: Option<Shares>,
}

/// What the instance may have, as the heartbeat of one pool read it last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) at: Moment,
    pub(crate) server: Share,
    /// With the object id of the role; nothing where it has no limit.
    pub(crate) role: Option<(u32, Share)>,
    /// The same for the database.
    pub(crate) database: Option<(u32, Share)>,
    /// How many more sessions there may be.
    pub(crate) free: usize,
}

/// A pool's place in a budget; dropped, the pool leaves it.
pub(crate) struct Membership {
    budget: Budget,
    pool: Weak<Inner<Postgres>>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget::new()
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pools = self.shared.members.lock().len();
        f.debug_struct("Budget").field("total", &self.shared.total).field("pools", &pools).finish()
    }
}

impl Budget {
    /// A budget without a total of its own: its pools share what the server leaves to this instance.
    #[must_use]
    pub fn new() -> Self {
        Budget::with(None)
    }

    /// A budget of so many connections at the most, those of the heartbeats included. A total that is smaller than two for
    /// each pool counts as that: a pool has one connection to lend and one for its heartbeat.
    #[must_use]
    pub fn of(total: usize) -> Self {
        Budget::with(Some(total))
    }

    fn with(total: Option<usize>) -> Self {
        let token = Token(fastrand::u32(..));
        Budget { shared: Arc::new(Shared { token, total, members: Mutex::default() }) }
    }

    /// The most connections that its pools open together; `None` if there is no such bound.
    #[must_use]
    pub fn total(&self) -> Option<usize> {
        self.shared.total
    }

    pub(crate) fn token(&self) -> Token {
        self.shared.token
    }

    /// Adds a pool.
    pub(crate) fn join(&self, pool: &Arc<Inner<Postgres>>) -> Membership {
        let pool = Arc::downgrade(pool);
        let member = Member { pool: Weak::clone(&pool), demand: Demand::default(), shares: None };
        self.shared.members.lock().push(member);
        self.balance(Moment::now());
        Membership { budget: self.clone(), pool }
    }

    /// Divides what there is among the pools, and lets each close or open connections accordingly.
    fn balance(&self, now: Moment) {
        let mut changed = Vec::new();
        {
            let mut members = self.shared.members.lock();
            members.retain(|member| member.pool.strong_count() > 0);
            for (inner, granted) in self.divide(&mut members, now) {
                let mut slots = inner.slots.lock();
                let before = slots.ceiling();
                slots.grant(granted);
                if slots.ceiling() != before {
                    drop(slots);
                    changed.push(inner);
                }
            }
        }
        // Without a lock: closing a connection may run code of its own.
        for inner in &changed {
            janitor::tidy(inner);
        }
    }

    /// What each pool may have; nothing where its settings are the only bound.
    fn divide(&self, members: &mut [Member], now: Moment) -> Vec<(Arc<Inner<Postgres>>, Option<Granted>)> {
        let mut portions: Vec<Portion> = members.iter_mut().filter_map(|member| member.claim(now)).collect();
        if let Some(total) = self.shared.total {
            let heartbeats = portions.iter().filter(|portion| portion.has_heartbeat).count();
            limit(&mut portions, total.saturating_sub(heartbeats), Bound::Program, None, |_| true);
        }
        let newest = portions.iter().filter_map(|portion| portion.shares).max_by_key(|shares| shares.at);
        if let Some(Shares { server, .. }) = newest {
            limit(&mut portions, server.connections, Bound::Server, Some(server), |_| true);
        }
        let roles: Vec<_> = portions.iter().filter_map(|portion| portion.shares?.role).collect();
        for (role, share) in roles {
            let is_of_it = |shares: &Shares| shares.role.is_some_and(|(of, _)| of == role);
            limit(&mut portions, share.connections, Bound::Role, Some(share), |portion| {
                portion.shares.as_ref().is_some_and(is_of_it)
            });
        }
        let databases: Vec<_> = portions.iter().filter_map(|portion| portion.shares?.database).collect();
        for (database, share) in databases {
            let is_of_it = |shares: &Shares| shares.database.is_some_and(|(of, _)| of == database);
            limit(&mut portions, share.connections, Bound::Database, Some(share), |portion| {
                portion.shares.as_ref().is_some_and(is_of_it)
            });
        }
        portions.into_iter().map(|portion| (portion.pool, portion.granted)).collect()
    }
}

/// A pool while the connections are divided.
struct Portion {
    pool: Arc<Inner<Postgres>>,
    claim: Claim,
    shares: Option<Shares>,
    has_heartbeat: bool,
    granted: Option<Granted>,
}

/// Divides so many connections among those pools that this bound holds for.
fn limit(
    portions: &mut [Portion],
    connections: usize,
    bound: Bound,
    share: Option<Share>,
    holds_for: impl Fn(&Portion) -> bool,
) {
    let mut bounded: Vec<&mut Portion> = portions.iter_mut().filter(|portion| holds_for(portion)).collect();
    let claims: Vec<Claim> = bounded.iter().map(|portion| portion.claim).collect();
    for (portion, connections) in bounded.iter_mut().zip(divide(connections, &claims)) {
        if connections < portion.claim.most || portion.granted.is_none() {
            portion.claim.most = connections.min(portion.claim.most);
            portion.granted = Some(Granted { connections, bound, share });
        }
    }
}

impl Member {
    fn claim(&mut self, now: Moment) -> Option<Portion> {
        let pool = self.pool.upgrade()?;
        // In the mode `dark` nothing is granted, and what would be is told; without the budget a pool takes no part.
        if pool.plan.connection_budget() == Enforcement::Off {
            return None;
        }
        let claim = {
            let slots = pool.slots.lock();
            if slots.is_closed() {
                return None;
            }
            let need = slots.lent() + slots.returning() + slots.servable();
            Claim {
                guarantee: slots.limits.min,
                most: slots.configured(),
                need: self.demand.add(need, now),
                has: slots.total(),
            }
        };
        let has_heartbeat = pool.plan.heartbeat().is_some();
        Some(Portion { pool, claim, shares: self.shares, has_heartbeat, granted: None })
    }
}

impl Membership {
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Divides anew.
    pub(crate) fn balance(&self) {
        self.budget.balance(Moment::now());
    }

    /// Takes what was read, and divides anew.
    pub(crate) fn read(&self, shares: Shares) {
        for member in self.budget.shared.members.lock().iter_mut() {
            if Weak::ptr_eq(&member.pool, &self.pool) {
                member.shares = Some(shares);
            }
        }
        self.balance();
    }

    /// What the heartbeat's connection shows from the start, where it is known that no pooler stands between: behind one it
    /// would show an instance that has no connections of its own.
    pub(crate) fn first_mark(&self, plan: &Plan, pooler: Option<Pooler>) -> Option<Mark> {
        let is_shown = plan.connection_budget() == Enforcement::On && pooler == Some(Pooler::None);
        is_shown.then(|| Mark { token: self.budget.token(), holds: 0, most: self.most() })
    }

    /// Whether there is anything to divide without the server.
    pub(crate) fn is_divided(&self) -> bool {
        self.budget.shared.total.is_some() || self.budget.shared.members.lock().len() > 1
    }

    /// The most that this pool would use: its part of the total where there is one.
    pub(crate) fn most(&self) -> usize {
        let mut members = self.budget.shared.members.lock();
        let portions: Vec<Portion> =
            members.iter_mut().filter_map(|member| member.claim(Moment::now())).collect();
        let mine = portions.iter().position(|portion| Weak::as_ptr(&self.pool) == Arc::as_ptr(&portion.pool));
        let at_rest = |portion: &Portion| Claim { need: 0, has: 0, ..portion.claim };
        let claims: Vec<Claim> = portions.iter().map(at_rest).collect();
        let heartbeats = portions.iter().filter(|portion| portion.has_heartbeat).count();
        let total = self.budget.shared.total.map_or(usize::MAX, |total| total.saturating_sub(heartbeats));
        mine.and_then(|mine| divide(total, &claims).get(mine).copied()).unwrap_or(1)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.budget.shared.members.lock().retain(|member| !Weak::ptr_eq(&member.pool, &self.pool));
        self.balance();
    }
}
