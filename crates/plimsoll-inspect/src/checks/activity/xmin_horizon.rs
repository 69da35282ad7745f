//! A06: nothing keeps vacuum from removing dead rows for long.
//!
//! What can hold it back, and what ends each, is told by [`Holder`].

use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, State, worst_first};
use crate::upkeep::{Holder, XMIN_HORIZON};

const WARN: Threshold = Threshold {
    name: "xmin_age_warn",
    default: 10_000_000.0,
    unit: "xids",
    meaning: "a snapshot that is held back by more transactions is a warning",
};

const CRIT: Threshold = Threshold {
    name: "xmin_age_crit",
    default: 100_000_000.0,
    unit: "xids",
    meaning: "a snapshot that is held back by more transactions makes trouble",
};

pub(super) const A06: Check = Check {
    id: "A06",
    title: "Nothing keeps vacuum from removing dead rows for long",
    why: "while an old snapshot is held vacuum removes nothing that died since: tables and indexes grow, and reads slow down",
    ask: &[XMIN_HORIZON],
    needs_monitor: true,
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let mut found = Vec::new();
        for row in answers.rows().filter(|row| row.has("holder_kind")) {
            found.extend(judge(&Holder::of(row)?, thresholds));
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(holder: &Holder, thresholds: &Thresholds) -> Option<Finding> {
    let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
    let xids = holder.xids as f64;
    if xids <= warn {
        return None;
    }
    let state = if xids > crit { State::Crit } else { State::Warn };
    let value = format!("it keeps all that died within the last {xids} transactions ({})", holder.detail);
    Some(
        Finding::new(state, holder.subject(), value)
            .source(holder.source())
            .threshold(format!("at most {warn} transactions; {crit} make trouble"))
            .remedy(holder.remedy()),
    )
}
