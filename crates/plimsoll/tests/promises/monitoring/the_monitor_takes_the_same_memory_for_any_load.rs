//! The monitor takes the same memory for any load: 100,000 texts, each of another kind, leave no more behind than the
//! first ten thousand, and what was run again and again is still known. `PLIMSOLL_RECORDS` says how many records there are
//! in all: 400,000, and ten million in `make soak`.

use crate::server::{self, number, resident};
use plimsoll_embedded::test_server;
use std::time::Duration;

#[tokio::test]
async fn and_a_hundred_thousand_kinds_of_statements_are_no_exception() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let monitor = db.monitor();
    let filler = "a_column_with_a_long_name, ".repeat(40);
    let record = |from: u64, to: u64| {
        for number in from..to {
            let text = format!("SELECT {filler} c{number} FROM t WHERE id = {number}");
            monitor.record_query_execution(&text, Duration::from_micros(number), false);
            monitor.record_query_execution("SELECT 'often'", Duration::from_micros(1), false);
            monitor.record_acquisition(Duration::from_micros(number), true);
        }
    };
    record(0, 10_000);
    let before = resident();
    let most = number("PLIMSOLL_CASES", 100_000);
    record(10_000, most);
    // Then the same texts again, which the table has forgotten meanwhile, and a few that it knows.
    let mut records = 3 * most;
    let all = number("PLIMSOLL_RECORDS", records + 100_000);
    while records < all {
        let number = records % 100;
        let text = match number {
            0 => format!("SELECT {filler} c{} FROM t WHERE id = 1", fastrand::u64(..most)),
            _ => "SELECT 'often'".to_owned(),
        };
        monitor.record_query_execution(&text, Duration::from_micros(number), false);
        monitor.record_acquisition(Duration::from_micros(number), true);
        records += 2;
    }
    let after = resident();
    println!("{before} kB after 10,000 texts, {after} kB after {most} and {records} records");
    assert!(after < before + 4_096, "{before} kB grew to {after} kB");

    let kinds = monitor.query_performance(usize::MAX);
    assert!(kinds.len() <= 512, "{} kinds are kept", kinds.len());
    let often = kinds.iter().find(|kind| kind.query_template == "select ?").unwrap();
    let more = (records - 3 * most) / 2;
    assert!(
        (most + more * 98 / 100..=most + more).contains(&often.execution_count),
        "what is used all the time stays"
    );
    let now = db.snapshot();
    assert_eq!(
        (now.statements.executed, now.pool_metrics.total_acquisitions),
        (2 * most + more, most + more)
    );
    assert!(
        now.statements.kinds_forgotten + 512 >= most,
        "{} were forgotten",
        now.statements.kinds_forgotten
    );
}

/// As a service has it: texts that have never been seen before, run on a server. `PLIMSOLL_STATEMENTS` says how many: 12,000,
/// and half a million in `make soak`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_are_statements_that_a_server_runs() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let run = async |from: u64, to: u64| {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4 {
            let db = db.clone();
            tasks.spawn(async move {
                for number in (from..to).filter(|number| number % 4 == task) {
                    let lease = db.acquire().await.unwrap();
                    lease.batch_execute(&format!("SELECT {number} AS c{number}")).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
    };
    run(0, 6_000).await;
    let before = resident();
    let most = number("PLIMSOLL_STATEMENTS", 12_000);
    run(6_000, most).await;
    let after = resident();
    println!("{before} kB after 6,000 statements, {after} kB after {most}");
    assert!(after < before + 6_144, "{before} kB grew to {after} kB");
    assert_eq!(db.snapshot().statements.executed, most);
    assert!(db.monitor().query_performance(usize::MAX).len() <= 512);
}
