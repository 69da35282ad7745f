//! The tables of `docs/api.md`: which status a fault has, and what the client is told of it.

use crate::answers::{self, Answer};
use crate::asked::{Malformed, X_REQUEST_TIMEOUT_MS};
use crate::problem::{self, Problem};
use plimsoll::Fault;
use std::fmt::Write;
use std::time::Duration;

/// Each kind of answer, with the codes that have it, in the order of the table.
fn kinds() -> Vec<(Answer, Vec<&'static str>)> {
    let mut kinds: Vec<(Answer, Vec<&'static str>)> = Vec::new();
    for fault in Fault::ALL {
        let answer = answers::of(fault);
        match kinds.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, codes)) => codes.push(fault.code()),
            None => kinds.push((answer, vec![fault.code()])),
        }
    }
    kinds.sort_by_key(|(answer, _)| (answer.status.as_u16(), answer.retry_after));
    for (_, codes) in &mut kinds {
        codes.sort_unstable();
    }
    kinds
}

pub(super) fn statuses() -> String {
    let mut table = "| status | title | advice | `Retry-After` | codes |\n|---|---|---|---|---|\n".to_owned();
    for (answer, codes) in kinds() {
        let after =
            answer.retry_after.map(|after| format!("{} to {} s", after.as_secs(), 2 * after.as_secs()));
        let codes = codes.iter().map(|code| format!("[{code}](errors.md#{})", code.to_ascii_lowercase()));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} |",
            answer.status.as_u16(),
            answer.title,
            answer.advice,
            after.unwrap_or_default(),
            codes.collect::<Vec<_>>().join(", "),
        );
    }
    table
}

/// What the layers say by themselves, before or instead of a handler.
fn own() -> [Problem; 5] {
    [
        problem::malformed(Malformed(X_REQUEST_TIMEOUT_MS)),
        problem::too_large(2 << 20),
        problem::too_slow(Duration::from_secs(10)),
        problem::unreadable(),
        problem::starting(),
    ]
}

pub(super) fn codes() -> String {
    let mut table = "| code | status | title | advice |\n|---|---|---|---|\n".to_owned();
    for problem in own() {
        let (code, status) = (problem.code(), problem.status().as_u16());
        let [title, advice] = problem.texts();
        let _ = writeln!(table, "| {code} | {status} | {title} | {advice} |");
    }
    table
}

/// A code that is new in the source has to be in the table.
#[test]
fn every_code_of_this_crate_is_in_the_table() {
    let table = codes();
    let mut folders = vec![super::root().join("crates/plimsoll-http/src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\"PL-HTTP-") {
                let code = text[at..].split('"').nth(1).unwrap();
                if code.len() > "PL-HTTP-".len() {
                    assert!(table.contains(&format!("| {code} |")), "{}: {code} has no row", path.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= own().len(), "only {seen} codes were found: the test does not look");
}

/// The examples of the page say what the service says.
#[test]
fn the_examples_of_the_page_are_answers_of_the_service() {
    let page = std::fs::read_to_string(super::root().join("docs/api.md")).unwrap();
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let [ref problem, ref record] =
        blocks.map(|block| serde_json::from_str(block).unwrap()).collect::<Vec<serde_json::Value>>()[..]
    else {
        panic!("the page shows a problem and a record")
    };
    let late = answers::of(Fault::DeadlinePassed);
    assert_eq!(problem["code"], Fault::DeadlinePassed.code());
    assert_eq!(problem["status"], late.status.as_u16());
    assert_eq!((&problem["title"], &problem["advice"]), (&late.title.into(), &late.advice.into()));
    let mut shown: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    shown.sort_unstable();
    let table = super::source::fields();
    let mut fields: Vec<&str> = table.lines().skip(2).map(|line| line.split('`').nth(1).unwrap()).collect();
    fields.retain(|field| *field != "code");
    fields.sort_unstable();
    assert_eq!(shown, fields, "the record has every field, but for the code of a problem");
}
