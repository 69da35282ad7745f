//! What was found as text, within 80 columns.

use super::{Found, State};
use crate::show::{ago, folded, folded_sql, without_control};
use anstyle::{AnsiColor, Style};
use plimsoll_inspect::checks::Remedy;
use plimsoll_inspect::upkeep::Work;
use std::fmt::Write;
use std::time::Duration;

const HEAD: Style = Style::new().bold();
const DUE: Style = AnsiColor::Yellow.on_default();

/// The columns that a name has beside the numbers.
const NAME: usize = 30;

pub(super) fn text(found: &Found, limit: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{HEAD}Autovacuum in database {}{HEAD:#}", without_control(&found.database));
    let _ = writeln!(text, "PostgreSQL {}\n", found.version);
    if found.is_off == Some(true) {
        let off = "Autovacuum is off for the whole server (autovacuum, track_counts): what is due below is left undone.";
        let _ = writeln!(text, "{DUE}{}{DUE:#}\n", folded(off, 0, 0));
    }
    tables(&mut text, found, limit);
    say(&mut text, "Options that fit these tables better", limit, &found.advice, |advice| {
        let why = format!("{}: {}", advice.table, advice.why.join("; "));
        format!(
            "  {}\n    {};\n    undo: {};\n",
            folded(&why, 2, 2),
            folded_sql(&advice.run, 4, 6),
            folded_sql(&advice.undo, 10, 6)
        )
    });
    say(&mut text, "Statistics to renew", limit, &found.analyze, |renewal| {
        let why = format!("-- {}", renewal.why);
        format!("  {};\n    {}\n", folded_sql(&renewal.run, 2, 4), folded(&why, 4, 7))
    });
    say(&mut text, "What holds dead rows back, the oldest first", limit.min(5), &found.holders, |held| {
        let mark = if held.holder.xids > found.held_warn.cast_signed() { '!' } else { ' ' };
        let what = format!(
            "{mark} {}: {} transactions ({})",
            held.holder.subject(),
            held.holder.xids,
            held.holder.detail
        );
        format!("{}{}\n{}", if mark == '!' { "" } else { "  " }, folded(&what, 2, 2), remedy(&held.remedy))
    });
    say(&mut text, "Under way", limit, &found.under_way, |work| {
        format!("  {}\n", folded(&under_way(work), 2, 4))
    });
    say(&mut text, "Not known", limit, &found.unknown, |why| format!("  {}\n", folded(why, 2, 4)));
    text
}

fn say<T>(text: &mut String, head: &str, limit: usize, all: &[T], line: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{HEAD}{head}{HEAD:#}");
    for one in all.iter().take(limit) {
        text.push_str(&line(one));
    }
    if all.len() > limit {
        let _ = writeln!(text, "  {} more (--limit, --json)", all.len() - limit);
    }
}

fn tables(text: &mut String, found: &Found, limit: usize) {
    if found.tables.is_empty() {
        text.push_str("Nothing was counted of any table since its last vacuum and analyze.\n");
        return;
    }
    let _ = writeln!(
        text,
        "{HEAD}{:NAME$}  {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}{HEAD:#}",
        "table", "dead", "limit", "added", "limit", "changed", "limit"
    );
    for state in found.tables.iter().take(limit) {
        table(text, state);
    }
    if found.tables.len() > limit {
        let _ = writeln!(text, "{} more (--limit, --json)", found.tables.len() - limit);
    }
    let legend = "dead rows, rows added since the last vacuum, rows changed since the last analyze; past one of its limits autovacuum \
                  comes at its next look (!)";
    let _ = writeln!(text, "{}", folded(legend, 0, 0));
}

fn table(text: &mut String, state: &State) {
    let is_due = state.due_vacuum || state.due_analyze;
    let (style, mark) = if is_due { (DUE, '!') } else { (Style::new(), ' ') };
    let toast = if state.is_toast { "TOAST of " } else { "" };
    let name = without_control(&format!("{mark} {toast}{}", state.table));
    // A name that is longer has a line of its own.
    let name = if name.chars().count() > NAME { format!("{name}\n{:NAME$}", "") } else { name };
    let limit = |limit: Option<f32>| limit.map_or("never".to_owned(), count);
    let analyze = |number: String| if state.is_toast { "-".to_owned() } else { number };
    let _ = writeln!(
        text,
        "{style}{name:NAME$}  {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}{style:#}",
        count(state.dead),
        count(state.dead_limit),
        count(state.inserted),
        limit(state.inserted_limit),
        analyze(count(state.modified)),
        analyze(count(state.modified_limit)),
    );
    let _ = writeln!(text, "    {}", folded(&history(state), 4, 4));
}

/// What autovacuum would do, and when it came last.
pub(super) fn history(state: &State) -> String {
    let mut parts = Vec::new();
    let due = match (state.due_vacuum, state.due_analyze) {
        (true, true) => "due now: vacuum and analyze",
        (true, false) => "due now: vacuum",
        (false, true) => "due now: analyze",
        (false, false) => "",
    };
    match (state.is_under_way, due) {
        (true, _) => parts.push("under way now".to_owned()),
        (false, "") => {}
        (false, due) if state.xid_age > state.freeze_max_age => {
            parts.push(format!("{due} (its oldest row is {} transactions old)", count(state.xid_age)));
        }
        (false, due) => parts.push(due.to_owned()),
    }
    if !state.autovacuum_enabled {
        parts.push("autovacuum is off".to_owned());
    }
    parts.push(last("vacuum", state.vacuumed_seconds, state.autovacuumed_seconds));
    if !state.is_toast {
        parts.push(last("analyze", state.analyzed_seconds, state.autoanalyzed_seconds));
    }
    parts.join("; ")
}

fn last(what: &str, any: Option<u64>, automatic: Option<u64>) -> String {
    let at = |seconds| ago(Duration::from_secs(seconds));
    match (any, automatic) {
        (None, _) => format!("no {what} on record"),
        (Some(any), None) => format!("{what} by hand {}, by autovacuum never", at(any)),
        (Some(any), Some(automatic)) if any < automatic => {
            format!("{what} by hand {}, by autovacuum {}", at(any), at(automatic))
        }
        (Some(_), Some(automatic)) => format!("{what} by autovacuum {}", at(automatic)),
    }
}

fn remedy(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Sql { run, .. } => {
            run.iter().map(|sql| format!("      {};\n", folded_sql(sql, 6, 8))).collect()
        }
        Remedy::Advice { text } => format!("      {}\n", folded(text, 6, 6)),
        _ => String::new(),
    }
}

pub(super) fn under_way(work: &Work) -> String {
    let by = match (work.is_automatic, work.is_forced) {
        (true, true) => "by autovacuum, against wraparound: it steps aside for no lock",
        (true, false) => "by autovacuum",
        (false, _) => "by hand",
    };
    let mut parts = vec![format!(
        "{} of {}, pid {}, {by}",
        work.work,
        work.table.as_deref().unwrap_or("a hidden table"),
        work.pid
    )];
    if let Some(seconds) = work.seconds {
        parts.push(format!("for {seconds:.0} s"));
    }
    parts.push(work.phase.clone().unwrap_or_else(|| "what it does is hidden from this role".to_owned()));
    if let Some(percent) = work.percent() {
        let mb = work.total.saturating_mul(work.block_size) / 1_048_576;
        parts.push(format!("{percent:.0} % of {mb} MB read"));
    }
    if let Some((done, total)) = work.indexes {
        parts.push(format!("{done} of {total} indexes"));
    }
    if let Some(rounds) = work.index_rounds.filter(|rounds| *rounds > 1) {
        parts.push(format!("{rounds} rounds of all indexes: raise maintenance_work_mem"));
    }
    if work.waits {
        parts.push("waits for a lock".to_owned());
    }
    parts.join("; ")
}

/// A number of rows in at most seven characters.
pub(super) fn count(rows: f32) -> String {
    match rows {
        few if few < 100_000.0 => format!("{few:.0}"),
        thousands if thousands < 10_000_000.0 => format!("{:.0}k", thousands / 1e3),
        millions if millions < 10e9 => format!("{:.0}M", millions / 1e6),
        more => format!("{:.0}G", more / 1e9),
    }
}
