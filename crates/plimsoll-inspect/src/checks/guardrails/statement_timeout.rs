//! G02: a statement ends by itself.

use super::limit::{self, Limit};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::State;

const LONGEST: Threshold = Threshold {
    name: "statement_timeout_warn",
    default: 300.0,
    unit: "s",
    meaning: "a longer statement_timeout is a warning",
};

const LIMIT: Limit = Limit { name: "statement_timeout", none: State::Crit, longest: &LONGEST, remedy: "30s" };

pub(super) const G02: Check = Check {
    id: "G02",
    title: "A statement ends by itself when it takes too long",
    why: "one slow statement too many holds a connection each until none is left, and the service stands still",
    ask: limit::ASK,
    needs_role: true,
    thresholds: &[LONGEST],
    read: |answers, subject, thresholds| LIMIT.judge(answers, subject, thresholds),
    ..Check::USUAL
};
