//! Which colour means what. Each also stands beside a word that says the same, so that nothing is told by colour alone.

use anstyle::{AnsiColor, Style};
use plimsoll_inspect::checks::State;

/// A heading.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What can be run.
pub(crate) const CODE: Style = AnsiColor::Cyan.on_default();

/// A text in this style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a state.
pub(crate) fn of(state: State) -> Style {
    match state {
        State::Crit => AnsiColor::Red.on_default().bold(),
        State::Warn => AnsiColor::Yellow.on_default().bold(),
        State::Skipped => DIM,
        State::Info => AnsiColor::Blue.on_default().bold(),
        State::Ok => AnsiColor::Green.on_default(),
    }
}
