//! `explain` knows every code of errors, every check, and any SQLSTATE; shells and `man` get what they want to know.

use crate::command::{is_the_screen, plimsoll, program, ran};
use plimsoll::Fault;
use plimsoll_inspect::checks::all;

fn out(arguments: &[&str]) -> String {
    let ran = ran(plimsoll(arguments).env("COLUMNS", "80"));
    assert_eq!((ran.status, ran.error.as_str()), (0, ""), "{arguments:?}");
    ran.out
}

#[test]
fn with_the_words_of_the_table() {
    let list = out(&["explain", "--format", "plain"]);
    for fault in Fault::ALL {
        let advice = fault.advice();
        assert!(list.contains(advice.code), "{}", advice.code);
        let explained: serde_json::Value =
            serde_json::from_str(&out(&["explain", advice.code, "--json"])).unwrap();
        assert_eq!(
            (explained["cause"].as_str(), explained["remedy"].as_str()),
            (Some(advice.cause), Some(advice.remedy))
        );
    }
    for check in all() {
        assert!(list.contains(&format!("{}\t{}", check.id, check.title)), "{}", check.id);
        let explained =
            out(&["explain", &check.id.to_lowercase()]).split_whitespace().collect::<Vec<_>>().join(" ");
        let why = check.why.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(explained.contains(&why), "{}: {explained}", check.id);
    }
    is_the_screen("explain-pl-acq-01.txt", &out(&["explain", "PL-ACQ-01"]));
    is_the_screen("explain-57014.txt", &out(&["explain", "57014"]));
    assert!(out(&["explain", "23505"]).contains("PL-SQL-01"));
}

#[test]
fn and_shells_and_man_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&["completions", shell]);
        for word in ["doctor", "explain", "since"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let file = folder.path().join("completion");
            std::fs::write(&file, script).unwrap();
            assert_eq!(ran(program("bash", &["-n"]).arg(&file)).status, 0);
        }
    }
    let into = folder.path().join("man");
    out(&["man", "--into", into.to_str().unwrap()]);
    for (page, word) in
        [("plimsoll.1", "doctor"), ("plimsoll-doctor.1", "Exit status"), ("plimsoll-explain.1", "SQLSTATE")]
    {
        let text = std::fs::read_to_string(into.join(page)).unwrap();
        assert!(text.contains(".TH ") && text.contains(word), "{page}: {text}");
    }
    assert!(out(&["man"]).contains(".TH "));
}
