//! Where listeners connect to, if not to the servers of the pool.
//!
//! `LISTEN` belongs to a session, and behind a transaction pooler no client has one. A program there needs a way past the
//! pooler for its listeners alone: `listen_url`. What the URL does not say is taken from the other settings, so that
//! `postgres://db.internal:5432` suffices where only the address differs; what it does say is stronger. Whether a pooler
//! stands there too is not inherited, because the URL exists to lead past it.
//!
//! The check makes a [`Plan`] of both, so a URL that cannot be read is a problem at the start, and not at the first
//! `listen`.

use std::fmt;
use std::sync::Arc;

use super::Settings;
use super::definition::{Kind, Range};
use super::dsn;
use super::duration::Unitless;
use super::problem::{Problem, STARS};
use super::table::Plan;
use super::value::Value;
use super::words::{PoolerMode, TargetSessionAttrs};
use crate::secret::Secret;
use crate::session_name::with_end;

/// The end of the application name of a listener's connection.
const LISTENER: &str = " (listener)";

/// The value of `listen_url`: a secret, since it holds a password, and after the check what it means.
#[derive(Clone)]
pub(super) struct ListenUrl {
    url: Secret,
    plan: Option<Arc<Plan>>,
}

impl From<Secret> for ListenUrl {
    fn from(url: Secret) -> Self {
        ListenUrl { url, plan: None }
    }
}

impl fmt::Debug for ListenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

impl Value for ListenUrl {
    const KIND: Kind = Kind::Secret;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        Some(Secret::from(text).into())
    }
    fn show(&self) -> String {
        STARS.to_owned()
    }
    fn fits(&self, _: Range) -> bool {
        !self.url.expose().is_empty()
    }
}

/// Makes the plan of `listen_url` from the settings that were given, and adds what is wrong with it alone.
pub(super) fn resolve(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    let Some(listen) = given.listen_url.clone() else { return };
    let mut own = given.clone();
    own.listen_url = None;
    own.hosts = None;
    own.port = None;
    own.target_session_attrs = None;
    own.pooler = match given.pooler {
        Some(PoolerMode::Session) => Some(PoolerMode::Session),
        _ => Some(PoolerMode::Auto),
    };
    own.problems.clear();
    dsn::read(&listen.url, "listen_url", &mut own);
    let has_unread = !own.problems.is_empty();
    if own.hosts.is_none() && !has_unread {
        problems.push(Problem::new(
            "listen_url",
            "without a host",
            "a URL that names the server, as postgres://db1:5432",
            "name the server itself, past the pooler",
        ));
        return;
    }
    let mut found = std::mem::take(&mut own.problems);
    let (own, more) = own.plan_and_problems();
    found.extend(more);
    // What is wrong with the other settings is reported as theirs.
    found.retain(|problem| !problems.contains(problem));
    problems.extend(found.into_iter().map(|problem| problem.about("listen_url")));
    plan.listen_url = Some(ListenUrl { plan: Some(Arc::new(own)), ..listen });
}

impl Plan {
    /// Whether listeners have a URL of their own.
    pub(crate) fn has_listen_url(&self) -> bool {
        self.listen_url.is_some()
    }

    /// The plans of a listener's connection: one for each server, in the order in which they are tried.
    ///
    /// Each server is tried by itself, because a standby accepts the connection and refuses `LISTEN`. Hence
    /// `target_session_attrs` plays no part: only the server that takes the `LISTEN` will do.
    pub(crate) fn of_listener(&self) -> Vec<Plan> {
        let own = self.listen_url.as_ref().and_then(|listen| listen.plan.as_deref()).unwrap_or(self);
        let named = own.shown_as(with_end(own.application_name(), LISTENER));
        let of_host = |host| Plan {
            hosts: vec![host],
            target_session_attrs: TargetSessionAttrs::Any,
            listen_url: None,
            ..named.clone()
        };
        own.hosts.iter().cloned().map(of_host).collect()
    }
}
