//! The five documents have their pages, the README's first screen tells the counts that the pages have, and each test that
//! a page names exists. Whether the rows are true is for `make tick`.

use checklists::nextest::Selection;
use checklists::page::{self, Page};
use checklists::readme;
use std::fs;
use std::path::{Path, PathBuf};

/// The pages, and the titles of the documents that they are of.
const DOCUMENTS: [(&str, &str); 5] = [
    ("data-integrity-fixes.md", "002: Data Integrity Fixes"),
    ("database-resilience-features.md", "Database Resilience Features"),
    ("database-safety.md", "002: Database Safety -- statement_timeout, Transactions, Pool Usage"),
    ("p0-database-fixes.md", "P0 Database Fixes - Implementation Report"),
    ("stability-hardening-add-ons.md", "Stability Hardening Add-Ons (beyond your current timeout plan)"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> Vec<Page> {
    page::read_folder(&root().join("docs/checklists"))
        .unwrap()
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn each_document_has_its_page_under_its_own_title() {
    let pages = pages();
    let found: Vec<_> = pages.iter().map(|page| (page.file.as_str(), page.title.as_str())).collect();
    assert_eq!(found, DOCUMENTS);
}

#[test]
fn the_readme_tells_their_counts() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let pages = pages();
    assert_eq!(readme::problems(&readme, &pages), Vec::<String>::new());
    for page in &pages {
        let entry = readme::entry(page);
        for wrong in [
            readme.replace(&entry, &format!("{entry}0")),
            readme.replace(&entry, ""),
            format!("{}{}", "\n".repeat(50), readme),
        ] {
            let problems = readme::problems(&wrong, &pages);
            assert!(problems.iter().any(|problem| problem.ends_with(&entry)), "{problems:?}");
        }
    }
}

/// The source of the tests that a command names, and what the name of one of them must have in it: of
/// `--test promises a_promise::a_test` the file of the promise and `a_test`, of `--test p0` that program's own file.
fn named(package: &str, program: &str, name: Option<&str>) -> Option<(String, Option<String>)> {
    let tests = ["crates", "services", "examples"].map(|of| root().join(format!("{of}/{package}/tests")));
    let tests = tests.iter().find(|folder| folder.is_dir())?;
    if let Ok(text) = fs::read_to_string(tests.join(format!("{program}.rs"))) {
        return Some((text, name.map(str::to_owned)));
    }
    let (promise, test) = match name?.split_once("::") {
        Some((promise, test)) => (promise, Some(test.to_owned())),
        None => (name?, None),
    };
    let mut folders = vec![tests.join(program)];
    while let Some(folder) = folders.pop() {
        if let Ok(text) = fs::read_to_string(folder.join(format!("{promise}.rs"))) {
            return Some((text, test));
        }
        let inside = fs::read_dir(&folder).ok()?.map(|entry| entry.unwrap().path());
        folders.extend(inside.filter(|path| path.is_dir()));
    }
    None
}

#[test]
fn each_test_that_they_name_exists() {
    let mut seen = 0;
    for page in pages() {
        for row in page.rows {
            for check in row.checks {
                let Some(selection) = Selection::of(&check.command).unwrap() else { continue };
                let Selection { package, file, name } = selection;
                seen += 1;
                let Some(file) = file else { continue };
                let found = named(&package, &file, name.as_deref());
                let (text, name) =
                    found.unwrap_or_else(|| panic!("{}: row {}: {}", page.file, row.number, check.command));
                let is_there = name.is_none_or(|name| {
                    text.lines().any(|line| line.contains("fn ") && line.contains(name.as_str()))
                });
                assert!(is_there, "{}: row {}: {}", page.file, row.number, check.command);
            }
        }
    }
    assert!(seen > 50, "only {seen} tests are named: the test does not look");
}
