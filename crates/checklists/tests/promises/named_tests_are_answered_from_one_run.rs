//! A row names its test as a person would run it; the answer comes out of one run of all that are named.

use checklists::nextest::{Results, Selection};

fn selection(command: &str) -> Selection {
    Selection::of(command).unwrap().expect("it runs tests")
}

#[test]
fn the_commands_that_run_tests_are_known() {
    let whole = selection("cargo nextest run -p fleet --test a_file");
    assert_eq!((whole.package.as_str(), whole.file.as_deref(), whole.name), ("fleet", Some("a_file"), None));
    let one = selection("cargo nextest run -p fleet --test a_file  one_test");
    assert_eq!((one.file.as_deref(), one.name.as_deref()), (Some("a_file"), Some("one_test")));
    let beside = selection("cargo nextest run -p plimsoll --lib circuit");
    assert_eq!((beside.file, beside.name.as_deref()), (None, Some("circuit")));
    assert_eq!(Selection::of("cargo test -p plimsoll --test p0").unwrap(), None);
    for unread in [
        "cargo nextest run ",
        "cargo nextest run -p fleet",
        "cargo nextest run -p fleet --test a b c",
        "cargo nextest run -p a --test b | tail -1",
    ] {
        let error = Selection::of(unread).unwrap_err().to_string();
        assert!(error.contains("allowed is cargo nextest run -p PACKAGE"), "{error}");
    }
}

const MESSAGES: &str = r#"{"type":"suite","event":"started","test_count":3}
{"type":"test","event":"started","name":"fleet::a_file$good"}
{"type":"test","event":"ok","name":"fleet::a_file$good","exec_time":0.4}
{"type":"test","event":"ok","name":"fleet::a_file$good_too","exec_time":0.4}
{"type":"test","event":"failed","name":"fleet::a_file$bad","exec_time":0.4,"stdout":"x"}
{"type":"test","event":"ignored","name":"fleet::a_file$left_out"}
not a message
{"type":"test","event":"ok","name":"fleet::another$good","exec_time":0.4}
{"type":"test","event":"ok","name":"plimsoll-faults::plimsoll_faults$ledger::finds","exec_time":0.4}"#;

#[test]
fn each_command_is_told_of_its_own_tests() {
    let results = Results::of_messages(MESSAGES);
    let told = |rest: &str| results.told_of(&selection(&format!("cargo nextest run {rest}")));
    assert_eq!(told("-p fleet --test a_file"), "2 passed, 1 failed: bad");
    assert_eq!(told("-p fleet --test a_file good"), "2 passed", "a part of a name is enough, as in nextest");
    assert_eq!(told("-p fleet --test a_file good_too"), "1 passed");
    assert_eq!(told("-p fleet --test a_file bad"), "0 passed, 1 failed: bad");
    assert_eq!(told("-p fleet --test another"), "1 passed");
    assert_eq!(told("-p plimsoll-faults --lib ledger"), "1 passed");
    for nothing in
        ["-p fleet --test a_file left_out", "-p plimsoll --test a_file", "-p fleet --test a_file renamed"]
    {
        assert_eq!(told(nothing), "no tests to run", "{nothing}");
    }
}

/// The run itself, on a test of this very file.
#[tokio::test]
async fn a_run_is_a_run_of_nextest() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let of_this = |name| {
        selection(&format!(
            "cargo nextest run -p checklists --test promises named_tests_are_answered_from_one_run::{name}"
        ))
    };
    let (one, other) = (of_this("each_command_is_told"), of_this("nothing_has_this_name"));
    let results = Results::of_a_run(&root, &[one.clone(), other.clone()].into()).await.unwrap();
    assert_eq!(results.told_of(&one), "1 passed");
    assert_eq!(results.told_of(&other), "no tests to run");
    assert_eq!(Results::of_a_run(&root, &[].into()).await.unwrap(), Results::default());
}
