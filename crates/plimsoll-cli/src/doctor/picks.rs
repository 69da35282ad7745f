//! Which checks are asked, by which numbers they judge, and what they are compared with.

use crate::closest::meant;
use crate::show::tell;
use anyhow::{Context, Result, anyhow, bail, ensure};
use plimsoll_inspect::checks::report::SCHEMA_VERSION;
use plimsoll_inspect::checks::{Check, Report, Thresholds, all};
use std::path::Path;

/// The checks of these patterns, all if there is none, without those of the others.
///
/// # Errors
/// A pattern fits no check, or nothing is left.
pub(super) fn checks(only: &[String], skip: &[String]) -> Result<Vec<&'static Check>> {
    for pattern in only.iter().chain(skip) {
        let is_known = all().any(|check| fits(pattern, check.id));
        ensure!(is_known, "no check is called {pattern:?}{}", meant(pattern, all().map(|check| check.id)));
    }
    let any = |patterns: &[String], id| patterns.iter().any(|pattern| fits(pattern, id));
    let chosen: Vec<&Check> = all()
        .filter(|check| only.is_empty() || any(only, check.id))
        .filter(|check| !any(skip, check.id))
        .collect();
    ensure!(!chosen.is_empty(), "no check is left: --skip leaves out everything that --only names");
    Ok(chosen)
}

/// Whether an id fits a pattern, in which `*` stands for any letters. Upper and lower case are the same.
fn fits(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(id),
        Some((head, rest)) => {
            let Some((start, tail)) = id.split_at_checked(head.len()) else { return false };
            let ends =
                |tail: &str| (0..=tail.len()).filter_map(|at| tail.get(at..)).any(|end| fits(rest, end));
            start.eq_ignore_ascii_case(head) && ends(tail)
        }
    }
}

/// The numbers to judge by.
///
/// # Errors
/// One is no number, or there is no such threshold.
pub(super) fn thresholds(said: &[String]) -> Result<Thresholds> {
    let mut thresholds = Thresholds::default();
    for said in said {
        let (name, value) =
            said.split_once('=').ok_or_else(|| anyhow!("--threshold {said:?} is not NAME=VALUE"))?;
        let value: f64 = match value.trim().parse() {
            Ok(value) if f64::is_finite(value) => value,
            _ => bail!("--threshold {name}={value} is no number; its unit is left out"),
        };
        let known = all().flat_map(|check| check.thresholds).map(|known| known.name);
        ensure!(thresholds.set(name.trim(), value), "there is no threshold {name:?}{}", meant(name, known));
    }
    Ok(thresholds)
}

/// An earlier report.
///
/// # Errors
/// The file cannot be read, or holds no report, or that of a newer version.
pub(super) fn earlier(path: &Path) -> Result<Report> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("--since {shown} cannot be read"))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("--since {shown} is not JSON"))?;
    let version = value.get("schema_version").and_then(serde_json::Value::as_u64);
    let version =
        version.with_context(|| format!("--since {shown} was not written by plimsoll doctor --json"))?;
    ensure!(
        version <= u64::from(SCHEMA_VERSION),
        "--since {shown} was written by a newer plimsoll (schema_version {version}; this one reads {SCHEMA_VERSION})"
    );
    serde_json::from_value(value).with_context(|| format!("--since {shown} is not a whole report"))
}

/// A comparison with the report of something else says little.
pub(super) fn tell_what_differs(now: &Report, earlier: &Report) {
    let of = |report: &Report| (report.subject.database.clone(), report.subject.role.clone());
    let (now, then) = (of(now), of(earlier));
    if now != then {
        tell(&format!(
            "warning: --since holds a report on database {}, role {}; this one is on database {}, role {}",
            then.0, then.1, now.0, now.1
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_a_shell_would_say() {
        for (pattern, id) in
            [("G01", "G01"), ("g01", "G01"), ("G*", "G01"), ("*", "A"), ("*1", "G01"), ("G*1", "G01")]
        {
            assert!(fits(pattern, id), "{pattern} {id}");
        }
        for (pattern, id) in [("G", "G01"), ("G*2", "G01"), ("G01*1", "G01"), ("", "G01"), ("é*", "G01")] {
            assert!(!fits(pattern, id), "{pattern} {id}");
        }
    }

    #[test]
    fn what_does_not_exist_is_told_with_what_may_be_meant() {
        let said = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let error = checks(&said(&["G1"]), &[]).unwrap_err().to_string();
        assert!(error.contains("no check is called \"G1\"; did you mean G"), "{error}");
        let error = checks(&said(&["G01"]), &said(&["G*"])).unwrap_err().to_string();
        assert!(error.contains("no check is left"), "{error}");
        assert_eq!(checks(&said(&["G01"]), &[]).unwrap().len(), 1);
        assert!(checks(&[], &[]).unwrap().len() >= all().count());
        let error = thresholds(&said(&["dead_client_check=5"])).unwrap_err().to_string();
        assert!(error.contains("did you mean dead_client_check_warn?"), "{error}");
        for bad in ["dead_client_check_warn", "dead_client_check_warn=5s", "dead_client_check_warn=inf"] {
            thresholds(&said(&[bad])).unwrap_err();
        }
        thresholds(&said(&["dead_client_check_warn=5.5"])).unwrap();
    }
}
