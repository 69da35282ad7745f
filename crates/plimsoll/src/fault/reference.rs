//! `docs/errors.md`, made from the table of faults.
//!
//! An operator looks up codes there, so the page must say what the program does: a test compares it with the table,
//! and writes it if it is told to (`PLIMSOLL_BLESS=1`). A heading is the bare code, so that `docs/errors.md#pl-acq-01`
//! leads to its entry.

use super::{Again, Fault};

const HEAD: &str = "\
<!-- Made from crates/plimsoll/src/fault/table.rs; written by `make docs`. -->

# Errors

An error is one sentence: its code, what failed for which work and after how long, what became of the work, the likely
cause, what to do. In code these are `Error::fault`, `phase`, `outcome`, `sentence` and `code`. A code never changes its
meaning and is never used again.

**What became of the work** is the outcome. It depends on the single error and not on its code:

| outcome | meaning | may the work run again? |
|---|---|---|
| not started | nothing was sent to the server | yes |
| rolled back | the server has undone it, or will: no part of it stays | yes |
| committed | it happened, although an error is reported | no: it is done |
| unknown | it was sent and no answer came: it may have happened | only if it is idempotent, or after a look at the data |

Whether a second run is likely to succeed is the column *again* of the code: the cause may pass by itself and soon.
`Error::may_run_again` considers both, and `retrying` runs a transaction again only if it is true.

The column *away* says that the server could not be reached, as opposed to a server that answered with an error; the
circuit breaker counts only such faults against the server. *Evicts* says that the connection on which the fault
occurred is discarded.
";

const INDEX: &str = "
## All codes

| code | fault | meaning | away | again | evicts |
|---|---|---|---|---|---|
";

/// The titles of the groups, by the letters between `PL-` and the number. A group without a title is called by its
/// letters.
const GROUPS: &[(&str, &str)] = &[
    ("ACQ", "Waiting for a connection"),
    ("BRK", "The circuit breaker"),
    ("CON", "Opening a connection"),
    ("DEA", "The deadline of a request"),
    ("LNK", "A connection that ended"),
    ("MIG", "Migrations"),
    ("SET", "Settings"),
    ("SQL", "What the statement says"),
    ("SRV", "The server itself"),
    ("STM", "A statement that was stopped or could not run"),
    ("TXN", "Transactions"),
    ("USE", "How the library is used"),
];

impl Fault {
    /// The text of `docs/errors.md`.
    #[must_use]
    pub fn reference() -> String {
        let mut faults = Fault::ALL;
        faults.sort_by_key(|fault| fault.code());
        let mut text = HEAD.to_owned();
        text.push_str(INDEX);
        text.extend(faults.iter().map(|fault| row(*fault)));
        let mut group = "";
        for fault in faults {
            let letters = letters(fault);
            if letters != group {
                group = letters;
                text.push_str(&format!("\n## {}\n", title(group)));
            }
            text.push_str(&entry(fault));
        }
        text
    }
}

/// `ACQ` of `PL-ACQ-01`.
fn letters(fault: Fault) -> &'static str {
    fault.code().split('-').nth(1).unwrap_or_default()
}

fn title(letters: &'static str) -> &'static str {
    GROUPS.iter().find(|(known, _)| *known == letters).map_or(letters, |(_, title)| title)
}

fn row(fault: Fault) -> String {
    let code = fault.code();
    format!(
        "| [{code}](#{}) | `{fault:?}` | {} | {} | {} | {} |\n",
        code.to_lowercase(),
        fault.meaning(),
        mark(fault.is_connectivity()),
        mark(fault.again() != Again::Never),
        mark(fault.evicts()),
    )
}

fn mark(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "" }
}

fn entry(fault: Fault) -> String {
    let advice = fault.advice();
    let away = if fault.is_connectivity() { "yes, the server could not be reached" } else { "no" };
    let again = match fault.again() {
        Again::Never => "no",
        Again::IfRolledBack => "yes, where the outcome is rolled back or not started",
    };
    let evicts = if fault.evicts() { "- The connection on which it occurred is discarded\n" } else { "" };
    let cases: String = fault
        .cases()
        .map(|case| {
            let routine = case.routine.map_or_else(String::new, |routine| format!(" from `{routine}`"));
            format!("- {}{routine}: {}; what to do: {}\n", case.sqlstate, case.cause, case.remedy)
        })
        .collect();
    format!(
        "\n### {}\n\n{}\n\n- In code: `Fault::{fault:?}`\n- Likely cause: {}\n- What to do: {}\n- Counted against \
         the server by the breaker: {away}\n- Run again by `retrying` and `idempotent`: {again}\n{evicts}{cases}",
        advice.code,
        fault.meaning(),
        advice.cause,
        advice.remedy,
    )
}
