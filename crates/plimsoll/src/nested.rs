//! The mark of work that is retried as a whole: a call inside it makes one try only, since a retry inside a retry
//! multiplies.
//!
//! The mark belongs to the task, like the deadline; and like the deadline,
//! [`deadline::inherit`](crate::deadline::inherit) carries it to another task.

use std::future::Future;

tokio::task_local! {
    /// How often the work was tried before.
    static INSIDE: u32;
}

/// Whether the caller is part of work that is retried as a whole.
pub(crate) fn is_inside() -> bool {
    INSIDE.try_with(|_| ()).is_ok()
}

/// How often the work that the caller is part of was tried before.
pub(crate) fn tries() -> u32 {
    INSIDE.try_with(|tries| *tries).unwrap_or(0)
}

/// Runs work that is retried as a whole, and was tried so often before.
pub(crate) fn inside<F: Future>(tries: u32, work: F) -> impl Future<Output = F::Output> {
    INSIDE.scope(tries, work)
}

/// Carries the mark, if there is one now, into a future that another task may run.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let tries = is_inside().then(tries);
    async move {
        match tries {
            Some(tries) => inside(tries, work).await,
            None => work.await,
        }
    }
}
