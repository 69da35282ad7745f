//! The tests that pages name, all in one run.
//!
//! A row names its test as the command with which a person would run it: `cargo nextest run -p PACKAGE --test PROGRAM
//! [NAME]`, or `--lib NAME` for a test beside the code. The program is nearly always `promises`, and the name that of the
//! promise, with `::` and a test's name behind it where only that one is meant. Two hundred such commands one after the
//! other would take an hour, most of it for finding out that nothing has to be built; so they are read, the tests of all
//! of them are run once, and each command is answered with what became of its own.

use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

const COMMAND: &str = "cargo nextest run ";

/// The tests that one command runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection {
    /// The package.
    pub package: String,
    /// The program in its folder `tests`, or nothing for the tests beside the code.
    pub file: Option<String>,
    /// A part of the test's name, which begins with its modules; nothing for all tests of the program.
    pub name: Option<String>,
}

impl Selection {
    /// What a command selects. Nothing if it runs no tests.
    ///
    /// # Errors
    /// When it does run tests, and in a way that is not read here.
    pub fn of(command: &str) -> Result<Option<Self>> {
        let Some(rest) = command.strip_prefix(COMMAND) else { return Ok(None) };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (package, file, name) = match words.as_slice() {
            ["-p", package, "--test", file] => (package, Some(*file), None),
            ["-p", package, "--test", file, name] => (package, Some(*file), Some(*name)),
            ["-p", package, "--lib", name] => (package, None, Some(*name)),
            _ => bail!(
                "{command}: allowed is {COMMAND}-p PACKAGE --test PROGRAM [NAME], or -p PACKAGE --lib NAME"
            ),
        };
        let owned = |word: &str| word.to_owned();
        Ok(Some(Selection { package: owned(package), file: file.map(owned), name: name.map(owned) }))
    }

    /// As nextest's own language says it.
    fn filter(&self) -> String {
        let Selection { package, file, name } = self;
        let of = match file {
            Some(file) => format!("binary(={file})"),
            None => "kind(lib)".to_owned(),
        };
        let named = name.as_ref().map_or_else(String::new, |name| format!(" & test(~{name})"));
        format!("(package(={package}) & {of}{named})")
    }

    /// By which name nextest calls the program: the package's, and its own, or the library's.
    fn program(&self) -> String {
        let library = self.package.replace('-', "_");
        format!("{}::{}", self.package, self.file.as_ref().unwrap_or(&library))
    }
}

/// How the tests went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results(BTreeMap<(String, String), bool>);

impl Results {
    /// Runs what was selected.
    ///
    /// # Errors
    /// When nextest cannot be run, or the tests cannot be built.
    pub async fn of_a_run(root: &Path, selections: &BTreeSet<Selection>) -> Result<Self> {
        if selections.is_empty() {
            return Ok(Results::default());
        }
        let mut run = Command::new("cargo");
        run.args(["nextest", "run", "--no-fail-fast", "--color", "never", "--no-tests", "pass"]);
        // As `make test` builds them: other packages at a time are other features of what they share, and built anew.
        run.args(["--workspace", "--exclude", "bench"]);
        for file in selections.iter().filter_map(|selection| selection.file.as_ref()).collect::<BTreeSet<_>>()
        {
            run.args(["--test", file]);
        }
        if selections.iter().any(|selection| selection.file.is_none()) {
            run.arg("--lib");
        }
        let filters: Vec<String> = selections.iter().map(Selection::filter).collect();
        run.args(["-E", &filters.join(" | "), "--message-format", "libtest-json"]);
        run.env("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");
        run.current_dir(root).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let output = run.spawn().context("cargo nextest cannot be run")?.wait_with_output().await?;
        let results = Results::of_messages(&String::from_utf8_lossy(&output.stdout));
        // 100: tests have failed, which is for the rows to tell.
        if !output.status.success() && output.status.code() != Some(100) {
            bail!("the tests could not be run ({}); what it said stands above", output.status);
        }
        Ok(results)
    }

    /// What nextest tells of each test: a line of JSON with `event` and `name`, which is `package::program$test`.
    #[must_use]
    pub fn of_messages(messages: &str) -> Self {
        let mut results = BTreeMap::new();
        for line in messages.lines() {
            let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let text = |key: &str| message.get(key).and_then(serde_json::Value::as_str);
            let passed = match (text("type"), text("event")) {
                (Some("test"), Some("ok")) => true,
                (Some("test"), Some("failed")) => false,
                _ => continue,
            };
            if let Some((program, test)) = text("name").and_then(|name| name.split_once('$')) {
                results.insert((program.to_owned(), test.to_owned()), passed);
            }
        }
        Results(results)
    }

    /// What the command that selects these would have said at its end.
    #[must_use]
    pub fn told_of(&self, selection: &Selection) -> String {
        let program = selection.program();
        let is_meant = |test: &str| selection.name.as_ref().is_none_or(|name| test.contains(name.as_str()));
        let mut passed = 0;
        let mut failed = Vec::new();
        for ((of, test), is_ok) in &self.0 {
            match of == &program && is_meant(test) {
                true if *is_ok => passed += 1,
                true => failed.push(test.as_str()),
                false => {}
            }
        }
        match (passed, failed.as_slice()) {
            (0, []) => "no tests to run".to_owned(),
            (passed, []) => format!("{passed} passed"),
            (passed, failed) => {
                format!("{passed} passed, {} failed: {}", failed.len(), failed.join(", "))
            }
        }
    }
}
