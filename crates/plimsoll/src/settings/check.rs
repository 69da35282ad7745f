//! From what was said to what holds: every question a pool could ask later is answered here, once.
//!
//! The check takes [`Settings`] apart field by field, so a setting that is new in the table does not compile until
//! somebody has decided here what becomes of it. It never stops at the first problem, and it never replaces a value
//! that was said: a value is good, or it is a [`Problem`]. Only what was *not* said is filled in, from the profiles,
//! then from the defaults, and then moved to where it does not contradict what was (see `order.rs`).
//!
//! It does no I/O and resolves no names: whether a server is there is not a property of the settings.

use std::path::PathBuf;
use std::time::Duration;

use super::definition::{Definition, Kind};
use super::duration;
use super::duration::Limit;
use super::handshake::{startup_options, tls};
use super::host::{DEFAULT_PORT, Host};
use super::order::{Chain, Defaults, Given, Resolved};
use super::plan::{Keepalives, Plan};
use super::problem::{Problem, SettingsError, repeated};
use super::profile;
use super::table::{Complete, Settings, table};
use super::words::{PoolerMode, Profile};

impl Settings {
    /// All that is wrong, or the [`Plan`] to open a pool with.
    pub fn check(self) -> Result<Plan, SettingsError> {
        let mut problems = self.problems.clone();
        problems.extend(self.missing());
        let (plan, more) = self.settle();
        problems.extend(more);
        if problems.is_empty() { Ok(plan) } else { Err(SettingsError::new(problems)) }
    }

    /// The settings themselves, unless something in them is wrong already; what is missing may still be said.
    pub(super) fn or_problems(self) -> Result<Self, SettingsError> {
        let mut problems = self.problems.clone();
        problems.extend(self.clone().settle().1);
        if problems.is_empty() { Ok(self) } else { Err(SettingsError::new(problems)) }
    }

    /// What must be said and was not; but not what was said and could not be read.
    fn missing(&self) -> Vec<Problem> {
        let needed = [
            ("hosts", self.hosts.is_some(), "at least one host"),
            ("user", self.user.is_some(), "the name of a role"),
        ];
        let unread = |name: &str| self.problems.iter().any(|p| p.about == name || p.about == "url");
        let missing = needed.into_iter().filter(|(name, said, _)| !said && !unread(name));
        let remedy =
            "set DATABASE_URL, or the variables that begin with PG_, or say it in the file or in code";
        missing.map(|(name, _, allowed)| Problem::new(name, "not said", allowed, remedy)).collect()
    }

    /// Every value that was said and lies outside its range. It counts as unsaid from then on, so that nothing
    /// else is blamed on it.
    fn out_of_range(&mut self) -> Vec<Problem> {
        let bad = table().iter().filter(|definition| !(definition.fits)(self, definition.range));
        let bad: Vec<(&Definition, String)> =
            bad.map(|definition| (definition, definition.said(self).unwrap_or_default())).collect();
        let mut problems = Vec::new();
        for (definition, said) in bad {
            (definition.forget)(self);
            let value = match definition.kind {
                Kind::Text | Kind::Path => repeated(&said),
                _ => said,
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
    fn settle(mut self) -> (Plan, Vec<Problem>) {
        let mut problems = self.out_of_range();
        let named = self.profile.clone().unwrap_or_default();
        problems.extend(profile::contradictions(&named));
        let port = self.port.or(Some(DEFAULT_PORT));
        let hosts: Vec<Host> =
            self.hosts.clone().unwrap_or_default().into_iter().map(|host| host.or_port(port)).collect();
        let implied = implied_profile(self.pooler, &hosts);
        let bounded = self.pool_max.is_some() && !profile::names_connection(&named);
        let mut wish = profile::wishes(&named, implied).complete();
        if bounded {
            wish.max_overflow = 0;
        }
        let plan = assemble(self, wish, hosts, &mut problems);
        (plan, problems)
    }
}

/// A transaction pooler brings its sizes with it: said, or guessed from the port where nothing was said.
fn implied_profile(said: Option<PoolerMode>, hosts: &[Host]) -> Option<Profile> {
    match said {
        Some(PoolerMode::Transaction) => Some(Profile::Pooler),
        None | Some(PoolerMode::Auto) if hosts.iter().any(Host::has_pooler_port) => Some(Profile::Pooler),
        _ => None,
    }
}

/// Every field of what was said, and what becomes of it.
fn assemble(said: Settings, wish: Complete, hosts: Vec<Host>, problems: &mut Vec<Problem>) -> Plan {
    let sizes = pool_sizes(&said, &wish, problems);
    let times = pool_times(&said, &wish, problems);
    let limits = limits(&said, &wish, problems);
    let beat = beat(&said, &wish, problems);
    let tls = tls(&said, &wish, &hosts, problems);
    let Settings {
        profile: _,
        hosts: _,
        port: _,
        dbname,
        user,
        password,
        sslmode: _,
        sslrootcert: _,
        channel_binding: _,
        target_session_attrs,
        application_name,
        options,
        keepalives_idle,
        keepalives_interval,
        keepalives_count,
        tcp_user_timeout: _,
        server_version,
        pool_min: _,
        pool_max: _,
        max_overflow: _,
        max_waiting,
        priority_reserve: _,
        max_per_name,
        admission,
        pool_timeout: _,
        connect_timeout,
        idle_timeout: _,
        max_lifetime: _,
        lifetime_jitter,
        check_after_idle: _,
        connect_limit,
        reclaim_timeout,
        commit_grace,
        cancel_limit,
        close_timeout,
        leak_after,
        deadlock_after: _,
        breaker,
        breaker_after: _,
        heartbeat: _,
        lock_timeout: _,
        statement_timeout: _,
        client_statement_timeout: _,
        transaction_timeout: _,
        idle_in_transaction_session_timeout: _,
        client_connection_check_interval: _,
        deadline_margin: _,
        deadline_floor,
        on_missing_guardrail,
        pooler,
        retry_share,
        retry_floor,
        statement_cache,
        statement_expiry,
        type_cache,
        problems: _,
    } = said;

    let user = user.unwrap_or_default();
    let pooler = pooler.unwrap_or(wish.pooler);
    let options = options.unwrap_or_default();
    problems.extend(startup_options(&options, pooler));
    let idle = keepalives_idle.unwrap_or(wish.keepalives_idle).duration();
    let keepalives = idle.map(|idle| Keepalives {
        idle,
        interval: keepalives_interval.unwrap_or(wish.keepalives_interval),
        count: keepalives_count.unwrap_or(wish.keepalives_count),
    });
    Plan {
        hosts,
        dbname: dbname.unwrap_or_else(|| user.clone()),
        user,
        password,
        tls: tls.mode,
        tls_roots: tls.roots,
        channel_binding: tls.binding,
        target_session_attrs: target_session_attrs.unwrap_or(wish.target_session_attrs),
        application_name: application_name.unwrap_or_else(name_of_the_program),
        options,
        keepalives,
        tcp_user_timeout: times.tcp_user,
        server_version,
        pool_min: sizes.least,
        pool_max: sizes.most,
        max_overflow: sizes.overflow,
        max_waiting: max_waiting.unwrap_or(wish.max_waiting),
        priority_reserve: sizes.reserve,
        max_per_name: max_per_name.unwrap_or(wish.max_per_name),
        admission: admission.unwrap_or(wish.admission),
        pool_timeout: times.pool,
        connect_timeout: connect_timeout.unwrap_or(wish.connect_timeout),
        idle_timeout: times.idle,
        max_lifetime: times.lifetime,
        lifetime_jitter: lifetime_jitter.unwrap_or(wish.lifetime_jitter),
        check_after_idle: times.check,
        connect_limit: connect_limit.unwrap_or(wish.connect_limit),
        reclaim_timeout: reclaim_timeout.unwrap_or(wish.reclaim_timeout),
        commit_grace: commit_grace.unwrap_or(wish.commit_grace),
        cancel_limit: cancel_limit.unwrap_or(wish.cancel_limit),
        close_timeout: close_timeout.unwrap_or(wish.close_timeout),
        leak_after: leak_after.unwrap_or(wish.leak_after).duration(),
        deadlock_after: times.deadlock,
        breaker: breaker.unwrap_or(wish.breaker),
        breaker_after: beat.after,
        heartbeat: beat.heartbeat,
        lock_timeout: limits.chain.lock.limit.duration(),
        statement_timeout: limits.chain.statement.limit.duration(),
        client_statement_timeout: limits.chain.client.limit.duration(),
        transaction_timeout: limits.chain.transaction.limit.duration(),
        idle_in_transaction_session_timeout: limits.idle_in_transaction,
        client_connection_check_interval: limits.connection_check,
        deadline_margin: limits.margin,
        deadline_floor: deadline_floor.unwrap_or(wish.deadline_floor),
        on_missing_guardrail: on_missing_guardrail.unwrap_or(wish.on_missing_guardrail),
        pooler,
        retry_share: retry_share.unwrap_or(wish.retry_share),
        retry_floor: retry_floor.unwrap_or(wish.retry_floor),
        statement_cache: statement_cache.unwrap_or(wish.statement_cache),
        statement_expiry: statement_expiry.unwrap_or(wish.statement_expiry).duration(),
        type_cache: type_cache.unwrap_or(wish.type_cache),
    }
}

struct Heartbeat {
    after: Duration,
    heartbeat: Option<Duration>,
}

/// The breaker's patience, and how often the server is asked; what was not said follows what was.
fn beat(said: &Settings, wish: &Complete, problems: &mut Vec<Problem>) -> Heartbeat {
    let unsaid = said.heartbeat.is_none();
    let after = match (said.breaker_after, said.heartbeat.and_then(Limit::duration)) {
        (Some(after), _) => after,
        (None, heartbeat) => wish.breaker_after.max(heartbeat.unwrap_or_default() * 2),
    };
    let heartbeat = match said.heartbeat.unwrap_or(wish.heartbeat).duration() {
        Some(heartbeat) if unsaid => Some(heartbeat.min(after / 2)),
        other => other,
    };
    if let Some(heartbeat) = heartbeat.filter(|heartbeat| *heartbeat * 2 > after) {
        problems.push(Problem::new(
            "breaker_after",
            duration::show(after),
            format!("at least twice heartbeat, which is {}", duration::show(heartbeat)),
            "raise breaker_after or lower heartbeat",
        ));
    }
    Heartbeat { after, heartbeat }
}

struct Sizes {
    least: usize,
    most: usize,
    overflow: usize,
    reserve: usize,
}

/// The bounds of the pool; an unsaid one follows the said one.
fn pool_sizes(said: &Settings, wish: &Complete, problems: &mut Vec<Problem>) -> Sizes {
    let most = said.pool_max.unwrap_or_else(|| wish.pool_max.max(said.pool_min.unwrap_or(0)));
    let least = said.pool_min.unwrap_or_else(|| wish.pool_min.min(most));
    if least > most {
        problems.push(Problem::new(
            "pool_min",
            least.to_string(),
            format!("at most pool_max, which is {most}"),
            "lower pool_min or raise pool_max",
        ));
    }
    let overflow = said.max_overflow.unwrap_or(wish.max_overflow);
    let reserve = said.priority_reserve.unwrap_or(wish.priority_reserve);
    let total = most.saturating_add(overflow);
    if reserve >= total {
        problems.push(Problem::new(
            "priority_reserve",
            reserve.to_string(),
            format!("below pool_max and max_overflow together, which is {total}"),
            "lower priority_reserve, or nothing is left for other work",
        ));
    }
    Sizes { least, most, overflow, reserve }
}

struct Times {
    pool: Duration,
    tcp_user: Option<Duration>,
    idle: Option<Duration>,
    lifetime: Option<Duration>,
    check: Option<Duration>,
    deadlock: Option<Duration>,
}

/// How long connections live, rest and are waited for.
fn pool_times(said: &Settings, wish: &Complete, problems: &mut Vec<Problem>) -> Times {
    let open = Limit::Off;
    let longest = |one: Option<Limit>, other: Option<Limit>| {
        let times = [one, other].into_iter().flatten().filter_map(Limit::duration);
        Limit::from(times.max())
    };
    let floor = said.tcp_user_timeout.unwrap_or(open);
    let pool_said = said.pool_timeout.map(Limit::After);
    let pool = Resolved::new("pool_timeout", pool_said, Limit::After(wish.pool_timeout), floor, open);
    let tcp_user =
        Resolved::new("tcp_user_timeout", said.tcp_user_timeout, wish.tcp_user_timeout, open, pool.limit);

    let floor = longest(said.idle_timeout, said.check_after_idle);
    let lifetime = Resolved::new("max_lifetime", said.max_lifetime, wish.max_lifetime, floor, open);
    let floor = said.check_after_idle.unwrap_or(open);
    let idle = Resolved::new("idle_timeout", said.idle_timeout, wish.idle_timeout, floor, lifetime.limit);
    let ceiling = idle.limit.least(lifetime.limit);
    let check =
        Resolved::new("check_after_idle", said.check_after_idle, wish.check_after_idle, open, ceiling);

    // One that nobody said stays long enough for a packet to be sent twice, however impatient the pool is.
    let patient = |limit: Limit| limit.duration().map(|time| time.max(Duration::from_secs(1)));
    let tcp_inversion = said.tcp_user_timeout.and_then(|_| tcp_user.must_be_below(&pool));
    problems.extend(tcp_inversion);
    problems.extend(idle.must_be_below(&lifetime));
    problems.extend(check.must_be_below(if idle.limit == open { &lifetime } else { &idle }));
    Times {
        pool: pool.limit.duration().unwrap_or(wish.pool_timeout),
        tcp_user: if said.tcp_user_timeout.is_some() {
            tcp_user.limit.duration()
        } else {
            patient(tcp_user.limit)
        },
        idle: idle.limit.duration(),
        lifetime: lifetime.limit.duration(),
        check: check.limit.duration(),
        deadlock: said.deadlock_after.unwrap_or(wish.deadlock_after).duration(),
    }
}

struct SessionLimits {
    chain: Chain,
    idle_in_transaction: Option<Duration>,
    connection_check: Option<Duration>,
    margin: Duration,
}

/// The guardrails, each strictly inside the next.
fn limits(said: &Settings, wish: &Complete, problems: &mut Vec<Problem>) -> SessionLimits {
    let chain = Chain::settle(
        &Given {
            lock: said.lock_timeout,
            statement: said.statement_timeout,
            client: said.client_statement_timeout,
            transaction: said.transaction_timeout,
        },
        &Defaults {
            lock: wish.lock_timeout,
            statement: wish.statement_timeout,
            transaction: wish.transaction_timeout,
        },
    );
    let inside =
        |name, said, wish, outer: &Resolved| Resolved::new(name, said, wish, Limit::Off, outer.limit);
    let idle = inside(
        "idle_in_transaction_session_timeout",
        said.idle_in_transaction_session_timeout,
        wish.idle_in_transaction_session_timeout,
        &chain.transaction,
    );
    let check = inside(
        "client_connection_check_interval",
        said.client_connection_check_interval,
        wish.client_connection_check_interval,
        &chain.statement,
    );
    let margin_said = said.deadline_margin.map(Limit::After);
    let margin = inside("deadline_margin", margin_said, Limit::After(wish.deadline_margin), &chain.statement);
    problems.extend(chain.inversions());
    problems.extend(idle.must_be_below(&chain.transaction));
    problems.extend(check.must_be_below(&chain.statement));
    problems.extend(margin.must_be_below(&chain.statement));
    SessionLimits {
        chain,
        idle_in_transaction: idle.limit.duration(),
        connection_check: check.limit.duration(),
        margin: margin.limit.duration().unwrap_or(wish.deadline_margin),
    }
}

/// What `pg_stat_activity` shows for those who gave themselves no name: at most 63 bytes, without a path.
fn name_of_the_program() -> String {
    const LONGEST: usize = 63;
    let program = std::env::args_os().next().map(PathBuf::from);
    let name = program.as_deref().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    let name: String = name.iter().flat_map(|name| name.chars()).filter(|c| !c.is_control()).collect();
    let end = (0..=LONGEST.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    match name.get(..end) {
        Some(start) if !start.is_empty() => start.to_owned(),
        _ => "plimsoll".to_owned(),
    }
}
