//! The sessions, a row each.

use super::line::{Line, Tone, clean, fit};
use super::{WIDE, state_word, who};
use crate::top::rows::waits_now;
use crate::top::state::State;
use plimsoll_inspect::sessions::Session;
use plimsoll_inspect::span::narrow;

/// The columns of the list and how wide they are; the statement has the rest.
struct Columns {
    is_wide: bool,
    user: usize,
    application: usize,
    wait: usize,
    statement: usize,
}

impl Columns {
    fn of(columns: usize) -> Self {
        let is_wide = columns >= WIDE;
        let (user, application, wait) = if is_wide { (14, 34, 26) } else { (8, 16, 12) };
        // With the process id, the age, the state, and a space behind each.
        let taken = 8 + 7 + (user + 1) + (application + 1) + 7 + (wait + 1);
        Columns { is_wide, user, application, wait, statement: columns.saturating_sub(taken).max(8) }
    }

    fn row(&self, texts: [&str; 7]) -> String {
        let [pid, age, user, application, state, wait, statement] = texts;
        [
            format!("{pid:>7}"),
            format!("{age:>6}"),
            fit(user, self.user),
            fit(application, self.application),
            fit(state, 6),
            fit(wait, self.wait),
            fit(statement, self.statement),
        ]
        .join(" ")
    }
}

/// The rows around the cursor, as many as there is room for.
pub(super) fn rows(state: &State, columns: usize, room: usize) -> Vec<Line> {
    let all = state.rows();
    let room = room.saturating_sub(1);
    // The cursor stays in sight.
    let from = state.cursor.saturating_sub(room.saturating_sub(1)).min(all.len().saturating_sub(room));
    let widths = Columns::of(columns);
    let mut lines = vec![header(&widths)];
    for (index, session) in all.into_iter().enumerate().skip(from).take(room) {
        lines.push(Line::of(row(&widths, session), tone(session, index == state.cursor)));
    }
    lines
}

/// All of them, without a cursor.
pub(super) fn all(state: &State, columns: usize) -> Vec<Line> {
    let all = state.rows();
    let widths = Columns::of(columns);
    let mut lines = vec![header(&widths)];
    lines.extend(all.into_iter().map(|session| Line::of(row(&widths, session), tone(session, false))));
    lines
}

fn header(widths: &Columns) -> Line {
    let names = ["PID", "AGE", "USER", "APPLICATION", "STATE", "WAITS FOR", "STATEMENT"];
    Line::of(widths.row(names), Tone::Head)
}

fn tone(session: &Session, is_chosen: bool) -> Tone {
    match () {
        () if is_chosen => Tone::Chosen,
        () if !session.blockers.is_empty() => Tone::Bad,
        () if session.is_idle_in_transaction() => Tone::Warn,
        () if session.is_active() => Tone::Plain,
        () => Tone::Dim,
    }
}

fn row(widths: &Columns, session: &Session) -> String {
    let age = session.age().or(session.state_for).map_or("-".to_owned(), narrow);
    let application = match (session.application_name.as_str(), session.kind.as_deref()) {
        ("", Some(kind)) if kind != "client backend" => kind.to_owned(),
        (name, _) => who(name, widths.is_wide),
    };
    let state = state_word(session.state.as_deref(), session.kind.is_some());
    let wait = wait(session, widths.is_wide);
    let statement = clean(session.query.as_deref().unwrap_or_default());
    widths.row([
        &session.pid.to_string(),
        &age,
        session.user.as_deref().unwrap_or("-"),
        &application,
        state,
        &wait,
        &statement,
    ])
}

/// For whom it waits, or for what.
fn wait(session: &Session, is_wide: bool) -> String {
    let event = waits_now(session).unwrap_or_default();
    let short_event = event.rsplit('/').next().unwrap_or_default();
    match (session.blockers.first(), session.blockers.len()) {
        (Some(pid), count) => {
            let of = if *pid == 0 { "prepared".to_owned() } else { pid.to_string() };
            let more = if count > 1 { format!(" +{}", count - 1) } else { String::new() };
            let event = if event.is_empty() { "Lock" } else { event };
            if is_wide { format!("{event} of {of}{more}") } else { format!("{of}{more}") }
        }
        (None, _) => (if is_wide { event } else { short_event }).to_owned(),
    }
}
