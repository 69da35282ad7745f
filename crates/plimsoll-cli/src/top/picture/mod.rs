//! The screen as lines, for a terminal of any size and for a pipe. Pure.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | what stands where |
//! | [`head`] | the server and the services, in a few lines |
//! | [`list`] | the sessions, a row each |
//! | [`blocking`] | who waits for whom |
//! | [`session`] | all of one session; what is lost if it is stopped |
//! | [`line`] | a line, and how a text is made to fit |

mod blocking;
mod head;
pub(super) mod line;
mod list;
mod session;

use super::state::{Mode, State};
use jiff::Timestamp;
use line::{Line, Tone, fit};
use plimsoll::session_name::SessionName;

/// From so many columns on the texts are longer.
const WIDE: usize = 120;

/// The screen, in exactly so many lines.
pub(super) fn picture(state: &State, columns: usize, rows: usize, now: Timestamp) -> Vec<Line> {
    let mut lines = head::head(state, columns, now);
    let below = [foot(state, columns, now), keys(state, columns)];
    let room = rows.saturating_sub(lines.len() + below.len());
    match &state.mode {
        Mode::Detail(session) => lines.extend(session::detail(state, session, columns, room)),
        Mode::Confirm(order) => lines.extend(session::confirm(state, order, columns)),
        Mode::List | Mode::Filter(_) => {
            lines.extend(head::services(state, columns, now));
            lines.extend(blocking::tree_lines(state, columns, (rows / 3).max(3)));
            let room = rows.saturating_sub(lines.len() + below.len());
            lines.extend(list::rows(state, columns, room));
        }
    }
    lines.resize(rows.saturating_sub(below.len()), Line::default());
    lines.extend(below);
    lines.truncate(rows);
    lines
}

/// Of a pipe no line is cut that says what is wrong: it goes on on the next one.
const NOT_CUT: usize = 4_096;

/// The same without keys and without an end, for a pipe.
pub(super) fn whole(state: &State, columns: usize, now: Timestamp) -> Vec<Line> {
    let mut lines: Vec<Line> = head::head(state, columns, now)
        .into_iter()
        .chain(head::services(state, NOT_CUT, now))
        .flat_map(|line| in_lines(line, columns))
        .collect();
    lines.extend(blocking::tree_lines(state, columns, usize::MAX));
    lines.extend(list::all(state, columns));
    lines.push(Line::of(shown(state), Tone::Dim));
    lines
}

/// A line that fits stays as it is; another one is broken between words.
fn in_lines(line: Line, columns: usize) -> Vec<Line> {
    let text = line.text();
    if text.chars().count() <= columns {
        return vec![line];
    }
    let tone = line.0.first().map_or(Tone::Plain, |(_, tone)| *tone);
    let indent = "    ";
    let parts = line::wrap(&text, columns.saturating_sub(indent.len()), usize::MAX).into_iter();
    let part = |(nth, part): (usize, String)| {
        Line::of(if nth == 0 { part } else { format!("{indent}{part}") }, tone)
    };
    parts.enumerate().map(part).collect()
}

/// What is written, a word on what was done, or which sessions are shown.
fn foot(state: &State, columns: usize, now: Timestamp) -> Line {
    let shown = shown(state);
    if matches!(state.mode, Mode::Filter(_)) {
        return Line::of(fit(&format!("filter: {}_   {shown}", state.filter), columns), Tone::Strong);
    }
    match state.notice(now) {
        Some(notice) => Line::of(fit(notice, columns), Tone::Strong),
        None => Line::of(fit(&shown, columns), Tone::Dim),
    }
}

/// How many of the sessions are shown, and why not all.
fn shown(state: &State) -> String {
    let all = state.look.as_ref().map_or(0, |look| look.what.sessions.sessions.len());
    let shown = state.rows().len();
    let with = if state.filter.is_empty() { String::new() } else { format!(" with \"{}\"", state.filter) };
    let hidden = if state.hides_idle { " without idle ones" } else { "" };
    format!("{shown} of {all} sessions{with}{hidden}, by {}", state.sort.as_str())
}

fn keys(state: &State, columns: usize) -> Line {
    let keys = match &state.mode {
        Mode::List => {
            "a age  w wait  u user  / filter  i idle  space pause  enter all  c cancel  t end  q quit"
        }
        Mode::Filter(_) => "enter keep  esc take back",
        Mode::Detail(_) => "esc back  c cancel its statement  t end the session  space pause  q quit",
        Mode::Confirm(_) => "y yes, do it    any other key: leave it alone",
    };
    // On 80 columns without what the screen says elsewhere.
    let keys = if columns < WIDE && state.mode == Mode::List {
        "a age w wait u user  / filter  i idle  space pause  enter  c cancel t end  q"
    } else {
        keys
    };
    Line::of(fit(keys, columns), Tone::Head)
}

/// Who works in a session: the program with its work where a service on Plimsoll says so, or the application's name.
fn who(application_name: &str, is_wide: bool) -> String {
    match SessionName::parse(application_name) {
        Some(name) if is_wide => format!("{} {}", name.instance, name.work),
        Some(name) => format!("{} {}", name.instance.split('@').next().unwrap_or_default(), name.work),
        None => application_name.to_owned(),
    }
}

/// What a session does, in a word.
fn state_word(state: Option<&str>, is_backend: bool) -> &'static str {
    match state {
        Some("active") => "active",
        Some("idle") => "idle",
        Some("idle in transaction") => "in tx",
        Some("idle in transaction (aborted)") => "failed",
        Some("fastpath function call") => "call",
        Some("disabled") => "?",
        Some(_) => "other",
        None if is_backend => "-",
        None => "hidden",
    }
}

/// `10:02:11 UTC`
fn clock(at: Timestamp) -> String {
    format!("{} UTC", at.strftime("%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_on_plimsoll_is_shown_with_its_work() {
        let name = "orders@web-3:4711 #3fa9c0d2 nightly report";
        assert_eq!(who(name, true), "orders@web-3:4711 nightly report");
        assert_eq!(who(name, false), "orders nightly report");
        assert_eq!(who("psql", false), "psql");
    }
}
