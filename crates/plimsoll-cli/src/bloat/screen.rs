//! What was found as text, within 80 columns.

use super::{Found, Relation, State};
use crate::show::{folded, folded_sql, without_control};
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

const HEAD: Style = Style::new().bold();
const CRIT: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();

pub(super) fn text(found: &Found, limit: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{HEAD}What a rewrite would give back in database {}{HEAD:#}\n",
        without_control(&found.database)
    );
    let shown: Vec<&Relation> = found.relations.iter().take(limit).collect();
    if shown.is_empty() {
        text.push_str("There is no table or index of any size.\n");
    } else {
        let _ = writeln!(text, "{HEAD}       size       waste      %{HEAD:#}");
    }
    let mut methods: Vec<&str> = Vec::new();
    for relation in &shown {
        line(&mut text, relation, &mut methods);
    }
    if found.relations.len() > shown.len() {
        let _ = writeln!(text, "{} more (--limit, --json)", found.relations.len() - shown.len());
    }
    text.push('\n');
    for (nth, method) in methods.iter().enumerate() {
        let _ = writeln!(text, "  {}  {}", nth + 1, folded(method, 5, 5));
    }
    rebuilds(&mut text, found, limit);
    for (nth, why) in found.unknown.iter().enumerate() {
        if nth == 0 {
            let _ = writeln!(text, "\n{HEAD}Not known{HEAD:#}");
        }
        let _ = writeln!(text, "  {}", folded(why, 2, 4));
    }
    let of_indexes = match found.warn_percent_of_indexes {
        same if same == found.warn_percent => String::new(),
        percent => format!(" ({percent} % of an index)"),
    };
    let limits = format!(
        "A warning (!) is more than {} %{of_indexes} and {} MB of waste, trouble (!!) more than {} % and {} MB.",
        found.warn_percent, found.warn_mb, found.crit_percent, found.crit_mb
    );
    let _ = writeln!(text, "\n{}", folded(&limits, 0, 0));
    if found.is_interrupted {
        text.push_str("It was interrupted: the rest was not counted.\n");
    }
    text
}

fn line<'a>(text: &mut String, relation: &'a Relation, methods: &mut Vec<&'a str>) {
    let (style, mark) = match relation.state {
        State::Crit => (CRIT, "!!"),
        State::Warn => (WARN, "! "),
        State::Unknown => (Style::new(), "? "),
        State::Ok => (Style::new(), "  "),
    };
    let method = match relation.wasted_bytes {
        None => " ".to_owned(),
        Some(_) => {
            let nth = methods.iter().position(|known| *known == relation.method).unwrap_or(methods.len());
            if nth == methods.len() {
                methods.push(relation.method);
            }
            (nth + 1).to_string()
        }
    };
    let least = if relation.is_least { ">" } else { "" };
    let wasted = relation.wasted_bytes.map_or("?".to_owned(), |bytes| format!("{least}{}", size(bytes)));
    let percent = relation.wasted_percent.map_or("?".to_owned(), |share| format!("{share:.0}"));
    let name = match relation.kind {
        "toast" => format!("TOAST of {}", relation.table),
        kind => format!("{kind} {}", relation.name),
    };
    let _ = writeln!(
        text,
        "{style}{mark} {:>8} {wasted:>11} {percent:>6}  {method} {}{style:#}",
        size(relation.bytes),
        without_control(&name)
    );
    if let Some(dead) = relation.dead_rows.filter(|dead| *dead > 0.0) {
        let _ = writeln!(text, "     {dead:.0} dead rows are counted in, which a plain VACUUM removes");
    }
    if let Some(why) = &relation.why_not {
        let _ = writeln!(text, "     {}", folded(why, 5, 5));
        if let (Some(run), true) = (&relation.run, relation.state < State::Warn) {
            let _ = writeln!(text, "     {};", folded_sql(run, 5, 7));
        }
    }
}

fn rebuilds(text: &mut String, found: &Found, limit: usize) {
    let above = || found.relations.iter().filter(|relation| relation.state >= State::Warn).take(limit);
    if above().next().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{HEAD}What rebuilds it{HEAD:#}");
    let mut done: Vec<&str> = Vec::new();
    for run in above().filter_map(|relation| relation.run.as_deref()) {
        // A table and its TOAST table are rewritten together.
        if !done.contains(&run) {
            done.push(run);
            let _ = writeln!(text, "  {};", folded_sql(run, 2, 4));
        }
    }
    if above().any(|relation| relation.kind == "index") {
        let note = "REINDEX INDEX CONCURRENTLY lets reading and writing go on (SHARE UPDATE EXCLUSIVE), needs the room of a second \
                    index, and waits for the transactions that are open. One that was stopped leaves an index named _ccnew: drop it.";
        let _ = writeln!(text, "  {}", folded(&format!("-- {note}"), 2, 5));
    }
    if above().any(|relation| relation.kind != "index") {
        let note = "VACUUM FULL holds an ACCESS EXCLUSIVE lock until it is done: no reading, no writing, and room for a second copy. \
                    pg_repack does the same with a lock of moments, where it is installed.";
        let _ = writeln!(text, "  {}", folded(&format!("-- {note}"), 2, 5));
    }
}

/// Bytes as they are said: `312 kB`, `1.4 GB`.
pub(super) fn size(bytes: f64) -> String {
    const STEP: f64 = 1_024.0;
    match bytes {
        small if small < STEP * STEP => format!("{:.0} kB", small / STEP),
        middle if middle < STEP * STEP * STEP => format!("{:.0} MB", middle / STEP / STEP),
        large => format!("{:.1} GB", large / STEP / STEP / STEP),
    }
}
