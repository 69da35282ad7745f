//! The house keeps its order: each folder of the library is a floor and uses only those below it, rules read no clock and
//! start no task, and files and functions stay small enough to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `src` from the ground up. What stands beside them at the root is vocabulary, below all of them.
const FLOORS: &[&str] = &["settings", "sql", "rules", "record", "wire", "pool", "call", "watch", "migrate"];

/// What a rule must not name: the clock, the runtime, the network.
const IMPURE: &[&str] = &[
    "Instant::now",
    "Moment::now",
    "SystemTime",
    ".elapsed()",
    "tokio::spawn",
    "tokio::task",
    "tokio::net",
    "tokio::sync",
    "tokio::time::sleep",
    "tokio::time::timeout",
    "std::net",
    "std::fs",
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below a folder: its path from there, and its text without its unit tests.
fn sources(folder: &Path) -> BTreeMap<String, String> {
    fn walk(folder: &Path, top: &Path, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, top, into);
            } else if path.extension().is_some_and(|e| e == "rs") && path.file_stem().unwrap() != "tests" {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                into.insert(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned(), code);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// The module of a file, in parts: `pool/mod.rs` is `pool`.
fn module_of(file: &str) -> Vec<&str> {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').collect()
}

fn floor_of(module: &[&str]) -> usize {
    match FLOORS.iter().position(|floor| module.first() == Some(floor)) {
        Some(floor) => floor + 1,
        None => 0,
    }
}

fn lines_of_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The paths within the crate that a text names by `crate::` or `super::`, from the root, in parts; each name of a group
/// `{..}` is not looked into, since its head already says on which floor it lies, except at the root.
fn named<'t>(text: &'t str, module: &[&'t str]) -> Vec<Vec<&'t str>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let tail = &text[at..];
            let end =
                tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(tail.len());
            let mut parts: Vec<&str> = tail[..end].split("::").filter(|part| !part.is_empty()).collect();
            let mut from = module.to_vec();
            while parts.first() == Some(&"super") {
                parts.remove(0);
                from.pop();
            }
            if parts.first() == Some(&"crate") {
                parts.remove(0);
                from.clear();
            }
            let group = tail[end..].strip_prefix('{').and_then(|rest| rest.split('}').next());
            match group.filter(|_| parts.is_empty()) {
                Some(group) => {
                    for name in group.split(',').filter_map(|name| name.trim().split("::").next()) {
                        found.push(from.iter().copied().chain([name]).collect());
                    }
                }
                None => found.push(from.iter().copied().chain(parts).collect()),
            }
        }
    }
    found
}

#[test]
fn and_every_folder_is_a_floor() {
    let sources = sources(&root());
    let folders: BTreeSet<&str> = sources.keys().filter_map(|file| Some(file.split_once('/')?.0)).collect();
    let unknown: Vec<_> =
        folders.iter().filter(|folder| **folder != "fault" && !FLOORS.contains(folder)).collect();
    assert!(unknown.is_empty(), "these folders are on no floor: {unknown:?}");

    let mut looked_at = 0;
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    for (file, text) in &sources {
        let module = module_of(file);
        if module == ["lib"] {
            continue;
        }
        let code: String = lines_of_code(text).collect::<Vec<_>>().join("\n");
        for used in named(&code, &module) {
            looked_at += 1;
            if floor_of(&used) > floor_of(&module) {
                wrong.insert(format!("{file} uses {}", used.join("::")));
            }
        }
    }
    assert!(looked_at > 500, "only {looked_at} uses were found: the test does not look");
    assert!(wrong.is_empty(), "these reach above themselves: {wrong:#?}");
}

#[test]
fn and_a_rule_reads_no_clock_and_starts_no_task() {
    let rules = sources(&root().join("rules"));
    assert!(rules.len() > 10, "only {} rules were found: the test does not look", rules.len());
    let mut wrong = Vec::new();
    for (file, text) in &rules {
        for line in lines_of_code(text) {
            wrong.extend(
                IMPURE.iter().filter(|name| line.contains(**name)).map(|name| format!("{file}: {name}")),
            );
            if line.contains("async ") || line.contains(".await") {
                wrong.push(format!("{file}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "a rule is given the time and does nothing itself: {wrong:#?}");
}

/// The functions of a formatted file: name, and lines from its signature to its closing brace.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(position) = words.iter().position(|word| *word == "fn") else { continue };
        let qualifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
        if !words[..position].iter().all(|word| qualifiers.contains(word)) {
            continue;
        }
        let name: String =
            words.get(position + 1).unwrap_or(&"").split(['(', '<']).next().unwrap().to_owned();
        let end = format!("{}}}", " ".repeat(indent));
        let semicolon = |line: &str| line.len() - line.trim_start().len() == indent && line.ends_with(';');
        let Some(length) = lines[at..].iter().position(|line| **line == end || semicolon(line)) else {
            continue;
        };
        found.push((name, length + 1));
    }
    found
}

/// Every package's sources, by their path from the top of the repository.
fn whole_house() -> BTreeMap<String, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let crates = fs::read_dir(top.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let packages = crates.chain(["services/fleet", "ledger", "bench"].map(|name| top.join(name)));
    let mut all = BTreeMap::new();
    for package in packages {
        let name = package.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
        all.extend(
            sources(&package.join("src"))
                .into_iter()
                .map(|(file, text)| (format!("{name}/src/{file}"), text)),
        );
    }
    all
}

#[test]
fn and_no_file_is_longer_than_it_may_be() {
    let house = whole_house();
    assert!(house.len() > 250, "only {} files were found: the test does not look", house.len());
    let lines = house.iter().map(|(file, text)| (file, text.lines().count()));
    let long: Vec<_> = lines.filter(|(_, lines)| *lines > LONGEST_FILE).collect();
    assert!(long.is_empty(), "a file has at most {LONGEST_FILE} lines, its unit tests apart: {long:#?}");
}

#[test]
fn and_no_function_is_longer_than_it_may_be() {
    let house = whole_house();
    let all: Vec<_> = house
        .iter()
        .flat_map(|(file, text)| functions(text).into_iter().map(move |(name, lines)| (file, name, lines)))
        .collect();
    assert!(all.len() > 2000, "only {} functions were found: the test does not look", all.len());
    let long: Vec<_> = all.iter().filter(|(_, _, lines)| *lines > LONGEST_FUNCTION).collect();
    assert!(long.is_empty(), "a function has at most {LONGEST_FUNCTION} lines: {long:#?}");
}
