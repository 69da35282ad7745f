//! The five documents have their pages, the README's first screen tells the counts that the pages have, and each test that
//! a page names exists. Whether the rows are true is for `make tick`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

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
                let paths =
                    ["crates", "services"].map(|of| root().join(format!("{of}/{package}/tests/{file}.rs")));
                let text = paths.iter().find_map(|path| fs::read_to_string(path).ok());
                let text = text.unwrap_or_else(|| panic!("{}: row {} names {file}", page.file, row.number));
                let is_there = name.as_ref().is_none_or(|name| {
                    text.lines().any(|line| line.contains("fn ") && line.contains(name.as_str()))
                });
                assert!(is_there, "{}: row {} names {name:?} of {file}", page.file, row.number);
            }
        }
    }
    assert!(seen > 50, "only {seen} tests are named: the test does not look");
}
