//! A bad script or a bad option is told in one clear message, with what is allowed, before any server is started.

use std::process::{Command, Stdio};

/// Runs the demo where no PostgreSQL can be found: had it tried to start one, its error would speak of that.
fn refused(arguments: &[&str]) -> String {
    let nowhere = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    demo.arg("demo").args(arguments).env("PLIMSOLL_PG_BIN", nowhere.path());
    let output = demo.stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    error
}

fn refused_script(text: &str, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("night.txt");
    std::fs::write(&file, text).unwrap();
    let arguments = [&["--script", file.to_str().unwrap()], more].concat();
    refused(&arguments)
}

fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn the_server_is_looked_for_when_nothing_else_is_wrong() {
    let error = refused(&["--unattended"]);
    assert_says(&error, &["private server", "PLIMSOLL_PG_BIN"]);
}

#[test]
fn a_script_that_cannot_be_read() {
    assert_says(&refused(&["--script", "/no/such/night"]), &["/no/such/night", "cannot be read"]);
    assert_says(
        &refused_script("1s freeze\n2s explode\n", &[]),
        &["night.txt", "line 2", "`explode` is no step", "allowed is one of delay", "freeze"],
    );
    assert_says(&refused_script("freeze at once", &[]), &["line 1", "`freeze`", "50ms"]);
    assert_says(&refused_script("# nothing\n", &[]), &["has no step", "`2s freeze`"]);
}

#[test]
fn a_script_that_does_not_fit_into_the_time() {
    let error = refused_script("20s cut", &["--for", "10s"]);
    assert_says(&error, &["comes after 20 s", "ends after 10 s", "--for 25s"]);
    assert_says(&refused_script("2h cut", &[]), &["7200 s", "3600 s at most", "shorten"]);
}

#[test]
fn an_option_out_of_its_range() {
    let ranges =
        [("--for", "4s", "from 5s to 1h"), ("--lane-rate", "0", "1..=2000"), ("--pool", "101", "1..=100")];
    for (option, value, range) in ranges {
        assert_says(&refused(&["--unattended", option, value]), &[option, value, range]);
    }
    assert_says(&refused(&["--lane-rate", "many"]), &["--lane-rate", "many"]);
    assert_says(&refused(&["--speed", "1"]), &["--speed"]);
}
