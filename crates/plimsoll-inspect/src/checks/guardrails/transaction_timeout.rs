//! G05: a transaction as a whole has a limit.

use super::limit::{self, Limit};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::State;

const LONGEST: Threshold = Threshold {
    name: "transaction_timeout_warn",
    default: 3_600.0,
    unit: "s",
    meaning: "a longer transaction_timeout is a warning",
};

const LIMIT: Limit =
    Limit { name: "transaction_timeout", none: State::Warn, longest: &LONGEST, remedy: "5min" };

pub(super) const G05: Check = Check {
    id: "G05",
    title: "A transaction as a whole ends by itself when it takes too long",
    why: "statement_timeout is for each statement anew, so a transaction of many, and its COMMIT, has no end by it",
    ask: limit::ASK,
    since: 17,
    needs_role: true,
    thresholds: &[LONGEST],
    read: |answers, subject, thresholds| LIMIT.judge(answers, subject, thresholds),
    ..Check::USUAL
};
