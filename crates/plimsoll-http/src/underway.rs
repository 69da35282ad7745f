//! The requests that are being answered, for a report on a program that hangs.
//!
//! Every request is listed while it is being answered, so listing must cost next to nothing: there is a list for each thread
//! that begins requests (threads share one only beyond 64), so the lock on it is hardly ever contended. Only the report reads
//! the lists. A request that is begun while its list is full is counted and not listed.

use crate::user::User;
use axum::extract::MatchedPath;
use axum::http::Method;
use parking_lot::Mutex;
use plimsoll::request_id::RequestScope;
use slab::Slab;
use std::cell::Cell;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// Lists.
const LISTS: usize = 64;
/// The most requests in one list. A full one takes 1 MiB for its places beside what the requests take themselves.
const MOST: usize = 65_536;

/// A list, on cache lines of its own.
#[repr(align(128))]
struct List(Mutex<Slab<Arc<Underway>>>);

static ALL: [List; LISTS] = [const { List(Mutex::new(Slab::new())) }; LISTS];

/// Requests that are being answered and are in no list.
static UNLISTED: AtomicUsize = AtomicUsize::new(0);

/// Lists that were given to threads.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A request that is being answered.
pub(crate) struct Underway {
    began: Instant,
    pub(crate) method: Method,
    route: Option<MatchedPath>,
    user: OnceLock<User>,
    pub(crate) scope: RequestScope,
    /// Of the response whose body is being sent; 0 before there is one.
    status: AtomicU16,
}

impl Underway {
    /// The template of its path; without axum's router there is none.
    pub(crate) fn route(&self) -> &str {
        self.route.as_ref().map_or("-", MatchedPath::as_str)
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get().map(User::as_str)
    }

    /// The status of its response, if there is one whose body is not yet sent.
    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status > 0)
    }

    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A request that is listed until this is dropped.
pub(crate) struct Listed {
    request: Arc<Underway>,
    /// Its list, and its place in there.
    place: Option<(usize, usize)>,
}

impl Listed {
    pub(crate) fn begin(
        began: Instant,
        method: Method,
        route: Option<MatchedPath>,
        user: Option<User>,
        scope: RequestScope,
    ) -> Self {
        let user = user.map_or_else(OnceLock::new, OnceLock::from);
        let request = Arc::new(Underway { began, method, route, user, scope, status: AtomicU16::new(0) });
        let place = list(mine(), &request);
        if place.is_none() {
            UNLISTED.fetch_add(1, Ordering::Relaxed);
        }
        Listed { request, place }
    }

    /// There is a response, whose body may be still to come.
    pub(crate) fn responded(&self, status: u16, user: Option<&User>) {
        self.request.status.store(status, Ordering::Relaxed);
        if let Some(user) = user {
            let _ = self.request.user.set(user.clone());
        }
    }

    pub(crate) fn route(&self) -> &str {
        self.request.route()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let Some((list, key)) = self.place else {
            UNLISTED.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        // What is taken out is freed when the lock is.
        let _removed = ALL.get(list).and_then(|List(list)| list.lock().try_remove(key));
    }
}

/// The list of this thread.
fn mine() -> usize {
    MINE.with(|mine| {
        let list = mine.get().unwrap_or_else(|| GIVEN.fetch_add(1, Ordering::Relaxed) % LISTS);
        mine.set(Some(list));
        list
    })
}

fn list(at: usize, request: &Arc<Underway>) -> Option<(usize, usize)> {
    let List(list) = ALL.get(at)?;
    let mut list = list.lock();
    (list.len() < MOST).then(|| (at, list.insert(Arc::clone(request))))
}

/// The requests that are being answered, as a report sees them.
pub(crate) struct Seen {
    /// All of them.
    pub(crate) total: usize,
    /// The oldest, that one first which began first.
    pub(crate) oldest: Vec<Arc<Underway>>,
    /// Those of them that are in no list.
    pub(crate) unlisted: usize,
    /// Lists that were locked for too long, so that what is in them is not known.
    pub(crate) locked: usize,
}

/// So many of the oldest. It waits for each list for `limit` at the longest.
pub(crate) fn oldest(most: usize, limit: Duration) -> Seen {
    let mut all = Vec::new();
    let mut locked = 0;
    for List(list) in &ALL {
        match list.try_lock_for(limit) {
            Some(list) => all.extend(list.iter().map(|(_, request)| Arc::clone(request))),
            None => locked += 1,
        }
    }
    let unlisted = UNLISTED.load(Ordering::Relaxed);
    let total = all.len() + unlisted;
    all.sort_unstable_by_key(|request| request.began);
    all.truncate(most);
    Seen { total, oldest: all, unlisted, locked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll::request_id::RequestId;

    fn begin(began: Instant, id: &str) -> Listed {
        let scope = RequestScope::new(RequestId::parse(id).unwrap());
        Listed::begin(began, Method::GET, None, None, scope)
    }

    /// Those of this test: the lists are the program's, and so of all tests.
    fn of(prefix: &str) -> Vec<String> {
        let seen = oldest(usize::MAX, Duration::from_secs(5));
        let ids = seen.oldest.iter().map(|request| request.scope.id().to_string());
        ids.filter(|id| id.starts_with(prefix)).collect()
    }

    #[test]
    fn a_request_is_listed_until_it_is_over_on_whichever_thread() {
        let now = Instant::now();
        let young = begin(now, "a-young");
        let old = begin(now - Duration::from_secs(5), "a-old");
        assert_eq!(of("a-"), ["a-old", "a-young"]);
        std::thread::spawn(move || drop(old)).join().unwrap();
        assert_eq!(of("a-"), ["a-young"]);
        let elsewhere = std::thread::spawn(move || begin(now, "a-elsewhere")).join().unwrap();
        assert_eq!(of("a-").len(), 2);
        drop((young, elsewhere));
        assert!(of("a-").is_empty());
    }

    #[test]
    fn what_finds_its_list_full_is_counted() {
        let now = Instant::now();
        // A thread of its own has a list that other tests do not fill.
        std::thread::spawn(move || {
            let all: Vec<_> = (0..MOST + 2).map(|_| begin(now, "b")).collect();
            let seen = oldest(3, Duration::from_secs(5));
            assert_eq!((seen.unlisted, seen.oldest.len(), seen.locked), (2, 3, 0));
            assert!(seen.total >= MOST + 2);
            drop(all);
            let seen = oldest(usize::MAX, Duration::from_secs(5));
            assert_eq!(seen.unlisted, 0);
        })
        .join()
        .unwrap();
        assert!(of("b").is_empty());
    }

    #[test]
    fn a_list_that_is_locked_is_not_waited_for() {
        std::thread::spawn(|| {
            let _mine = begin(Instant::now(), "c");
            let _locked = ALL[mine()].0.lock();
            let seen = std::thread::spawn(|| oldest(1, Duration::from_millis(1))).join().unwrap();
            assert_eq!(seen.locked, 1);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_user_may_become_known_with_the_response() {
        let listed = begin(Instant::now(), "d");
        assert_eq!((listed.request.user(), listed.request.status(), listed.route()), (None, None, "-"));
        listed.responded(200, Some(&User::new("u-17")));
        assert_eq!((listed.request.user(), listed.request.status()), (Some("u-17"), Some(200)));
    }
}
