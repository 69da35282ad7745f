//! G03: a statement does not wait for a lock until its own time is over.

use super::limit::{self, Limit, Limits, shorter_than};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::set_all;
use crate::checks::subject::Subject;

const LONGEST: Threshold = Threshold {
    name: "lock_timeout_warn",
    default: 60.0,
    unit: "s",
    meaning: "a longer lock_timeout is a warning",
};

/// What the remedy sets, unless the statement's limit is shorter.
const RECOMMENDED: f64 = 5_000.0;

const LIMIT: Limit = Limit { name: "lock_timeout", none: State::Warn, longest: &LONGEST, remedy: "5s" };

pub(super) const G03: Check = Check {
    id: "G03",
    title: "A statement gives up on a lock before its own time is over",
    why: "one session that keeps a lock makes all others wait in a row, each with a connection",
    ask: limit::ASK,
    needs_role: true,
    thresholds: &[LONGEST],
    read,
    ..Check::USUAL
};

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let limits = Limits::read(answers)?;
    let finding = LIMIT.judge_in(&limits, subject, thresholds);
    let (Ok((lock, waits)), Ok((statement, runs))) =
        (limits.known("lock_timeout", subject), limits.known("statement_timeout", subject))
    else {
        return Ok(vec![finding]);
    };
    let remedy = || set_all([(lock, shorter_than(runs, RECOMMENDED))], subject);
    Ok(vec![match finding.state {
        State::Ok if runs > 0.0 && waits >= runs => Finding::new(
            State::Warn,
            subject.the_role(),
            format!(
                "lock_timeout is {}, which is never reached: statement_timeout is {}",
                lock.shown(),
                statement.shown()
            ),
        )
        .source(format!("{}, statement_timeout: {}", lock.source, statement.source))
        .threshold("shorter than statement_timeout")
        .remedy(remedy()),
        State::Warn if runs > 0.0 => finding.remedy(remedy()),
        _ => finding,
    }])
}
