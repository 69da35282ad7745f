//! The mark of work that is retried as a whole: a call inside it makes one try only, since a retry inside a retry
//! multiplies.
//!
//! The mark belongs to the task, like the deadline; and like the deadline,
//! [`deadline::inherit`](crate::deadline::inherit) carries it to another task.

use std::future::Future;

tokio::task_local! {
    static INSIDE: ();
}

/// Whether the caller is part of work that is retried as a whole.
pub(crate) fn is_inside() -> bool {
    INSIDE.try_with(|()| ()).is_ok()
}

/// Runs work that is retried as a whole.
pub(crate) fn inside<F: Future>(work: F) -> impl Future<Output = F::Output> {
    INSIDE.scope((), work)
}

/// Carries the mark, if there is one now, into a future that another task may run.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let is_inside = is_inside();
    async move { if is_inside { inside(work).await } else { work.await } }
}
