//! Many tasks that begin at the same moment.

use anyhow::Result;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Runs `work` in this many tasks, and gives what they returned with the time from the common start to the last end.
///
/// `work` is called once for a task and loops by itself: a clone of a pool for each operation would be a part of what
/// is measured, and a large one.
pub async fn crowd<T, F, Fut>(tasks: usize, work: F) -> Result<(Duration, Vec<T>)>
where
    T: Send + 'static,
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(tasks + 1));
    let mut crowd = JoinSet::new();
    for number in 0..tasks {
        let (start, work) = (Arc::clone(&start), work(number));
        crowd.spawn(async move {
            start.wait().await;
            work.await
        });
    }
    start.wait().await;
    let began = Instant::now();
    let mut results = Vec::with_capacity(tasks);
    while let Some(result) = crowd.join_next().await {
        results.push(result??);
    }
    Ok((began.elapsed(), results))
}

/// As [`crowd`], for work that has nothing to tell.
pub async fn time<F, Fut>(tasks: usize, work: F) -> Result<Duration>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    crowd(tasks, work).await.map(|(took, _)| took)
}

/// A round, after a shorter one that does not count and drives out what others have left behind.
pub async fn warmed<T, F, Fut>(each: usize, round: F) -> Result<T>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    round(each.div_ceil(4)).await?;
    round(each).await
}

/// Operations in a second.
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Lets the other tasks that are ready run first, once.
///
/// Not `tokio::task::yield_now`: that also has the runtime look for events of the network, which costs as much as the
/// whole operation that is measured here, and would make any two pools look alike.
pub async fn give_way() {
    let mut has_given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
