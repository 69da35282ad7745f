//! A database of ten thousand tables is no hindrance: no check runs into the limit of its question. How long it takes is printed.

use super::{report, strict};
use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::run::Asking;
use plimsoll_inspect::checks::{Report, State};
use std::time::{Duration, Instant};

/// In parts, since a transaction keeps a lock on each of its tables.
const TABLES: &str = "DO $$ BEGIN FOR n IN 1..10000 LOOP \
    EXECUTE format('CREATE TABLE shop.table_%1$s (id int PRIMARY KEY, parent int REFERENCES shop.table_%1$s, code int)', n); \
    IF n % 4 = 0 THEN EXECUTE format('CREATE INDEX ON shop.table_%s (code)', n); END IF; \
    IF n % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$";

fn ran_into_a_limit(report: &Report) -> Vec<&str> {
    let findings = report.checks.iter().flat_map(|checked| &checked.findings);
    let skipped = findings.filter(|finding| finding.state == State::Skipped);
    let why = skipped.map(|finding| finding.value.as_str());
    why.filter(|why| why.contains("it took more than") || why.contains("the time for all")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_runs_into_its_limit_on_ten_thousand_tables() {
    let cluster = Cluster::builder()
        .setting("max_locks_per_transaction", "1024")
        .setting("synchronous_commit", "off")
        .setting("autovacuum", "off")
        .start()
        .await
        .unwrap();
    let owner = session_at(&cluster.url("postgres"), None, "owner").await;
    owner.batch_execute("CREATE SCHEMA shop").await.unwrap();
    let began = Instant::now();
    owner.batch_execute(TABLES).await.unwrap();
    println!("made in {:?}", began.elapsed());
    owner.batch_execute("ANALYZE pg_catalog.pg_class").await.unwrap();
    let asker = session_at(&cluster.url("postgres"), None, "asker").await;
    // With the numbers as they are, and with such that each table is a finding.
    for (asking, what) in
        [(Asking { role: "app", ..Asking::default() }, "as they are"), (strict("app"), "strict")]
    {
        let began = Instant::now();
        let found = report(&asker, &asking, Duration::from_secs(120)).await;
        println!("10,000 tables, numbers {what}: {:?}", began.elapsed());
        assert_eq!(ran_into_a_limit(&found), Vec::<&str>::new());
        for checked in &found.checks {
            assert!(checked.findings.len() <= 51, "{} lists {}", checked.id, checked.findings.len());
        }
    }
}
