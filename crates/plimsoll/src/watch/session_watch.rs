//! Watches two more things on the heartbeat's connection: whether the schema has changed, and, behind a transaction pooler,
//! whether other clients leave anything in the server's sessions.
//!
//! *The catalog.* Every change of a table's columns or of a type changes rows of `pg_attribute`, `pg_type` or `pg_enum`,
//! and the server counts those changes. The counts are read once a second, which costs the server a tenth of a millisecond.
//! When they have changed, what is known of statements is forgotten. Each session reports its counts shortly after its
//! transaction, at the latest ten seconds later. Temporary tables change them too: if they change at each reading, they are
//! read less and less often, down to every 32 s. PostgreSQL 14 keeps them in a file that is slow to read, so there only
//! `statement_expiry` applies.
//!
//! *The canary.* What another client of the same login has left in a session shows on the heartbeat's connection as well.

use crate::call::server::Server;
use crate::event::Event;
use crate::wire::stated::CANARY;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

/// The first version that keeps its counts in memory.
const HAS_QUICK_COUNTS: u32 = 150_000;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// After this many readings without a finding a pooler's sessions count as clean: each reading sees one of them.
const CLEAN_AFTER: u32 = 30;

/// How many rows of `pg_attribute`, `pg_type` and `pg_enum` have been inserted, updated and deleted. By object id, since
/// those three tables have fixed ids.
const COUNTS: &str = "SELECT pg_catalog.pg_stat_get_tuples_inserted(c), pg_catalog.pg_stat_get_tuples_updated(c), \
     pg_catalog.pg_stat_get_tuples_deleted(c) FROM pg_catalog.unnest(ARRAY[1249, 1247, 3501]::pg_catalog.oid[]) AS c";

/// The last readings, and when the next is due.
pub(crate) struct SessionWatch {
    counts: Option<Vec<String>>,
    next_at: Instant,
    pause: Duration,
    expires_at: Option<Instant>,
    clean_looks: u32,
}

impl SessionWatch {
    pub(crate) fn new(now: Instant) -> Self {
        SessionWatch { counts: None, next_at: now, pause: SHORTEST_PAUSE, expires_at: None, clean_looks: 0 }
    }

    /// Forgets what is known of statements once it is older than `statement_expiry`.
    pub(crate) fn expire(&mut self, now: Instant, server: &Server) {
        let Some(span) = server.plan.statement_expiry() else { return };
        match self.expires_at {
            Some(at) if now < at => return,
            Some(_) => server.statements.outdate(),
            None => {}
        }
        self.expires_at = Some(now + span);
    }

    /// The question that is due now, if one is.
    pub(crate) fn question(&mut self, now: Instant, version: u32, is_pooled: bool) -> Option<String> {
        if now < self.next_at {
            return None;
        }
        self.next_at = now + if is_pooled { SHORTEST_PAUSE } else { self.pause };
        match (version >= HAS_QUICK_COUNTS, is_pooled) {
            (true, false) => Some(COUNTS.to_owned()),
            (true, true) => Some(format!("{COUNTS}; {CANARY}")),
            (false, true) => Some(format!("SELECT; {CANARY}")),
            (false, false) => None,
        }
    }

    /// Reads the answer.
    pub(crate) fn answered(&mut self, answer: &[SimpleQueryMessage], server: &Server) {
        let mut parts = answer.split(|message| matches!(message, SimpleQueryMessage::CommandComplete(_)));
        let counts = rows(parts.next().unwrap_or_default());
        if !counts.is_empty() {
            self.counted(counts, server);
        }
        if let Some(left) = parts.next().filter(|_| answer_has_canary(answer)) {
            self.saw(&rows(left), server);
        }
    }

    fn counted(&mut self, counts: Vec<String>, server: &Server) {
        self.pause = match &self.counts {
            Some(before) if *before == counts => SHORTEST_PAUSE,
            Some(_) => (self.pause * 2).min(LONGEST_PAUSE),
            None => SHORTEST_PAUSE,
        };
        // The first reading does not show whether anything has changed before it.
        if self.counts.as_ref() != Some(&counts) {
            server.statements.outdate();
        }
        self.counts = Some(counts);
    }

    fn saw(&mut self, left: &[String], server: &Server) {
        let mut pollution = server.observed.pollution.lock();
        if left.is_empty() {
            self.clean_looks = self.clean_looks.saturating_add(1);
            if self.clean_looks >= CLEAN_AFTER {
                *pollution = None;
            }
            return;
        }
        self.clean_looks = 0;
        let found = left.join(", ");
        if pollution.as_ref() != Some(&found) {
            server.events.tell(Event::SessionsPolluted { found: found.clone() });
        }
        *pollution = Some(found);
    }
}

/// Whether there are two answers, of which the second is the canary's.
fn answer_has_canary(answer: &[SimpleQueryMessage]) -> bool {
    answer.iter().filter(|message| matches!(message, SimpleQueryMessage::CommandComplete(_))).count() > 1
}

/// Each row as text.
fn rows(messages: &[SimpleQueryMessage]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).filter_map(|column| row.get(column)).collect::<Vec<_>>().join(" "))
            }
            _ => None,
        })
        .collect()
}
