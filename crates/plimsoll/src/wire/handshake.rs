//! Takes a connection from an open stream to a session that is proven to carry its limits.
//!
//! Whether a pooler stands between is stated in the settings, or found out here: a pooler refuses start-up options, or the
//! backend that answers is not the one whose key the pooler gave. A pooler that was found out, and not stated, is taken
//! to lend per transaction, since that is safe with either kind.

use super::cancel::Target;
use super::connect::{Connector, Pooler, Stage, dial_guarded, failure};
use super::driver::{Driver, Tapped};
use super::guardrails;
use super::guardrails::Guardrail;
use super::limits;
use super::link::Link;
use super::naming::Naming;
use super::session_state::SessionState;
use super::socket::{Socket, Wrap};
use super::stated::SessionDefaults;
use super::tap::Tap;
use crate::driver_fault::fault_of_connect;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::pooler_said::{
    CONSOLE_TAKES, is_console_denial, is_full_pooler, is_pooler_denial, refuses_options,
};
use crate::said::{said, text_of};
use crate::secret::Secret;
use crate::settings::{ChannelBinding, Host, Plan, TlsMode, TlsRoots};
use std::future::{Ready as ReadyFuture, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_postgres::Client;
use tokio_postgres::config::{ChannelBinding as DriverBinding, SslMode, SslNegotiation};
use tokio_postgres::tls::TlsConnect;

const MIB: usize = 1024 * 1024;

const STARTING_UP: &str = "starting up and authenticating";
pub(super) const READING_BACK: &str = "reading back the limits";

/// A connection as it leaves the wire: the client, its link, and what is known of the session.
pub(crate) struct Opened {
    pub client: Client,
    pub link: Arc<Link>,
    pub session: Session,
}

/// What is known of a session since its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub pooler: Pooler,
    /// Found out only behind a transaction pooler; elsewhere a name belongs to the session, and the session is ours.
    pub naming: Naming,
    pub version: u32,
    pub read_only: bool,
    /// Each statement of a transaction takes its own snapshot, unless the transaction asks for another isolation.
    pub read_committed: bool,
    /// The place of its host in the list.
    pub host: usize,
    /// Sent after every `RESET ALL`: the limits that start-up could not carry.
    pub after_reset: String,
    /// Sent with every BEGIN behind a transaction pooler: the limits as `SET LOCAL`.
    pub local: Vec<Guardrail>,
    /// The login's own values; asked for only behind a transaction pooler.
    pub own: SessionDefaults,
    /// The limits that are not in force, where that was allowed.
    pub degraded: Vec<String>,
}

/// Hands the driver a stream on which TLS was negotiated before (see `socket`). The driver takes it for its own TLS and so
/// asks it what to bind SCRAM to.
struct AlreadyNegotiated;

impl TlsConnect<Tap<Socket>> for AlreadyNegotiated {
    type Stream = Tap<Socket>;
    type Error = io::Error;
    type Future = ReadyFuture<io::Result<Tap<Socket>>>;

    fn connect(self, stream: Tap<Socket>) -> Self::Future {
        ready(Ok(stream))
    }
}

/// Opens one session at one address.
pub(crate) struct Handshake<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) host: &'a Host,
    pub(crate) target: &'a Target,
    pub(crate) password: Option<&'a Secret>,
    pub(crate) stage: &'a Stage,
}

impl Handshake<'_> {
    /// Opens the session, first with what is assumed of the server, and again where that turns out to be wrong.
    pub(crate) async fn establish(self) -> Result<Opened> {
        let connector = self.connector;
        let assumed = connector.pooler().unwrap_or(if connector.plan.has_pooler_port() {
            Pooler::Transaction
        } else {
            Pooler::None
        });
        let version = connector.version();
        match self.open(assumed, version).await {
            Ok(half) => self.settle(assumed, half).await,
            Err(error) if assumed == Pooler::None && refuses_options(&error) => {
                if connector.stated_pooler().is_some() {
                    return Err(contradicts_settings(self.host, &error));
                }
                connector.learn_pooler(Pooler::Transaction);
                let half = self.open(Pooler::Transaction, version).await?;
                self.settle(Pooler::Transaction, half).await
            }
            // The server is older than the last one was (a fail-over between versions).
            Err(error) if version >= guardrails::HAS_TRANSACTION_TIMEOUT && is_code(&error, "42704") => {
                connector.learn_version(0);
                let half = self.open(assumed, 0).await?;
                self.settle(assumed, half).await
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the session without limits, and asks nothing.
    pub(super) async fn open_plain(self) -> Result<(Client, Arc<Link>)> {
        Ok(self.open(Pooler::Session, 0).await?.opened())
    }

    /// Opens the connection by the target's way; and in the clear, where that is allowed and the server takes it no other way.
    async fn open(&self, pooler: Pooler, version: u32) -> Result<HalfOpen> {
        let plan = &self.connector.plan;
        match self.open_at(self.target, pooler, version).await {
            Ok(half) => Ok(half),
            Err(Refusal { error, is_of_encryption: true })
                if plan.tls() == TlsMode::Prefer && plan.channel_binding() != ChannelBinding::Require =>
            {
                let plain = Target { wrap: Wrap::Plain, ..self.target.clone() };
                self.open_at(&plain, pooler, version).await.map_err(|refusal| {
                    refusal.error.and(format!(
                        "that was in the clear, as sslmode=prefer allows; encrypted: {}",
                        error.sentence()
                    ))
                })
            }
            Err(Refusal { error, .. }) => Err(error),
        }
    }

    /// Dials, encrypts, authenticates, and starts the driver.
    async fn open_at(&self, target: &Target, pooler: Pooler, version: u32) -> Result<HalfOpen, Refusal> {
        let Handshake { connector, host, password, stage, .. } = *self;
        let plan = &connector.plan;
        *stage.lock() = "opening the socket";
        let plain =
            dial_guarded(plan, target).await.map_err(|error| failure(host, "opening the socket", error))?;
        *stage.lock() = "negotiating TLS";
        let socket = target.wrap.apply(plain).await.map_err(|error| {
            let error = tls_failure(plan, host, error);
            Refusal { is_of_encryption: error.fault() == Fault::Tls, error }
        })?;
        let is_encrypted = !matches!(socket, Socket::Tcp(_) | Socket::Unix(_));
        *stage.lock() = STARTING_UP;
        let state = Arc::new(SessionState::new());
        let tap = Tap::new(socket, Arc::clone(&state), plan.max_message().saturating_mul(MIB));
        let config = driver_config(plan, password, pooler, version, is_encrypted);
        let started = start(&config, tap).await;
        let (client, connection) = started.map_err(|error| {
            let error = refused_at_start(host, error);
            // A line of pg_hba.conf. Once the server has asked for a password, that is not tried again in the clear.
            let is_unasked = is_code(&error, "28000") && !state.authenticates.load(Ordering::Acquire);
            match is_encrypted && is_unasked {
                true => refused_with_encryption(plan.tls(), error),
                false => Refusal::from(error),
            }
        })?;
        let link = Arc::new(Link::new(state, target.clone(), Arc::clone(connector.cancels())));
        let driver = tokio::spawn(Driver::new(connection, Arc::clone(&link)));
        link.set_driver(driver.abort_handle());
        Ok(HalfOpen { client, link: AbortOnDrop { link, is_armed: true } })
    }

    /// Finds out what stands between, and makes the limits hold.
    async fn settle(&self, assumed: Pooler, mut half: HalfOpen) -> Result<Opened> {
        let connector = self.connector;
        *self.stage.lock() = READING_BACK;
        let mut answer = limits::ask(&half.client, guardrails::READ_BACK, self.host).await?;
        let is_pooled =
            answer.backend != half.link.link.state.pid() || connector.pooler() == Some(Pooler::Transaction);
        let found =
            connector.stated_pooler().unwrap_or(if is_pooled { Pooler::Transaction } else { Pooler::None });
        connector.learn_pooler(found);
        connector.learn_version(answer.version);
        if found == Pooler::None && assumed != Pooler::None {
            // A plain server on a pooler's port: connect again, now with the limits in the start-up options.
            drop(half);
            half = self.open(found, answer.version).await?;
            *self.stage.lock() = READING_BACK;
            answer = limits::ask(&half.client, guardrails::READ_BACK, self.host).await?;
        }
        let session = limits::establish(&connector.plan, self.host, found, &answer, &half.client).await?;
        let (client, link) = half.opened();
        link.state.settle();
        Ok(Opened { client, link, session })
    }
}

/// Why a connection did not come about, and whether one in the clear may.
struct Refusal {
    error: Error,
    /// TLS did not come about, or the server takes none from here: it said so before it began to authenticate.
    is_of_encryption: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal { error, is_of_encryption: false }
    }
}

/// The server takes no session from here, or none that is encrypted: which of them, its own words may not tell.
fn refused_with_encryption(mode: TlsMode, error: Error) -> Refusal {
    let error = match mode {
        TlsMode::Prefer => error,
        _ => error.and(format!(
            "sslmode is {mode}: if a line of pg_hba.conf refuses the encryption (hostssl … reject, or hostnossl alone), \
             mend that line, or say sslmode=prefer or sslmode=disable if this link may be in the clear"
        )),
    };
    Refusal { error, is_of_encryption: true }
}

fn is_code(error: &Error, code: &str) -> bool {
    error.sqlstate().is_some_and(|found| found.code() == code)
}

/// The settings state that there is no pooler, and a pooler answers.
fn contradicts_settings(host: &Host, error: &Error) -> Error {
    Error::new(
        Fault::GuardrailMissing,
        Phase::Connect,
        Outcome::NotStarted,
        format!(
            "a pooler answers at {host}, which takes no limits at start-up, while the settings say that there is none: \
             say pooler=transaction or pooler=session, or leave it to be found out; {}",
            error.sentence()
        ),
    )
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where connections are made")]
async fn start(
    config: &tokio_postgres::Config,
    tap: Tap<Socket>,
) -> Result<(Client, Tapped), tokio_postgres::Error> {
    config.connect_raw(tap, AlreadyNegotiated).await
}

fn driver_config(
    plan: &Plan,
    password: Option<&Secret>,
    pooler: Pooler,
    version: u32,
    is_encrypted: bool,
) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.user(plan.user()).dbname(plan.dbname()).application_name(plan.application_name());
    if let Some(password) = password {
        config.password(password.expose());
    }
    let options = match pooler {
        Pooler::None => guardrails::startup_options(plan, version),
        Pooler::Session | Pooler::Transaction => plan.options().to_owned(),
    };
    if !options.is_empty() {
        config.options(options);
    }
    if is_encrypted {
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        config.channel_binding(match plan.channel_binding() {
            ChannelBinding::Disable => DriverBinding::Disable,
            ChannelBinding::Require => DriverBinding::Require,
            _ => DriverBinding::Prefer,
        });
    } else {
        config.ssl_mode(SslMode::Disable);
        if plan.channel_binding() == ChannelBinding::Require {
            config.channel_binding(DriverBinding::Require);
        }
    }
    config
}

/// The error of a TLS that did not come about: what to do about it, and which word asks for less.
fn tls_failure(plan: &Plan, host: &Host, error: io::Error) -> Error {
    let mode = plan.tls();
    #[cfg(feature = "tls")]
    let advice = super::tls::advice(&error);
    #[cfg(not(feature = "tls"))]
    let advice: Option<&str> = None;
    let error = failure(host, "negotiating TLS", error);
    let error = match advice {
        Some(advice) => error.and(advice),
        None => error,
    };
    let is_held_to_a_file = *plan.tls_roots() != TlsRoots::System;
    match mode {
        TlsMode::VerifyFull | TlsMode::VerifyCa => error.and(format!(
            "sslmode is {mode} (the default beyond this machine is verify-full with the system's roots): name the \
             server's authority with sslrootcert=<file>, or say sslmode=require or sslmode=disable if this link may be \
             trusted without"
        )),
        TlsMode::Require if is_held_to_a_file => error.and(
            "sslmode is require, which verifies as verify-ca does where a file of roots is named: name the server's \
             authority with sslrootcert=<file>, or leave sslrootcert out (and ~/.postgresql/root.crt, where that is read) \
             if this link may be trusted without",
        ),
        _ => error.and(format!("sslmode is {mode}")),
    }
}

/// The error of a session that did not come about. What ends a connection at that point without a word is often no PostgreSQL.
fn refused_at_start(host: &Host, error: tokio_postgres::Error) -> Error {
    let is_wordless = error.as_db_error().is_none();
    let error = refused(host, STARTING_UP, error);
    match error.fault() {
        Fault::ConnectionLost if is_wordless => {
            error.and("it ended before the server said a word; is it PostgreSQL?")
        }
        _ => error,
    }
}

/// The error of a session that the server refused, or of a connection that it closed.
pub(super) fn refused(host: &Host, stage: &str, error: tokio_postgres::Error) -> Error {
    let said = text_of(&error, said);
    let kind = error.to_string();
    let fault = match fault_of_connect(&error) {
        Fault::Privilege => Fault::Authentication,
        // Besides names, start-up carries only the options.
        Fault::Data | Fault::BadStatement => Fault::Settings,
        Fault::ConnectionLost if error.as_db_error().is_some_and(is_pooler_denial) => Fault::Authentication,
        Fault::ConnectionLost if error.as_db_error().is_some_and(is_full_pooler) => Fault::TooManyConnections,
        // The driver's own complaints are about the password (missing, or of an unknown method) and about binding it
        // to TLS.
        Fault::Driver if said.contains("channel binding") => Fault::Tls,
        Fault::Driver if kind.starts_with("authentication error") || kind.starts_with("invalid config") => {
            Fault::Authentication
        }
        fault => fault,
    };
    let is_console = error.as_db_error().is_some_and(is_console_denial);
    let refused = Error::new(
        fault,
        Phase::Connect,
        Outcome::NotStarted,
        format!("connect to {host} failed while {stage}: {said}"),
    );
    let refused = if is_console { refused.and(CONSOLE_TAKES) } else { refused };
    refused.caused_by(error)
}

/// A connection that is not ready yet. The driver would wait for the answer to the last question, which a frozen server
/// never gives; so a connection that is dropped before it is ready is ended.
struct HalfOpen {
    client: Client,
    link: AbortOnDrop,
}

impl HalfOpen {
    /// It is ready.
    fn opened(self) -> (Client, Arc<Link>) {
        let HalfOpen { client, link } = self;
        (client, link.disarm())
    }
}

/// Ends the connection when it is dropped, unless it was disarmed.
struct AbortOnDrop {
    link: Arc<Link>,
    is_armed: bool,
}

impl AbortOnDrop {
    fn disarm(mut self) -> Arc<Link> {
        self.is_armed = false;
        Arc::clone(&self.link)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if self.is_armed {
            self.link.abort();
        }
    }
}
