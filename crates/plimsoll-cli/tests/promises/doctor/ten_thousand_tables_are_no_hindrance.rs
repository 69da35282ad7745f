//! A database of ten thousand tables is no hindrance: no check runs into the limit of its question, `doctor` takes under 3 s and under
//! 100 MB of memory, and a page of `report` stays one that can be read. What each takes is printed.

use crate::command::{Run, plimsoll};
use crate::server_sessions::session;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Report, State, all};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// In parts, since a transaction keeps a lock on each of its tables.
const TABLES: &str = "DO $$ BEGIN FOR n IN 1..10000 LOOP \
    EXECUTE format('CREATE TABLE shop.table_%1$s (id int PRIMARY KEY, parent int REFERENCES shop.table_%1$s, code int)', n); \
    IF n % 4 = 0 THEN EXECUTE format('CREATE INDEX ON shop.table_%s (code)', n); END IF; \
    IF n % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$";

const TIME_LIMIT: Duration = Duration::from_secs(3);
const MEMORY_LIMIT_KB: u64 = 100 * 1_024;

/// What a run came to, how long it took, and the most memory that it had.
#[derive(Debug)]
struct Took {
    run: Run,
    time: Duration,
    memory_kb: u64,
}

/// Runs the command, and looks at its memory until it has ended. The kernel keeps the most of it, so the last look tells.
fn measured(mut command: Command) -> Took {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let reads = [
        Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ]
    .map(|mut from| {
        std::thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).unwrap();
            text
        })
    });
    let mut memory_kb = 0;
    let status = loop {
        memory_kb = most_memory_kb(&status_file).unwrap_or(memory_kb).max(memory_kb);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let time = begun.elapsed();
    let [out, error] = reads.map(|read| read.join().unwrap());
    Took { run: Run { status: status.code().unwrap(), out, error }, time, memory_kb }
}

fn most_memory_kb(status_file: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status_file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

async fn measured_of(arguments: &[&str]) -> Took {
    let command = plimsoll(arguments);
    let took = tokio::task::spawn_blocking(move || measured(command)).await.unwrap();
    println!("10,000 tables, {}: {:?}, {} kB", arguments[0], took.time, took.memory_kb);
    assert!(took.memory_kb > 1_024, "its memory was seen");
    took
}

fn ran_into_a_limit(report: &Report) -> Vec<&str> {
    let findings = report.checks.iter().flat_map(|checked| &checked.findings);
    let skipped = findings.filter(|finding| finding.state == State::Skipped);
    let why = skipped.map(|finding| finding.value.as_str());
    why.filter(|why| why.contains("it took more than") || why.contains("the time for all")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_for_the_checks_nor_for_the_page() {
    let cluster = Cluster::builder()
        .setting("max_locks_per_transaction", "1024")
        .setting("synchronous_commit", "off")
        .setting("autovacuum", "off")
        .start()
        .await
        .unwrap();
    let url = cluster.url("postgres");
    let owner = session(&url, "owner").await;
    owner.batch_execute("CREATE ROLE app LOGIN; CREATE SCHEMA shop").await.unwrap();
    let begun = Instant::now();
    owner.batch_execute(TABLES).await.unwrap();
    println!("made in {:?}", begun.elapsed());
    owner.batch_execute("ANALYZE pg_catalog.pg_class").await.unwrap();
    // With the numbers as they are, and with such that each table is a finding.
    let strict: Vec<String> = all()
        .flat_map(|check| check.thresholds)
        .map(|threshold| format!("--threshold={}=0", threshold.name))
        .collect();
    let strict: Vec<&str> = strict.iter().map(String::as_str).collect();
    for thresholds in [&[][..], &strict] {
        let mut arguments = vec!["doctor", &url, "--role", "app", "--json", "--within", "120s"];
        arguments.extend(thresholds);
        let mut took = measured_of(&arguments).await;
        // A machine that is busy with other things makes one run or another slow.
        for _ in 0..4 {
            if took.time >= TIME_LIMIT {
                took = measured_of(&arguments).await;
            }
        }
        let report: Report = serde_json::from_str(&took.run.out).unwrap();
        assert_eq!(ran_into_a_limit(&report), Vec::<&str>::new());
        for checked in &report.checks {
            assert!(checked.findings.len() <= 51, "{} lists {}", checked.id, checked.findings.len());
        }
        assert!(took.memory_kb < MEMORY_LIMIT_KB, "{} kB", took.memory_kb);
        assert!(took.time < TIME_LIMIT, "{:?}", took.time);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let took = measured_of(&["report", &url, "--role", "app", "-o", file.to_str().unwrap()]).await;
    assert!(!took.run.out.contains("not on it"), "{:?}", took.run);
    assert!(took.memory_kb < MEMORY_LIMIT_KB, "{} kB", took.memory_kb);
    let size = file.metadata().unwrap().len();
    assert!(size < 1_000_000, "a page of {size} bytes");
}
