//! Who waits for whom, as a tree below those that hold the others up.

use super::line::{Line, Tone, clean, fit};
use super::{WIDE, state_word, who};
use crate::top::rows::{Branch, tree, waits_now};
use crate::top::state::State;
use plimsoll_inspect::span::narrow;

/// Deeper than this no branch is moved in, so that its text stays on the screen.
const DEEPEST: usize = 8;

/// At most so many lines; none where no session waits.
pub(super) fn tree_lines(state: &State, columns: usize, most: usize) -> Vec<Line> {
    let Some(look) = &state.look else { return Vec::new() };
    let tree = tree(&look.what.sessions);
    if tree.is_empty() {
        return Vec::new();
    }
    let waiting = look.what.sessions.sessions.iter().filter(|it| !it.blockers.is_empty()).count();
    let noun = if waiting == 1 { "session waits" } else { "sessions wait" };
    let title = format!("{waiting} {noun} for another:");
    let mut lines = vec![Line::of(fit(&title, columns), Tone::Bad)];
    let room = most.saturating_sub(1);
    let shown = if tree.len() > room { room.saturating_sub(1) } else { room };
    for branch in tree.iter().take(shown) {
        let tone = if branch.depth == 0 { Tone::Warn } else { Tone::Plain };
        lines.push(Line::of(fit(&text(branch, columns >= WIDE), columns), tone));
    }
    if tree.len() > shown {
        lines.push(Line::of(format!("  and {} more: sort by wait (w)", tree.len() - shown), Tone::Dim));
    }
    lines
}

fn text(branch: &Branch<'_>, is_wide: bool) -> String {
    let indent = "  ".repeat(branch.depth.min(DEEPEST) + 1);
    let holds = match branch.waiters {
        0 => String::new(),
        1 => " holds up 1".to_owned(),
        count => format!(" holds up {count}"),
    };
    let Some(session) = branch.session else {
        let what = if branch.pid == 0 { "a prepared transaction".to_owned() } else { branch.pid.to_string() };
        return format!("{indent}{what}{holds}");
    };
    let age = session.age().map_or(String::new(), |age| format!(" {}", narrow(age)));
    let does = match (session.blockers.is_empty(), waits_now(session)) {
        (false, Some(event)) => format!("waits{age} ({event})"),
        (false, None) => format!("waits{age}"),
        (true, _) => {
            let word = state_word(session.state.as_deref(), session.kind.is_some());
            format!("{}{age}", if word == "in tx" { "idle in its transaction" } else { word })
        }
    };
    let name = who(&session.application_name, is_wide);
    let query = clean(session.query.as_deref().unwrap_or_default());
    format!("{indent}{} {name}{holds}: {does}  {query}", session.pid)
}
