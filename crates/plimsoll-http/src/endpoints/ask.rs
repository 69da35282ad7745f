//! What all endpoints share: who asks, and about which database.

use super::component::{Component, POSTGRES};
use super::once::Once;
use super::options::EndpointOptions;
use super::system::capacity::Report;
use crate::databases::Databases;
use crate::operators::Operators;
use crate::problem::{self, Problem};
use crate::user::User;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri};
use parking_lot::Mutex;
use plimsoll::Database;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;

/// What the endpoints of a service go by.
pub(super) struct Shared {
    pub(super) databases: Databases,
    operators: Operators,
    pub(super) options: EndpointOptions,
    pub(super) components: Vec<Component>,
    /// The report on each database, made by one caller for all that wait; only for names that there are.
    reports: Mutex<HashMap<Arc<str>, Arc<Once<Report>>>>,
}

/// `?database=`: which one, where there are several.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    database: Option<String>,
}

impl Which {
    pub(super) fn named(database: Option<String>) -> Self {
        Which { database }
    }
}

impl Shared {
    pub(super) fn new(databases: Databases, operators: Operators, mut options: EndpointOptions) -> Self {
        let mut components = std::mem::take(&mut options.components);
        components.retain(|part| part.name() != POSTGRES);
        Shared { databases, operators, options, components, reports: Mutex::default() }
    }

    /// Who asks, where only operators may: for the access log.
    pub(super) fn operator(&self, headers: &HeaderMap) -> Result<User, Problem> {
        self.operators.check(headers).map(|operator| User::new(operator.name()))
    }

    /// Whether an operator asks, where anyone may. A wrong token is the same as none here.
    pub(super) fn is_operator(&self, headers: &HeaderMap) -> bool {
        self.operators.check(headers).is_ok()
    }

    /// The database that is asked about.
    pub(super) fn database(&self, which: &Which) -> Result<(Arc<str>, Database), Problem> {
        let all = self.databases.all();
        let Some(first) = all.first() else { return Err(problem::starting()) };
        let named = |name: &str| all.iter().find(|(known, _)| **known == *name);
        match (&which.database, &self.options.asks) {
            (Some(name), _) => named(name).cloned().ok_or_else(unknown),
            (None, Some(name)) => named(name).cloned().ok_or_else(problem::starting),
            (None, None) => Ok(first.clone()),
        }
    }

    /// The report on this database.
    pub(super) fn report(&self, name: &Arc<str>) -> Arc<Once<Report>> {
        Arc::clone(self.reports.lock().entry(Arc::clone(name)).or_default())
    }
}

/// What the query of a URL says.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let query = Query::try_from_uri(uri).map(|Query(query)| query);
    query.map_err(|_| malformed("The query cannot be read.", "Say each parameter once, as name=value."))
}

pub(super) fn malformed(title: &'static str, advice: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "QUERY_INVALID", title).advice(advice)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "DATABASE_UNKNOWN", "The service has no database of this name.")
        .advice("/operator/system/health tells operators the names; without ?database= it is the first.")
}
