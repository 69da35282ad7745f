//! I06: every constraint holds for all rows.

use crate::answer::{Row, Unreadable};
use crate::checks::check::Check;
use crate::checks::finding::{Finding, Remedy, State, worst_first};

pub(super) const I06: Check = Check {
    id: "I06",
    title: "Every constraint was held against the rows from before",
    why: "rows that break it may be there: a query or a program that counts on it is wrong, and so is a restore of a dump",
    ask: &[include_str!("not_valid.sql")],
    needs_primary: true,
    read: |answers, _, _| Ok(worst_first(answers.rows().map(finding).collect::<Result<_, _>>()?)),
    ..Check::USUAL
};

fn finding(row: Row<'_>) -> Result<Finding, Unreadable> {
    let text = |column| row.text(column).map(Option::unwrap_or_default);
    let (name, quoted, owner, kind) =
        (text("constraint_name")?, text("quoted_name")?, text("owner")?, text("kind")?);
    let about = format!(
        "constraint {name} of {}",
        owner.replacen("TABLE ", "table ", 1).replacen("DOMAIN ", "domain ", 1)
    );
    let value = format!(
        "the {kind} constraint is NOT VALID: it holds for what is written since, and rows from before were never looked at"
    );
    let reads = match row.flag("is_foreign_key")? {
        true => {
            "reads the table beside its readers and writers, and locks the one that it refers to against changes of its form"
        }
        false => "reads the table beside its readers and writers",
    };
    Ok(Finding::new(State::Info, about, value)
        .source("pg_constraint.convalidated")
        .threshold(format!(
            "validated; the statement {reads}, and fails where a row breaks it (plimsoll integrity --count counts those)"
        ))
        .remedy(Remedy::for_good(format!("ALTER {owner} VALIDATE CONSTRAINT {quoted}"))))
}
