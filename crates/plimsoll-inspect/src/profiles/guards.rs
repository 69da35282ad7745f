//! The settings of the profile `service`: what each is set to, at which level, and why.

use super::level::Level;

/// One setting of a profile.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The setting.
    pub name: &'static str,
    /// What it is set to, as the statement has it.
    pub value: &'static str,
    /// What `SHOW` answers then.
    pub shown: &'static str,
    /// Where it is set, if that may be done there.
    pub level: Level,
    /// Why, in a sentence without its full stop.
    pub why: &'static str,
}

/// The extension that collects which statements take the server's time.
pub const STATEMENTS: &str = "pg_stat_statements";

/// Why it is installed.
pub const WHY_STATEMENTS: &str =
    "without it nothing tells afterwards which statements took the server's time, how often, and since when";

/// What a database that a service works on is told, in the order in which it is done.
pub const SERVICE: &[Guard] = &[
    Guard {
        name: "idle_in_transaction_session_timeout",
        value: "30s",
        shown: "30s",
        level: Level::Database,
        why: "a program that stops inside a transaction keeps its locks, and keeps vacuum from its work, until its session is \
              ended",
    },
    Guard {
        name: "lock_timeout",
        value: "5s",
        shown: "5s",
        level: Level::Database,
        why: "what waits for a lock makes everything behind it wait too; after 5 s it is told that the lock is not to be had",
    },
    Guard {
        name: "idle_in_transaction_session_timeout",
        value: "30s",
        shown: "30s",
        level: Level::RoleInDatabase,
        why: "the application's role keeps its limit whatever is later said for the database or for the role elsewhere",
    },
    Guard {
        name: "log_min_duration_statement",
        value: "1000",
        shown: "1s",
        level: Level::Server,
        why: "statements of more than a second are in the server's log, with their session and their database",
    },
    Guard {
        name: "log_lock_waits",
        value: "on",
        shown: "on",
        level: Level::Server,
        why: "who waited for which lock, and who held it, is in the server's log",
    },
    Guard {
        name: "deadlock_timeout",
        value: "1s",
        shown: "1s",
        level: Level::Server,
        why: "after this time of waiting the server looks for a deadlock and writes the wait into its log; it has to be \
              shorter than lock_timeout, or waits end before they are told of",
    },
];
