//! R02: each replication slot has a consumer that keeps up.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::size::{MEGABYTE, size};

const ABSENT: Threshold = Threshold {
    name: "inactive_slot_warn",
    default: 60.0,
    unit: "s",
    meaning: "a slot without a consumer for longer is a warning; before PostgreSQL 17 each one is, since \
     the server does not tell for how long",
};

const KEPT: Threshold = Threshold {
    name: "inactive_slot_crit",
    default: 10_240.0,
    unit: "MB",
    meaning: "a slot without a consumer that keeps more of the log is critical",
};

pub(super) const R02: Check = Check {
    id: "R02",
    title: "Each replication slot has a consumer that keeps up",
    why: "a slot without a consumer keeps the log until the disk is full, and a slot that lost its log \
     means a standby or subscriber to be made anew",
    ask: &[include_str!("slots.sql")],
    thresholds: &[ABSENT, KEPT],
    read: |answers, _, thresholds| {
        let findings = answers.rows().map(|row| judge(row, thresholds));
        findings.filter_map(Result::transpose).collect()
    },
    ..Check::USUAL
};

fn judge(row: Row<'_>, thresholds: &Thresholds) -> Result<Option<Finding>, Unreadable> {
    let name = row.text("slot_name")?.unwrap_or_default();
    let subject = format!("replication slot {name}");
    let bytes = row.number::<f64>("bytes")?;
    let keeps = match bytes {
        Some(bytes) => format!("it keeps {} of the log", size(bytes.max(0.0))),
        None => "it keeps no log".to_owned(),
    };
    let drop = || {
        let literal = row.text("slot_literal")?.unwrap_or_default();
        Ok::<_, Unreadable>(Remedy::for_good(format!(
            "SELECT pg_catalog.pg_drop_replication_slot({literal})"
        )))
    };
    let (active, status) = (row.flag("is_active")?, row.text("wal_status")?);
    let given_up_for = row.text("given_up_for")?.map(|why| format!(" ({why})")).unwrap_or_default();
    if status == Some("lost") || !given_up_for.is_empty() {
        let value =
            format!("the server has given it up{given_up_for}: its consumer cannot go on from where it was");
        return Ok(Some(finding(State::Crit, subject, value).remedy(if active {
            Remedy::advice("stop its consumer, then drop the slot")
        } else {
            drop()?
        })));
    }
    if active {
        return lagging(subject, status, &keeps, row);
    }
    let seconds = row.number::<f64>("inactive_seconds")?;
    let longest = thresholds.get(&ABSENT);
    if seconds.is_some_and(|seconds| seconds < longest) {
        return Ok(None);
    }
    let since = seconds.map(|seconds| format!(" for {seconds:.0} s")).unwrap_or_default();
    let limit = match row.text("most_kept")? {
        Some("-1") => "nothing limits that (max_slot_wal_keep_size is -1)".to_owned(),
        other => format!("max_slot_wal_keep_size is {}", other.unwrap_or_default()),
    };
    let most = thresholds.get(&KEPT);
    let state = match bytes {
        Some(bytes) if bytes > most * MEGABYTE => State::Crit,
        _ if row.flag("keeps_something")? => State::Warn,
        _ => State::Info,
    };
    let value = format!(
        "no consumer is connected{since}; {keeps}, and {limit}; its WAL is {}",
        status.unwrap_or("not reserved")
    );
    Ok(Some(
        finding(state, subject, value)
            .threshold(format!("a consumer, absent for at most {longest} s; critical beyond {most} MB"))
            .remedy(drop()?),
    ))
}

/// A slot whose consumer is there and falls back.
fn lagging(
    subject: String,
    status: Option<&str>,
    keeps: &str,
    row: Row<'_>,
) -> Result<Option<Finding>, Unreadable> {
    let Some(status @ ("extended" | "unreserved")) = status else { return Ok(None) };
    let means = if status == "extended" {
        "more than max_wal_size".to_owned()
    } else {
        format!(
            "more than max_slot_wal_keep_size ({}), and the next checkpoint removes it",
            row.text("most_kept")?.unwrap_or_default()
        )
    };
    Ok(Some(finding(State::Warn, subject, format!("its consumer falls behind: {keeps}, {means}")).remedy(
        Remedy::advice(
            "find out why its consumer is slow; raise max_slot_wal_keep_size where there is room on the disk, or lower it where a \
             full disk is worse than a consumer that has to be made anew",
        ),
    )))
}

fn finding(state: State, subject: String, value: String) -> Finding {
    Finding::new(state, subject, value)
        .source("pg_replication_slots")
        .threshold("an active consumer, and a wal_status of reserved")
}
