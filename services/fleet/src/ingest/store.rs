//! Readings in SQL: many rows of one tenant in one statement, and each of them once.
//!
//! What makes a reading the same reading is its identity (tenant, device, time, seq); what it says is its metrics. The same
//! identity with the same metrics is a repetition, and is told as one. The same identity with other metrics is a conflict: the
//! first stays, the other is put into quarantine in the same transaction, and its device is told. Its site is no part of what
//! it says: that is the registry's, and a device may have moved before it sends again.

use super::partitions::{self, Partitions};
use super::reading::{Kind, Reading};
use super::refusal::StoreRefusal;
use crate::devices::state;
use crate::refusal::{NotDone, Refusal};
use crate::tenants::{TenantId, TenantTx, transaction};
use jiff::Timestamp;
use plimsoll::tokio_postgres::types::ToSql;
use plimsoll::{Database, Error, Fault, Outcome, Priority, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// What is stored is noted for the tenant's rules in the same statement, so that both are committed or neither is
/// ([`crate::alert_rules`]).
const INSERT: &str = "
    WITH stored AS (
        INSERT INTO public.telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
        SELECT $1, r.device_id, r.time, r.seq, r.site_id, 'telemetry', r.metrics::jsonb
        FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[])
             AS r (device_id, time, seq, site_id, metrics)
        ON CONFLICT DO NOTHING
        RETURNING device_id, time, seq
    ), noted AS (
        INSERT INTO public.alert_rule_work (tenant_id, devices, times, seqs)
        SELECT $1, array_agg(device_id), array_agg(time), array_agg(seq) FROM stored
        WHERE EXISTS (SELECT FROM public.alert_rules WHERE tenant_id = $1 AND kind = 'THRESHOLD' AND enabled)
        HAVING count(*) > 0
    )
    SELECT device_id, time, seq FROM stored";

/// A statement of its own, so that it sees what another transaction has committed meanwhile; the INSERT has waited for that.
/// Two values of jsonb are the same whatever the order of their keys, and so are `1` and `1.0`.
const COMPARE: &str = "
    SELECT (SELECT t.metrics = r.metrics::jsonb FROM public.telemetry t
            WHERE t.tenant_id = $1 AND t.device_id = r.device_id AND t.time = r.time AND t.seq = r.seq)
    FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::text[]) WITH ORDINALITY
         AS r (device_id, time, seq, metrics, n)
    ORDER BY r.n";

/// In the transaction of the batch, and so there before the device is told.
const KEEP_APART: &str = "
    INSERT INTO public.quarantine_events (tenant_id, event_ts, device_id, site_id, msg_type, reason, payload)
    SELECT $1, r.time, r.device_id, r.site_id, 'telemetry', $6,
           json_build_object('seq', r.seq, 'metrics', r.metrics::json)::text
    FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $7::text[])
         AS r (device_id, time, seq, metrics, site_id)";

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is stored now.
    Stored,
    /// The same reading, with the same content, was stored before.
    Duplicate,
    /// A reading of this device, time and number is stored, and has other metrics. That one stays; this one is in quarantine.
    Conflict,
}

/// Stores these readings of one tenant, all or none, and returns after COMMIT with the fate of each, in their order. Those that
/// were stored before are left as they are. Heartbeats have no row; of their devices, as of all others, it is noted that they were
/// heard of.
///
/// The transaction asks for its id at the beginning, so that a COMMIT whose answer is lost can be looked up; and it is
/// run again by itself when it was rolled back for certain.
///
/// # Errors
/// With what became of them: see [`plimsoll::Error::outcome`].
///
/// # Cancel safety
/// Dropped before COMMIT was sent, none is stored.
pub async fn insert(
    db: &Database,
    partitions: &Partitions,
    tenant: &TenantId,
    readings: &[&Reading],
) -> Result<Vec<Fate>> {
    let days = partitions::days(rows_of(readings).map(|(_, reading)| reading.time));
    partitions.ensure(days.clone()).await?;
    match insert_rows(db, tenant, readings).await {
        // "no partition of relation found for row": one was dropped since it was seen.
        Err(error) if error.fault() == Fault::Constraint && is_about_partitions(&error) => {
            partitions.forget();
            partitions.ensure(days).await?;
            insert_rows(db, tenant, readings).await
        }
        result => result,
    }
}

/// Why a reading was not stored that this failure met, and others with it. That the day has no place is not the reading's
/// fault, which would make the device throw it away. A reading that may be stored can be sent again, since the table keeps it
/// once.
pub fn not_stored(error: &Arc<plimsoll::Error>) -> NotDone<StoreRefusal> {
    if is_about_partitions(error) {
        return NotDone::Refused(StoreRefusal::NoPlaceForTheDay);
    }
    if error.outcome() == Outcome::Unknown {
        return NotDone::Refused(StoreRefusal::OutcomeUnknown);
    }
    NotDone::FailedForAll(Arc::clone(error))
}

/// Whether the failure is that the time was too short for so many rows, and none of them was stored.
#[must_use]
pub fn ran_out_of_time(error: &plimsoll::Error) -> bool {
    error.outcome() != Outcome::Unknown
        && matches!(
            error.fault(),
            Fault::DeadlinePassed | Fault::StatementTimeout | Fault::TransactionTimeout
        )
}

/// Whether the failure may lie in one of the rows or its day, so that the others could be stored without it.
#[must_use]
pub fn is_about_a_row(error: &plimsoll::Error) -> bool {
    // A table that has the name of a day and is none.
    let is_about_a_day = error.sqlstate().is_some_and(|state| state.code() == "55000");
    is_about_a_day || matches!(error.fault(), Fault::Constraint | Fault::Data | Fault::Conversion)
}

fn is_about_partitions(error: &plimsoll::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.code().code() == "23514" && said.constraint().is_none())
}

/// Those that have a row, with their places.
fn rows_of<'a>(readings: &[&'a Reading]) -> impl Iterator<Item = (usize, &'a Reading)> {
    readings.iter().copied().enumerate().filter(|(_, reading)| reading.kind == Kind::Telemetry)
}

async fn insert_rows(db: &Database, tenant: &TenantId, readings: &[&Reading]) -> Result<Vec<Fate>> {
    let mut rows: Vec<(usize, &Reading)> = rows_of(readings).collect();
    // Two batches that hold the same readings wait for each other; in one order, they do so without a deadlock. Of two in
    // one batch, the first that came stays the first.
    rows.sort_by(|(_, a), (_, b)| a.identity().cmp(&b.identity()));
    let sorted: Vec<&Reading> = rows.iter().map(|(_, reading)| *reading).collect();
    // Readings that were let in come before the question who else may come in: a crowd at the door must not keep them waiting.
    let call = db.named("store readings").resolvable().priority(Priority::High);
    let write = async |tx: TenantTx| {
        let fates = if sorted.is_empty() { Vec::new() } else { insert_sorted(&tx, &sorted).await? };
        state::store::heard_of(&tx, readings).await?;
        Ok(fates)
    };
    let fates = transaction::retrying(call, tenant, write).await?;
    let mut told = vec![Fate::Stored; readings.len()];
    for ((place, _), fate) in rows.into_iter().zip(fates) {
        if let Some(told) = told.get_mut(place) {
            *told = fate;
        }
    }
    Ok(told)
}

/// The rows are in the order of their identities, and so are their fates.
async fn insert_sorted(tx: &TenantTx, rows: &[&Reading]) -> Result<Vec<Fate>> {
    let Columns { devices, times, seqs, sites, metrics } = Columns::of(rows);
    let stored = tx.query(INSERT, &[&tx.tenant(), &devices, &times, &seqs, &sites, &metrics]).await?;
    if stored.len() == rows.len() {
        return Ok(vec![Fate::Stored; rows.len()]);
    }
    let mut new = HashSet::with_capacity(stored.len());
    for row in &stored {
        new.insert((row.try_get::<_, &str>(0)?, row.try_get::<_, Timestamp>(1)?, row.try_get::<_, i64>(2)?));
    }
    // Of those that share an identity, the first is the one that was stored.
    let mut is_stored = Vec::with_capacity(rows.len());
    for row in rows {
        is_stored.push(new.remove(&row.identity()));
    }
    let others: Vec<&Reading> =
        rows.iter().zip(&is_stored).filter(|(_, stored)| !**stored).map(|(row, _)| *row).collect();
    let mut of_others = compare(tx, &others).await?.into_iter();
    let told = is_stored.iter().map(|stored| match stored {
        true => Ok(Fate::Stored),
        false => of_others
            .next()
            .ok_or_else(|| Error::abort("the server compared fewer readings than it was asked")),
    });
    told.collect()
}

/// The fates of readings whose identities are taken; those that conflict are kept apart.
async fn compare(tx: &TenantTx, rows: &[&Reading]) -> Result<Vec<Fate>> {
    let Columns { devices, times, seqs, metrics, .. } = Columns::of(rows);
    let mut fates = Vec::with_capacity(rows.len());
    for row in tx.query(COMPARE, &[&tx.tenant(), &devices, &times, &seqs, &metrics]).await? {
        fates.push(match row.try_get::<_, Option<bool>>(0)? {
            Some(true) => Fate::Duplicate,
            Some(false) => Fate::Conflict,
            None => {
                return Err(Error::abort("a reading was neither stored nor is one of its identity there"));
            }
        });
    }
    let conflicts: Vec<&Reading> =
        rows.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Conflict).map(|(row, _)| *row).collect();
    if !conflicts.is_empty() {
        let Columns { devices, times, seqs, sites, metrics } = Columns::of(&conflicts);
        let reason = StoreRefusal::Conflict.code();
        let values: [&(dyn ToSql + Sync); 7] =
            [&tx.tenant(), &devices, &times, &seqs, &metrics, &reason, &sites];
        tx.execute(KEEP_APART, &values).await?;
    }
    Ok(fates)
}

/// Readings as the server takes them: a list for each column.
struct Columns<'a> {
    devices: Vec<&'a str>,
    times: Vec<Timestamp>,
    seqs: Vec<i64>,
    sites: Vec<&'a str>,
    metrics: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a Reading]) -> Self {
        Columns {
            devices: rows.iter().map(|row| row.device.as_str()).collect(),
            times: rows.iter().map(|row| row.time).collect(),
            seqs: rows.iter().map(|row| row.seq).collect(),
            sites: rows.iter().map(|row| row.site.as_str()).collect(),
            metrics: rows.iter().map(|row| row.metrics.as_str()).collect(),
        }
    }
}
