//! What the checks promise together: they are no burden for a server in trouble, and they never call well what they could not see.
//! (That many tables are no hindrance is shown of the command `plimsoll doctor` as a whole.)

mod incident;
mod rights;

use crate::checks::scene::Scene;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::checks::{Report, Thresholds, all, examine};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

/// All checks at once, with this long for all of them.
async fn report(asker: &Client, asking: &Asking<'_>, within: Duration) -> Report {
    let until = Instant::now() + within;
    let subject = run::subject(asker, asking, until).await.unwrap();
    let checks = examine(all(), asker, None, &subject, asking, until, |_| ()).await;
    assert_eq!(checks.len(), all().count(), "something is said of each");
    Report::new(subject, checks)
}

/// What is asked for a role with numbers that almost nothing keeps to.
fn strict(role: &str) -> Asking<'_> {
    let mut thresholds = Thresholds::default();
    for threshold in all().flat_map(|check| check.thresholds) {
        assert!(thresholds.set(threshold.name, 0.0));
    }
    Asking { role, thresholds }
}

impl Scene {
    /// All that the superuser is told.
    async fn all(&self, asking: &Asking<'_>) -> Report {
        report(&self.owner, asking, Duration::from_secs(60)).await
    }
}
