//! The answers that are still to come, in the order in which the server gives them.

use super::session_state::Front;
use std::collections::VecDeque;

/// What a ReadyForQuery ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Only describing or closing, which takes no time.
    Light,
    /// A text is parsed and does not run. That takes locks on the tables it names, and so waits for those who change them.
    Parse,
    /// Something runs; sent with Execute, so a COPY may swallow its Sync.
    Execute,
    /// Something runs; a simple query.
    Query,
    /// A COMMIT or ROLLBACK runs.
    End,
    /// A COPY that was told to fail: it ends by itself, once the rows before that are through.
    Failed,
}

impl Reply {
    fn is_work(self) -> bool {
        matches!(self, Reply::Parse | Reply::Execute | Reply::Query)
    }
}

/// One answer that is still to come.
#[derive(Clone, Copy)]
struct PendingReply {
    reply: Reply,
    /// Its text rolls back to a savepoint, which the server tags as it tags the end of a transaction.
    undoes: bool,
}

/// The answers that are still to come, and how many have come.
pub(super) struct Pipeline {
    queue: VecDeque<PendingReply>,
    /// How many of them run something that may be cancelled.
    works: u32,
    /// How many have come.
    settled: u64,
}

impl Pipeline {
    pub(super) fn new() -> Self {
        Pipeline { queue: VecDeque::with_capacity(4), works: 0, settled: 0 }
    }

    pub(super) fn push(&mut self, reply: Reply, undoes: bool) {
        self.works += u32::from(reply.is_work());
        self.queue.push_back(PendingReply { reply, undoes });
    }

    pub(super) fn pop(&mut self) {
        let settled = self.queue.pop_front();
        self.works -= u32::from(settled.is_some_and(|pending| pending.reply.is_work()));
        self.settled += u64::from(settled.is_some());
    }

    pub(super) fn next_is(&self, reply: Reply) -> bool {
        self.queue.front().is_some_and(|pending| pending.reply == reply)
    }

    pub(super) fn next_undoes(&self) -> bool {
        self.queue.front().is_some_and(|pending| pending.undoes)
    }

    pub(super) fn front(&self) -> Front {
        match self.queue.front().map(|pending| pending.reply) {
            Some(reply) if reply.is_work() => Front::Work,
            Some(Reply::Failed) => Front::Failed,
            _ => Front::Other,
        }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX / 2)
    }

    pub(super) fn works(&self) -> u32 {
        self.works
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }
}
