//! The databases of a service by name, which may come after the service has begun to listen.
//!
//! A service that answers from its first moment has no database handle yet while it looks for the server, makes the schema or
//! waits for a login. What is put around its routes has to be built before that. So layers, endpoints and reports hold this
//! list; they look into it when a request comes, and say that the service is starting while it is empty.

use parking_lot::RwLock;
use plimsoll::Database;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The name of a database that was given without one.
const UNNAMED: &str = "database";

/// The databases of a service, or of one service the pools of its parts, each with a name. Cheap to clone; all clones are the
/// same list. The first is the one that is meant where no name is said.
///
/// ```
/// use axum::{Router, routing::get};
/// use plimsoll_http::{Databases, NeedsDatabase, Options, layers};
///
/// // The service listens at once ..
/// let databases = Databases::new();
/// let router: Router = Router::new()
///     .route("/devices", get(|| async {}).layer(NeedsDatabase::named(&databases, "ui")))
///     .layer(layers(&databases, Options::default()));
/// # async fn later(databases: Databases) -> plimsoll::Result<()> {
/// // .. and has its databases when they can be had.
/// databases.add("ui", &plimsoll::Database::connect(plimsoll::Settings::from_env()?).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Databases(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Asked for by every request, so it takes no lock.
    first: OnceLock<Database>,
    all: RwLock<Vec<(Arc<str>, Database)>>,
}

impl Databases {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Databases::default()
    }

    /// Adds a database. A name that is there already is left as it is, and so is its database; the answer is whether it was
    /// added.
    pub fn add(&self, name: &str, db: &Database) -> bool {
        let mut all = self.0.all.write();
        if all.iter().any(|(known, _)| **known == *name) {
            return false;
        }
        all.push((name.into(), db.clone()));
        self.0.first.get_or_init(|| db.clone());
        true
    }

    /// The same with one more: for building.
    #[must_use]
    pub fn and(self, name: &str, db: &Database) -> Self {
        self.add(name, db);
        self
    }

    /// The first that was added.
    #[must_use]
    pub fn first(&self) -> Option<&Database> {
        self.0.first.get()
    }

    /// The one with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Database> {
        self.0.all.read().iter().find(|(known, _)| **known == *name).map(|(_, db)| db.clone())
    }

    /// All of them, in the order in which they were added.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, Database)> {
        self.0.all.read().clone()
    }

    /// Does something while the list is locked.
    #[cfg(test)]
    pub(crate) fn while_locked<T>(&self, what: impl FnOnce() -> T) -> T {
        let _locked = self.0.all.write();
        what()
    }

    /// The same, unless the list is locked for longer than this.
    pub(crate) fn all_within(&self, limit: Duration) -> Option<Vec<(Arc<str>, Database)>> {
        self.0.all.try_read_for(limit).map(|all| all.clone())
    }
}

impl From<&Database> for Databases {
    /// One, with the name `database`.
    fn from(db: &Database) -> Self {
        Databases::new().and(UNNAMED, db)
    }
}

impl From<&Databases> for Databases {
    fn from(databases: &Databases) -> Self {
        databases.clone()
    }
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.all.read().iter().map(|(name, _)| name)).finish()
    }
}
