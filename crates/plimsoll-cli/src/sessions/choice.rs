//! The arguments that say which sessions are meant.

use crate::connect::{Connecting, Target};
use crate::options::time::time;
use anyhow::Result;
use clap::Args;
use plimsoll_inspect::sessions::Choice;
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

/// Which sessions are meant, and of which server. All that is said has to fit.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Meant {
    /// These sessions, by process id; and the server, as with --database
    #[arg(value_name = "PID|URL")]
    words: Vec<Word>,

    #[command(flatten)]
    connecting: Connecting,

    /// The application's name; * stands for any characters
    #[arg(long, value_name = "NAME")]
    application: Option<String>,

    /// The role; * stands for any characters
    #[arg(long, value_name = "ROLE")]
    user: Option<String>,

    /// The statement holds this text, whatever the case of its letters
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,

    /// What they do has gone on for at least so long; `long` lists nothing younger than 1s unless told otherwise
    #[arg(long, value_name = "TIME", value_parser = time)]
    older_than: Option<Duration>,

    /// They stand still in a transaction
    #[arg(long)]
    idle_in_transaction: bool,

    /// Others wait for them, and they wait for no session
    #[arg(long)]
    blocking: bool,
}

/// A number is the process id of a session, everything else is a server.
#[derive(Clone, Debug)]
enum Word {
    Pid(i32),
    Server(String),
}

impl FromStr for Word {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Word::Server(text.to_owned()), Word::Pid))
    }
}

impl Meant {
    pub(super) fn choice(&self) -> Choice {
        let Meant { words, application, user, query, older_than, idle_in_transaction, blocking, .. } =
            self.clone();
        let pids = words.iter().filter_map(|word| match word {
            Word::Pid(pid) => Some(*pid),
            Word::Server(_) => None,
        });
        Choice { pids: pids.collect(), application, user, query, older_than, idle_in_transaction, blocking }
    }

    /// The server.
    ///
    /// # Errors
    /// Several were named.
    pub(super) fn target(&self) -> Result<Target> {
        let servers = self.words.iter().filter_map(|word| match word {
            Word::Server(server) => Some(server.as_str()),
            Word::Pid(_) => None,
        });
        Target::among(servers, &self.connecting, "process ids are numbers")
    }
}
