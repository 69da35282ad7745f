//! Which task a call belongs to: a task that holds a connection and waits for another can be told from one that only
//! waits.

use std::thread::ThreadId;

/// Which task does something; a thread stands for what runs outside any task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Runner {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Runner {
    /// What runs this call.
    pub(crate) fn current() -> Self {
        tokio::task::try_id().map_or_else(|| Runner::Thread(std::thread::current().id()), Runner::Task)
    }
}
