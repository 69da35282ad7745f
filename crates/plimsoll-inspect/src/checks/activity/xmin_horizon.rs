//! A06: nothing keeps vacuum from removing dead rows for long.
//!
//! A row that was deleted stays until no snapshot can see it any more. Four things keep old snapshots: a transaction, a
//! replication slot, a prepared transaction, and a standby that reports its queries. Each is ended by something else.

use super::sessions::terminate;
use crate::answer::{Row, Unreadable};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::subject::literal;

const WARN: Threshold = Threshold {
    name: "xmin_age_warn",
    default: 10_000_000.0,
    unit: "xids",
    meaning: "a snapshot that is held back by more transactions is a warning",
};

const CRIT: Threshold = Threshold {
    name: "xmin_age_crit",
    default: 100_000_000.0,
    unit: "xids",
    meaning: "a snapshot that is held back by more transactions makes trouble",
};

pub(super) const A06: Check = Check {
    id: "A06",
    title: "Nothing keeps vacuum from removing dead rows for long",
    why: "while an old snapshot is held vacuum removes nothing that died since: tables and indexes grow, and reads slow down",
    ask: &[include_str!("xmin_horizon.sql")],
    needs_monitor: true,
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let mut found = Vec::new();
        for row in answers.rows().filter(|row| row.has("holder_kind")) {
            found.extend(judge(row, thresholds)?);
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(row: Row<'_>, thresholds: &Thresholds) -> Result<Option<Finding>, Unreadable> {
    let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
    let xids: f64 = row.number("xids")?.unwrap_or_default();
    if xids <= warn {
        return Ok(None);
    }
    let state = if xids > crit { State::Crit } else { State::Warn };
    let (name, detail) = (row.text("name")?.unwrap_or_default(), row.text("detail")?.unwrap_or_default());
    let (subject, source, remedy) = match row.text("holder_kind")?.unwrap_or_default() {
        "slot" => (format!("replication slot {name}"), "pg_replication_slots", of_slot(row, name)?),
        "prepared" => (format!("prepared transaction {name}"), "pg_prepared_xacts", of_prepared(row, name)?),
        "standby" => (format!("standby at pid {name}"), "pg_stat_replication.backend_xmin", of_standby()),
        _ => {
            let since = row.text("backend_start")?.unwrap_or_default();
            let remedy = terminate(row.number("name")?.unwrap_or_default(), since);
            (format!("session {name}"), "pg_stat_activity.backend_xmin", remedy)
        }
    };
    let value = format!("it keeps all that died within the last {xids} transactions ({detail})");
    Ok(Some(
        Finding::new(state, subject, value)
            .source(source)
            .threshold(format!("at most {warn} transactions; {crit} make trouble"))
            .remedy(remedy),
    ))
}

/// A slot that is in use cannot be dropped: what reads from it is behind.
fn of_slot(row: Row<'_>, name: &str) -> Result<Remedy, Unreadable> {
    Ok(if row.flag("is_active")? {
        Remedy::advice(
            "what reads from this slot is behind: see why it does not confirm (pg_replication_slots.confirmed_flush_lsn), or, for the \
             slot of a standby, which query runs there or that it has hot_standby_feedback = on",
        )
    } else {
        Remedy::for_good(format!("SELECT pg_catalog.pg_drop_replication_slot({})", literal(name)))
    })
}

/// It can be ended only in its own database.
fn of_prepared(row: Row<'_>, gid: &str) -> Result<Remedy, Unreadable> {
    let sql = format!("ROLLBACK PREPARED {}", literal(gid));
    Ok(if row.flag("is_active")? {
        Remedy::for_good(sql)
    } else {
        let database = row.text("database")?.unwrap_or_default();
        Remedy::advice(format!(
            "in database {database}: {sql}, or COMMIT PREPARED if its coordinator said so"
        ))
    })
}

fn of_standby() -> Remedy {
    Remedy::advice(
        "on the standby, end the oldest query or transaction (pg_stat_activity there), or set hot_standby_feedback = off, at the price \
         that its queries are cancelled when vacuum removes what they read",
    )
}
