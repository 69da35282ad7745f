//! C06: the pooler is new enough, and its mode is meant.

use super::pooler::{self, CONFIG, CONSOLE, Config, DATABASES, POOLER, VERSION, Version};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Place, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::Subject;
use std::collections::BTreeMap;

/// What a version put right, and in which it was wrong: from the first, below the second. From PgBouncer's changelog.
const FAULTS: [(Version, Version, &str); 3] = [
    (
        Version(0, 0, 0),
        Version(1, 21, 0),
        "in transaction mode the prepared statements of drivers get lost (tracked since 1.21)",
    ),
    (
        Version(0, 0, 0),
        Version(1, 25, 2),
        "CVE-2026-6664 to CVE-2026-6667: a client or a server that means harm can crash it",
    ),
    (
        Version(1, 17, 0),
        Version(1, 26, 1),
        "CVE-2026-107350: one user of auth_file can log in as another where both use SCRAM",
    ),
];

pub(super) const C06: Check = Check {
    id: "C06",
    title: "The pooler is new enough, and in transaction mode",
    why: "older ones lose prepared statements and have known holes, and in the other modes a pooler saves few connections or \
          refuses transactions",
    place: Place::Pooler,
    ask: &[VERSION, CONFIG, DATABASES],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let version = match pooler::version(answers)? {
        Ok(version) => version,
        Err(skipped) => return Ok(vec![skipped]),
    };
    let config = Config::read(answers)?;
    let default = config.get("pool_mode").unwrap_or("session");
    let mut modes: BTreeMap<&str, Vec<&str>> = BTreeMap::from([(default, Vec::new())]);
    for row in answers.rows().filter(|row| row.has("pool_mode") && row.has("name")) {
        if let (Some(name), Some(mode)) = (row.text("name")?, row.text("pool_mode")?)
            && mode != default
            // Its console is a database of its own, to which no application connects.
            && name != CONSOLE
        {
            modes.entry(mode).or_default().push(name);
        }
    }
    let mut findings = vec![of_version(version)];
    for (mode, databases) in modes {
        findings.push(of_mode(mode, &databases, version, &config));
    }
    Ok(findings)
}

fn of_version(version: Version) -> Finding {
    let faults: Vec<_> =
        FAULTS.into_iter().filter(|(from, below, _)| (*from..*below).contains(&version)).collect();
    let Some(newest) = faults.iter().map(|(_, below, _)| below).max() else {
        return Finding::new(State::Ok, POOLER, format!("PgBouncer {version}")).source(VERSION);
    };
    let what: Vec<_> = faults.iter().map(|(.., what)| *what).collect();
    Finding::new(State::Warn, POOLER, format!("PgBouncer {version}: {}", what.join("; ")))
        .source(VERSION)
        .threshold(format!("{newest} and later"))
        .remedy(Remedy::advice(format!(
            "upgrade to PgBouncer {newest} or later; a distribution may have put the fixes into an older number: its changelog says"
        )))
}

fn of_mode(mode: &str, databases: &[&str], version: Version, config: &Config) -> Finding {
    let about = match databases {
        [] => format!("{POOLER} mode"),
        _ => format!("{POOLER} mode of {}", databases.join(", ")),
    };
    let finding = |state, what: &str| {
        Finding::new(state, about, format!("pool_mode is {mode}{what}"))
            .source("SHOW CONFIG, SHOW DATABASES")
            .threshold("transaction")
    };
    match mode {
        "transaction"
            if version >= Version(1, 21, 0) && config.number("max_prepared_statements") == Some(0.0) =>
        {
            finding(
                State::Warn,
                ", and max_prepared_statements is 0: prepared statements of drivers get lost",
            )
            .remedy(Remedy::advice(
                "max_prepared_statements = 200 in pgbouncer.ini, then RELOAD on the console",
            ))
        }
        "transaction" => finding(State::Ok, ""),
        "statement" => finding(State::Warn, ": transactions of several statements are refused")
            .remedy(Remedy::advice("pool_mode = transaction in pgbouncer.ini, then RELOAD on the console")),
        _ => finding(State::Info, ": each client keeps a connection of the server for as long as it stays"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The versions of which there is none here to be asked.
    #[test]
    fn each_fault_is_that_of_the_versions_that_have_it() {
        for (version, state, says) in [
            (Version(1, 16, 1), State::Warn, "PgBouncer 1.16.1: in transaction mode"),
            (Version(1, 25, 1), State::Warn, "PgBouncer 1.25.1: CVE-2026-6664"),
            (Version(1, 25, 2), State::Warn, "PgBouncer 1.25.2: CVE-2026-107350"),
            (Version(1, 26, 1), State::Ok, "PgBouncer 1.26.1"),
            (Version(2, 0, 0), State::Ok, "PgBouncer 2.0.0"),
        ] {
            let finding = of_version(version);
            assert_eq!(finding.state, state, "{finding:#?}");
            assert!(finding.value.starts_with(says), "{finding:#?}");
        }
        assert!(!of_version(Version(1, 16, 1)).value.contains("107350"));
    }
}
