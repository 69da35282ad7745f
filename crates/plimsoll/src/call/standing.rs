//! Asks one server what it is: its role, its timeline, how far its log is, and to which cluster it belongs.
//!
//! One text serves for either role, because roles change. On a standby the timeline is the newest that it is known to be
//! on: the one that it receives, which the server shows only to a member of `pg_read_all_stats`, or the one of its last
//! restart point, which anybody may ask for. A standby of which only the latter is known counts as one of the old timeline
//! after a failover until its next restart point, and is not read from in that time.

use super::statement::executor::Executor;
use crate::error::{Phase, Result};
use crate::lsn::Lsn;
use crate::rules::outcome::Scope;
use crate::token::Timeline;
use tokio_postgres::SimpleQueryMessage;

/// Nothing in it fails on a server of the other role, unless the role changes in that very moment.
pub(crate) const ASK: &str = "SELECT r.r, CASE WHEN r.r THEN pg_catalog.pg_last_wal_replay_lsn() \
     ELSE pg_catalog.pg_current_wal_flush_lsn() END::text, \
     CASE WHEN r.r THEN pg_catalog.to_hex(greatest(c.timeline_id, m.min_recovery_end_timeline, \
       (SELECT w.received_tli FROM pg_catalog.pg_stat_wal_receiver AS w))) \
     ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END, \
     s.system_identifier::text, pg_catalog.current_setting('wal_block_size') \
     FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) AS r, pg_catalog.pg_control_checkpoint() AS c, \
       pg_catalog.pg_control_recovery() AS m, pg_catalog.pg_control_system() AS s";

/// The same for a server that has told on this connection that it is a primary, without what is in the control file: that
/// is locked while a checkpoint writes it, and the heartbeat must not wait for a slow disk. The cluster is left empty, and
/// so is the timeline of a server that has become a standby.
pub(crate) const ASK_PRIMARY: &str = "SELECT r.r, CASE WHEN r.r THEN pg_catalog.pg_last_wal_replay_lsn() \
     ELSE pg_catalog.pg_current_wal_flush_lsn() END::text, \
     CASE WHEN r.r THEN '0' \
     ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END, \
     '', pg_catalog.current_setting('wal_block_size') \
     FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) AS r";

/// What a server told of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) is_standby: bool,
    /// On a standby how far it has replayed the log, else how far the log is flushed.
    pub(crate) lsn: Lsn,
    pub(crate) timeline: Timeline,
    /// The number that a cluster was given when it was made; all its standbys have it too.
    pub(crate) system: String,
    /// The size of the pages of its log.
    pub(crate) page: u64,
}

impl Told {
    /// Reads the answer; none if a part of it is missing, as the place of a standby that has replayed nothing yet.
    pub(crate) fn read(answer: &[SimpleQueryMessage]) -> Option<Self> {
        answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let text = |column| row.try_get(column).ok().flatten();
                Self::of([text(0)?, text(1)?, text(2)?, text(3)?, text(4)?])
            }
            _ => None,
        })
    }

    fn of([role, lsn, timeline, system, page]: [&str; 5]) -> Option<Self> {
        Some(Told {
            is_standby: role == "t",
            lsn: Lsn::read(lsn)?,
            timeline: Timeline::read(timeline)?,
            system: system.to_owned(),
            page: page.parse().ok()?,
        })
    }
}

impl Executor<'_> {
    /// Asks the server of this connection, on which nothing else runs.
    pub(crate) async fn standing(&self) -> Result<Option<Told>> {
        let alone = self.at(Scope::Autocommit);
        let answer = alone.run(Phase::Acquire, self.connection.client.simple_query(ASK)).await?;
        Ok(Told::read(&answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let told = Told::of(["t", "0/3000148", "1", "7577", "8192"]).unwrap();
        assert_eq!((told.is_standby, told.timeline, told.page), (true, Timeline(1), 8_192));
        assert!(!Told::of(["f", "0/3000148", "0000001F", "7577", "8192"]).unwrap().is_standby);
        assert_eq!(Told::of(["f", "0/3000148", "0000001F", "7577", "8192"]).unwrap().timeline, Timeline(31));
        assert_eq!(Told::of(["t", "", "1", "7577", "8192"]), None);
        assert_eq!(Told::of(["t", "0/1", "x", "7577", "8192"]), None);
        assert_eq!(Told::of(["t", "0/1", "1", "7577", ""]), None);
    }
}
