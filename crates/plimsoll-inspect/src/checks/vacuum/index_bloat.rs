//! B08: no B-tree is mostly waste.

use super::size;
use super::table_bloat::{none_large_enough, not_looked_at, unknown};
use crate::bloat;
use crate::bloat::indexes::{INDEX_BLOAT, Index, METHOD};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};

const WARN: Threshold = Threshold {
    name: "index_bloat_warn",
    default: bloat::INDEX_WARN,
    unit: "%",
    meaning: "a larger share of waste in an index is a warning, if it is also more than index_bloat_warn_mb",
};

const WARN_MB: Threshold = Threshold {
    name: "index_bloat_warn_mb",
    default: bloat::WARN_MB,
    unit: "MB",
    meaning: "waste in an index below this is left alone; an index that is smaller is not looked at",
};

const CRIT: Threshold = Threshold {
    name: "index_bloat_crit",
    default: bloat::CRIT,
    unit: "%",
    meaning: "a larger share of waste in an index makes trouble, if it is also more than index_bloat_crit_mb",
};

const CRIT_MB: Threshold = Threshold {
    name: "index_bloat_crit_mb",
    default: bloat::CRIT_MB,
    unit: "MB",
    meaning: "the amount of waste for index_bloat_crit",
};

const MB: f64 = 1_048_576.0;

pub(super) const B08: Check = Check {
    id: "B08",
    title: "No B-tree is mostly waste",
    why: "pages of an index that are nearly empty are read and cached like full ones, and are hardly ever given back by themselves",
    ask: &[INDEX_BLOAT],
    thresholds: &[WARN, WARN_MB, CRIT, CRIT_MB],
    read: |answers, subject, thresholds| {
        let least = thresholds.get(&WARN_MB) * MB;
        let indexes: Vec<Index> =
            answers.rows().filter(|row| row.has("index_name")).map(Index::of).collect::<Result<_, _>>()?;
        let large = indexes.iter().filter(|index| index.bytes() > least);
        let mut found: Vec<Finding> = large.filter_map(|index| judge(index, thresholds)).collect();
        let smallest = indexes.last().map(|index| (index.bytes(), index.considered));
        found.extend(not_looked_at("indexes", indexes.len(), smallest, least));
        if found.is_empty() {
            let sizes = indexes.iter().map(Index::bytes);
            found.extend(none_large_enough("B-tree", sizes, least, &subject.database));
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(index: &Index, thresholds: &Thresholds) -> Option<Finding> {
    let subject = format!("index {}", index.name);
    let estimate = match index.estimate() {
        Ok(estimate) => estimate,
        Err(why) => return Some(unknown(&subject, index.bytes(), &why, &index.table)),
    };
    let (share, amount) = (thresholds.get(&WARN), thresholds.get(&WARN_MB));
    let (worse_share, worse_amount) = (thresholds.get(&CRIT), thresholds.get(&CRIT_MB));
    let is_over =
        |share: f64, amount: f64| estimate.waste * 100.0 > share && estimate.wasted_bytes() > amount * MB;
    let state = match (is_over(worse_share, worse_amount), is_over(share, amount)) {
        (true, _) => State::Crit,
        (false, true) => State::Warn,
        (false, false) => return None,
    };
    let value = format!(
        "{} of {} are waste, {:.0} %, {METHOD}",
        size(estimate.wasted_bytes()),
        size(estimate.bytes),
        estimate.waste * 100.0
    );
    Some(
        Finding::new(state, subject, value)
            .source("pg_class, pg_stats")
            .threshold(format!(
                "at most {share} % and {amount} MB; {worse_share} % and {worse_amount} MB make trouble"
            ))
            .remedy(Remedy::for_good(format!("REINDEX INDEX CONCURRENTLY {}", index.name))),
    )
}
