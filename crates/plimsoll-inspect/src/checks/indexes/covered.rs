//! I02: no index does only what another one does as well.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, State, worst_first};
use crate::checks::size::size;
use crate::checks::subject::Subject;
use crate::indexes::{INDEXES, Index, Indexes, remedy};

pub(super) const I02: Check = Check {
    id: "I02",
    title: "No index does only what another one does as well",
    why: "each write keeps both up to date, and both take room in memory and on disk, for what one of them serves alone",
    ask: &[INDEXES],
    needs_primary: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let indexes = Indexes::of(answers.rows())?.indexes;
    // One that is not valid is a matter of I01.
    Ok(worst_first(indexes.iter().filter(|index| !index.is_invalid).filter_map(finding).collect()))
}

fn finding(index: &Index) -> Option<Finding> {
    let other = index.covered_by.as_ref()?;
    let how = match index.is_same {
        true => "has the same columns",
        false => "begins with the same columns",
    };
    let shown = index.bytes.map_or(String::new(), |bytes| format!(" ({})", size(bytes as f64)));
    let value =
        format!("{other} {how} as this index of {}{shown}, so it serves the same queries", index.table);
    Some(
        Finding::new(State::Info, format!("index {}", index.name), value)
            .source("pg_index")
            .threshold("one index for the same work")
            .remedy(remedy::drop(index)),
    )
}
