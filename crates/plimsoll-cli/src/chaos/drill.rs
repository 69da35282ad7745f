//! The drills: what each does, how it ends whatever happens, and which promises it is held against.

use super::options::Options;
use clap::ValueEnum;
use plimsoll_inspect::checks::subject::literal;
use plimsoll_inspect::layers::in_words;
use std::time::Duration;

/// A fault that is brought on, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(super) enum Drill {
    /// Statements that take long: one that holds up the writers of --table, or some that compute
    SlowQuery,
    /// ACCESS EXCLUSIVE on --table: everything that touches it waits
    LockPileUp,
    /// Nothing passes between the service and the database, and nothing is closed
    Freeze,
    /// Every connection of the service is reset at once
    Cut,
    /// Every connection that the server has left is taken, except those reserved for operators
    ConnectionExhaustion,
    /// The database is restarted, or is as unreachable as if it were
    Restart,
}

/// How long a session of ours may wait for its lock. Those who come after it wait behind it, so that is short.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How much longer than the fault the server lets a session of ours live.
const MARGIN: Duration = Duration::from_secs(2);

/// What is expected of the service's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// The database answers all the time: the service stays ready.
    Stays,
    /// The database cannot be reached: the service says so, and when it can be again.
    GoesAndComes,
    /// It may go; it comes back.
    Comes,
}

impl Drill {
    /// As it is written on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Drill::SlowQuery => "slow-query",
            Drill::LockPileUp => "lock-pile-up",
            Drill::Freeze => "freeze",
            Drill::Cut => "cut",
            Drill::ConnectionExhaustion => "connection-exhaustion",
            Drill::Restart => "restart",
        }
    }

    /// Whether it is played on the wire.
    pub(super) fn needs_proxy(self, options: &Options) -> bool {
        matches!(self, Drill::Freeze | Drill::Cut)
            || self == Drill::Restart && options.restart_command.is_none()
    }

    /// What it does.
    pub(super) fn does(self, options: &Options) -> String {
        let span = in_words(options.fault_for);
        let table = options.table.as_ref().map(ToString::to_string).unwrap_or_default();
        match self {
            Drill::SlowQuery if options.table.is_some() => format!(
                "a session of its own holds SHARE ROW EXCLUSIVE on {table} for {span} while a slow statement runs: what \
                 writes the table waits, what reads it does not"
            ),
            Drill::SlowQuery => {
                format!("{} sessions of its own compute without a pause for {span}", options.sessions)
            }
            Drill::LockPileUp => format!(
                "a session of its own holds ACCESS EXCLUSIVE on {table} for {span}: what reads or writes the table waits"
            ),
            Drill::Freeze => format!(
                "nothing passes between the service and the database for {span}, and no connection is closed"
            ),
            Drill::Cut => {
                "every connection of the service is reset at once; new ones are carried on".to_owned()
            }
            Drill::ConnectionExhaustion => format!(
                "sessions of its own take every connection that the server has left for {span}, except those reserved for \
                 superusers and operators; other services of this server find none either"
            ),
            Drill::Restart => match &options.restart_command {
                Some(command) => format!("runs `{command}` and waits until the database answers again"),
                None => {
                    format!("every connection of the service is reset, and new ones are refused for {span}")
                }
            },
        }
    }

    /// What ends it, whatever becomes of this command.
    pub(super) fn ends(self, options: &Options) -> String {
        match self {
            Drill::SlowQuery | Drill::LockPileUp => format!(
                "after {}, and at ^C; if this command is killed, the server ends the session within a second \
                 (client_connection_check_interval) and in any case after {} (statement_timeout, \
                 idle_in_transaction_session_timeout)",
                in_words(options.fault_for),
                in_words(self.bound(options))
            ),
            Drill::ConnectionExhaustion => format!(
                "after {}, and at ^C; if this command is killed, the server ends the sessions at once, and in any case after \
                 {} (idle_session_timeout)",
                in_words(options.fault_for),
                in_words(self.bound(options))
            ),
            Drill::Restart if options.restart_command.is_some() => {
                "when the command has ended; what it does is its own matter".to_owned()
            }
            Drill::Freeze | Drill::Cut | Drill::Restart => {
                let when = match self {
                    Drill::Cut => "at once".to_owned(),
                    _ => format!("after {}, and at ^C", in_words(options.fault_for)),
                };
                format!(
                    "{when}; if this command is killed, its proxy is gone with it, and the service has no database until it is \
                     pointed back"
                )
            }
        }
    }

    /// The server ends a session of ours by then.
    pub(super) fn bound(self, options: &Options) -> Duration {
        options.fault_for + MARGIN
    }

    /// What must hold of the service's health.
    pub(super) fn health(self, options: &Options) -> Health {
        match self {
            Drill::SlowQuery | Drill::LockPileUp => Health::Stays,
            Drill::Freeze if options.fault_for > options.unready_within => Health::GoesAndComes,
            Drill::Restart
                if options.restart_command.is_none() && options.fault_for > options.unready_within =>
            {
                Health::GoesAndComes
            }
            _ => Health::Comes,
        }
    }

    /// What a session of its own says to take the fault, one statement after another; the answer means that it is there.
    pub(super) fn takes(self, options: &Options) -> Vec<String> {
        let milliseconds = |span: Duration| span.as_millis();
        let mut limits = vec![
            format!("SET statement_timeout = '{}ms'", milliseconds(self.bound(options))),
            format!("SET idle_in_transaction_session_timeout = '{}ms'", milliseconds(MARGIN)),
            format!("SET lock_timeout = '{}ms'", milliseconds(LOCK_WAIT)),
        ];
        let mode = match self {
            Drill::LockPileUp => "ACCESS EXCLUSIVE",
            Drill::SlowQuery => "SHARE ROW EXCLUSIVE",
            _ => return limits,
        };
        if let Some(table) = &options.table {
            limits.push("BEGIN".to_owned());
            limits.push(format!("LOCK TABLE ONLY {} IN {mode} MODE", table.in_sql()));
        }
        limits
    }

    /// What it says then, and which lasts for as long as the fault does.
    pub(super) fn holds(self, options: &Options) -> String {
        let seconds = options.fault_for.as_secs_f64();
        if self == Drill::SlowQuery && options.table.is_none() {
            let text = format!(
                "DECLARE ends timestamptz := pg_catalog.clock_timestamp() + interval '{seconds} s'; BEGIN \
                 WHILE pg_catalog.clock_timestamp() < ends LOOP PERFORM pg_catalog.md5(i::text) FROM \
                 pg_catalog.generate_series(1, 10000) AS i; END LOOP; END"
            );
            return format!("DO {}", literal(&text));
        }
        format!("SELECT pg_catalog.pg_sleep({seconds})")
    }
}
