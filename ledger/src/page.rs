//! The figures as Markdown: `docs/ledger.md`.

use crate::client::Lane;
use crate::fault::Fault;
use crate::figures::{Count, Figures, Row};
use crate::op::Op;
use crate::stage::{There, Way};
use std::fmt::Write;
use std::time::Duration;

/// How it was made.
#[derive(Clone, Debug)]
pub struct Run {
    /// The first seed, and how many.
    pub seeds: (u64, u64),
    /// For how long each trouble lasted.
    pub span: Duration,
    /// Which servers and poolers, and what could not be had.
    pub there: There,
    /// The command that makes it again.
    pub command: String,
}

const INTRODUCTION: &str = "\
# The ledger: told against stored

Workers write ids that nobody else has, by every kind of call that a program makes, while a trouble strikes their
server, their wire, their pooler or themselves. Each keeps a log of what it was told. When everything is whole again and
nobody writes any more, the log is held against the table. All lanes run side by side on one server, each with a
database, a wire and a pool of five connections of its own, and every trouble strikes all of them at the same moments.

This page is made by `make ledger` and not edited.
";

const COLUMNS: &str = "\
## What the columns mean

| column | meaning |
|---|---|
| ids | what was asked for; a savepoint has two ids, a pipelined connection three |
| acknowledged | the caller was told that it is stored |
| lost | acknowledged, and not in the table |
| phantom | told to have failed, and in the table |
| doubled | in the table more than once |
| unknown | the caller was told that nobody knows, or did not wait for the answer; no lie, but a caller wants little of it |
| settled | of these, what the caller could find out afterwards (close the pool, wait until the server has none of its sessions any more, look through a new one), and found as it is |
| untold | somebody waited, and no answer ever came |
| p50, p99, max | time to an answer, whichever it was, with all tries |
| not mended | plays after which fewer than twenty calls went well in five seconds, although everything was whole |

Ids that are in none of these columns were told to have failed, and are not in the table.

What a caller of Plimsoll may believe is what the error says (`Error::outcome`). The peers' errors do not say, so it is
read off the place where the call stopped, and generously: nothing stays of what failed before COMMIT, or the one
statement, was sent; after that an error of the server means no, unless it says that the server or the connection goes
away; whatever else is unknown. A caller who tries again keeps in mind that an earlier try may have happened. `CALL` and
`DO` that commit inside and then fail are believed to have failed, as an error of the server says.

*Retries* are those that the resilience guides prescribe, three tries with 0.5 s and 1 s between them on errors of the
connection, timeouts and collisions: for the peers around the whole call, for Plimsoll only where the outcome says that
nothing stays, beside its own (`retrying`, `idempotent`). Behind PgBouncer the peers send texts without names, since names
lead nowhere there. Pools are as they come, apart from their size; Plimsoll's breaker is quicker (0.25 s), so that it
opens and closes many times in a short play.
";

/// The whole page.
#[must_use]
pub fn markdown(figures: &Figures, run: &Run) -> String {
    let mut text = String::from(INTRODUCTION);
    let (first, many) = run.seeds;
    let plays: u64 = figures.plays.values().sum();
    let _ = write!(
        text,
        "\n{plays} plays: seeds {first} to {}, {:.1} s of trouble each; {}. The same again: `{}`. One fault alone:\n\
         `make ledger ARGS=\"--fault wire-cut\" SEEDS=1 SEED=7`, which prints the ids of every lie and leaves this page alone.\n",
        first + many.saturating_sub(1),
        run.span.as_secs_f64(),
        run.there.versions,
        run.command,
    );
    for (way, _) in &run.there.missing {
        let _ = writeln!(text, "\n**Not run: {}, which could not be had here.**", words(*way));
    }
    lanes(&mut text, figures);
    for way in figures.plays.keys() {
        faults(&mut text, figures, *way);
        deaths(&mut text, figures, *way);
    }
    ops(&mut text, figures);
    text.push('\n');
    text.push_str(COLUMNS);
    catalogue(&mut text);
    text
}

const HEAD: &str = "ids | acknowledged | lost | phantom | doubled | unknown | settled | untold | p50 | p99 | max | not mended |";

fn lanes(text: &mut String, figures: &Figures) {
    let _ = write!(text, "\n## Everything together\n\n| lane | {HEAD}\n|---|{}\n", "---:|".repeat(12));
    for lane in Lane::ALL {
        let row = figures.of_lane(*lane);
        if row.count.attempts > 0 {
            let _ = writeln!(text, "| {} | {}", lane.name(), cells(&row));
        }
    }
    let verdict = if figures.ours_are_true() {
        "Plimsoll told no lie, and what it did not know was settled."
    } else {
        "**Plimsoll's rows are not all zero, or not settled, or not mended: see below.**"
    };
    let _ = write!(text, "\n{verdict}\n");
}

fn faults(text: &mut String, figures: &Figures, way: Way) {
    let _ = write!(
        text,
        "\n## By fault, {}\n\n| fault | lane | {HEAD}\n|---|---|{}\n",
        words(way),
        "---:|".repeat(12)
    );
    for fault in Fault::ALL {
        let mut shown = fault.id();
        for lane in Lane::ALL {
            let Some(row) = figures.faults.get(&(way, *fault, *lane)) else { continue };
            let _ = writeln!(text, "| {shown} | {} | {}", lane.name(), cells(row));
            shown = "";
        }
    }
}

const DEATHS: &str =
    "Before 1.21 it does so when the client of a cancel that it has passed on goes before the server has
acted on it (`bad client state`): the network cuts the cancel's connection, or the program is killed.";

/// Where a pooler died by itself its clients have lost their connections once more than the fault says.
fn deaths(text: &mut String, figures: &Figures, way: Way) {
    if way.pooler().is_none() {
        return;
    }
    let died = figures.faults.iter().filter(|((of, ..), row)| *of == way && row.pooler_deaths > 0);
    let died: Vec<String> = died
        .map(|((_, fault, lane), row)| {
            format!("{}, {}: {}", fault.id(), lane.name(), thousands(row.pooler_deaths))
        })
        .collect();
    let _ = match died.is_empty() {
        true => writeln!(text, "\nPgBouncer never died by itself."),
        false => writeln!(
            text,
            "\nPgBouncer died by itself and was started again, so many times: {}.\n{DEATHS}",
            died.join("; ")
        ),
    };
}

fn words(way: Way) -> &'static str {
    match way {
        Way::Direct => "direct",
        Way::PgBouncer118 => "through PgBouncer 1.18 in transaction mode",
        Way::PgBouncer124 => "through PgBouncer 1.24 in transaction mode",
    }
}

fn ops(text: &mut String, figures: &Figures) {
    let _ = write!(
        text,
        "\n## By operation, of all faults\n\n| operation | lane | ids | acknowledged | lost | phantom | doubled | unknown | settled |\n|---|---|{}\n",
        "---:|".repeat(7)
    );
    for op in Op::ALL {
        let mut shown = op.words();
        for lane in Lane::ALL {
            let Some(count) = figures.ops.get(&(op, *lane)) else { continue };
            let _ = writeln!(text, "| {shown} | {} | {}", lane.name(), numbers(count));
            shown = "";
        }
    }
}

fn catalogue(text: &mut String) {
    text.push_str("\n## The faults\n\n| fault | what happens |\n|---|---|\n");
    for fault in Fault::ALL {
        let _ = writeln!(text, "| {} | {} |", fault.id(), fault.words());
    }
}

fn numbers(count: &Count) -> String {
    let lie = |many: u64| if many == 0 { "0".to_owned() } else { format!("**{}**", thousands(many)) };
    let numbers = [
        thousands(count.attempts),
        thousands(count.acknowledged),
        lie(count.lost),
        lie(count.phantoms),
        lie(count.doubled),
        thousands(count.unknown),
        thousands(count.settled),
    ];
    format!("{} |", numbers.join(" | "))
}

fn cells(row: &Row) -> String {
    let time = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), shown);
    format!(
        "{} {} | {} | {} | {} | {} |",
        numbers(&row.count),
        thousands(row.count.untold),
        time(row.times.within(0.5)),
        time(row.times.within(0.99)),
        shown(row.times.longest()),
        row.not_mended
    )
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// `12,345`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
