//! The order in which the service starts and stops.
//!
//! It starts from the outside in: first the port, because one that is taken should be said before anything is made;
//! then its own PostgreSQL and its own broker, if it has them; then it answers; and then, in a task, whatever needs the database. It stops the other
//! way round: no new requests, those under way are finished, what the queue holds is written, the pools are closed, and
//! PostgreSQL is stopped. One limit, `FLEET_HARD_STOP`, holds for all of that.
//!
//! What goes on in the background until it stops: `background`.

use crate::boot::access::AccessTo;
use crate::boot::bring_up::{self, BringUpInput, BringUpResult};
use crate::boot::broker::Broker;
use crate::boot::config::{Config, Source};
use crate::boot::demo::Credentials;
use crate::boot::origin::{Origin, kept_credentials};
use crate::boot::router::{self, RouterInput};
pub use crate::boot::start_error::StartError;
use crate::boot::stop;
use crate::console::OpenTenants;
use crate::front::FrontInput;
use crate::identity::{self, Identity};
use crate::pools::Pools;
use crate::service::{Ready, Service};
use futures_util::poll;
use plimsoll::secret::Secret;
use plimsoll::settings::{Settings, SettingsError};
use plimsoll_http::report::{ReportGuard, ReportOptions, on_sigusr1};
use plimsoll_http::serve::{LastWork, StopBy, StopHandle, descriptors_of};
use plimsoll_http::{Marks, Operators, ReadySwitch, ServeError, ServeOptions, Stopped, WeakToken};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
#[cfg(feature = "dev")]
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The name of an operator in the log, since there is one token for all.
const OPERATOR: &str = "operator";

/// What the service's own PostgreSQL has for stopping, however long the rest took.
#[cfg(feature = "dev")]
const LEAST: Duration = Duration::from_secs(1);

/// How far it has come.
#[derive(Clone)]
enum Stage {
    ComingUp,
    Ready(Box<BringUpResult>),
    Failed(Arc<plimsoll::Error>),
}

/// A service that runs. Dropped without [`Running::stop`], it ends with the runtime.
pub struct Running {
    addr: SocketAddr,
    service: Service,
    /// Stops the HTTP server.
    stop: StopHandle,
    /// Stops what goes on in the background.
    stopping: watch::Sender<bool>,
    stage: watch::Receiver<Stage>,
    server: JoinHandle<Result<Stopped, ServeError>>,
    /// When the whole stop is over.
    #[cfg(feature = "dev")]
    hard_stop: Duration,
    bringing_up: JoinHandle<()>,
    broker: Broker,
    /// SIGUSR1 is listened for as long as this is kept.
    _on_sigusr1: ReportGuard,
    #[cfg(feature = "dev")]
    dev_postgres: Option<Arc<plimsoll_embedded::Cluster>>,
    #[cfg(feature = "dev")]
    play: Option<Arc<crate::play::Play>>,
}

/// Starts the service. It answers when this returns; [`Running::ready`] tells when its database does.
///
/// # Errors
/// What waiting cannot heal.
///
/// # Cancel safety
/// Dropped, nothing stays behind but what its own PostgreSQL keeps.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| refused(config.listen, &error))?;
    let addr = listener.local_addr().map_err(|error| refused(config.listen, &error))?;
    let credentials = kept_credentials(&config)?;
    let marks = Marks::default();
    let origin = Origin::find(&config, credentials.as_ref(), &marks).await?;
    let owner = origin.owner.clone();
    plimsoll_http::check(&owner.clone().check()?, config.request_deadline, config.proxy_limit)?;
    let service = service_of(&config, credentials.as_ref())?;
    let (stopping, stopped) = watch::channel(false);
    let broker = Broker::open(&config, &service, addr, &stopped).await?;
    let on_sigusr1 = on_sigusr1(service.databases(), ReportOptions::default().enabled(config.sigusr1))?;
    let stop = StopHandle::new();
    #[cfg(feature = "dev")]
    let hard_stop = config.hard_stop;
    let options = serve_options(&config, &owner, &service, &stop)?;
    let demo = credentials.filter(|_| config.demo);
    let ready = options.ready.clone();
    let (deadline, front) = (config.request_deadline, front(&service, demo.as_ref(), &origin));
    let open_tenants = OpenTenants::of(service.operators(), demo.as_ref(), origin.is_played_with());
    let access = AccessTo::of(config.logs_every_request);
    let paths = RouterInput { deadline, ready, marks, access, front, open_tenants, service: service.clone() };
    let mut server = Box::pin(plimsoll_http::serve(listener, router::all(paths), options));
    // It checks its options when it is polled for the first time: what is wrong with them is told here.
    if let Poll::Ready(Err(error)) = poll!(server.as_mut()) {
        return Err(error.into());
    }
    #[cfg(feature = "dev")]
    begin_to_play(&origin, demo.as_ref(), (addr, broker.own_url()), &stopped);
    let given = BringUpInput {
        sender: config.delivery.sender()?,
        config,
        owner,
        demo,
        #[cfg(feature = "dev")]
        is_played_with: origin.play.is_some(),
        own_port: origin.own_port,
        service: service.clone(),
        stop: stopped,
    };
    let (bringing_up, stage) = begin_to_bring_up(given);
    Ok(Running {
        addr,
        service,
        stop,
        stopping,
        stage,
        server: tokio::spawn(server),
        #[cfg(feature = "dev")]
        hard_stop,
        bringing_up,
        broker,
        _on_sigusr1: on_sigusr1,
        #[cfg(feature = "dev")]
        dev_postgres: origin.cluster,
        #[cfg(feature = "dev")]
        play: origin.play,
    })
}

/// Made-up devices, where the database may be broken from the page.
#[cfg(feature = "dev")]
fn begin_to_play(
    origin: &Origin,
    demo: Option<&Credentials>,
    (addr, broker): (SocketAddr, Option<String>),
    stopped: &watch::Receiver<bool>,
) {
    if let (Some(play), Some(demo)) = (&origin.play, demo) {
        tokio::spawn(crate::play::run(Arc::clone(play), addr, broker, demo.clone(), stopped.clone()));
    }
}

fn begin_to_bring_up(given: BringUpInput) -> (JoinHandle<()>, watch::Receiver<Stage>) {
    let (tell, stage) = watch::channel(Stage::ComingUp);
    let bringing_up = tokio::spawn(async move {
        let end = match bring_up::bring_up(given).await {
            Ok(reached) => Stage::Ready(Box::new(reached)),
            Err(error) => Stage::Failed(Arc::new(error)),
        };
        tell.send_replace(end);
    });
    (bringing_up, stage)
}

/// What handlers share from the first moment.
fn service_of(config: &Config, credentials: Option<&Credentials>) -> Result<Service, StartError> {
    let identity = Identity::new(&config.identity, credentials.filter(|_| config.demo))?;
    let operators = operators(config, credentials, &identity)?;
    Ok(Service::new(config.auto_provision, operators, identity, &config.ingest))
}

/// What the page at `/` is made of. The first tenant's key is on it only in development.
fn front(service: &Service, demo: Option<&Credentials>, origin: &Origin) -> FrontInput {
    let is_open = service.operators().is_open_here();
    // Without the feature there is nothing that could be broken.
    let _ = origin;
    FrontInput {
        service: service.clone(),
        device_key: demo.filter(|_| is_open).map(|demo| demo.provisioning_key.clone()),
        #[cfg(feature = "dev")]
        play: origin.play.clone(),
    }
}

/// Who is an operator: who shows the token that was said, or else that of the first hour, or a signed one. In development, which is a database of
/// its own and an address that only this machine reaches, its user needs none.
fn operators(
    config: &Config,
    credentials: Option<&Credentials>,
    identity: &Identity,
) -> Result<Operators, WeakToken> {
    let kept = credentials.filter(|_| config.demo).map(|known| Secret::from(known.operator_token.as_str()));
    let operators = match config.database {
        Source::DevPostgres => Operators::default().or_anyone_here(config.listen),
        Source::Given(_) => Operators::default(),
    };
    let signed = identity.clone();
    let operators = operators.or_verified_by(move |token| identity::operators::operator(&signed, token));
    match config.operator_token.as_ref().or(kept.as_ref()) {
        Some(token) => operators.token(OPERATOR, token),
        None if operators.is_open_here() || identity.is_on() => Ok(operators),
        None => {
            tracing::info!(
                "no one is an operator, so /operator answers 401: start the service with OPERATOR_TOKEN"
            );
            Ok(operators)
        }
    }
}

/// The pools come after the server, so descriptors are kept for them by what they will be.
fn serve_options(
    config: &Config,
    owner: &Settings,
    service: &Service,
    stop: &StopHandle,
) -> Result<ServeOptions, SettingsError> {
    let defaults = ServeOptions::default();
    let mut spare_descriptors = defaults.spare_descriptors;
    for settings in Pools::settings(owner).into_iter().chain([bring_up::of_the_owner(owner)]) {
        spare_descriptors = spare_descriptors.saturating_add(descriptors_of(&settings.check()?));
    }
    let service = service.clone();
    Ok(ServeOptions {
        // The layers have a narrower limit, and their answer has a code and the request's id.
        body_bytes: 1 << 40,
        grace: config.grace,
        hard_stop: config.hard_stop,
        spare_descriptors,
        ready: ReadySwitch::new(),
        last_work: Some(LastWork::new(|left| stop::write_and_close(service, left))),
        stop: StopBy::Handle(stop.clone()),
        ..defaults
    })
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `mqtt://user:password@host:port` of the broker that was started with it, if one was.
    #[must_use]
    pub fn broker_url(&self) -> Option<String> {
        self.broker.own_url()
    }

    /// What handlers share, from the first moment on.
    #[must_use]
    pub fn shared(&self) -> &Service {
        &self.service
    }

    /// What handlers share, once the database has been there.
    #[must_use]
    pub fn service(&self) -> Option<&Ready> {
        self.service.is_ready()
    }

    /// Waits until the service can do all that it is for.
    ///
    /// # Errors
    /// What waiting cannot heal.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn ready(&self) -> Result<BringUpResult, StartError> {
        let mut stage = self.stage.clone();
        let end = stage.wait_for(|stage| !matches!(stage, Stage::ComingUp)).await;
        match end.as_deref() {
            Ok(Stage::Ready(reached)) => Ok((**reached).clone()),
            Ok(Stage::Failed(error)) => Err(StartError::Database(error.to_string())),
            Ok(Stage::ComingUp) | Err(_) => {
                Err(StartError::Database("the service was stopped before its database was there".to_owned()))
            }
        }
    }

    /// Stops it: finishes what was begun, writes what waits, closes the pools, and stops its own PostgreSQL. All of that ends
    /// by `FLEET_HARD_STOP`, with a second more for its own PostgreSQL.
    ///
    /// # Cancel safety
    /// Dropped, it ends with the runtime.
    pub async fn stop(self) {
        #[cfg(feature = "dev")]
        let began = Instant::now();
        #[cfg(feature = "dev")]
        if let Some(play) = &self.play {
            // What is to be written needs a database that is not broken.
            play.stop().await;
        }
        self.bringing_up.abort();
        // No pool is opened any more once this has ended, so the last work sees all of them.
        let _ = self.bringing_up.await;
        self.stopping.send_replace(true);
        self.stop.stop();
        match self.server.await {
            Ok(Ok(stopped)) => tracing::info!("the HTTP server has stopped: {stopped:?}"),
            Ok(Err(error)) => tracing::error!("the HTTP server failed: {error}"),
            Err(error) => tracing::error!("the HTTP server ended badly: {error}"),
        }
        self.broker.stop().await;
        #[cfg(feature = "dev")]
        if let Some(postgres) = self.dev_postgres {
            let left = self.hard_stop.saturating_sub(began.elapsed()).max(LEAST);
            match tokio::time::timeout(left, postgres.stop_mode(plimsoll_embedded::StopMode::Fast)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!("the service's own PostgreSQL did not stop as it should: {error}");
                }
                Err(_) => tracing::warn!("the service's own PostgreSQL did not stop in time and was killed"),
            }
        }
    }
}

fn refused(addr: SocketAddr, error: &io::Error) -> StartError {
    let port = addr.port();
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is taken by another program (`ss -ltnp | grep :{port}` names it): stop that, or choose \
             another with FLEET_LISTEN=127.0.0.1:{}",
            port.checked_add(1).unwrap_or(8080)
        ),
        _ => error.to_string(),
    };
    StartError::Listen { addr, why }
}

pub(super) fn folder(folder: &Path, source: io::Error) -> StartError {
    StartError::Folder { folder: folder.display().to_string(), source }
}
