//! The id of the request that work is done for.
//!
//! A statement on the server, a line in the log and an entry of the leak report are of use once it is known which request
//! they belong to. So the id travels by a task-local scope, as the [deadline](crate::deadline) does, and the code in between
//! needs no argument for it.
//!
//! ```no_run
//! use plimsoll::request_id::{self, RequestId};
//!
//! # async fn example(db: plimsoll::Database, header: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let id = RequestId::parse(header).unwrap_or_else(|_| RequestId::random());
//! request_id::within(id, async {
//!     // all work in here, and the sessions that do it, carry the id
//!     db.query("SELECT 1", &[]).await
//! })
//! .await?;
//! # Ok(()) }
//! ```

pub use crate::request_totals::RequestTotals;

use crate::request_totals::RequestCounters;
use crate::write_trail::WriteTrail;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The longest id, in bytes: that of a UUID with its hyphens, and a little more for the prefixes of some proxies.
pub const LONGEST: usize = 64;

tokio::task_local! {
    static CURRENT: RequestScope;
}

/// A request: its id, and what was done for it. Cheap to clone; all clones are the same request.
///
/// [`within`] is enough for work that is one future. What answers a request in several pieces, such as a body whose rows are
/// read after the handler has ended, keeps the scope and enters it for each piece.
#[derive(Clone, Debug)]
pub struct RequestScope {
    id: RequestId,
    work: Arc<RequestWork>,
}

/// What was done for a request.
#[derive(Debug, Default)]
pub(crate) struct RequestWork {
    pub(crate) writes: WriteTrail,
    counters: RequestCounters,
}

impl RequestScope {
    /// The scope of a request that begins.
    #[must_use]
    pub fn new(id: RequestId) -> Self {
        RequestScope { id, work: Arc::default() }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// What its work took so far.
    #[must_use]
    pub fn totals(&self) -> RequestTotals {
        self.work.counters.totals()
    }

    /// The same for a reader that must not wait, such as a report on a program that hangs: none if another thread holds the
    /// lock on it for longer than `limit`.
    #[must_use]
    pub fn totals_within(&self, limit: Duration) -> Option<RequestTotals> {
        self.work.counters.totals_within(limit)
    }

    /// Runs work in this scope. Inside another scope this one holds.
    ///
    /// # Cancel safety
    /// As that of the work, which is dropped inside the scope.
    pub fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Does something in this scope that does not wait: polls a piece of work, or drops it.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }
}

/// The id of a request: 1 to 64 visible ASCII characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

/// Why a text is no request id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a request id has 1 to {LONGEST} visible ASCII characters and no space; this text has {length} bytes{}",
    .strange.map(|c| format!(", and {c:?} among them")).unwrap_or_default()
)]
pub struct InvalidRequestId {
    length: usize,
    strange: Option<char>,
}

impl RequestId {
    /// The id with this text. It may come from a client: it goes into logs and into the name of a session, so what could
    /// break a line there or be taken for two words is refused.
    ///
    /// # Errors
    /// The text is empty, longer than [`LONGEST`], or has a character that is not visible ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidRequestId> {
        let strange = text.chars().find(|c| !c.is_ascii_graphic());
        match text.is_empty() || text.len() > LONGEST || strange.is_some() {
            true => Err(InvalidRequestId { length: text.len(), strange }),
            false => Ok(RequestId(text.into())),
        }
    }

    /// A new id: 16 random hexadecimal digits. It is no secret.
    #[must_use]
    pub fn random() -> Self {
        RequestId(format!("{:016x}", fastrand::u64(..)).into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.0)
    }
}

/// Runs work for the request with this id. Inside another scope the inner id holds.
///
/// # Cancel safety
/// As that of the work.
pub fn within<F: Future>(id: RequestId, work: F) -> impl Future<Output = F::Output> {
    RequestScope::new(id).run(work)
}

/// Carries the present id into a future that another task may run.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let scope = CURRENT.try_with(RequestScope::clone).ok();
    async move {
        match scope {
            Some(scope) => CURRENT.scope(scope, work).await,
            None => work.await,
        }
    }
}

/// The present request, and what was done for it.
pub(crate) fn trail() -> Option<(RequestId, Arc<RequestWork>)> {
    CURRENT.try_with(|scope| (scope.id.clone(), Arc::clone(&scope.work))).ok()
}

/// Counts something for the present request, if there is one.
#[inline]
pub(crate) fn count(what: impl FnOnce(&RequestCounters)) {
    let _ = CURRENT.try_with(|scope| what(&scope.work.counters));
}

/// Whether this task works for a request.
#[inline]
pub(crate) fn is_within() -> bool {
    CURRENT.try_with(|_| ()).is_ok()
}

/// What the work for the present request took so far; none outside a request.
#[must_use]
pub fn totals() -> Option<RequestTotals> {
    CURRENT.try_with(RequestScope::totals).ok()
}

/// The id of the request that this task works for, if any. A task that is spawned does not have it, unless
/// [`deadline::inherit`](crate::deadline::inherit) hands it over.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(|scope| scope.id.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_short_visible_words_are_taken(text in "\\PC{0,70}|[!-~]{0,70}") {
            let is_fit = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| (b'!'..=b'~').contains(&b));
            prop_assert_eq!(RequestId::parse(&text).is_ok(), is_fit);
        }
    }

    #[test]
    fn a_text_that_is_refused_is_told_why() {
        let said = RequestId::parse("a\nb").unwrap_err().to_string();
        assert!(said.contains("3 bytes") && said.contains("'\\n'"), "{said}");
        assert!(RequestId::parse("").unwrap_err().to_string().ends_with("0 bytes"));
    }

    #[tokio::test]
    async fn the_inner_scope_holds_and_ends() {
        let id = |text| RequestId::parse(text).unwrap();
        assert_eq!(current(), None);
        within(id("outer"), async {
            within(id("inner"), async { assert_eq!(current(), Some(id("inner"))) }).await;
            assert_eq!(current(), Some(id("outer")));
            assert_eq!(tokio::spawn(async { current() }).await.unwrap(), None);
            let inherited = tokio::spawn(crate::deadline::inherit(async { current() }));
            assert_eq!(inherited.await.unwrap(), Some(id("outer")));
        })
        .await;
        assert_ne!(RequestId::random(), RequestId::random());
    }
}
