//! The keys of an identity provider, kept for 300 s and fetched anew.
//!
//! A provider changes its keys as it likes: a token whose key is not known makes the service look again, but not more often than
//! the cooldown allows, so that made-up names of keys fetch nothing. All who wait, wait for the same fetch, which is a task of
//! its own: a client that leaves does not stop it for the others. While the provider is away, the keys that are known go on
//! for an hour. [`rule`] decides all of that.

mod fetch;
pub(crate) mod rule;

use super::keys::KeySet;
use super::provider::IdentityError;
use super::refusal::TokenRefusal;
use fetch::Fetch;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::Url;
use rule::{Fetches, Step};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// The keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Jwks {
    fetch: Fetch,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    keys: Arc<KeySet>,
    fetches: Fetches,
    /// The fetch under way.
    under_way: Option<UnderWay>,
}

type UnderWay = Shared<BoxFuture<'static, ()>>;

impl Jwks {
    /// Those at this address; nothing is fetched yet.
    ///
    /// # Errors
    /// If no client can be made.
    pub(crate) fn new(url: Url) -> Result<Self, IdentityError> {
        Ok(Jwks { fetch: Fetch::new(url)?, state: Arc::default() })
    }

    /// The keys that are good at this moment, and what is to be told of a token of which they do not hold the key.
    pub(crate) fn known(&self) -> (Arc<KeySet>, TokenRefusal) {
        let (state, now) = (self.lock(), Instant::now());
        let keys = if state.fetches.are_good(now) { Arc::clone(&state.keys) } else { Arc::default() };
        let refusal = match state.fetches.step(false, now) {
            Step::Away(after) => TokenRefusal::KeysAway(after),
            Step::FetchFirst | Step::UseAndFetch => TokenRefusal::KeysAway(rule::COOLDOWN),
            Step::Unknown | Step::Use => TokenRefusal::KeyUnknown,
        };
        (keys, refusal)
    }

    /// Makes sure that the keys are there for a token, as far as the rule lets it fetch them.
    ///
    /// # Cancel safety
    /// Dropped, a fetch that was begun goes on for the others, by its time limit.
    pub(crate) async fn prepare(&self, is_known: impl Fn(&KeySet) -> bool) {
        let wait = {
            let mut state = self.lock();
            match state.fetches.step(is_known(&state.keys), Instant::now()) {
                Step::Use => None,
                Step::UseAndFetch => {
                    drop(self.begin(&mut state));
                    None
                }
                Step::FetchFirst => Some(self.begin(&mut state)),
                Step::Unknown | Step::Away(_) => state.under_way.clone(),
            }
        };
        if let Some(wait) = wait {
            wait.await;
        }
    }

    /// Begins a fetch, if none is under way.
    fn begin(&self, state: &mut State) -> UnderWay {
        if let Some(under_way) = &state.under_way {
            return under_way.clone();
        }
        let began = Instant::now();
        state.fetches.tried_at = Some(began);
        let (done, is_done) = oneshot::channel::<()>();
        let this = self.clone();
        tokio::spawn(async move {
            let fetched = this.fetch.keys().await;
            this.take(fetched, began);
            drop(done);
        });
        // It resolves however the task ends.
        let wait = is_done.map(drop).boxed().shared();
        state.under_way = Some(wait.clone());
        wait
    }

    fn take(&self, fetched: Result<KeySet, String>, began: Instant) {
        let mut state = self.lock();
        state.under_way = None;
        state.fetches.failed = fetched.is_err();
        match fetched {
            Ok(keys) => {
                tracing::debug!("the keys of the identity provider at {}: {keys:?}", self.fetch.host());
                state.keys = Arc::new(keys);
                state.fetches.read_at = Some(began);
            }
            Err(why) => tracing::warn!(
                "the keys of the identity provider could not be fetched from {} ({why}); those that are known are good for \
                 an hour after they were fetched",
                self.fetch.host()
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
