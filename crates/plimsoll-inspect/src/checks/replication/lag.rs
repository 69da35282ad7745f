//! R01: standbys keep up.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::size::{MEGABYTE, size};
use crate::checks::subject::Subject;

const SECONDS_WARN: Threshold = Threshold {
    name: "replication_lag_warn",
    default: 10.0,
    unit: "s",
    meaning: "a standby that is further behind is a warning",
};

const SECONDS_CRIT: Threshold = Threshold {
    name: "replication_lag_crit",
    default: 60.0,
    unit: "s",
    meaning: "a standby that is further behind is critical",
};

const BYTES_WARN: Threshold = Threshold {
    name: "replication_bytes_warn",
    default: 1_024.0,
    unit: "MB",
    meaning: "a standby that misses more of the log is a warning",
};

pub(super) const R01: Check = Check {
    id: "R01",
    title: "Standbys keep up with their primary",
    why: "what is read from a standby is as old as its lag, and a failover loses what the standby has not \
     received",
    ask: &[include_str!("lag.sql")],
    needs_monitor: true,
    thresholds: &[SECONDS_WARN, SECONDS_CRIT, BYTES_WARN],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let mut found = Vec::new();
    for row in answers.rows().filter(|row| row.has("lag_of")) {
        let finding = match row.text("lag_of")? {
            Some("self") => of_this_server(row, thresholds)?,
            _ => {
                let name = row.text("follower")?.unwrap_or_default();
                behind(row, format!("standby {name}"), thresholds)?
            }
        };
        found.extend(finding);
    }
    Ok(found)
}

fn of_this_server(row: Row<'_>, thresholds: &Thresholds) -> Result<Option<Finding>, Unreadable> {
    const SUBJECT: &str = "this standby";
    if row.text("stream")?.is_none() {
        if !row.flag("has_primary")? {
            return Ok(Some(Finding::skipped(
                SUBJECT,
                "it replays an archive and no stream: while nothing comes it cannot be known whether \
                 anything is missing",
            )));
        }
        return Ok(Some(
            Finding::new(State::Crit, SUBJECT, "no log comes from its primary: no WAL receiver runs")
                .source("pg_stat_wal_receiver")
                .threshold("a stream from the primary")
                .remedy(Remedy::advice(
                    "see this server's log for why it cannot connect: primary_conninfo, the primary's pg_hba.conf and \
                     max_wal_senders, or a log that the primary has removed already (then the standby has to be made anew)",
                )),
        ));
    }
    let finding = behind(row, SUBJECT.to_owned(), thresholds)?;
    Ok(finding.map(|finding| match row.flag("is_paused") {
        Ok(true) => finding.remedy(Remedy::now(
            "SELECT pg_catalog.pg_wal_replay_resume()",
            "SELECT pg_catalog.pg_wal_replay_pause()",
        )),
        _ => finding,
    }))
}

fn behind(row: Row<'_>, subject: String, thresholds: &Thresholds) -> Result<Option<Finding>, Unreadable> {
    let (Some(bytes), seconds) = (row.number::<f64>("bytes")?, row.number::<f64>("seconds")?) else {
        return Ok(Some(Finding::skipped(subject, "the server does not tell how far it is")));
    };
    let time = seconds.unwrap_or_default();
    let (warn, crit, much) =
        (thresholds.get(&SECONDS_WARN), thresholds.get(&SECONDS_CRIT), thresholds.get(&BYTES_WARN));
    let state = match () {
        () if time > crit => State::Crit,
        () if time > warn || bytes > much * MEGABYTE => State::Warn,
        () => return Ok(None),
    };
    let paused = if row.flag("is_paused")? { "; its replay is paused" } else { "" };
    let stream = row.text("stream")?.unwrap_or("not told");
    Ok(Some(
        Finding::new(
            state,
            subject,
            format!("it is {time:.1} s and {} behind (state {stream}){paused}", size(bytes)),
        )
        .source("pg_stat_replication, pg_stat_wal_receiver")
        .threshold(format!("at most {warn} s (critical beyond {crit} s) and {much} MB"))
        .remedy(Remedy::advice(
            "look on the standby for a query that holds up the replay (max_standby_streaming_delay), for a paused replay, and for \
             a slow disk or network between the two",
        )),
    ))
}
