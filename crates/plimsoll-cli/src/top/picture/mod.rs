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
use std::time::Duration;

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

/// The same without keys and without an end, for a pipe.
pub(super) fn whole(state: &State, columns: usize, now: Timestamp) -> Vec<Line> {
    let mut lines = head::head(state, columns, now);
    lines.extend(head::services(state, columns, now));
    lines.extend(blocking::tree_lines(state, columns, usize::MAX));
    lines.extend(list::all(state, columns));
    lines.push(Line::of(shown(state), Tone::Dim));
    lines
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

/// A time span in at most six columns.
fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{}ms", span.as_millis()),
        1..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}h{:02}", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}", (seconds / 86_400).min(999), seconds % 86_400 / 3600),
    }
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
    fn a_span_takes_at_most_six_columns() {
        for (seconds, expected) in
            [(0, "0ms"), (59, "59s"), (185, "3m05"), (8040, "2h14"), (270_000, "3d03"), (u64::MAX, "999d07")]
        {
            assert_eq!(short(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_service_on_plimsoll_is_shown_with_its_work() {
        let name = "orders@web-3:4711 #3fa9c0d2 nightly report";
        assert_eq!(who(name, true), "orders@web-3:4711 nightly report");
        assert_eq!(who(name, false), "orders nightly report");
        assert_eq!(who("psql", false), "psql");
    }
}
