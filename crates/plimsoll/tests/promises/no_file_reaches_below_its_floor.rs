//! The floors of ARCHITECTURE.md: a file uses its own and the ones above it in the table, never one below; and every
//! file has one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the top of the table down; a path ending in `/` stands for everything below it that has no entry.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "words",
        &[
            "name",
            "moment",
            "nested",
            "deadline",
            "secret",
            "fault/",
            "fairness",
            "error",
            "event",
            "settings/",
        ],
    ),
    (
        "rules",
        &[
            "pool/sync",
            "pool/admission",
            "pool/lane",
            "pool/bulkhead",
            "pool/waiters",
            "pool/gate",
            "pool/slots",
            "pool/slots/",
            "pool/handover",
            "pool/wait",
            "pool/seat",
            "pool/watchdog",
            "breaker/",
            "outcome",
            "retry/budget",
            "retry/backoff",
            "sql/",
        ],
    ),
    ("wire", &["wire/"]),
    ("pool", &["pool/"]),
    (
        "call",
        &[
            "statements",
            "postgres",
            "guard/",
            "begin",
            "statement",
            "stale",
            "knowledge",
            "session_watch",
            "flight",
            "names",
            "stream",
            "lock",
            "cancel_handle",
            "connection",
            "resolve",
            "transaction/",
            "heartbeat",
            "health",
            "capacity",
            "retry/",
            "call",
            "idempotent",
            "database/",
        ],
    ),
    ("watch", &["migrate/"]),
];

fn floor_of(module: &str) -> Option<usize> {
    let exact = FLOORS.iter().position(|(_, modules)| modules.contains(&module));
    exact.or_else(|| {
        FLOORS.iter().position(|(_, modules)| {
            modules.iter().any(|known| known.ends_with('/') && format!("{module}/").starts_with(known))
        })
    })
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The modules that a line names by `crate::`, as paths.
fn named(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .map(|(at, found)| {
            let path: String = line[at + found.len()..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == ':')
                .collect();
            path.split("::")
                .take_while(|part| part.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect::<Vec<_>>()
                .join("/")
        })
        .filter(|path| !path.is_empty())
        .collect()
}

#[test]
fn and_every_file_has_a_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut looked_at = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap().with_extension("");
        let module = relative.to_str().unwrap().trim_end_matches("/mod").to_owned();
        if module == "lib" {
            continue;
        }
        let floor = floor_of(&module).unwrap_or_else(|| panic!("{module} has no floor"));
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in named(line) {
                looked_at += 1;
                // `crate::pool::Ask` names the module `pool`; `crate::error::Error` the module `error`.
                let target = (0..=used.matches('/').count())
                    .rev()
                    .map(|depth| used.split('/').take(depth + 1).collect::<Vec<_>>().join("/"))
                    .find_map(|path| floor_of(&path));
                if target.is_some_and(|target| target > floor) {
                    wrong.entry(module.clone()).or_default().push(used);
                }
            }
        }
    }
    assert!(looked_at > 100, "only {looked_at} uses were found: the test does not look");
    assert!(wrong.is_empty(), "these reach below their floor: {wrong:#?}");
}
