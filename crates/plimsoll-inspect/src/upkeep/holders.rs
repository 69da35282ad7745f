//! What keeps vacuum from removing dead rows.
//!
//! A row that was deleted stays until no snapshot can see it any more. Four things keep old snapshots: a transaction, a
//! replication slot, a prepared transaction, and a standby that reports its queries. Each is ended by something else.

use crate::answer::{Row, Unreadable, rows};
use crate::checks::finding::Remedy;
use crate::checks::subject::literal;
use crate::checks::terminate;
use serde::Serialize;
use tokio_postgres::SimpleQueryMessage;

/// Asks what holds dead rows back, the oldest first. The answer is read by [`Holder::read`]. A role without `pg_monitor` does not
/// see the transactions of others.
pub const XMIN_HORIZON: &str = include_str!("../sql/xmin_horizon.sql");

/// Something that keeps an old snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// `transaction`, `slot`, `prepared` or `standby`.
    pub kind: String,
    /// The pid of a session or a standby, or the name of a slot or a prepared transaction.
    pub name: String,
    /// How many transactions ago its snapshot was taken.
    pub xids: i64,
    /// Who it is and what it does.
    pub detail: String,
    /// A session runs a statement; a slot is in use; a prepared transaction belongs to this database.
    pub is_active: bool,
    /// When the session began.
    pub backend_start: String,
    /// Its database.
    pub database: String,
}

impl Holder {
    /// Reads the answer to [`XMIN_HORIZON`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Vec<Self>, Unreadable> {
        rows(answer).filter(|row| row.has("holder_kind")).map(Holder::of).collect()
    }

    pub(crate) fn of(row: Row<'_>) -> Result<Self, Unreadable> {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        Ok(Holder {
            kind: text("holder_kind")?,
            name: text("name")?,
            xids: row.number("xids")?.unwrap_or_default(),
            detail: text("detail")?,
            is_active: row.flag("is_active")?,
            backend_start: text("backend_start")?,
            database: text("database")?,
        })
    }

    /// What it is, as findings name it.
    #[must_use]
    pub fn subject(&self) -> String {
        let name = &self.name;
        match self.kind.as_str() {
            "slot" => format!("replication slot {name}"),
            "prepared" => format!("prepared transaction {name}"),
            "standby" => format!("standby at pid {name}"),
            _ => format!("session {name}"),
        }
    }

    /// Where that is known from.
    pub(crate) fn source(&self) -> &'static str {
        match self.kind.as_str() {
            "slot" => "pg_replication_slots",
            "prepared" => "pg_prepared_xacts",
            "standby" => "pg_stat_replication.backend_xmin",
            _ => "pg_stat_activity.backend_xmin",
        }
    }

    /// What ends it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self.kind.as_str() {
            "slot" => self.of_slot(),
            "prepared" => self.of_prepared(),
            "standby" => Remedy::advice(
                "on the standby, end the oldest query or transaction (pg_stat_activity there), or set hot_standby_feedback = off, at \
                 the price that its queries are cancelled when vacuum removes what they read",
            ),
            _ => terminate(self.name.parse().unwrap_or_default(), &self.backend_start),
        }
    }

    /// A slot that is in use cannot be dropped: what reads from it is behind.
    fn of_slot(&self) -> Remedy {
        if self.is_active {
            Remedy::advice(
                "what reads from this slot is behind: see why it does not confirm (pg_replication_slots.confirmed_flush_lsn), or, for \
                 the slot of a standby, which query runs there or that it has hot_standby_feedback = on",
            )
        } else {
            Remedy::for_good(format!("SELECT pg_catalog.pg_drop_replication_slot({})", literal(&self.name)))
        }
    }

    /// It can be ended only in its own database.
    fn of_prepared(&self) -> Remedy {
        let sql = format!("ROLLBACK PREPARED {}", literal(&self.name));
        if self.is_active {
            Remedy::for_good(sql)
        } else {
            Remedy::advice(format!(
                "in database {}: {sql}, or COMMIT PREPARED if its coordinator said so",
                self.database
            ))
        }
    }
}
