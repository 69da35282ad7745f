//! A guide or a runbook is read when there is no time to doubt it: whatever it names (codes, settings, methods, events, log lines,
//! pages, tests) exists, and its SQL does on a real server what the text around it says.
//!
//! In the guides, a block marked `log` holds log lines, with `…` for what changes; a block marked `sql` in `on-call.md`
//! is run in a transaction that is READ ONLY, and in `deployment.md` as it stands. The Rust of the recipes is compiled with the
//! documentation's examples.

use crate::server::{PATIENCE, bare, first, text, until};
use plimsoll::Fault;
use plimsoll::monitor::metrics;
use plimsoll::settings::table;
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// What belongs to other programs, and to the languages that are spoken here.
const OTHERS: &[&str] = &[
    "plimsoll",
    "psql",
    "true",
    "query_timeout",
    "query_wait_timeout",
    "server_lifetime",
    "pg_monitor",
    "database-p0",
    "active",
    "axum::serve",
    "std::thread::sleep",
    "tower_http::timeout",
    "non_idempotent",
    "std",
    "tracing",
    "timeout",
    "pg_read_all_stats",
    "pg_basebackup",
    "pg_repack",
    "pg_upgrade",
    "max_queued_bytes",
    "certfile",
    "keyfile",
    "admin_users",
    "stats_users",
    "cl_waiting",
    "sv_active",
    "sv_login",
    "paused",
    "pg_wal",
];

struct Guide {
    path: PathBuf,
    text: String,
}

/// A piece of a guide.
enum Piece<'a> {
    Prose(&'a str),
    Block { kind: &'a str, text: String },
}

impl Guide {
    fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            match line.trim_start().strip_prefix("```") {
                Some(kind) => {
                    let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
                    let text = block.map(|line| format!("{line}\n")).collect();
                    pieces.push(Piece::Block { kind, text });
                }
                None => pieces.push(Piece::Prose(line)),
            }
        }
        pieces
    }

    fn blocks(&self, wanted: &str) -> Vec<String> {
        let pieces = self.pieces().into_iter();
        pieces
            .filter_map(|piece| match piece {
                Piece::Block { kind, text } if kind == wanted => Some(text),
                _ => None,
            })
            .collect()
    }

    /// What stands in backticks.
    fn quoted(&self) -> Vec<&str> {
        let lines = self.pieces().into_iter().filter_map(|piece| match piece {
            Piece::Prose(line) => Some(line),
            Piece::Block { .. } => None,
        });
        lines.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn guides() -> Vec<Guide> {
    let folders = ["docs/guides", "docs/runbooks"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let files = folders.into_iter().flatten();
    let pages = ["docs/api.md", "docs/developer.md"].map(|page| root().join(page));
    let mut guides: Vec<Guide> = files
        .map(|entry| entry.unwrap().path())
        .chain(pages)
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| Guide { text: fs::read_to_string(&path).unwrap(), path })
        .collect();
    guides.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(guides.len() >= 7, "the guides are not where they are looked for");
    guides
}

/// Every source file of the library and of its layers for HTTP in one, with texts that go over several lines put together.
fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, into);
        } else {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn source() -> String {
    let mut all = String::new();
    for of in ["plimsoll", "plimsoll-http"] {
        read(&root().join("crates").join(of).join("src"), &mut all);
    }
    all.split("\\\n").map(str::trim_start).collect()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

/// `fn name`, `struct Name`, a variant or a module.
fn is_in(source: &str, name: &str) -> bool {
    let kinds = ["fn ", "struct ", "enum ", "mod ", "pub "];
    let ends = ["(", "<", " ", ";", ":"];
    // One look at the source for each name: it is long.
    source.match_indices(name).any(|(at, _)| {
        let (before, after) = (&source[..at], &source[at + name.len()..]);
        (kinds.iter().any(|kind| before.ends_with(kind)) && ends.iter().any(|end| after.starts_with(end)))
            || (before.ends_with("    ") && [" {", ",", "("].iter().any(|end| after.starts_with(end)))
    })
}

/// A target of the log, a field of a line or of an answer, or a word that is said in one.
fn is_said(source: &str, name: &str) -> bool {
    source.contains(&format!("\"{name}\"")) || source.contains(&format!(" {name} = "))
}

/// A word of the fleet service, of its tables or of the files that deploy it.
fn is_of_the_fleet(fleet: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    fleet
        .match_indices(name)
        .any(|(at, _)| !fleet[..at].ends_with(is_part) && !fleet[at + name.len()..].starts_with(is_part))
}

/// A directive or a variable of the proxy's file, or a word in it.
fn is_of_the_proxy(name: &str) -> bool {
    let file = fs::read_to_string(root().join("docs/guides/nginx.conf")).unwrap();
    file.split(|c: char| c.is_whitespace() || c == ';').any(|word| word == name)
}

fn is_setting(name: &str) -> bool {
    table().iter().any(|definition| definition.name == name)
}

/// The name of a metric in Prometheus, one of its labels, or a value of one.
fn is_measured(name: &str) -> bool {
    metrics().any(|metric| {
        let labels = metric.label_names();
        let mut values = labels.iter().flat_map(|label| metric.label_values(label));
        metric.prometheus_name() == name
            || labels.iter().any(|label| label == name)
            || values.any(|value| value == name)
    })
}

/// A value that some setting may have, in words.
fn is_value(word: &str) -> bool {
    let settings = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let mut values = settings.lines().filter(|line| line.starts_with("- Values:"));
    word == "off" || values.any(|line| line.contains(&format!("`{word}`")))
}

/// Whether the server knows a function, a relation, a parameter or a column by that name.
async fn is_known_to(db: &TestDatabase, name: &str) -> bool {
    let sql = format!(
        "SELECT (EXISTS (SELECT FROM pg_proc WHERE proname = '{name}') OR to_regclass('{name}') IS NOT NULL \
         OR EXISTS (SELECT FROM pg_settings WHERE name = '{name}') \
         OR EXISTS (SELECT FROM pg_available_extensions WHERE name = '{name}') \
         OR EXISTS (SELECT FROM pg_attribute WHERE attname = '{name}' AND attrelid = 'pg_stat_activity'::regclass))::text"
    );
    text(db, &sql).await == "true"
}

#[test]
fn every_code_is_a_code() {
    let source = source();
    let of_http = source.match_indices("\"PL-HTTP-").map(|(at, _)| source[at..].split('"').nth(1).unwrap());
    let codes: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.code()).chain(of_http).collect();
    let mut seen = 0;
    for guide in guides() {
        for (at, _) in guide.text.match_indices("PL-") {
            let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '-';
            let code: String = guide.text[at..].chars().take_while(is_part).collect();
            assert!(codes.contains(code.as_str()), "{} names {code}, which does not exist", guide.name());
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} codes were found: the test does not look");
}

#[tokio::test]
async fn every_name_is_the_name_of_something() {
    let source = source();
    let mut fleet = String::new();
    for folder in ["services/fleet/src", "services/fleet/migrations", "deploy"] {
        read(&root().join(folder), &mut fleet);
    }
    let db = test_server::database().await.unwrap();
    let (mut settings, mut known, mut unknown) = (0, BTreeSet::new(), Vec::new());
    for guide in guides() {
        let names: Vec<&str> = guide.quoted();
        for name in names {
            if known.contains(name) {
                settings += usize::from(is_setting(name));
                continue;
            }
            let is_path =
                ["crates/", "services/", "docs/", "scripts/"].iter().any(|top| name.starts_with(top));
            let name = ["plimsoll_http::", "plimsoll::"]
                .iter()
                .find_map(|own| {
                    let rest = name.strip_prefix(own)?;
                    is_in(&source, rest.split("::").next().unwrap()).then_some(rest)
                })
                .unwrap_or(name);
            let exists = if OTHERS.contains(&name) {
                true
            } else if is_path {
                root().join(name).exists()
            } else if let Some(variable) = name.strip_prefix("PLIMSOLL_") {
                let variable = format!("PLIMSOLL_{}", variable.split('=').next().unwrap());
                table().iter().any(|definition| definition.variable() == variable)
            } else if let Some((of, last)) = name.rsplit_once("::").filter(|_| !name.contains(' ')) {
                is_said(&source, name) || (is_in(&source, of) && is_in(&source, last))
            } else if is_word(name) {
                settings += usize::from(is_setting(name));
                is_setting(name)
                    || is_measured(name)
                    || is_value(name)
                    || is_of_the_proxy(name)
                    || is_of_the_fleet(&fleet, name)
                    || is_said(&source, name)
                    || is_in(&source, name)
                    || is_known_to(&db, name).await
            } else {
                true
            };
            if exists {
                known.insert(name.to_owned());
            } else {
                unknown.push(format!("{} names `{name}`", guide.name()));
            }
        }
    }
    assert!(unknown.is_empty(), "these do not exist: {unknown:#?}");
    assert!(settings > 40, "only {settings} settings were found: the test does not look");
}

#[tokio::test]
async fn every_name_in_the_diagram_is_a_setting() {
    let db = test_server::database().await.unwrap();
    for guide in guides() {
        for block in guide.blocks("text") {
            let words = block.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            for word in words.filter(|word| word.contains('_')) {
                let exists = is_setting(word) || is_known_to(&db, word).await;
                assert!(exists, "{} draws {word}, which does not exist", guide.name());
            }
        }
    }
}

#[test]
fn every_log_line_is_one_that_the_program_prints() {
    let source = source();
    let mut seen = 0;
    for guide in guides() {
        for line in guide.blocks("log").iter().flat_map(|block| block.lines()) {
            for fragment in line.split('…').flat_map(|part| part.split(": ")).map(str::trim) {
                assert!(source.contains(fragment), "{}: nothing prints {fragment:?}", guide.name());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} were found: the test does not look");
}

#[test]
fn every_link_leads_somewhere() {
    for guide in guides() {
        for target in guide.text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { guide.path.clone() } else { guide.path.with_file_name(file) };
            if path.is_dir() {
                continue;
            }
            let page = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}: {target}", guide.name()));
            let mut anchors = page.lines().filter(|line| line.starts_with('#')).map(anchor_of);
            assert!(anchor.is_empty() || anchors.any(|known| known == anchor), "{}: {target}", guide.name());
        }
    }
}

/// As the hosts of repositories make them.
fn anchor_of(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A session that holds a lock and does nothing, one that waits for it, and one that is to be stopped.
struct Trouble {
    holder: Client,
    victim: String,
    holder_pid: String,
    waiter_pid: String,
    _waiter: tokio::task::JoinHandle<()>,
}

async fn trouble(db: &TestDatabase) -> Trouble {
    let pid = "SELECT pg_backend_pid()";
    let holder = bare(&db.url()).await;
    // In one message the table would be a part of the transaction, and nobody else would know of it.
    holder.batch_execute("CREATE TABLE contended (id int)").await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE contended").await.unwrap();
    let waiter = bare(&db.url()).await;
    let victim = bare(&db.url()).await;
    let (holder_pid, waiter_pid) = (first(&holder, pid).await.unwrap(), first(&waiter, pid).await.unwrap());
    let victim_pid = first(&victim, pid).await.unwrap();
    let waits = async move {
        let _ = waiter.batch_execute("TABLE contended").await;
    };
    let is_blocked = format!("SELECT cardinality(pg_blocking_pids({waiter_pid}))::text");
    let waiter = tokio::spawn(waits);
    until("somebody waits for the lock", PATIENCE, async || text(db, &is_blocked).await == "1").await;
    Trouble { holder, victim: victim_pid, holder_pid, waiter_pid, _waiter: waiter }
}

/// Runs a block as somebody would who may only read.
async fn run(session: &Client, sql: &str) -> Vec<SimpleQueryRow> {
    session.batch_execute("BEGIN READ ONLY").await.unwrap();
    let messages = session.simple_query(sql).await.unwrap_or_else(|error| panic!("{error:?} in\n{sql}"));
    session.batch_execute("ROLLBACK").await.unwrap();
    messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn the_sql_for_the_night_finds_what_it_is_there_to_find() {
    let db = test_server::database().await.unwrap();
    let trouble = trouble(&db).await;
    let session = bare(&db.url()).await;
    let guide = guides().into_iter().find(|guide| guide.name() == "on-call.md").unwrap();
    let (holder, waiter) = (Some(trouble.holder_pid.as_str()), Some(trouble.waiter_pid.as_str()));
    let mut titles = BTreeSet::new();
    for block in guide.blocks("sql") {
        let title = block.lines().next().unwrap().to_owned();
        let rows = run(&session, &block.replace(":pid", &trouble.victim)).await;
        let finds = |found: &dyn Fn(&SimpleQueryRow) -> bool| {
            assert!(rows.iter().any(found), "it does not find it: {title}");
        };
        match title.as_str() {
            "-- what everybody does, the longest first" => finds(&|row| row.get("pid") == holder),
            "-- who is blocked, and by whom" => {
                finds(&|row| row.get("blocked") == waiter && row.get("blocker") == holder);
            }
            "-- what is locked, and what waits for it" => {
                finds(&|row| row.get("granted") == Some("f") && row.get("pid") == waiter);
                finds(&|row| row.get("granted") == Some("t") && row.get("pid") == holder);
            }
            "-- open transactions that do nothing" => finds(&|row| row.get("pid") == holder),
            "-- tables by dead rows, and when they were last cleaned and counted" => {
                finds(&|row| row.get("relname") == Some("contended"));
            }
            "-- stop what this session does (its transaction fails; the session lives)" => {
                let left =
                    format!("SELECT count(*)::text FROM pg_stat_activity WHERE pid = {}", trouble.victim);
                until("the session was ended", PATIENCE, async || text(&db, &left).await == "0").await;
            }
            _ => assert!(!rows.is_empty(), "it finds nothing: {title}"),
        }
        assert!(title.starts_with("-- "), "a block begins with what it is for: {title}");
        titles.insert(title);
    }
    assert!(titles.len() >= 7, "{titles:?}");
    trouble.holder.batch_execute("ROLLBACK").await.unwrap();
}
