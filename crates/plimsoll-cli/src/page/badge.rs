//! A state, as a colour and a word: the word tells those who see no colours.

use maud::{Markup, html};
use plimsoll_inspect::checks::State;

/// How something is. The colours are few: what is wrong has the accent, everything else is quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// As it ought to be.
    Well,
    /// Worth knowing.
    Info,
    /// It is not known how it is. It is never shown as well.
    Unknown,
    /// It will make trouble.
    Warn,
    /// It makes trouble.
    Trouble,
    /// Neither well nor wrong: a number.
    Plain,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Well => "well",
            Level::Info => "info",
            Level::Unknown => "unknown",
            Level::Warn => "warn",
            Level::Trouble => "trouble",
            Level::Plain => "plain",
        }
    }

    /// Trouble before warnings, what is not known before what is well.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Level::Trouble => 0,
            Level::Warn => 1,
            Level::Unknown => 2,
            Level::Info => 3,
            Level::Well => 4,
            Level::Plain => 5,
        }
    }
}

impl From<State> for Level {
    fn from(state: State) -> Self {
        match state {
            State::Ok => Level::Well,
            State::Info => Level::Info,
            State::Skipped => Level::Unknown,
            State::Warn => Level::Warn,
            State::Crit => Level::Trouble,
        }
    }
}

/// The word in the colour of the level, with a dot whose shape is the level's too.
#[must_use]
pub fn badge(level: Level, word: &str) -> Markup {
    html! { span.badge data-level=(level.as_str()) { i.dot aria-hidden="true" {} (word) } }
}
