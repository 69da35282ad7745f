//! The report says what each request does, who holds connections and who waits, and what the breaker and the runtime do: in an
//! idle service, before a frozen database with an exhausted pool, and with every worker blocked.

use super::child::{Service, Start};
use crate::service::PATIENCE;
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_faults::Process;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What is said of tasks, which depends on what the test was built with.
const TASKS: &str = if cfg!(all(tokio_unstable, feature = "task-dumps", target_os = "linux")) {
    "where they wait\n  task "
} else {
    "tasks: no dump; for one, build with plimsoll-http's feature task-dumps"
};

fn has(report: &str, parts: &[&str]) {
    for part in parts {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
}

/// The line with this in it.
fn line<'a>(report: &'a str, part: &str) -> &'a str {
    report
        .lines()
        .find(|line| line.contains(part))
        .unwrap_or_else(|| panic!("no line with {part:?} in\n{report}"))
}

/// Blocks workers until there is none left; the report on that. A request may be given to a worker that is blocked already and
/// is not answered then, so one for each worker is not always enough.
async fn block_all(service: &Service) -> (Vec<TcpStream>, String) {
    let mut wires = Vec::new();
    let end = Instant::now() + PATIENCE;
    loop {
        wires.push(service.ask("/block", "blocks").await);
        let report = service.report().await;
        let has_cpu_time =
            !cfg!(target_os = "linux") || report.contains(" of CPU time: blocked, by a lock, ");
        if has_cpu_time && report.contains("workers 2, 2 of them without a pause for ") {
            return (wires, report);
        }
        assert!(Instant::now() < end, "{report}");
    }
}

#[tokio::test]
async fn an_idle_service_says_so() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    assert_eq!(service.get("/now").await.body, "1");
    let report = service.report_with(&["requests: 0 in flight\n", ", none is blocked;"]).await;
    has(
        &report,
        &[
            "database \"main\" (127.0.0.1:",
            "connections: 0 of 2 lent, 1 idle, 0 being opened, 0 being made clean; last connect ok ",
            "share: may have 2 of 2 connections",
            "breaker: closed; opened 0 times by itself, 0 calls refused",
            "listeners: 0",
            "retries: ",
            "runtime: workers 2, ",
            TASKS,
        ],
    );
    assert!(
        !report.contains("gdb") && !report.contains("waiting:") && !report.contains("lent, oldest first"),
        "{report}"
    );
    #[cfg(target_os = "linux")]
    has(&report, &["threads: CPU time in ", "1 of plimsoll-report: 1 run, 0 sleep"]);
    assert_eq!(service.get("/now").await.body, "1", "it serves on");
}

#[tokio::test]
async fn a_frozen_database_and_an_exhausted_pool_are_told() {
    let cluster = Cluster::start().await.unwrap();
    let service = Start::default().on(&cluster.url("postgres")).await;
    let _held = service.ask("/hold", "holds-1").await;
    service.report_with(&["\"holds\"", "idle in transaction"]).await;
    let _runs = service.ask("/sleep/a", "runs-1").await;
    service.report_with(&["2 of 2 lent"]).await;
    let _waits = [service.ask("/sleep/b", "waits-1").await, service.ask("/sleep/c", "waits-2").await];
    service.report_with(&["waiting: 2"]).await;
    let _stream = service.ask("/stream", "streams-1").await;
    service.report_with(&["requests: 5 in flight"]).await;

    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let report = service.report_with(&["breaker: open for "]).await;
    let answered = service.get("/now").await;
    let refused = service.report().await;
    let (_blocked, blocked) = block_all(&service).await;
    server.thaw().unwrap();

    has(
        &report,
        &[
            "requests: 5 in flight, oldest first",
            "2 of 2 lent, 0 idle",
            ": the server has owed answers and given none for ",
        ],
    );
    let request = line(&report, "request holds-1 of user u-17");
    has(request, &["GET /hold", "runs no statement; the last was \"holds\" (child.rs:", "1 ended before"]);
    let request = line(&report, "request runs-1 of user u-17");
    has(request, &["GET /sleep/{of}", ": runs \"sleeps long\" (child.rs:", ", begun "]);
    let request = line(&report, "request waits-1 of user u-17");
    has(request, &[": waits for a connection of \"main\" for ", ", for \"sleeps long\" (child.rs:"]);
    has(line(&report, "request streams-1"), &["has run no statement, sends its answer 200"]);
    has(line(&report, "waiting: 2"), &["the first for ", "(priority high 0, normal 2, low 0)"]);
    let lease = line(&report, ": idle in transaction");
    has(lease, &["\"holds\" (child.rs:", ", nothing received for ", ", backend ", ", request holds-1"]);
    has(lease, &[", last statement "]);
    has(line(&report, ": active"), &["\"sleeps long\" (child.rs:", ", request runs-1"]);
    assert_eq!(answered.status, 503, "{answered:?}");
    has(&refused, &["opened 1 time by itself, 1 call refused"]);
    has(&blocked, &["2 of 2 lent, 0 idle", "waiting: 2", "breaker: open for "]);
    has(line(&blocked, "request blocks "), &["GET /block", ": has run no statement"]);
}

#[tokio::test]
async fn every_worker_is_blocked_and_the_report_says_so() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    assert_eq!(service.get("/now").await.body, "1");
    let (_blocked, report) = block_all(&service).await;
    has(&report, &["database \"main\"", "0 of 2 lent, 1 idle", "gdb -p "]);
    has(line(&report, "request blocks "), &["GET /block", ": has run no statement"]);
    #[cfg(target_os = "linux")]
    {
        has(line(&report, "2 of tokio-"), &[": 0 run, 2 sleep"]);
        has(
            line(&report, "runtime:"),
            &[" of CPU time: blocked, by a lock, ", "breakers stand still meanwhile"],
        );
    }
    let nothing = timeout(Duration::from_millis(200), service.get("/now")).await;
    assert!(nothing.is_err(), "nothing else answers: {nothing:?}");
    has(&service.report().await, &["workers 2, 2 of them without a pause for "]);
}

#[tokio::test]
async fn many_of_a_kind_are_counted() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    let mut asked = Vec::new();
    for at in 0..25 {
        asked.push(service.ask("/sleep/x", &format!("id-{at}")).await);
    }
    let report = service.report_with(&["requests: 25 in flight", "waiting: 23,"]).await;
    let listed = |report: &str| report.lines().filter(|line| line.contains("GET /sleep/{of}")).count();
    assert_eq!(listed(&report), 20, "{report}");
    has(&report, &["    .. and 5 more\n", "    .. and 3 more\n"]);
    drop(asked);
    service.report_with(&["requests: 0 in flight\n", "0 of 2 lent"]).await;
}
