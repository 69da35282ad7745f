//! What a reader is sent of one database: at first a greeting with the last minutes, then a view about each second.
//!
//! A view is small: the first fifty of each list, texts cut short, and what is sorted over all kinds of statements only now
//! and then ([`Lists`]). All texts are data: the page writes them as text and never as markup.

use super::history::{Columns, Point};
use super::marks::{Mark, millis, shortened};
use crate::verdict::{Level, Verdict};
use plimsoll::Database;
use plimsoll::monitor::{LockEpisode, Pulse, QueryMetrics, WaitEvents};
use plimsoll::pool::{LeaseStatus, PoolStatus};
use serde::Serialize;
use std::time::Duration;

/// The version of everything that is sent.
pub(super) const SCHEMA_VERSION: u32 = 1;
/// So many of each list are shown.
const SHOWN: usize = 50;
/// The longest text of a statement that is shown, in bytes.
const TEXT: usize = 240;

/// The first line of a stream.
#[derive(Serialize)]
pub(super) struct Greeting<'a> {
    pub(super) schema_version: u32,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) service: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) operator: &'a str,
    pub(super) is_read_only: bool,
    /// Of which database the history is, and the stream.
    pub(super) database: Option<&'a str>,
    pub(super) databases: &'a [Brief],
    /// What is said until the first view has come.
    pub(super) verdict: &'a Verdict,
    /// When the service started, in milliseconds since 1970.
    pub(super) started: u64,
    pub(super) history: &'a Columns,
    pub(super) marks: &'a [Mark],
    pub(super) locks: Vec<Pile>,
    /// Kept until the next ones come.
    pub(super) lists: Option<&'a Lists>,
}

/// A database, as a dot in the list of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Brief {
    pub(super) name: String,
    pub(super) level: Level,
    pub(super) sentence: String,
}

/// Every further line.
#[derive(Serialize)]
pub(super) struct View<'a> {
    schema_version: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    database: &'a str,
    databases: &'a [Brief],
    verdict: &'a Verdict,
    /// `None` where the view comes between two points, because something has changed.
    point: Option<&'a Point>,
    pool: Pool,
    breaker: Breaker,
    retries: Retries,
    totals: Totals,
    leases: Vec<Lease>,
    /// How many leases there are in all.
    lease_count: usize,
    wait_events: Option<WaitEvents>,
    /// These three are there every fifth second, and the first two whenever they have changed.
    locks: Option<Vec<Pile>>,
    marks: Option<&'a [Mark]>,
    lists: Option<&'a Lists>,
    /// How long it took to make the view before this one, in microseconds.
    cost_us: u64,
}

#[derive(Serialize)]
struct Pool {
    lent: usize,
    idle: usize,
    returning: usize,
    connecting: usize,
    waiting: usize,
    maximum: usize,
    configured: usize,
    /// Why there may be fewer than are configured.
    restriction: Option<String>,
    is_paused: bool,
    is_closed: bool,
    opened: u64,
    closed: u64,
    connect_failures: u64,
}

#[derive(Serialize)]
struct Breaker {
    state: String,
    trips: u64,
    refused: u64,
}

#[derive(Serialize)]
struct Retries {
    calls: u64,
    retries: u64,
    refused: u64,
    allowed: u64,
}

/// Since the start.
#[derive(Serialize)]
struct Totals {
    statements: u64,
    failed: u64,
    calls: u64,
    refused: u64,
}

#[derive(Serialize)]
struct Lease {
    running: String,
    work: String,
    request_id: Option<String>,
    pid: Option<i32>,
    state: String,
    hold: &'static str,
    is_leak: bool,
    held_ms: u64,
    silent_ms: u64,
    statement: Option<String>,
}

/// An episode of waiting for a lock, with its sentence.
#[derive(Serialize)]
pub(super) struct Pile {
    told: String,
    #[serde(flatten)]
    episode: LockEpisode,
}

/// What is sorted over all kinds of statements, which is not done each second.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Lists {
    /// The first fifty by the time of all executions, by their mean and by failures.
    statements: Vec<QueryMetrics>,
    /// Those of which an execution was slow, the slowest on average first.
    slow: Vec<QueryMetrics>,
}

impl Lists {
    pub(super) fn of(db: &Database) -> Self {
        let monitor = db.monitor();
        let cut = |mut kind: QueryMetrics| {
            kind.query_template = shortened(&kind.query_template, TEXT);
            kind
        };
        let shown = |kinds: Vec<QueryMetrics>| kinds.into_iter().map(cut).collect();
        Lists { statements: shown(monitor.top_statements(SHOWN)), slow: shown(monitor.slow_queries(SHOWN)) }
    }
}

/// What is put into a view beside what the database handle tells.
pub(super) struct Around<'a> {
    pub(super) name: &'a str,
    pub(super) databases: &'a [Brief],
    pub(super) verdict: &'a Verdict,
    pub(super) point: Option<&'a Point>,
    pub(super) marks: Option<&'a [Mark]>,
    pub(super) locks: Option<&'a Vec<LockEpisode>>,
    pub(super) lists: Option<&'a Lists>,
    pub(super) cost: Duration,
}

impl<'a> View<'a> {
    pub(super) fn of(db: &Database, pulse: &Pulse, around: &Around<'a>) -> Self {
        let status = db.pool_status();
        let leak_after = db.plan().leak_after().unwrap_or(Duration::from_secs(300));
        let budget = db.connection_budget();
        let shown = status.leases.iter().take(SHOWN);
        View {
            schema_version: SCHEMA_VERSION,
            kind: "view",
            database: around.name,
            databases: around.databases,
            verdict: around.verdict,
            point: around.point,
            lease_count: status.leases.len(),
            leases: shown.map(|lease| Lease::of(lease, leak_after)).collect(),
            pool: Pool::of(&status, budget.configured, budget.reason, db.is_closed()),
            breaker: Breaker {
                state: pulse.breaker.state.to_string(),
                trips: pulse.breaker.trips,
                refused: pulse.breaker.refused,
            },
            retries: Retries {
                calls: pulse.retries.calls,
                retries: pulse.retries.retries,
                refused: pulse.retries.refused,
                allowed: pulse.retries.allowed,
            },
            totals: Totals {
                statements: pulse.executed,
                failed: pulse.failed,
                calls: status.acquired + status.failed,
                refused: status.failed + pulse.breaker.refused,
            },
            wait_events: db.monitor().wait_events(),
            locks: around.locks.map(|locks| piles(locks)),
            marks: around.marks,
            lists: around.lists,
            cost_us: u64::try_from(around.cost.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// The latest episodes, the last first.
pub(super) fn piles(episodes: &[LockEpisode]) -> Vec<Pile> {
    let episodes = episodes.iter().rev().take(SHOWN).cloned();
    let pile = |mut episode: LockEpisode| {
        for blocker in &mut episode.blockers {
            blocker.last_statement = blocker.last_statement.as_deref().map(|text| shortened(text, TEXT));
        }
        Pile { told: episode.to_string(), episode }
    };
    episodes.map(pile).collect()
}

impl Pool {
    fn of(status: &PoolStatus, configured: usize, restriction: Option<String>, is_closed: bool) -> Self {
        Pool {
            lent: status.checked_out - status.returning.min(status.checked_out),
            idle: status.checked_in,
            returning: status.returning,
            connecting: status.connecting,
            waiting: status.waiting,
            maximum: status.maximum,
            configured,
            restriction,
            is_paused: status.is_paused,
            is_closed,
            opened: status.opened,
            closed: status.closed,
            connect_failures: status.connect_failures,
        }
    }
}

impl Lease {
    fn of(lease: &LeaseStatus, leak_after: Duration) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let hold = lease.hold();
        Lease {
            running: lease.running.to_string(),
            work: shortened(&lease.work, TEXT),
            request_id: lease.request_id.clone(),
            pid: lease.pid,
            state: lease.state.to_string(),
            hold: hold.as_str(),
            is_leak: lease.held >= leak_after && hold.is_idle(),
            held_ms: ms(lease.held),
            silent_ms: ms(lease.silent),
            statement: lease.last_statement.as_deref().map(|text| shortened(text, TEXT)),
        }
    }
}

/// A line of a stream.
pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(target: "plimsoll_http", "a view of the dashboard could not be written: {error}");
        b"{}".to_vec()
    });
    line.push(b'\n');
    line
}

/// When this process was started, or the first dashboard of it was made.
pub(super) fn started() -> u64 {
    static STARTED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *STARTED.get_or_init(|| millis(std::time::SystemTime::now()))
}
