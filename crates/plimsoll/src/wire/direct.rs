//! One plain connection, for programs that look at a server instead of serving from it.
//!
//! It is made as a pool's connections are: the same hosts, TLS rules, password and deadline. It differs in what it leaves out.
//! No limits are set and none are read back, so the session shows what the server and the role give by themselves; and nothing
//! is asked before the caller asks, unless `target_session_attrs` does. So it also reaches the console of a PgBouncer, which
//! speaks the simple protocol only.

use super::cancel;
use super::connect::{Connector, Stage, gave_up, not_the_kind};
use super::handshake::{Handshake, refused};
use super::link::Link;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::secret::Secret;
use crate::settings::{Host, Plan, TargetSessionAttrs};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Client, SimpleQueryMessage};

/// One connection without pool, heartbeat or limits. Dropping it closes it; what still runs on the server then is not
/// cancelled: that is what [`DirectConnection::cancel`] is for.
pub struct DirectConnection {
    client: Client,
    link: Arc<Link>,
    host: Host,
    warning: Option<String>,
}

impl DirectConnection {
    /// Connects, within this time in all: looking up the host, TCP, TLS, start-up and authentication.
    ///
    /// # Errors
    /// The most telling failure of the hosts, with how far the attempt came.
    ///
    /// # Cancel safety
    /// Dropping it closes the half-open connection.
    pub async fn connect(plan: Plan, within: Duration) -> Result<Self> {
        let connector = Connector::new(Arc::new(plan))?;
        let until = Instant::now() + within;
        connector.first_host(until, |_, host, until| connector.connect_direct(host, until)).await
    }

    /// The driver's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The host that it is connected to.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the caller may want to know though it connected: that the password file was not used, and why.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The process id that the server gave it. Behind a pooler it is the pooler's own number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.link.state.pid()
    }

    /// Asks the server to cancel what runs on this connection, and waits until it has acted on that, for at most this time.
    ///
    /// # Errors
    /// The server could not be reached, or did not answer in time. What runs may go on.
    ///
    /// # Cancel safety
    /// If this is dropped before its end, the server may or may not act on the request.
    pub async fn cancel(&self, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        let work = async {
            match cancel::send(&self.link.cancels.target, self.pid(), self.link.state.secret(), || true)
                .await?
            {
                Some(mut sent) => sent.until_acted_on().await,
                None => Ok(()),
            }
        };
        let not_done = |why: String| {
            let text =
                format!("the cancel of session {} on {} was not confirmed: {why}", self.pid(), self.host);
            Error::new(Fault::Unreachable, Phase::Connect, Outcome::NotStarted, text)
        };
        match timeout_at(until, work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(not_done(error.to_string())),
            Err(_) => Err(not_done(format!("no answer within {:.1} s", within.as_secs_f64()))),
        }
    }
}

/// The host and the session's number, and nothing of the settings.
impl fmt::Debug for DirectConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectConnection")
            .field("host", &self.host.to_string())
            .field("pid", &self.pid())
            .finish()
    }
}

impl Drop for DirectConnection {
    fn drop(&mut self) {
        self.link.abort();
    }
}

impl Connector {
    async fn connect_direct(&self, host: &Host, until: Instant) -> Result<DirectConnection> {
        let begun = Instant::now();
        let stage: Stage = Mutex::new("asking for the password");
        let attempt = async {
            let password = self.password(host).await?;
            let opened = self.open_direct(host, until, &stage, password.secret.as_ref()).await;
            let mut opened = opened.map_err(|error| password.explained(error))?;
            self.accept_direct(&opened).await?;
            opened.warning = password.refused;
            Ok(opened)
        };
        match timeout_at(until, attempt).await {
            Ok(result) => result,
            Err(_) => Err(gave_up(host, begun, &stage)),
        }
    }

    async fn open_direct(
        &self,
        host: &Host,
        until: Instant,
        stage: &Stage,
        password: Option<&Secret>,
    ) -> Result<DirectConnection> {
        let open = |target| async move {
            let handshake = Handshake { connector: self, host, target: &target, password, stage };
            let (client, link) = handshake.open_plain().await?;
            Ok(DirectConnection { client, link, host: host.clone(), warning: None })
        };
        self.first_address(host, until, stage, open).await
    }

    /// Refuses a server of the wrong kind, where a kind was asked for.
    async fn accept_direct(&self, direct: &DirectConnection) -> Result<()> {
        let wanted = self.plan.target_session_attrs();
        if wanted == TargetSessionAttrs::Any {
            return Ok(());
        }
        let answer = direct.client.simple_query("SHOW transaction_read_only").await;
        let answer =
            answer.map_err(|error| refused(&direct.host, "asking whether it takes writes", error))?;
        let is_read_only = answer.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
            _ => false,
        });
        match (wanted, is_read_only) {
            (TargetSessionAttrs::ReadWrite, true) | (TargetSessionAttrs::ReadOnly, false) => {
                Err(not_the_kind(&direct.host, wanted, is_read_only))
            }
            _ => Ok(()),
        }
    }
}
