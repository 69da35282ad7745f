//! The mark on work that will be tried again: whoever would retry inside it runs once, since a retry inside a retry
//! multiplies.
//!
//! The mark lies on the task, like the deadline; and like the deadline it is handed to another task by
//! [`deadline::inherit`](crate::deadline::inherit).

use std::future::Future;

tokio::task_local! {
    static INSIDE: ();
}

/// Whether this is part of work that will be tried again.
pub(crate) fn is_inside() -> bool {
    INSIDE.try_with(|()| ()).is_ok()
}

/// Runs work that will be tried again.
pub(crate) fn inside<F: Future>(work: F) -> impl Future<Output = F::Output> {
    INSIDE.scope((), work)
}

/// Carries the mark, if there is one now, to wherever this is awaited.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let is_inside = is_inside();
    async move { if is_inside { inside(work).await } else { work.await } }
}
