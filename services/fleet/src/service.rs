//! What all handlers share.
//!
//! The service answers from its first moment, and its database may come an hour later. So there is a time in which
//! there is a [`Service`] and no [`Ready`] yet; every handler that needs the database has to say what it does then, and
//! it refuses as [`Starting`]. Routes whose handlers do nothing else without it are refused by
//! [`plimsoll_http::NeedsDatabase`] before that.

use crate::boot::ingest_config::IngestConfig;
use crate::delivery::sender::Sender;
use crate::devices::state::StateLimits;
use crate::hygiene::Imports;
use crate::identity::Identity;
use crate::ingest::lookup::Lookup;
use crate::ingest::mqtt::standing::Standing;
use crate::ingest::partitions::Partitions;
use crate::ingest::quarantine::Quarantine;
use crate::ingest::rate::RateLimiter;
use crate::ingest::writer::Writer;
use crate::operator::history::History;
use crate::pools::Pools;
use crate::refusal::{Refusal, RefusalKind};
use plimsoll_http::{CursorKeys, Databases, Operators};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The service, for handlers. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    auto_provision: bool,
    operators: Operators,
    identity: Identity,
    rate: RateLimiter,
    quarantine: Quarantine,
    mqtt: Standing,
    databases: Databases,
    history: History,
    ready: OnceLock<Ready>,
}

/// What there is once the database has been there.
pub struct Ready {
    /// The pools, as the service's own role.
    pub pools: Pools,
    /// What is on record about devices that send.
    pub lookup: Lookup,
    /// The writer of readings.
    pub writer: Writer,
    /// What sends messages.
    pub sender: Sender,
    /// The key that signs cursors.
    pub cursors: CursorKeys,
    /// Told of imports, after which statistics are renewed.
    pub imports: Imports,
    /// The days that have a partition.
    pub partitions: Partitions,
    /// Of PostgreSQL, as it was when it was reached.
    pub server_version: String,
    /// How long a device may be silent.
    pub state_limits: StateLimits,
}

/// The database has not been there since the service started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starting;

impl Refusal for Starting {
    fn kind(&self) -> RefusalKind {
        RefusalKind::NotNow(Duration::from_secs(2))
    }

    fn code(&self) -> &'static str {
        "STARTING"
    }

    fn detail(&self) -> Cow<'static, str> {
        "the database has not been reached since the service started; send again later".into()
    }
}

impl Service {
    pub(crate) fn new(
        auto_provision: bool,
        operators: Operators,
        identity: Identity,
        ingest: &IngestConfig,
    ) -> Self {
        let (rate, quarantine) = (RateLimiter::new(ingest.rate), Quarantine::new(ingest.store_rejects));
        let (databases, history, ready) = (Databases::new(), History::default(), OnceLock::new());
        let mqtt = Standing::default();
        Service(Arc::new(Inner {
            auto_provision,
            operators,
            identity,
            rate,
            quarantine,
            mqtt,
            databases,
            history,
            ready,
        }))
    }

    /// What needs the database.
    ///
    /// # Errors
    /// [`Starting`] until the database has been there for the first time.
    pub fn ready(&self) -> Result<&Ready, Starting> {
        self.0.ready.get().ok_or(Starting)
    }

    pub(crate) fn is_ready(&self) -> Option<&Ready> {
        self.0.ready.get()
    }

    /// Only the first counts. Requests that need the database are let in from here on.
    pub(crate) fn set_ready(&self, ready: Ready) {
        let pools = self.0.ready.get_or_init(|| ready).pools.clone();
        // `system` is the first, since it is asked how the database is when the others have no connection left.
        for (name, pool) in pools.all().into_iter().rev() {
            self.0.databases.add(name, pool);
        }
    }

    /// The pools by name, for what lies around the routes; none until the database has been there for the first time.
    #[must_use]
    pub fn databases(&self) -> &Databases {
        &self.0.databases
    }

    /// Who is an operator.
    #[must_use]
    pub fn operators(&self) -> &Operators {
        &self.0.operators
    }

    /// Which signed tokens are accepted.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What the pools have been doing.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.0.history
    }

    /// How often devices may send.
    #[must_use]
    pub fn rate(&self) -> &RateLimiter {
        &self.0.rate
    }

    /// What was not taken.
    #[must_use]
    pub fn quarantine(&self) -> &Quarantine {
        &self.0.quarantine
    }

    /// How it stands with the broker.
    #[must_use]
    pub fn mqtt(&self) -> &Standing {
        &self.0.mqtt
    }

    /// Whether a first message may register its device.
    #[must_use]
    pub fn auto_provision(&self) -> bool {
        self.0.auto_provision
    }
}
