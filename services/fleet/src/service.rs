//! What all handlers share.
//!
//! The service answers from its first moment, and its database may come an hour later. So there is a time in which
//! there is a [`Service`] and no [`Ready`] yet; every handler that needs the database has to say what it does then, and
//! it refuses as [`Starting`].

use crate::credentials::TokenHash;
use crate::ingest::partitions::Partitions;
use crate::ingest::writer::Writer;
use crate::pools::Pools;
use crate::refusal::{Refusal, RefusalKind};
use crate::tenants::cursor::CursorKey;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The service, for handlers. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    auto_provision: bool,
    operator: Option<TokenHash>,
    ready: OnceLock<Ready>,
}

/// What there is once the database has been there.
pub struct Ready {
    /// The pools, as the service's own role.
    pub pools: Pools,
    /// The writer of readings.
    pub writer: Writer,
    /// The key that signs cursors.
    pub cursors: CursorKey,
    /// The days that have a partition.
    pub partitions: Partitions,
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
    pub(crate) fn new(auto_provision: bool, operator: Option<TokenHash>) -> Self {
        Service(Arc::new(Inner { auto_provision, operator, ready: OnceLock::new() }))
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

    /// Only the first counts.
    pub(crate) fn set_ready(&self, ready: Ready) -> bool {
        self.0.ready.set(ready).is_ok()
    }

    /// What is kept of the operators' token, if there is one.
    #[must_use]
    pub fn operator(&self) -> Option<&TokenHash> {
        self.0.operator.as_ref()
    }

    /// Whether a first message may register its device.
    #[must_use]
    pub fn auto_provision(&self) -> bool {
        self.0.auto_provision
    }
}
