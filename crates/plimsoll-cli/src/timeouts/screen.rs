//! The limits as text, within 80 columns as long as the names are: a bar for each on an axis of time on which 1 s and 10 s are as
//! far apart as 10 s and 100 s.

use super::{Found, shown};
use anstyle::{AnsiColor, Style};
use plimsoll_inspect::layers::{Inversion, Limit, in_words};
use std::fmt::Write;

/// How many characters the longest bar has.
const BAR: usize = 16;

const WRONG: Style = AnsiColor::Red.on_default().bold();
const MISSING: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();

pub(super) fn text(found: &Found) -> String {
    let mut text = String::new();
    let name_width = found.limits.iter().map(|limit| limit.name.len()).max().unwrap_or(0);
    let _ = writeln!(text, "{HEAD}Who gives up, and after how long (from the client in){HEAD:#}\n");
    let mut layer = None;
    for limit in &found.limits {
        let shown_layer = if layer == Some(limit.layer) { "" } else { limit.layer.as_str() };
        layer = Some(limit.layer);
        let (style, mark) = match () {
            () if found.inversions.iter().any(|it| it.inner == *limit) => (WRONG, '!'),
            () if found.missing.iter().any(|it| it.limit == *limit) => (MISSING, '?'),
            () => (Style::new(), ' '),
        };
        let bar = bar(found, limit);
        let _ = writeln!(
            text,
            "{shown_layer:11} {style}{mark} {:name_width$} {:>7}  {bar:BAR$}{style:#} {}",
            limit.name,
            shown(limit),
            limit.place
        );
    }
    if found.limits.is_empty() {
        text.push_str("No limit is set in what was given.\n");
    }
    say(
        &mut text,
        "Out of order (!): the inner one has to be shorter",
        found.inversions.iter().map(sentence),
    );
    if found.role_is_superuser {
        text.push_str(&of_superuser(found));
    }
    let off = found.missing.iter().map(|it| format!("{} ({}): {}", it.limit.name, it.limit.place, it.why));
    say(&mut text, "Off, and needed (?)", off);
    let set = found.corrected.iter().map(|it| {
        format!("{}  -- {} instead of {}", it.as_written(&found.whose()), in_words(it.to), shown(&it.limit))
    });
    say(&mut text, "With these, every limit lies inside the one around it", set);
    say(&mut text, "Not read", found.notes.iter().cloned());
    if found.inversions.is_empty() && found.missing.is_empty() && !found.limits.is_empty() {
        text.push_str("\nEvery limit that was found lies inside the one around it.\n");
    }
    text
}

/// No limit of a superuser is worth setting: give the application a role of its own.
fn of_superuser(found: &Found) -> String {
    let role = &found.role;
    let others = match found.other_roles.as_slice() {
        [] => "there is none yet".to_owned(),
        some => some.join(", "),
    };
    format!(
        "\n{HEAD}Role {role} is a superuser{HEAD:#}\n  No application should log in as one: it may do everything, and take back every \
         limit.\n  Make a role for it: plimsoll apply --profile roles --role NAME\n  and ask for that: plimsoll timeouts --role \
         NAME   (roles that log in and are no superuser: {others})\n"
    )
}

fn say(text: &mut String, head: &str, lines: impl Iterator<Item = String>) {
    for (nth, line) in lines.enumerate() {
        if nth == 0 {
            let _ = writeln!(text, "\n{HEAD}{head}{HEAD:#}");
        }
        let _ = writeln!(text, "  {line}");
    }
}

/// What is wrong with two limits.
pub(super) fn sentence(it: &Inversion) -> String {
    format!(
        "{} {} ({}) is not shorter than {} {} ({}): {}",
        it.inner.name,
        shown(&it.inner),
        it.inner.place,
        it.outer.name,
        shown(&it.outer),
        it.outer.place,
        it.why
    )
}

fn bar(found: &Found, limit: &Limit) -> String {
    let Some(after) = limit.after else { return "· · ·".to_owned() };
    let all = || found.limits.iter().filter_map(|limit| limit.after).map(|after| after.as_secs_f64());
    let (least, most) = (all().fold(f64::MAX, f64::min).max(0.001), all().fold(0.0, f64::max).max(0.002));
    let share =
        if most > least { (after.as_secs_f64().max(least) / least).ln() / (most / least).ln() } else { 1.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the length of a bar"
    )]
    let cells = 1 + (share.clamp(0.0, 1.0) * 15.0).round() as usize;
    "▇".repeat(cells)
}
