//! What a server may be told, and what is checked before it starts.

use crate::ready_switch::ReadySwitch;
use crate::serve::allowance::BodyLimits;
use crate::serve::budget::StopBudget;
use crate::serve::patience::Patience;
use crate::serve::sockets;
use crate::serve::stop::{LastWork, StopBy};
use plimsoll::Database;
use plimsoll::settings::Plan;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::time::Duration;

/// The longest that a stop may be announced.
const MOST_ANNOUNCE: Duration = Duration::from_secs(600);

/// How [`serve`](fn@crate::serve) treats its clients, and how it stops. The defaults are for a service on the internet or
/// behind a proxy that trusts its clients no more than this server does.
///
/// ```
/// use std::time::Duration;
///
/// let options = plimsoll_http::ServeOptions {
///     body_bytes: 16 << 20,
///     grace: Duration::from_secs(10),
///     ..Default::default()
/// };
/// # let _ = options;
/// ```
#[derive(Debug)]
pub struct ServeOptions {
    /// How long a connection may bring nothing, before its first request and between two. Default 5 s. A proxy in front
    /// should close its idle connections sooner than this.
    pub idle: Duration,
    /// How long the head of a request may take from its first byte. Default 5 s.
    pub head: Duration,
    /// How large the head of a request may be. Default 32 KiB, at least 8 KiB; beyond it the answer is 431.
    pub head_bytes: u32,
    /// How large the body of a request may be. Default 2 MiB, which is axum's own limit; beyond it the answer is 413.
    pub body_bytes: u64,
    /// How long the server waits for a body altogether, the handler's own time not counted. Default 20 s; then the
    /// answer is 408.
    pub body: Duration,
    /// How long the server waits for the next piece of a body. Default 5 s; then the answer is 408.
    pub body_pause: Duration,
    /// How long a client may take nothing of an answer that waits for it. Default 30 s; then the connection is cut.
    pub unread: Duration,
    /// How many sockets there may be. Default: as many as the limit on descriptors leaves, at most 10,000.
    pub max_sockets: Option<usize>,
    /// Descriptors that are kept for everything else than sockets and [`ServeOptions::databases`]. Default 64. For a
    /// database that is connected later, add [`descriptors_of`] its settings.
    pub spare_descriptors: usize,
    /// Requests at a time on one HTTP/2 connection. Default 128.
    pub http2_streams: u32,
    /// Requests that an HTTP/2 client may have begun and taken back before they were looked at. Default 20; beyond it
    /// the connection is ended.
    pub http2_resets: usize,
    /// How often an HTTP/2 client is asked for a sign of life. Default 20 s.
    pub http2_ping: Duration,
    /// How long it may take to give one. Default 10 s.
    pub http2_ping_timeout: Duration,
    /// What is told that the server stops: give the same to [`EndpointOptions::ready`](crate::EndpointOptions::ready).
    pub ready: ReadySwitch,
    /// How long the server goes on as before after the first signal, with `/readyz` at 503, so that what sends requests here
    /// notices and sends them elsewhere: two of its intervals. Default 0 s, at most 10 min. It comes before the budget of the
    /// stop; a second signal ends it.
    pub announce: Duration,
    /// How long requests may go on once the server stops. Default 20 s.
    pub grace: Duration,
    /// When the whole stop is over, pools included. Default 30 s.
    pub hard_stop: Duration,
    /// Databases for which descriptors are kept, and which are shut down when the last request has ended.
    pub databases: Vec<Database>,
    /// What the program does when the last request has ended and before the databases are shut down.
    pub last_work: Option<LastWork>,
    /// What stops the server. Default: SIGINT and SIGTERM.
    pub stop: StopBy,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            idle: Duration::from_secs(5),
            head: Duration::from_secs(5),
            head_bytes: 32 << 10,
            body_bytes: 2 << 20,
            body: Duration::from_secs(20),
            body_pause: Duration::from_secs(5),
            unread: Duration::from_secs(30),
            max_sockets: None,
            spare_descriptors: 64,
            http2_streams: 128,
            http2_resets: 20,
            http2_ping: Duration::from_secs(20),
            http2_ping_timeout: Duration::from_secs(10),
            ready: ReadySwitch::new(),
            announce: Duration::ZERO,
            grace: Duration::from_secs(20),
            hard_stop: Duration::from_secs(30),
            databases: Vec::new(),
            last_work: None,
            stop: StopBy::Signals,
        }
    }
}

/// Why a server could not start. Nothing has been accepted then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A number cannot be kept.
    #[error("{option} is {is}; allowed is {allowed}; {advice}")]
    Option {
        /// The field of [`ServeOptions`].
        option: &'static str,
        /// Its value.
        is: String,
        /// What it may be.
        allowed: String,
        /// What to do.
        advice: &'static str,
    },
    /// The limit on descriptors leaves too few for sockets.
    #[error(
        "the limit on descriptors is {limit}, of which {databases} are kept for databases and their cancels and {spare} \
         for everything else; that leaves {left} for sockets, and {needed} are needed; raise the limit (`ulimit -n`, \
         LimitNOFILE= in a systemd unit), or lower pool_max, max_sockets or spare_descriptors"
    )]
    TooFewDescriptors {
        /// The limit, as `ulimit -n` shows it.
        limit: u64,
        /// Kept for databases.
        databases: usize,
        /// [`ServeOptions::spare_descriptors`].
        spare: usize,
        /// What is left.
        left: usize,
        /// [`ServeOptions::max_sockets`], or the least that is of any use.
        needed: usize,
    },
    /// The system does not let the program listen to signals.
    #[error("cannot listen to SIGINT and SIGTERM: {0}; give the server a StopHandle instead")]
    Signals(#[source] io::Error),
}

/// Descriptors that a database with these settings needs: its connections, one for the heartbeat, and one for each cancel
/// request that may be under way.
///
/// A listener needs one more; the spare ones are for such.
#[must_use]
pub fn descriptors_of(plan: &Plan) -> usize {
    let heartbeat = usize::from(plan.heartbeat().is_some());
    plan.pool_total().saturating_add(heartbeat).saturating_add(plan.cancel_limit())
}

impl ServeOptions {
    /// Checks what can be checked before the start; how many sockets there may be.
    pub(super) fn check(&self) -> Result<usize, ServeError> {
        self.check_times()?;
        self.check_sizes()?;
        self.sockets()
    }

    fn check_times(&self) -> Result<(), ServeError> {
        let least = Duration::from_millis(10);
        let times = [
            ("idle", self.idle),
            ("head", self.head),
            ("body", self.body),
            ("body_pause", self.body_pause),
            ("unread", self.unread),
            ("http2_ping", self.http2_ping),
            ("http2_ping_timeout", self.http2_ping_timeout),
            ("hard_stop", self.hard_stop),
        ];
        let most = Duration::from_secs(24 * 3_600);
        if let Some((option, time)) = times.into_iter().find(|(_, time)| *time < least || *time > most) {
            return Err(ServeError::Option {
                option,
                is: format!("{time:?}"),
                allowed: "10 ms to 24 h".to_owned(),
                advice: "choose a time that a client can keep and that a stranger cannot misuse",
            });
        }
        if self.announce > MOST_ANNOUNCE {
            return Err(ServeError::Option {
                option: "announce",
                is: format!("{:?}", self.announce),
                allowed: format!("at most {MOST_ANNOUNCE:?}"),
                advice: "two intervals of what asks /readyz are enough",
            });
        }
        if self.grace > self.hard_stop {
            return Err(ServeError::Option {
                option: "grace",
                is: format!("{:?}", self.grace),
                allowed: format!("at most hard_stop, which is {:?}", self.hard_stop),
                advice: "lower grace or raise hard_stop",
            });
        }
        let (pools, left) = (self.budget().pools, self.hard_stop.saturating_sub(self.grace));
        if pools > left {
            return Err(ServeError::Option {
                option: "hard_stop",
                is: format!("{:?}", self.hard_stop),
                allowed: format!(
                    "at least {:?}: grace, and the reclaim_timeout of the databases, which is {pools:?}",
                    self.grace.saturating_add(pools)
                ),
                advice: "raise hard_stop, or lower grace or reclaim_timeout",
            });
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), ServeError> {
        let sizes = [
            ("head_bytes", u64::from(self.head_bytes), 8 << 10, 1 << 20),
            ("body_bytes", self.body_bytes, 1, 1 << 40),
            ("http2_streams", u64::from(self.http2_streams), 1, 100_000),
            ("http2_resets", u64::try_from(self.http2_resets).unwrap_or(u64::MAX), 1, 10_000),
            (
                "max_sockets",
                self.max_sockets.map_or(1, |n| u64::try_from(n).unwrap_or(u64::MAX)),
                1,
                10_000_000,
            ),
        ];
        match sizes.into_iter().find(|(_, is, least, most)| is < least || is > most) {
            None => Ok(()),
            Some((option, is, least, most)) => Err(ServeError::Option {
                option,
                is: is.to_string(),
                allowed: format!("{least} to {most}"),
                advice: "choose a number in between",
            }),
        }
    }

    fn sockets(&self) -> Result<usize, ServeError> {
        let limit = getrlimit(Resource::Nofile).current;
        let databases = self.databases.iter().map(|db| descriptors_of(db.plan()));
        let databases = databases.fold(0, usize::saturating_add);
        let kept = databases.saturating_add(self.spare_descriptors);
        sockets::allowed(limit, kept, self.max_sockets).map_err(|left| ServeError::TooFewDescriptors {
            limit: limit.unwrap_or(u64::MAX),
            databases,
            spare: self.spare_descriptors,
            left,
            needed: self.max_sockets.unwrap_or(sockets::FEWEST),
        })
    }

    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.idle, self.head, self.unread)
    }

    pub(super) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.body_bytes, within: self.body, pause: self.body_pause }
    }

    pub(super) fn budget(&self) -> StopBudget {
        let pools = self.databases.iter().map(|db| db.plan().reclaim_timeout()).max().unwrap_or_default();
        StopBudget { grace: self.grace, hard: self.hard_stop, pools }
    }
}
