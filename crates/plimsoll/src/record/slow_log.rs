//! The slow log: which statements go to it, and what was counted instead.
//!
//! It is independent of the monitor, which may be switched off. A statement that is not slow costs one comparison.

use crate::moment::{Moment, nanos};
use crate::rules::slow_kinds::{More, SlowKinds, Told};
use crate::settings::{Plan, SlowParameters};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;

/// Plans that may be asked for at a time. More are not asked for: a plan is a help, and no database is loaded for it.
const PLANS: usize = 4;

/// A slow statement whose plan is wanted.
#[derive(Debug)]
pub(crate) struct PlanWanted {
    pub(crate) fingerprint: u64,
    /// Its text, with its constants.
    pub(crate) text: Box<str>,
    /// Whether there are parameters in it.
    pub(crate) has_parameters: bool,
}

/// The slow log of one pool.
pub(crate) struct SlowLog {
    /// A statement that takes more nanoseconds goes to the log.
    after: u64,
    pub(crate) parameters: SlowParameters,
    /// Who asks for plans, if they are wanted.
    plans: Option<mpsc::Sender<PlanWanted>>,
    kinds: Mutex<SlowKinds>,
}

impl SlowLog {
    /// The slow log that these settings ask for, and where the statements come from whose plans are wanted.
    pub(crate) fn of(plan: &Plan) -> (Self, mpsc::Receiver<PlanWanted>) {
        let (sender, wanted) = mpsc::channel(PLANS);
        let log = SlowLog {
            after: plan.slow_log_after().map_or(u64::MAX, nanos),
            parameters: plan.slow_log_parameters(),
            plans: plan.slow_log_plan().then_some(sender),
            kinds: Mutex::default(),
        };
        (log, wanted)
    }

    /// Whether there is no slow log.
    pub(crate) fn is_off(&self) -> bool {
        self.after == u64::MAX
    }

    /// Whether a statement that took so long goes to the log.
    #[inline]
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        !self.is_off() && nanos(took) > self.after
    }

    /// Whether parameters are shown at all.
    pub(crate) fn shows_parameters(&self) -> bool {
        !self.is_off() && self.parameters != SlowParameters::None
    }

    /// A statement of this kind was slow.
    pub(crate) fn add(&self, fingerprint: u64, took: Duration, now: Moment) -> Told {
        self.kinds.lock().add(fingerprint, took, now)
    }

    /// What was counted in the minutes that are over.
    pub(crate) fn due(&self, now: Moment) -> Vec<More> {
        self.kinds.lock().due(now)
    }

    /// What was counted and not told of yet.
    pub(crate) fn rest(&self) -> Vec<More> {
        self.kinds.lock().rest()
    }

    /// Whether plans are wanted.
    pub(crate) fn wants_plans(&self) -> bool {
        self.plans.is_some()
    }

    /// Wants the plan of a statement; unless too many are asked for already.
    pub(crate) fn want_plan(&self, wanted: PlanWanted) {
        if let Some(plans) = &self.plans {
            // Full, or its task has ended: then there is no plan.
            let _ = plans.try_send(wanted);
        }
    }
}
