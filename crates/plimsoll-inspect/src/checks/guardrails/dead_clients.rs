//! G01: a client that is gone is noticed while its statement runs.

use super::limit::{self, Limit};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::State;

const LONGEST: Threshold = Threshold {
    name: "dead_client_check_warn",
    default: 60.0,
    unit: "s",
    meaning: "a longer interval between two looks is a warning",
};

const LIMIT: Limit =
    Limit { name: "client_connection_check_interval", none: State::Crit, longest: &LONGEST, remedy: "2s" };

pub(super) const G01: Check = Check {
    id: "G01",
    title: "A client that is gone is noticed while its statement runs",
    why: "without it the statement of a client that was killed or cut off goes on to its end, holds its locks, and commits",
    ask: limit::ASK,
    needs_role: true,
    thresholds: &[LONGEST],
    read: |answers, subject, thresholds| LIMIT.judge(answers, subject, thresholds),
    ..Check::USUAL
};
