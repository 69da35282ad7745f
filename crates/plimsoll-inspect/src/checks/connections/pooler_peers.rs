//! C07: poolers that stand side by side know each other.
//!
//! A console shows its own process. That there are others behind the same address shows there only where they share its port
//! (`so_reuseport`) or are its peers; others are not ruled out.

use super::pooler::{self, CONFIG, Config, PEERS, POOLER, VERSION, Version};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Place, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::Subject;

/// Peers came with it.
const SINCE: Version = Version(1, 19, 0);

pub(super) const C07: Check = Check {
    id: "C07",
    title: "Poolers that stand side by side know each other as peers",
    why: "a cancel comes by a connection of its own: if another pooler takes it, it is lost, the statement runs on, and its \
          connection stays used",
    place: Place::Pooler,
    ask: &[VERSION, CONFIG],
    ask_if_known: &[PEERS],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let version = match pooler::version(answers)? {
        Ok(version) => version,
        Err(skipped) => return Ok(vec![skipped]),
    };
    let config = Config::read(answers)?;
    let own = config.number("peer_id").unwrap_or_default();
    let shares = config.get("so_reuseport") == Some("1");
    let mut others = 0;
    for row in answers.rows().filter(|row| row.has("peer_id")) {
        others += u32::from(row.number::<f64>("peer_id")?.is_some_and(|peer| peer != own));
    }
    Ok(vec![judge(version, own, shares, others)])
}

fn judge(version: Version, own: f64, shares: bool, others: u32) -> Finding {
    let port =
        if shares { "so_reuseport is 1, so several share the port" } else { "no other shares its port" };
    let value = match (own > 0.0, others) {
        (false, _) => format!("{port}; it has no peer_id"),
        (true, 0) => format!("{port}; its peer_id is {own}, and it knows no peer"),
        (true, others) => format!("{port}; its peer_id is {own}, and it knows {others} more"),
    };
    let finding = |state, value: String| {
        Finding::new(state, POOLER, value)
            .source("SHOW CONFIG, SHOW PEERS")
            .threshold("a peer_id, and its peers, of each")
    };
    let snippet = if version < SINCE {
        format!("upgrade to PgBouncer {SINCE} or later, which knows peers; then, ")
    } else {
        String::new()
    };
    let remedy = Remedy::advice(format!(
        "{snippet}in pgbouncer.ini of each: peer_id = 1 (2, 3 ..) under [pgbouncer], and under [peers] the same list: 1 = \
         host=/tmp/pgbouncer1 port=6432, 2 = host=/tmp/pgbouncer2 port=6432 (addresses by which they reach each other)"
    ));
    match (own > 0.0, others, shares) {
        (true, 1.., _) => finding(State::Ok, value),
        (_, _, true) => finding(State::Crit, value).remedy(remedy),
        (true, 0, false) => finding(State::Warn, value).remedy(remedy),
        (false, _, false) => Finding::skipped(
            POOLER,
            format!(
                "{value}. Whether others stand behind the same address, one console does not tell; they would need it"
            ),
        ),
    }
}
