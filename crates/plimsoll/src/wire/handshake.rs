//! From an open stream to a session that is proven to carry its limits.
//!
//! What stands between is said, else found out here, and never assumed: a pooler gives itself away by refusing
//! start-up options, or because the backend that answers is not the one whose key it handed out. A pooler that was
//! found and not described is taken to lend per transaction, since that is safe with either kind.

use super::cancel::Target;
use super::connect::{Connector, Pooler, Stage, dial_guarded, failure};
use super::driver::{Driver, Tapped};
use super::guardrails;
use super::guardrails::{Guardrail, Readback};
use super::link::Link;
use super::naming;
use super::naming::Naming;
use super::session_state::SessionState;
use super::socket::Socket;
use super::stated;
use super::stated::SessionDefaults;
use super::tap::Tap;
use crate::error::{Error, Outcome, Phase, Result, fault_of_connect, text_of};
use crate::fault::Fault;
use crate::secret::Secret;
use crate::settings::{ChannelBinding, Host, OnMissingGuardrail, Plan, TlsMode};
use std::future::{Ready as ReadyFuture, ready};
use std::io;
use std::sync::Arc;
use tokio_postgres::config::{ChannelBinding as DriverBinding, SslMode, SslNegotiation};
use tokio_postgres::error::DbError;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, SimpleQueryMessage};

const STARTING_UP: &str = "starting up and authenticating";
const READING_BACK: &str = "reading back the limits";

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
    /// Asked only behind a transaction pooler; elsewhere a name belongs to the session, which is ours.
    pub naming: Naming,
    pub version: u32,
    pub read_only: bool,
    /// Sent after every `RESET ALL`: the limits that start-up could not carry.
    pub after_reset: String,
    /// Sent with every BEGIN behind a transaction pooler: the limits as `SET LOCAL`.
    pub local: Vec<Guardrail>,
    /// The login's own values, asked for only behind a transaction pooler.
    pub own: SessionDefaults,
    /// The limits that are not in force, where that was allowed.
    pub degraded: Vec<String>,
}

/// A connected stream passes as its own TLS, since that was negotiated before (see `socket`): this way the driver
/// still asks it what to bind SCRAM to.
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
pub(crate) async fn establish(
    connector: &Connector,
    host: &Host,
    target: &Target,
    password: Option<&Secret>,
    stage: &Stage,
) -> Result<Opened> {
    let guess = connector
        .pooler()
        .unwrap_or_else(|| if connector.plan.has_pooler_port() { Pooler::Transaction } else { Pooler::None });
    let version = connector.version();
    match open(connector, host, target, password, stage, guess, version).await {
        Ok((client, link)) => settle(connector, host, target, password, stage, guess, client, link).await,
        Err(error) if guess == Pooler::None && refuses_options(&error) => {
            if connector.said_pooler().is_some() {
                return Err(lied_about(host, &error));
            }
            connector.learn_pooler(Pooler::Transaction);
            let (client, link) =
                open(connector, host, target, password, stage, Pooler::Transaction, version).await?;
            settle(connector, host, target, password, stage, Pooler::Transaction, client, link).await
        }
        // The server is older than the last one was (a fail-over between versions).
        Err(error) if version >= guardrails::HAS_TRANSACTION_TIMEOUT && is_code(&error, "42704") => {
            connector.learn_version(0);
            let (client, link) = open(connector, host, target, password, stage, guess, 0).await?;
            settle(connector, host, target, password, stage, guess, client, link).await
        }
        Err(error) => Err(error),
    }
}

fn is_code(error: &Error, code: &str) -> bool {
    error.sqlstate().is_some_and(|found| found.code() == code)
}

/// A pooler that takes no start-up options says so with a protocol violation, a code that it uses for much else; its
/// texts are English and fixed.
fn refuses_options(error: &Error) -> bool {
    is_code(error, "08P01")
        && error.as_db_error().is_some_and(|said| said.message().contains("unsupported startup parameter"))
}

/// Settings said that nothing stands between, and something that pools answered.
fn lied_about(host: &Host, error: &Error) -> Error {
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

/// Dials, encrypts, authenticates, and starts the driver.
async fn open(
    connector: &Connector,
    host: &Host,
    target: &Target,
    password: Option<&Secret>,
    stage: &Stage,
    pooler: Pooler,
    version: u32,
) -> Result<(Client, Arc<Link>)> {
    let plan = &connector.plan;
    *stage.lock() = "opening the socket";
    let plain =
        dial_guarded(plan, target).await.map_err(|error| failure(host, "opening the socket", error))?;
    *stage.lock() = "negotiating TLS";
    let socket = target.wrap.apply(plain).await.map_err(|error| tls_failure(plan, host, error))?;
    let is_encrypted = !matches!(socket, Socket::Tcp(_) | Socket::Unix(_));
    *stage.lock() = STARTING_UP;
    let state = Arc::new(SessionState::new());
    let tap = Tap::new(socket, Arc::clone(&state));
    let config = driver_config(plan, password, pooler, version, is_encrypted);
    let (client, connection) =
        start(&config, tap).await.map_err(|error| refused(host, STARTING_UP, error))?;
    let link = Arc::new(Link::new(state, target.clone(), Arc::clone(connector.cancels())));
    let driver = tokio::spawn(Driver::new(connection, Arc::clone(&link)));
    link.driven_by(driver.abort_handle());
    Ok((client, link))
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

fn tls_failure(plan: &Plan, host: &Host, error: io::Error) -> Error {
    let mode = plan.tls();
    let error = failure(host, "negotiating TLS", error);
    match mode {
        TlsMode::VerifyFull | TlsMode::VerifyCa => error.and(format!(
            "sslmode is {mode} (the default beyond this machine is verify-full with the system's roots): name the \
             server's authority with sslrootcert=<file>, or say sslmode=require or sslmode=disable if this link may be \
             trusted without"
        )),
        _ => error.and(format!("sslmode is {mode}")),
    }
}

/// The server said no, or hung up.
fn refused(host: &Host, stage: &str, error: tokio_postgres::Error) -> Error {
    let said = text_of(&error, |db| format!("the server said \"{}\" ({})", db.message(), db.code().code()));
    let kind = error.to_string();
    let fault = match fault_of_connect(&error) {
        Fault::Privilege => Fault::Authentication,
        // What start-up carries besides names are the options.
        Fault::Data | Fault::BadStatement => Fault::Settings,
        Fault::ConnectionLost if error.as_db_error().is_some_and(is_pooler_denial) => Fault::Authentication,
        // The driver's own complaints are about the password (missing, or of an unknown method) and about binding it
        // to TLS.
        Fault::Driver if said.contains("channel binding") => Fault::Tls,
        Fault::Driver if kind.starts_with("authentication error") || kind.starts_with("invalid config") => {
            Fault::Authentication
        }
        fault => fault,
    };
    Error::new(
        fault,
        Phase::Connect,
        Outcome::NotStarted,
        format!("connect to {host} failed while {stage}: {said}"),
    )
    .caused_by(error)
}

/// PgBouncer turns a wrong user, password or database away with the code of a protocol violation.
fn is_pooler_denial(said: &DbError) -> bool {
    ["authentication failed", "no such user", "no such database", "does not exist"]
        .iter()
        .any(|denial| said.message().contains(denial))
}

/// Finds out what stands between, and makes the limits hold.
#[expect(
    clippy::too_many_arguments,
    reason = "two steps of one procedure; a struct of these would have one user"
)]
async fn settle(
    connector: &Connector,
    host: &Host,
    target: &Target,
    password: Option<&Secret>,
    stage: &Stage,
    assumed: Pooler,
    client: Client,
    link: Arc<Link>,
) -> Result<Opened> {
    let plan = &connector.plan;
    let half = HalfOpen::of(&link);
    *stage.lock() = READING_BACK;
    let answer = ask(&client, guardrails::READ_BACK, host).await?;
    let is_pooled = answer.backend != link.state.pid() || connector.pooler() == Some(Pooler::Transaction);
    let found = connector.said_pooler().unwrap_or(if is_pooled { Pooler::Transaction } else { Pooler::None });
    connector.learn_pooler(found);
    connector.learn_version(answer.version);
    if found == Pooler::None && assumed != Pooler::None {
        // A plain server on a pooler's port: connect again, now with the limits in the start-up options.
        drop(half);
        let (client, link) = open(connector, host, target, password, stage, found, answer.version).await?;
        let half = HalfOpen::of(&link);
        *stage.lock() = READING_BACK;
        let answer = ask(&client, guardrails::READ_BACK, host).await?;
        return establish_limits(plan, host, found, answer, client, link, half).await;
    }
    establish_limits(plan, host, found, answer, client, link, half).await
}

/// A connection that is not ready yet. The driver would wait for the answer to what was asked last, which a frozen
/// server never gives; so when nobody waits for the connection any more, it is ended.
struct HalfOpen(Option<Arc<Link>>);

impl HalfOpen {
    fn of(link: &Arc<Link>) -> Self {
        HalfOpen(Some(Arc::clone(link)))
    }

    /// It is ready.
    fn opened(mut self) {
        self.0 = None;
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.abort();
        }
    }
}

/// Sets what start-up could not carry, reads back, and judges.
async fn establish_limits(
    plan: &Plan,
    host: &Host,
    pooler: Pooler,
    first: Readback,
    client: Client,
    link: Arc<Link>,
    half: HalfOpen,
) -> Result<Opened> {
    let wanted = guardrails::wanted(plan, first.version);
    let mut session = Session {
        pooler,
        naming: Naming::PerServer,
        version: first.version,
        read_only: first.read_only,
        after_reset: String::new(),
        local: Vec::new(),
        own: SessionDefaults::default(),
        degraded: Vec::new(),
    };
    let missing = match pooler {
        Pooler::None => {
            // Only what was not known at start-up is set now: a limit that got lost on the way is not quietly mended.
            let late: Vec<_> = wanted
                .iter()
                .copied()
                .filter(|limit| {
                    limit.name == "transaction_timeout" && first.effective(limit.name) != Some(limit.millis)
                })
                .collect();
            session.after_reset = guardrails::session_sets(&late);
            read_back_after(&client, host, &session.after_reset, &first, &wanted).await?
        }
        Pooler::Session => {
            session.after_reset = guardrails::session_sets(&wanted);
            read_back_after(&client, host, &session.after_reset, &first, &wanted).await?
        }
        Pooler::Transaction => {
            session.local = wanted.clone();
            let sets = guardrails::local_sets(&wanted);
            let opening = format!("BEGIN; {sets} {}", guardrails::READ_BACK);
            let probed = naming::probe(&client, &opening).await;
            let (inside, naming) = probed.map_err(|error| refused(host, READING_BACK, error))?;
            session.naming = naming;
            session.own = own_values(&client, host).await?;
            session.read_only = session.own.only_reads();
            read(&inside, host)?.missing(&wanted)
        }
    };
    link.state.settle();
    if !missing.is_empty() {
        let text = missing.join(", ");
        if plan.on_missing_guardrail() == OnMissingGuardrail::Error {
            return Err(Error::new(
                Fault::GuardrailMissing,
                Phase::Connect,
                Outcome::NotStarted,
                format!("the connection to {host} does not carry its limits: {text}"),
            ));
        }
        tracing::warn!(target: "plimsoll", %host, "degraded: a connection does not carry its limits: {text}");
        session.degraded = missing;
    }
    half.opened();
    Ok(Opened { client, link, session })
}

async fn read_back_after(
    client: &Client,
    host: &Host,
    sets: &str,
    first: &Readback,
    wanted: &[Guardrail],
) -> Result<Vec<String>> {
    if sets.is_empty() {
        return Ok(first.missing(wanted));
    }
    Ok(ask(client, &format!("{sets} {}", guardrails::READ_BACK), host).await?.missing(wanted))
}

/// What the login itself has, whatever a stranger has left in the session.
async fn own_values(client: &Client, host: &Host) -> Result<SessionDefaults> {
    let messages =
        client.simple_query(stated::ASK).await.map_err(|error| refused(host, READING_BACK, error))?;
    Ok(SessionDefaults::of(messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?.to_owned(), row.get(1)?.to_owned())),
        _ => None,
    })))
}

/// Runs text that ends in [`guardrails::READ_BACK`] and reads its row.
async fn ask(client: &Client, sql: &str, host: &Host) -> Result<Readback> {
    let messages = client.simple_query(sql).await.map_err(|error| refused(host, READING_BACK, error))?;
    read(&messages, host)
}

/// The row of [`guardrails::READ_BACK`].
fn read(messages: &[SimpleQueryMessage], host: &Host) -> Result<Readback> {
    messages
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Readback::read(row.try_get(0).ok()??, row.try_get(1).ok()??, row.try_get(2).ok()??)
            }
            _ => None,
        })
        .ok_or_else(|| {
            Error::new(
                Fault::Driver,
                Phase::Connect,
                Outcome::NotStarted,
                format!("{host} did not say which limits are in force"),
            )
        })
}
