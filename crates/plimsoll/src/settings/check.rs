//! From [`Settings`] to a [`Plan`]: every question that a pool could ask later is answered here, once.
//!
//! The table gives each setting the value that the program set, else the profile's, else the default. Here stands only
//! what depends on more than one setting: the sizes of the pool, the limits that must lie in an order (`order.rs`), the
//! heartbeat, and encryption and options (`handshake.rs`). The check does not stop at the first problem, and it never
//! replaces a value that the program set: such a value is good, or it is a [`Problem`]. Only a value that was not set
//! is moved to where it does not contradict the others.
//!
//! It does no I/O and resolves no names: whether a server exists is not a property of the settings. It asks the system for
//! the names of this program and this machine.

use std::path::PathBuf;
use std::time::Duration;

use super::definition::{Definition, Kind};
use super::duration;
use super::duration::Limit;
use super::handshake::{startup_options, tls};
use super::host::{DEFAULT_PORT, Host};
use super::listen;
use super::order::{Chain, Resolved};
use super::problem::{Problem, SettingsError, printable};
use super::profile;
use super::table::{Plan, Settings, table};
use super::words::{PoolerMode, Profile, TargetSessionAttrs};
use crate::session_name::default_instance;

/// Each has a pool of its own, and is asked several times a second.
const MOST_REPLICAS: usize = 64;

impl Settings {
    /// The [`Plan`] to open a pool with, or everything that is wrong.
    pub fn check(self) -> Result<Plan, SettingsError> {
        let mut problems = self.problems.clone();
        problems.extend(self.missing());
        let (plan, more) = self.plan_and_problems();
        problems.extend(more);
        if problems.is_empty() { Ok(plan) } else { Err(SettingsError::new(problems)) }
    }

    /// The same for a [`DirectConnection`](crate::DirectConnection), which sets no limits and so may have startup options that
    /// [`check`](Self::check) refuses.
    pub fn check_direct(self) -> Result<Plan, SettingsError> {
        let mut problems = self.problems.clone();
        problems.extend(self.missing());
        let (plan, more) = self.plan_and_problems();
        problems.extend(more.into_iter().filter(|problem| problem.about != "options"));
        if problems.is_empty() { Ok(plan) } else { Err(SettingsError::new(problems)) }
    }

    /// The settings themselves, unless something in them is wrong already; a missing setting may still be set.
    pub(super) fn or_problems(self) -> Result<Self, SettingsError> {
        let mut problems = self.problems.clone();
        problems.extend(self.clone().plan_and_problems().1);
        if problems.is_empty() { Ok(self) } else { Err(SettingsError::new(problems)) }
    }

    /// Required settings that were not set, except those that were set and could not be read.
    fn missing(&self) -> Vec<Problem> {
        let needed = [
            ("hosts", self.hosts.is_some(), "at least one host"),
            ("user", self.user.is_some(), "the name of a role"),
        ];
        let unread = |name: &str| self.problems.iter().any(|p| p.about == name || p.about == "url");
        let missing = needed.into_iter().filter(|(name, given, _)| !given && !unread(name));
        let remedy =
            "set DATABASE_URL, or the variables that begin with PG_, or say it in the file or in code";
        missing.map(|(name, _, allowed)| Problem::new(name, "not set", allowed, remedy)).collect()
    }

    /// Every value that lies outside its range. It counts as not set from then on, so that no other value is compared
    /// with it.
    fn out_of_range(&mut self) -> Vec<Problem> {
        let bad = table().iter().filter(|definition| !(definition.fits)(self, definition.range));
        let bad: Vec<(&Definition, String)> =
            bad.map(|definition| (definition, definition.said(self).unwrap_or_default())).collect();
        let mut problems = Vec::new();
        for (definition, given) in bad {
            (definition.forget)(self);
            let value = match definition.kind {
                Kind::Text | Kind::Path => printable(&given),
                _ => given,
            };
            let remedy = match definition.kind {
                Kind::Limit if value == "0ms" => "say off if there is to be no limit",
                _ => "set it within that",
            };
            problems.push(
                Problem::new(definition.name, value, definition.allowed(), remedy).about(definition.name),
            );
        }
        problems
    }

    /// The plan as far as there is one, and what is wrong with it.
    pub(super) fn plan_and_problems(mut self) -> (Plan, Vec<Problem>) {
        let mut problems = self.out_of_range();
        let port = self.port.unwrap_or(DEFAULT_PORT);
        let with_port = |hosts: Vec<Host>| hosts.into_iter().map(|host| host.or_port(Some(port))).collect();
        self.hosts = self.hosts.map(with_port);
        self.replica_hosts = self.replica_hosts.map(with_port);
        let named = self.profile.clone().unwrap_or_default();
        problems.extend(profile::contradictions(&named));
        let mut weaker = profile::combined(&named, self.implied_profile());
        if self.pool_max.is_some() && !profile::names_connection(&named) {
            weaker.max_overflow = Some(0);
        }
        let mut plan = self.clone().or(weaker).or_defaults();
        pool_sizes(&self, &mut plan, &mut problems);
        pool_times(&self, &mut plan, &mut problems);
        session_limits(&self, &mut plan, &mut problems);
        heartbeat(&self, &mut plan, &mut problems);
        replicas(&self, &mut plan, &mut problems);
        tls(&self, &mut plan, &mut problems);
        problems.extend(startup_options(&plan.options, plan.pooler));
        if self.dbname.is_none() {
            plan.dbname.clone_from(&plan.user);
        }
        if self.application_name.is_none() {
            plan.application_name = name_of_the_instance();
        }
        listen::resolve(&self, &mut plan, &mut problems);
        (plan, problems)
    }

    /// A transaction pooler brings the sizes of its profile: set, or guessed from the port where nothing was set.
    fn implied_profile(&self) -> Option<Profile> {
        let has_pooler_port = || self.hosts.iter().flatten().any(Host::has_pooler_port);
        match self.pooler {
            Some(PoolerMode::Transaction) => Some(Profile::Pooler),
            None | Some(PoolerMode::Auto) if has_pooler_port() => Some(Profile::Pooler),
            _ => None,
        }
    }
}

/// The breaker's patience and the interval of the heartbeat: one that was not set follows the other.
fn heartbeat(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    if given.breaker_after.is_none() {
        let asked_every = given.heartbeat.and_then(Limit::duration).unwrap_or_default();
        plan.breaker_after = plan.breaker_after.max(asked_every * 2);
    }
    if given.heartbeat.is_none() {
        plan.heartbeat = plan.heartbeat().map(|heartbeat| heartbeat.min(plan.breaker_after / 2)).into();
    }
    if let Some(heartbeat) = plan.heartbeat().filter(|heartbeat| *heartbeat * 2 > plan.breaker_after) {
        problems.push(Problem::new(
            "breaker_after",
            duration::show(plan.breaker_after),
            format!("at least twice heartbeat, which is {}", duration::show(heartbeat)),
            "raise breaker_after or lower heartbeat",
        ));
    }
}

/// With replicas, the primary's pool leads to a server that takes writes; and the servers are asked on the heartbeat's
/// connections.
fn replicas(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    if plan.replica_hosts.is_empty() {
        return;
    }
    if given.target_session_attrs.is_none() {
        plan.target_session_attrs = TargetSessionAttrs::ReadWrite;
    }
    if plan.heartbeat().is_none() {
        let allowed = "a time, beside replica_hosts";
        let remedy = "leave it out: role and lag of each server are asked on its connections";
        problems.push(Problem::new("heartbeat", "off", allowed, remedy));
    }
    if plan.replica_hosts.len() > MOST_REPLICAS {
        problems.push(Problem::new(
            "replica_hosts",
            format!("{} hosts", plan.replica_hosts.len()),
            format!("at most {MOST_REPLICAS}"),
            "name fewer of them; each has a pool of its own",
        ));
    }
}

/// The sizes of the pool: one that was not set follows the one that was.
fn pool_sizes(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    if given.pool_max.is_none() {
        plan.pool_max = plan.pool_max.max(given.pool_min.unwrap_or(0));
    }
    if given.pool_min.is_none() {
        plan.pool_min = plan.pool_min.min(plan.pool_max);
    }
    if plan.pool_min > plan.pool_max {
        problems.push(Problem::new(
            "pool_min",
            plan.pool_min.to_string(),
            format!("at most pool_max, which is {}", plan.pool_max),
            "lower pool_min or raise pool_max",
        ));
    }
    if plan.priority_reserve >= plan.pool_total() {
        problems.push(Problem::new(
            "priority_reserve",
            plan.priority_reserve.to_string(),
            format!("below pool_max and max_overflow together, which is {}", plan.pool_total()),
            "lower priority_reserve, or nothing is left for other work",
        ));
    }
}

/// How long a caller waits for a connection, and how long a connection lives, stays idle and stays unacknowledged.
fn pool_times(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    let open = Limit::Off;
    let longest = |one: Option<Limit>, other: Option<Limit>| {
        let times = [one, other].into_iter().flatten().filter_map(Limit::duration);
        Limit::from(times.max())
    };
    let floor = given.tcp_user_timeout.unwrap_or(open);
    let given_pool = given.pool_timeout.map(Limit::After);
    let pool = Resolved::new("pool_timeout", given_pool, Limit::After(plan.pool_timeout), floor, open);
    let tcp_user =
        Resolved::new("tcp_user_timeout", given.tcp_user_timeout, plan.tcp_user_timeout, open, pool.limit);

    let floor = longest(given.idle_timeout, given.check_after_idle);
    let lifetime = Resolved::new("max_lifetime", given.max_lifetime, plan.max_lifetime, floor, open);
    let floor = given.check_after_idle.unwrap_or(open);
    let idle = Resolved::new("idle_timeout", given.idle_timeout, plan.idle_timeout, floor, lifetime.limit);
    let ceiling = idle.limit.least(lifetime.limit);
    let check =
        Resolved::new("check_after_idle", given.check_after_idle, plan.check_after_idle, open, ceiling);

    problems.extend(given.tcp_user_timeout.and_then(|_| tcp_user.must_be_below(&pool)));
    problems.extend(idle.must_be_below(&lifetime));
    problems.extend(check.must_be_below(if idle.limit == open { &lifetime } else { &idle }));
    plan.pool_timeout = pool.limit.duration().unwrap_or(plan.pool_timeout);
    plan.tcp_user_timeout = match tcp_user.limit {
        // One that was not set stays long enough for a packet to be sent twice, however short pool_timeout is.
        Limit::After(time) if given.tcp_user_timeout.is_none() => {
            Limit::After(time.max(Duration::from_secs(1)))
        }
        limit => limit,
    };
    plan.idle_timeout = idle.limit;
    plan.max_lifetime = lifetime.limit;
    plan.check_after_idle = check.limit;
}

/// The limits on statements and transactions, each strictly inside the next.
fn session_limits(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    let chain = Chain::resolve(given, plan);
    let inside =
        |name, given, default, outer: &Resolved| Resolved::new(name, given, default, Limit::Off, outer.limit);
    let idle = inside(
        "idle_in_transaction_session_timeout",
        given.idle_in_transaction_session_timeout,
        plan.idle_in_transaction_session_timeout,
        &chain.transaction,
    );
    let check = inside(
        "client_connection_check_interval",
        given.client_connection_check_interval,
        plan.client_connection_check_interval,
        &chain.statement,
    );
    let given_margin = given.deadline_margin.map(Limit::After);
    let margin =
        inside("deadline_margin", given_margin, Limit::After(plan.deadline_margin), &chain.statement);
    problems.extend(chain.inversions());
    problems.extend(idle.must_be_below(&chain.transaction));
    problems.extend(check.must_be_below(&chain.statement));
    problems.extend(margin.must_be_below(&chain.statement));
    plan.lock_timeout = chain.lock.limit;
    plan.statement_timeout = chain.statement.limit;
    plan.client_statement_timeout = chain.client.limit;
    plan.transaction_timeout = chain.transaction.limit;
    plan.idle_in_transaction_session_timeout = idle.limit;
    plan.client_connection_check_interval = check.limit;
    plan.deadline_margin = margin.limit.duration().unwrap_or(plan.deadline_margin);
}

/// The default of `application_name`.
fn name_of_the_instance() -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let program = program.as_deref().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    let host = gethostname::gethostname();
    default_instance(program.as_deref().unwrap_or_default(), &host.to_string_lossy(), std::process::id())
}
