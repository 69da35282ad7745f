//! Opens a connection: to which host, within what limit, and what it says when it fails.
//!
//! One deadline covers name lookup, TCP, TLS, start-up, authentication and the reading back of the limits. The driver's
//! own timeout covers TCP alone, so a server that freezes after it has accepted would hold a caller for ever. Several
//! hosts share the remaining time evenly, so the first cannot use up the time of the others.

use super::cancel::Target;
use super::demotion::{Demotions, Origin};
use super::handshake::{Handshake, Opened};
use super::naming::Links;
use super::socket;
use super::socket::{Address, Wrap};
use crate::error::{BoxError, Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::secret::{Password, Secret};
#[cfg(not(feature = "tls"))]
use crate::settings::TlsMode;
use crate::settings::{Address as HostAddress, Host, Plan, PoolerMode, TargetSessionAttrs};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// What stands between this program and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// Nothing, or something that does not show: each session is ours.
    None,
    /// A pooler that lends a server connection for a whole session.
    Session,
    /// A pooler that lends a server connection for a transaction: a session belongs to no client.
    Transaction,
}

/// How far a connect had come, for the error that says so.
pub(crate) type Stage = Mutex<&'static str>;

/// Opens connections as one plan says. All connects of a pool share it.
pub(crate) struct Connector {
    pub(crate) plan: Arc<Plan>,
    tls: Option<TlsConfig>,
    cancels: Arc<Semaphore>,
    pooled_links: Arc<Links>,
    demotions: Arc<Demotions>,
    /// What was learned of the pooler: 0 nothing yet, else 1 + the pooler.
    learned: AtomicU8,
    /// The server's version as last seen, so that every limit can be sent with start-up.
    version: AtomicU32,
}

#[cfg(feature = "tls")]
type TlsConfig = Arc<rustls::ClientConfig>;
#[cfg(not(feature = "tls"))]
type TlsConfig = ();

impl Connector {
    /// Reads the certificates that the plan names.
    pub(crate) fn new(plan: Arc<Plan>) -> Result<Self> {
        let tls = tls_config(&plan)?;
        let cancels = Arc::new(Semaphore::new(plan.cancel_limit().max(1)));
        let version = u32::from(plan.server_version().unwrap_or(0)) * 10_000;
        let demotions = Arc::new(Demotions::of(plan.hosts().len()));
        let connector = Connector {
            plan,
            demotions,
            tls,
            cancels,
            pooled_links: Arc::default(),
            learned: AtomicU8::new(0),
            version: AtomicU32::new(version),
        };
        if let Some(pooler) = connector.stated_pooler() {
            connector.learn_pooler(pooler);
        }
        Ok(connector)
    }

    /// The same connector, which learns of demoted servers together with another one to the same hosts.
    pub(crate) fn learning_with(self, other: Arc<Demotions>) -> Self {
        Connector { demotions: other, ..self }
    }

    pub(crate) fn demotions(&self) -> &Arc<Demotions> {
        &self.demotions
    }

    /// The pooler that the settings state, if they do.
    pub(crate) fn stated_pooler(&self) -> Option<Pooler> {
        match self.plan.pooler() {
            PoolerMode::None => Some(Pooler::None),
            PoolerMode::Session => Some(Pooler::Session),
            PoolerMode::Transaction => Some(Pooler::Transaction),
            PoolerMode::Auto => None,
        }
    }

    /// The pooler, if it was stated or learned.
    pub(crate) fn pooler(&self) -> Option<Pooler> {
        match self.learned.load(Ordering::Acquire) {
            1 => Some(Pooler::None),
            2 => Some(Pooler::Session),
            3 => Some(Pooler::Transaction),
            _ => None,
        }
    }

    pub(crate) fn learn_pooler(&self, pooler: Pooler) {
        let value = match pooler {
            Pooler::None => 1,
            Pooler::Session => 2,
            Pooler::Transaction => 3,
        };
        self.learned.store(value, Ordering::Release);
    }

    /// The server's version as last seen; zero before the first connection.
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn learn_version(&self, version: u32) {
        self.version.store(version, Ordering::Release);
    }

    pub(crate) fn pooled_links(&self) -> &Arc<Links> {
        &self.pooled_links
    }

    pub(crate) fn cancels(&self) -> &Arc<Semaphore> {
        &self.cancels
    }

    /// Opens a connection that is proven to carry its limits.
    ///
    /// # Errors
    /// The most telling failure, with each host, how far its attempt came and how long that took.
    ///
    /// # Cancel safety
    /// Dropping it closes the half-open connection. The pool runs it in a task of its own, so a caller that gives up does
    /// not undo the work.
    pub(crate) async fn connect(&self, until: Instant) -> Result<Opened> {
        self.first_host(until, |index, host, until| async move {
            Ok(self.opened(self.connect_host(host, until).await?, index))
        })
        .await
    }

    /// Opens something at the first host that lets it. The hosts share what is left of the time evenly.
    pub(super) async fn first_host<'a, T, Opening>(
        &'a self,
        until: Instant,
        open: impl Fn(usize, &'a Host, Instant) -> Opening,
    ) -> Result<T>
    where
        Opening: Future<Output = Result<T>>,
    {
        let hosts = self.plan.hosts();
        let mut failures: Vec<Error> = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            match open(index, host, deadline_of_first(until, hosts.len() - index)).await {
                Ok(opened) => return Ok(opened),
                Err(error) => failures.push(error),
            }
        }
        Err(most_telling(failures))
    }

    /// Notes where a connection leads.
    fn opened(&self, mut ready: Opened, host: usize) -> Opened {
        ready.session.host = host;
        self.demotions.opened(!ready.session.read_only);
        // It is set nowhere else.
        let _ = ready.link.origin.set(Origin { host, opened: Moment::now() });
        ready
    }

    async fn connect_host(&self, host: &Host, until: Instant) -> Result<Opened> {
        let begun = Instant::now();
        let stage: Stage = Mutex::new("looking up the host");
        let mut fresh = false;
        loop {
            let attempt = timeout_at(until, self.attempt(host, until, &stage)).await;
            let error = match attempt {
                Ok(Ok(ready)) => return Ok(ready),
                Ok(Err(error)) => error,
                Err(_) => gave_up(host, begun, &stage),
            };
            // The password that the provider gave may have been rotated since: ask once more.
            let rotated = error.sqlstate().is_some_and(|code| code.code() == "28P01")
                && matches!(self.plan.password(), Some(Password::Provider(_)));
            if !rotated || fresh {
                return Err(error);
            }
            fresh = true;
        }
    }

    async fn attempt(&self, host: &Host, until: Instant, stage: &Stage) -> Result<Opened> {
        *stage.lock() = "asking for the password";
        let password = self.password(host).await?;
        if let Some(why) = &password.refused {
            tracing::warn!(target: "plimsoll", "{why}");
        }
        let attempt = self.attempt_with(host, until, stage, password.secret.as_ref()).await;
        attempt.map_err(|error| password.explained(error))
    }

    async fn attempt_with(
        &self,
        host: &Host,
        until: Instant,
        stage: &Stage,
        password: Option<&Secret>,
    ) -> Result<Opened> {
        let open = |target| async move {
            Handshake { connector: self, host, target: &target, password, stage }.establish().await
        };
        self.accept(self.first_address(host, until, stage, open).await?, host)
    }

    /// Opens something at the first address of a host that lets it. The addresses share what is left of the time evenly.
    pub(super) async fn first_address<T, Opening>(
        &self,
        host: &Host,
        until: Instant,
        stage: &Stage,
        open: impl Fn(Target) -> Opening,
    ) -> Result<T>
    where
        Opening: Future<Output = Result<T>>,
    {
        let begun = Instant::now();
        *stage.lock() = "looking up the host";
        let addresses = resolve(host).await?;
        let count = addresses.len();
        let mut last = None;
        for (index, address) in addresses.into_iter().enumerate() {
            let target = Target { address, wrap: self.wrap(host) };
            match timeout_at(deadline_of_first(until, count - index), open(target)).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(gave_up(host, begun, stage)),
            }
        }
        Err(last.unwrap_or_else(|| {
            failure(
                host,
                "looking up the host",
                io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
            )
        }))
    }

    /// Refuses a server of the wrong kind.
    fn accept(&self, ready: Opened, host: &Host) -> Result<Opened> {
        let wanted = self.plan.target_session_attrs();
        let fits = match wanted {
            TargetSessionAttrs::ReadWrite => !ready.session.read_only,
            TargetSessionAttrs::ReadOnly => ready.session.read_only,
            _ if ready.session.read_only && self.demotions.is_strict(Moment::now()) => {
                return Err(Error::new(
                    Fault::ReadOnlyServer,
                    Phase::Connect,
                    Outcome::NotStarted,
                    format!("{host} only reads, and a server that took writes was demoted a moment ago"),
                ));
            }
            _ => true,
        };
        if fits { Ok(ready) } else { Err(not_the_kind(host, wanted, ready.session.read_only)) }
    }

    pub(super) fn wrap(&self, host: &Host) -> Wrap {
        match (&self.tls, host.address()) {
            #[cfg(feature = "tls")]
            (Some(config), HostAddress::Tcp(name)) => {
                Wrap::Tls(super::tls::Wrapper::new(config, name, self.plan.tls()))
            }
            _ => Wrap::Plain,
        }
    }
}

/// The error of a server that is not of the kind that was asked for.
pub(super) fn not_the_kind(host: &Host, wanted: TargetSessionAttrs, is_read_only: bool) -> Error {
    let is = if is_read_only { "read-only" } else { "read-write" };
    Error::new(
        Fault::ReadOnlyServer,
        Phase::Connect,
        Outcome::NotStarted,
        format!("{host} is {is} and target_session_attrs={wanted} was asked for"),
    )
}

#[cfg(feature = "tls")]
fn tls_config(plan: &Plan) -> Result<Option<TlsConfig>> {
    let local_only = plan.hosts().iter().all(|host| matches!(host.address(), HostAddress::Unix(_)));
    if local_only {
        return Ok(None);
    }
    super::tls::configure(plan.tls(), plan.tls_roots())
        .map_err(|text| Error::new(Fault::Tls, Phase::Settings, Outcome::NotStarted, text))
}

#[cfg(not(feature = "tls"))]
fn tls_config(plan: &Plan) -> Result<Option<TlsConfig>> {
    if matches!(plan.tls(), TlsMode::Disable | TlsMode::Prefer) {
        return Ok(None);
    }
    Err(Error::new(
        Fault::Tls,
        Phase::Settings,
        Outcome::NotStarted,
        format!("sslmode={} was asked for and this program was built without the feature `tls`", plan.tls()),
    ))
}

async fn resolve(host: &Host) -> Result<Vec<Address>> {
    if let Some(ip) = host.dialled() {
        return Ok(vec![Address::Tcp((ip, host.port()).into())]);
    }
    match (host.address(), host.socket_file()) {
        (_, Some(path)) => Ok(vec![Address::Unix(path)]),
        (HostAddress::Tcp(name), _) => {
            let found = tokio::net::lookup_host((name.as_str(), host.port())).await.map_err(|error| {
                failure(host, "looking up the host", error).with_fault(Fault::Unreachable)
            })?;
            Ok(found.map(Address::Tcp).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Until when the first of so many attempts may last.
fn deadline_of_first(until: Instant, attempts: usize) -> Instant {
    let now = Instant::now();
    now + until.saturating_duration_since(now) / u32::try_from(attempts).unwrap_or(u32::MAX).max(1)
}

/// The error of a connect that was given up as a whole.
pub(crate) fn timed_out(limit: std::time::Duration) -> Error {
    let sentence = format!("connect gave up after {:.1} s: the server gave no answer", limit.as_secs_f64());
    Error::new(Fault::ConnectTimeout, Phase::Connect, Outcome::NotStarted, sentence)
}

pub(super) fn gave_up(host: &Host, begun: Instant, stage: &Stage) -> Error {
    Error::new(
        Fault::ConnectTimeout,
        Phase::Connect,
        Outcome::NotStarted,
        format!(
            "connect to {host} gave up after {:.1} s while {}",
            begun.elapsed().as_secs_f64(),
            *stage.lock()
        ),
    )
}

/// The error of a connect that failed below PostgreSQL. A connection that broke while TLS was negotiated may heal; a wrong
/// certificate does not.
pub(crate) fn failure(host: &Host, stage: &str, error: io::Error) -> Error {
    let is_about_tls = matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    );
    let fault = if stage.contains("TLS") && is_about_tls { Fault::Tls } else { Fault::of_io(error.kind()) };
    Error::new(
        fault,
        Phase::Connect,
        Outcome::NotStarted,
        format!("connect to {host} failed while {stage}: {error}"),
    )
    .caused_by(BoxError::from(error))
}

/// Of the failures of several hosts the first that waiting cannot heal, else the first; with the others named beside it.
fn most_telling(mut failures: Vec<Error>) -> Error {
    let place = failures.iter().position(|error| !error.fault().heals_by_waiting()).unwrap_or(0);
    if place >= failures.len() {
        return Error::new(Fault::Settings, Phase::Connect, Outcome::NotStarted, "no host was given");
    }
    let chosen = failures.swap_remove(place);
    failures.into_iter().fold(chosen, |chosen, other| chosen.and(other.sentence()))
}

/// Opens the plain stream, with keepalives.
pub(crate) async fn dial_guarded(plan: &Plan, target: &Target) -> io::Result<socket::Socket> {
    let socket = socket::dial(&target.address).await?;
    socket::set_keepalive(&socket, plan.keepalives(), plan.tcp_user_timeout())?;
    Ok(socket)
}
