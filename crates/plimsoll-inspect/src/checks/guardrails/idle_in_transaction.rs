//! G04: a transaction that its client forgot ends by itself.

use super::limit::{self, Limit};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::State;

const LONGEST: Threshold = Threshold {
    name: "idle_in_transaction_timeout_warn",
    default: 300.0,
    unit: "s",
    meaning: "a longer idle_in_transaction_session_timeout is a warning",
};

const LIMIT: Limit = Limit {
    name: "idle_in_transaction_session_timeout",
    none: State::Crit,
    longest: &LONGEST,
    remedy: "30s",
};

pub(super) const G04: Check = Check {
    id: "G04",
    title: "A transaction that its client forgot ends by itself",
    why: "a client that hangs inside a transaction keeps its locks and keeps vacuum from every table, for as long as it hangs",
    ask: limit::ASK,
    needs_role: true,
    thresholds: &[LONGEST],
    read: |answers, subject, thresholds| LIMIT.judge(answers, subject, thresholds),
    ..Check::USUAL
};
