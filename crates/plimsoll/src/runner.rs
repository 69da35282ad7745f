//! The task that makes a call: a task that holds a connection and waits for another one can be told from a task that
//! only waits.

use std::thread::ThreadId;

/// The task that makes a call, or the thread if there is no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Runner {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Runner {
    /// The task or thread that calls this function.
    pub(crate) fn current() -> Self {
        tokio::task::try_id().map_or_else(|| Runner::Thread(std::thread::current().id()), Runner::Task)
    }
}
