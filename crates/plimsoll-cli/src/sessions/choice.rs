//! The options that say which sessions are meant.

use clap::Args;
use plimsoll::settings::Limit;
use plimsoll_inspect::sessions::Choice;
use std::time::Duration;

/// Which sessions are meant. All that is said has to fit.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Meant {
    /// These process ids
    #[arg(value_name = "PID")]
    pids: Vec<i32>,

    /// The application's name; * stands for any characters
    #[arg(long, value_name = "NAME")]
    application: Option<String>,

    /// The role; * stands for any characters
    #[arg(long, value_name = "ROLE")]
    user: Option<String>,

    /// The statement holds this text, whatever the case of its letters
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,

    /// What they do has gone on for at least so long: 30s, 5min, 1h
    #[arg(long, value_name = "TIME", value_parser = time)]
    older_than: Option<Duration>,

    /// They stand still in a transaction
    #[arg(long)]
    idle_in_transaction: bool,

    /// Others wait for them, and they wait for no session
    #[arg(long)]
    blocking: bool,
}

impl Meant {
    pub(super) fn choice(&self) -> Choice {
        let Meant { pids, application, user, query, older_than, idle_in_transaction, blocking } =
            self.clone();
        Choice { pids, application, user, query, older_than, idle_in_transaction, blocking }
    }
}

/// A pause between two looks: `1s`.
pub(crate) fn pause(text: &str) -> Result<Duration, String> {
    match time(text)? {
        short if short < Duration::from_millis(10) => Err("10ms is the shortest".to_owned()),
        pause => Ok(pause),
    }
}

/// `30s`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match Limit::parse(text) {
        Some(Limit::After(time)) => Ok(time),
        _ => Err("write it with its unit: 500ms, 30s, 5min, 1h".to_owned()),
    }
}
