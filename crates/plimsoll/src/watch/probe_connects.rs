//! The new connects that the heartbeat begins: when the next one is due, and which of them are out.
//!
//! A connect may take `connect_timeout`, and on a long way with TLS it may need seconds, so none is ended before that. But
//! a connect that was begun before the server was restarted, or whose packets the network lost, may never be answered. So
//! while the server is away another one is begun *beside* it after [`BESIDE`], up to [`MOST`] at a time, and the first that
//! succeeds makes the others unnecessary. After one that failed the next begins after a pause, drawn anew each time.

use crate::rules::backoff::before_connect;
use futures_util::future::BoxFuture;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connect that takes longer than this gets another one beside it. At the default `connect_timeout` of 10 s there are
/// never more than [`MOST`]; with a longer one the distance grows.
const BESIDE: Duration = Duration::from_secs(2);
const MOST: u8 = 5;

/// A connect that is out, and since when.
struct Out<T> {
    since: Instant,
    answer: BoxFuture<'static, T>,
}

/// The connects of one heartbeat.
pub(super) struct ProbeConnects<T> {
    /// Oldest first.
    out: Vec<Out<T>>,
    /// How long one may take at the most.
    limit: Duration,
    /// None begins before this.
    next: Instant,
    pause: Duration,
    /// Since when connects are tried, and none was answered.
    unanswered: Option<Instant>,
}

impl<T> ProbeConnects<T> {
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        ProbeConnects { out: Vec::new(), limit, next: now, pause: FIRST_PAUSE, unanswered: None }
    }

    /// How long each may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether one is to be begun now; `beside` says whether also while another one is out.
    pub(super) fn is_due(&self, now: Instant, beside: bool) -> bool {
        let distance = BESIDE.max(self.limit / u32::from(MOST));
        now >= self.next
            && self.out.len() < usize::from(MOST)
            && self.out.last().is_none_or(|youngest| beside && now >= youngest.since + distance)
    }

    pub(super) fn begin(&mut self, now: Instant, connect: impl Future<Output = T> + Send + 'static) {
        self.unanswered = self.unanswered.or(Some(now));
        self.out.push(Out { since: now, answer: Box::pin(connect) });
    }

    /// The result of the one that ends first, which is out no more; waits for ever if none is out.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub(super) async fn first(&mut self) -> T {
        poll_fn(|context| {
            let ended = self.out.iter_mut().enumerate().find_map(|(index, connect)| {
                match connect.answer.as_mut().poll(context) {
                    Poll::Ready(result) => Some((index, result)),
                    Poll::Pending => None,
                }
            });
            let Some((index, result)) = ended else { return Poll::Pending };
            drop(self.out.remove(index));
            Poll::Ready(result)
        })
        .await
    }

    /// One has failed; `is_answered` says whether it was the server that refused it. `draw` is between 0 and 1.
    pub(super) fn failed(&mut self, is_answered: bool, now: Instant, draw: f64) {
        if is_answered {
            self.unanswered = None;
        }
        self.next = now + before_connect(self.pause, draw);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// A new connection is not needed any more: one has succeeded, or an old one is answered again.
    pub(super) fn end(&mut self, now: Instant) {
        *self = ProbeConnects::new(self.limit, now);
    }

    /// The next may begin from this moment on.
    pub(super) fn next_at(&mut self, now: Instant) {
        self.next = now;
    }

    /// Since when the oldest of those is out that are out.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.out.first().map(|connect| connect.since)
    }

    /// Since when connects are tried, and none was answered.
    pub(super) fn unanswered(&self) -> Option<Instant> {
        self.unanswered
    }

    /// This program stood still until now: that time proves nothing.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.unanswered = self.unanswered.map(|_| now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::{pending, ready};

    const SECOND: Duration = Duration::from_secs(1);

    /// Begins what is due each 50 ms until then, and gives the times.
    fn begun(
        connects: &mut ProbeConnects<u8>,
        beside: bool,
        start: Instant,
        until: Duration,
    ) -> Vec<Duration> {
        let mut times = Vec::new();
        let mut at = Duration::ZERO;
        while at <= until {
            if connects.is_due(start + at, beside) {
                connects.begin(start + at, pending());
                times.push(at);
            }
            at += Duration::from_millis(50);
        }
        times
    }

    #[test]
    fn a_connect_into_a_black_hole_delays_the_next_by_two_seconds_and_is_not_ended() {
        let start = Instant::now();
        let mut connects = ProbeConnects::new(10 * SECOND, start);
        let times = begun(&mut connects, true, start, 60 * SECOND);
        assert_eq!(times, [0, 2, 4, 6, 8].map(Duration::from_secs), "each is out for as long as it may be");
        assert_eq!((connects.oldest(), connects.unanswered()), (Some(start), Some(start)));
        // The server is back for the connects that are begun from now on.
        connects.begin(start + 60 * SECOND, ready(7));
        assert_eq!(connects.first().now_or_never(), Some(7));
        connects.end(start + 60 * SECOND);
        assert_eq!((connects.oldest(), connects.unanswered()), (None, None), "the others are dropped");
        assert_eq!(connects.first().now_or_never(), None, "none is out");
    }

    #[test]
    fn a_longer_limit_makes_no_more_of_them_and_without_need_one_is_enough() {
        let start = Instant::now();
        let mut connects = ProbeConnects::new(60 * SECOND, start);
        let times = begun(&mut connects, true, start, 59 * SECOND);
        assert_eq!(times, [0, 12, 24, 36, 48].map(Duration::from_secs));
        let mut connects = ProbeConnects::new(10 * SECOND, start);
        assert_eq!(begun(&mut connects, false, start, 59 * SECOND), [Duration::ZERO]);
    }

    #[test]
    fn after_a_failure_there_is_a_pause_that_grows_and_only_an_answer_ends_the_silence() {
        let start = Instant::now();
        let mut connects = ProbeConnects::new(10 * SECOND, start);
        let mut now = start;
        for pause in [250, 500, 1_000, 1_000].map(Duration::from_millis) {
            connects.begin(now, ready(1));
            assert_eq!(connects.first().now_or_never(), Some(1));
            connects.failed(false, now, 1.0);
            assert_eq!(connects.unanswered(), Some(start), "since the first of them");
            assert!(!connects.is_due(now + pause - Duration::from_nanos(1), true), "{pause:?}");
            now += pause;
            assert!(connects.is_due(now, true), "{pause:?}");
        }
        connects.begin(now, ready(1));
        connects.failed(true, now, 1.0);
        assert_eq!(connects.unanswered(), None, "it was refused by a server that answers");
    }
}
