//! Parts of a service that are no database, as the operators' health tells of them.

use super::once::Once;
use futures_util::FutureExt;
use plimsoll::{Health, HealthState};
use serde_json::{Map, Value};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The name of the database among the parts.
pub(super) const POSTGRES: &str = "postgres";

/// The longest that a part may take to say how it is.
const LIMIT: Duration = Duration::from_secs(3);

/// How a part of the service is.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentHealth {
    pub(super) state: HealthState,
    pub(super) latency: Option<Duration>,
    pub(super) reasons: Vec<String>,
    pub(super) details: Map<String, Value>,
}

impl ComponentHealth {
    fn of(state: HealthState, reasons: Vec<String>) -> Self {
        ComponentHealth { state, latency: None, reasons, details: Map::new() }
    }

    /// It works.
    #[must_use]
    pub fn healthy() -> Self {
        ComponentHealth::of(HealthState::Healthy, Vec::new())
    }

    /// It works, but something is wrong.
    #[must_use]
    pub fn degraded(reason: impl Into<String>) -> Self {
        ComponentHealth::of(HealthState::Degraded, vec![reason.into()])
    }

    /// It does not work.
    #[must_use]
    pub fn down(reason: impl Into<String>) -> Self {
        ComponentHealth::of(HealthState::Down, vec![reason.into()])
    }

    /// How long it took to answer.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// A further field, such as how many wait. The names `status`, `latency_ms`, `error` and `reasons` are taken.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// For another server than the one that is asked about as `postgres`.
impl From<Health> for ComponentHealth {
    fn from(health: Health) -> Self {
        let mut told = ComponentHealth::of(health.state, health.reasons);
        told.latency = health.latency;
        told.detail("connections", health.connections).detail("max_connections", health.max_connections)
    }
}

type Asking = Pin<Box<dyn Future<Output = ComponentHealth> + Send>>;

/// A part, by its name.
pub(super) struct Component {
    name: Arc<str>,
    ask: Box<dyn Fn() -> Asking + Send + Sync>,
    once: Once<ComponentHealth>,
}

impl Component {
    pub(super) fn new<F>(name: &str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ComponentHealth> + Send + 'static,
    {
        Component { name: name.into(), ask: Box::new(move || Box::pin(ask())), once: Once::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is, asked by one caller for all.
    pub(super) async fn health(&self) -> ComponentHealth {
        self.once.get(|| self.bounded(), |_| true).await
    }

    async fn bounded(&self) -> ComponentHealth {
        // Made inside, so that a panic of the making is caught too.
        let asked = AssertUnwindSafe(async { (self.ask)().await }).catch_unwind();
        match timeout(LIMIT, asked).await {
            Ok(Ok(health)) => health,
            Ok(Err(_)) => {
                tracing::error!(target: "plimsoll::http", component = self.name(), "the question how it is has panicked");
                ComponentHealth::down("the question how it is has panicked")
            }
            Err(_) => ComponentHealth::down(format!("no answer within {} s", LIMIT.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::pending;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_silent_or_panics_is_down() {
        let silent = Component::new("silent", pending);
        assert_eq!(silent.health().await, ComponentHealth::down("no answer within 3 s"));
        let panics = Component::new("panics", || async { panic!("boom") });
        assert_eq!(panics.health().await, ComponentHealth::down("the question how it is has panicked"));
        let panics_at_once = Component::new("panics at once", || -> Asking { panic!("boom") });
        assert_eq!(panics_at_once.health().await.state, HealthState::Down);
        let works = Component::new("works", || async { ComponentHealth::healthy().detail("waiting", 3) });
        assert_eq!(works.health().await, ComponentHealth::healthy().detail("waiting", 3));
    }
}
