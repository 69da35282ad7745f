//! What a caller asks of a pool, and how it becomes a [`Request`].

use crate::deadline::Deadline;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::request_id;
use crate::rules::request::{Priority, Request};
use crate::runner::Runner;
use crate::settings::Plan;
use std::num::NonZeroU32;
use std::time::Duration;

/// What is asked of a pool: for which work, and by when.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(crate) name: WorkName,
    /// The longest wait, instead of the pool's own limit.
    pub(crate) limit: Option<Duration>,
    pub(crate) priority: Priority,
    /// How many connections the name may hold, instead of the setting `max_per_name`.
    pub(crate) cap: Option<NonZeroU32>,
    /// That nothing is idle is an answer, and no failure.
    pub(crate) is_trial: bool,
}

impl Ask {
    /// For this work, by the pool's own limit.
    #[must_use]
    pub fn by(name: WorkName) -> Self {
        Ask { name, limit: None, priority: Priority::Normal, cap: None, is_trial: false }
    }

    /// For work that is named after the place that calls this.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        Ask::by(WorkName::here())
    }

    /// Waits no longer than this, instead of the pool's own limit. With zero it is lent what is idle, and never waits.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Before requests that are less urgent.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Only while this work's name holds fewer connections than so many, at least one.
    #[must_use]
    pub fn at_most(mut self, count: usize) -> Self {
        self.cap = Some(cap(count));
        self
    }

    /// Asks for what is idle, and takes it for an answer that nothing is.
    pub(crate) fn tried(mut self) -> Self {
        self.limit = Some(Duration::ZERO);
        self.is_trial = true;
        self
    }

    /// The request that begins now: what was not said is taken from the settings.
    pub(super) fn begin(self, plan: &Plan, deadline: Option<Deadline>) -> Request {
        let since = Moment::now();
        let deadline = deadline.map(Deadline::moment);
        let limit = since + self.limit.unwrap_or(plan.pool_timeout());
        Request {
            name: self.name,
            runner: Runner::current(),
            priority: self.priority,
            cap: self.cap.or_else(|| (plan.max_per_name() > 0).then(|| cap(plan.max_per_name()))),
            since,
            until: deadline.map_or(limit, |deadline| limit.min(deadline)),
            deadline,
            id: request_id::current(),
        }
    }
}

/// A cap of so many, and at least one.
pub(crate) fn cap(count: usize) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}
