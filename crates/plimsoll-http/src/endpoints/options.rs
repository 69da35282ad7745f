//! What a service says of its endpoints.

use super::component::{Component, ComponentHealth};
use crate::ready_switch::ReadySwitch;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// How [`endpoints`](crate::endpoints) answer. The defaults are for a service with one database, whose metrics only operators
/// see.
///
/// ```
/// use plimsoll_http::{ComponentHealth, EndpointOptions};
///
/// let options = EndpointOptions::default()
///     .asks("system")
///     .ready_with(["ui", "ingest"])
///     .component("ingest", || async { ComponentHealth::healthy().detail("waiting", 17) });
/// # let _ = options;
/// ```
#[derive(Default)]
pub struct EndpointOptions {
    pub(super) asks: Option<Arc<str>>,
    pub(super) ready_with: Vec<Arc<str>>,
    pub(super) ready: ReadySwitch,
    pub(super) components: Vec<Component>,
    pub(super) is_scraped_by_anyone: bool,
}

impl EndpointOptions {
    /// The name of the database that is meant where a request names none: health and capacity are asked through it. Unless
    /// this is said, the first. Where the parts of a service have pools of their own, it is the one of which no work takes.
    #[must_use]
    pub fn asks(mut self, database: &str) -> Self {
        self.asks = Some(database.into());
        self
    }

    /// The names of the databases without which the service is not ready. Unless this is said, all that there are. A name that
    /// is not there yet means that the service is starting.
    #[must_use]
    pub fn ready_with<'a>(mut self, databases: impl IntoIterator<Item = &'a str>) -> Self {
        self.ready_with = databases.into_iter().map(Arc::from).collect();
        self
    }

    /// What else decides whether the service is ready.
    #[must_use]
    pub fn ready(mut self, switch: &ReadySwitch) -> Self {
        self.ready = switch.clone();
        self
    }

    /// A part of the service that `/operator/system/health` tells of, besides the database, which is there as `postgres`. It
    /// is asked once a second at the most, for all that want to know, and is `down` if it gives no answer within 3 s or
    /// panics. The last of two with the same name counts; `postgres` stays the database. What it asks of a database should go
    /// through [`Database::health`](plimsoll::Database::health), which takes nothing from the pool:
    ///
    /// ```
    /// # fn example(warehouse: plimsoll::Database) -> plimsoll_http::EndpointOptions {
    /// plimsoll_http::EndpointOptions::default().component("warehouse", move || {
    ///     let warehouse = warehouse.clone();
    ///     async move { warehouse.health(false).await.into() }
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn component<F>(mut self, name: &str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ComponentHealth> + Send + 'static,
    {
        self.components.retain(|part| part.name() != name);
        self.components.push(Component::new(name, ask));
        self
    }

    /// `/metrics` answers without a token: for a scraper that sends none, in a network where everyone may know how many
    /// connections and statements there are.
    #[must_use]
    pub fn scraped_by_anyone(mut self) -> Self {
        self.is_scraped_by_anyone = true;
        self
    }
}

impl fmt::Debug for EndpointOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let components: Vec<_> = self.components.iter().map(Component::name).collect();
        f.debug_struct("EndpointOptions")
            .field("asks", &self.asks)
            .field("ready_with", &self.ready_with)
            .field("ready", &self.ready)
            .field("components", &components)
            .field("is_scraped_by_anyone", &self.is_scraped_by_anyone)
            .finish()
    }
}
