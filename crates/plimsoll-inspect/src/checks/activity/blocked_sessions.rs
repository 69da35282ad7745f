//! A04: no session waits for a lock for long, and if one does, which session stands at the root.

use crate::blocking::{BLOCKING, Blocking, Pile, Session};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::subject::literal;

const WARN: Threshold = Threshold {
    name: "lock_wait_warn",
    default: 10.0,
    unit: "s",
    meaning: "a session that waits longer for a lock is a warning",
};

const WAITERS: Threshold = Threshold {
    name: "lock_waiters_crit",
    default: 5.0,
    unit: "",
    meaning: "so many sessions that hang on one another make trouble",
};

const PILE: Threshold = Threshold {
    name: "lock_pile_crit",
    default: 1.0,
    unit: "s",
    meaning: "a pile of waiters counts once the first of them has waited for longer",
};

pub(super) const A04: Check = Check {
    id: "A04",
    title: "No session waits for a lock for long",
    why: "each session that waits keeps its connection, and those who wait behind it; the pile ends with the session at its root",
    ask: &[BLOCKING],
    needs_monitor: true,
    thresholds: &[WARN, WAITERS, PILE],
    read: |answers, _, thresholds| {
        let mut found = Vec::new();
        for answer in &answers.0 {
            let blocking = Blocking::read(answer)?;
            found.extend(blocking.piles().iter().filter_map(|pile| judge(pile, thresholds)));
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(pile: &Pile<'_>, thresholds: &Thresholds) -> Option<Finding> {
    let longest = pile.waiters.first()?.waited().as_secs_f64();
    let warn = thresholds.get(&WARN);
    let (waiters, at_least) = (thresholds.get(&WAITERS), thresholds.get(&PILE));
    let many = pile.waiters.len() as f64 >= waiters && longest > at_least;
    let state = match (many, longest > warn) {
        (true, _) => State::Crit,
        (false, true) => State::Warn,
        (false, false) => return None,
    };
    let finding = Finding::new(state, subject(pile), pile.to_string())
        .source("pg_blocking_pids, pg_locks.waitstart")
        .threshold(format!("at most {warn} s; {waiters} waiters for more than {at_least} s make trouble"));
    Some(match pile.roots.as_slice() {
        [] => finding.remedy(Remedy::advice(
            "the server ends one of them after deadlock_timeout; let all transactions take their locks in the same order",
        )),
        [root, ..] => finding.remedy(end(root)),
    })
}

fn subject(pile: &Pile<'_>) -> String {
    match pile.roots.first() {
        None => "a circle of sessions".to_owned(),
        Some(root) if root.pid == 0 => "a prepared transaction".to_owned(),
        Some(root) => format!("session {}", root.pid),
    }
}

/// What ends the root: its statement, or, if it runs none, the session. It does nothing to a session that came after it.
fn end(root: &Session) -> Remedy {
    if root.pid == 0 {
        return Remedy::advice(
            "find its gid in pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED it, in the database where it was prepared",
        );
    }
    let (Some(state), Some(user)) = (&root.state, &root.user) else {
        return Remedy::advice("it is no client's session: look at pg_stat_activity.backend_type first");
    };
    let end = if state == "active" { "pg_cancel_backend" } else { "pg_terminate_backend" };
    Remedy::for_good(format!(
        "SELECT pg_catalog.{end}(pid) FROM pg_catalog.pg_stat_activity WHERE pid = {} AND usename = {} AND state = {}",
        root.pid,
        literal(user),
        literal(state)
    ))
}
