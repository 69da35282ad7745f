//! On a server that collects, the statements that take its time are listed, by all their calls and by the mean call. On one
//! that does not, the answer says which step is missing, and the steps lead there one after the other.

use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::checks::{all, examine};
use plimsoll_inspect::statements::history::{Growth, Snapshot};
use plimsoll_inspect::statements::{COLLECTED, Collecting, Gap, Order, Statement, TopStatements};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

#[expect(clippy::disallowed_methods, reason = "this crate asks over any connection")]
async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn collecting(client: &Client) -> Collecting {
    Collecting::read(&client.simple_query(COLLECTED).await.unwrap()).unwrap()
}

async fn top(client: &Client, order: Order) -> TopStatements {
    let question = collecting(client).await.top(order).unwrap();
    TopStatements::read(&client.simple_query(&question).await.unwrap()).unwrap()
}

async fn loaded() -> (Cluster, Client) {
    let builder = Cluster::builder().setting("shared_preload_libraries", "pg_stat_statements");
    let cluster = builder.start().await.unwrap();
    let client = session(&cluster.url("postgres")).await;
    (cluster, client)
}

fn of<'a>(top: &'a TopStatements, part: &str) -> Option<&'a Statement> {
    top.statements.iter().find(|statement| statement.query.as_ref().is_some_and(|query| query.contains(part)))
}

/// Statements that differ in more than constants and names of columns.
async fn different_statements(client: &Client, count: usize) {
    for columns in 1..=count {
        client.simple_query(&format!("SELECT {}", vec!["1"; columns].join(", "))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_all_their_calls_and_by_the_mean_one() {
    let (_cluster, client) = loaded().await;
    client.batch_execute("CREATE SCHEMA \"odd Schema\"").await.unwrap();
    client.batch_execute("CREATE EXTENSION pg_stat_statements SCHEMA \"odd Schema\"").await.unwrap();
    assert_eq!(collecting(&client).await.remedy(), None);
    client.simple_query("SELECT \"odd Schema\".pg_stat_statements_reset()").await.unwrap();
    // Quick and often, slow and seldom, slower and once.
    for number in 0..400 {
        client.simple_query(&format!("SELECT pg_sleep(0.001) AS often WHERE {number} >= 0")).await.unwrap();
    }
    for _ in 0..11 {
        client.simple_query("SELECT pg_sleep(0.02) AS seldom").await.unwrap();
    }
    client.simple_query("SELECT pg_sleep(0.1) AS once, 1").await.unwrap();

    let by_total = top(&client, Order::Total).await;
    let often = by_total.statements.first().unwrap();
    assert!(often.query.as_ref().unwrap().contains("often"), "{by_total}");
    assert_eq!((often.calls, often.rows), (400, 400));
    assert!(often.total.as_secs_f64() >= 0.4 && often.mean.as_secs_f64() >= 0.001, "{often}");
    assert!(often.share > 0.3 && often.share <= 1.0 && often.longest >= often.mean, "{often}");
    assert!(of(&by_total, "once").is_some());
    assert!(by_total.sees_all && by_total.forgotten == 0);
    assert!(by_total.collected_for.unwrap().as_secs() < 600);
    let orders: Vec<_> = by_total.statements.iter().map(|statement| statement.total).collect();
    assert!(orders.is_sorted_by(|one, other| one >= other), "{by_total}");

    let by_mean = top(&client, Order::Mean).await;
    assert!(by_mean.statements[0].query.as_ref().unwrap().contains("seldom"), "{by_mean}");
    assert_eq!(by_mean.statements[0].calls, 11);
    assert!(of(&by_mean, "once").is_none(), "called once: {by_mean}");
    assert!(of(&by_mean, "often").is_some(), "{by_mean}");

    let written = serde_json::to_value(&by_mean).unwrap();
    assert_eq!(written["statements"][0]["calls"], 11);
    assert!(by_mean.to_string().contains("in 11 calls, mean "), "{by_mean}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_the_most_of_this_database_and_no_password() {
    let (cluster, client) = loaded().await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    cluster.create_database("neighbour").await.unwrap();
    cluster.execute("neighbour", "SELECT 1 AS of_the_neighbour").await.unwrap();
    client.batch_execute("CREATE ROLE guest LOGIN PASSWORD 'hunter2'").await.unwrap();
    client.batch_execute("ALTER ROLE guest /* hunter3 */ PASSWORD 'hunter4'").await.unwrap();
    let few = top(&client, Order::Total).await;
    assert!(few.statements.iter().any(|statement| statement.query.is_none()), "{few}");
    assert!(!format!("{few:?} {few}").contains("hunter"), "{few:?}");
    assert!(of(&few, "of_the_neighbour").is_none());
    different_statements(&client, 30).await;
    assert_eq!(top(&client, Order::Total).await.statements.len(), 20);

    // Another role sees that there is more than it may read.
    client.batch_execute("SET ROLE guest").await.unwrap();
    let hidden = top(&client, Order::Total).await;
    assert!(!hidden.sees_all && hidden.to_string().contains("GRANT pg_read_all_stats"), "{hidden}");
    assert!(hidden.statements.iter().all(|statement| statement.id.is_none() || statement.user == "guest"));
    client.batch_execute("RESET ROLE").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_was_called_yet_is_no_error() {
    let (_cluster, client) = loaded().await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    client.simple_query("SELECT pg_stat_statements_reset()").await.unwrap();
    let none = top(&client, Order::Mean).await;
    assert!(none.statements.is_empty() && none.collected_for.is_some(), "{none}");
    assert!(none.to_string().contains("no statement was called often enough"), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_too_small_is_told() {
    let cluster = Cluster::builder()
        .setting("shared_preload_libraries", "pg_stat_statements")
        .setting("pg_stat_statements.max", "100")
        .start()
        .await
        .unwrap();
    let client = session(&cluster.url("postgres")).await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    different_statements(&client, 300).await;
    let top = top(&client, Order::Total).await;
    assert!(top.forgotten > 0 && top.to_string().contains("for want of room"), "{top}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_missing_step_is_named_and_the_next_is_found_after_it() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = session(&cluster.url("postgres")).await;
    let gap = collecting(&client).await.top(Order::Total).unwrap_err();
    assert_eq!(gap, Gap::NotLoaded);
    assert!(gap.to_string().contains("shared_preload_libraries") && gap.to_string().contains("restart"));
    // Installed and not loaded: the view would end with an error.
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    assert_eq!(collecting(&client).await.remedy(), Some(Gap::NotLoaded));
    client.simple_query("SELECT * FROM pg_stat_statements").await.unwrap_err();
    client.batch_execute("DROP EXTENSION pg_stat_statements").await.unwrap();
    client.batch_execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await.unwrap();
    cluster.restart(plimsoll_embedded::StopMode::Fast).await.unwrap();

    let client = session(&cluster.url("postgres")).await;
    assert_eq!(collecting(&client).await.remedy(), Some(Gap::NotInstalled));
    client.batch_execute("CREATE EXTENSION pg_stat_statements VERSION '1.8'").await.unwrap();
    let gap = collecting(&client).await.remedy().unwrap();
    assert_eq!(gap, Gap::TooOld { version: "1.8".to_owned() });
    assert!(gap.to_string().contains("ALTER EXTENSION pg_stat_statements UPDATE"));
    client.batch_execute("ALTER EXTENSION pg_stat_statements UPDATE").await.unwrap();
    assert_eq!(collecting(&client).await.remedy(), None);
    client.batch_execute("SET pg_stat_statements.track = 'none'").await.unwrap();
    assert_eq!(collecting(&client).await.remedy(), Some(Gap::SwitchedOff));
    client.batch_execute("RESET pg_stat_statements.track").await.unwrap();
    top(&client, Order::Mean).await;
    // As a server without the contrib package answers.
    let bare =
        "SELECT NULL AS version, NULL AS schema_name, NULL AS room, NULL AS track, false AS is_available";
    let bare = Collecting::read(&client.simple_query(bare).await.unwrap()).unwrap();
    assert_eq!(bare.remedy(), Some(Gap::NotAvailable));
    let other = client.simple_query("SELECT 'x' AS is_available").await.unwrap();
    Collecting::read(&other).unwrap_err();
}

/// What asks is no part of the answer: neither this question, nor the checks, nor what services on Plimsoll ask each second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_of_our_own_are_left_out_and_counted() {
    let (cluster, client) = loaded().await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    client.simple_query("SELECT pg_stat_statements_reset()").await.unwrap();
    assert!(top(&client, Order::Total).await.left_out <= 3, "what asks for this");
    client.simple_query("SELECT pg_sleep(0.01) AS of_the_application").await.unwrap();
    let other = session(&cluster.url("postgres")).await;
    for question in [plimsoll_inspect::blocking::LOCK_WAITS, plimsoll_inspect::blocking::BLOCKING] {
        other.simple_query(question).await.unwrap();
    }
    let asking = Asking::default();
    let until = Instant::now() + Duration::from_secs(60);
    let subject = run::subject(&other, &asking, until).await.unwrap();
    examine(all(), &other, None, &subject, &asking, until, |_| ()).await;
    let top = top(&client, Order::Total).await;
    let of_application = of(&top, "of_the_application").unwrap();
    assert!(top.left_out > 20, "{top:?}");
    let ours = |statement: &&Statement| {
        let query = statement.query.as_deref().unwrap_or_default();
        query.contains("pg_catalog.") || query.contains("SET LOCAL")
    };
    // Servers that keep no constants of a SET do not tell whose it was.
    let listed: Vec<&Statement> = top.statements.iter().filter(ours).collect();
    assert!(
        listed.iter().all(|it| it.query.as_deref().is_some_and(|query| query.contains("$1"))),
        "{listed:#?}"
    );
    assert!(of_application.share > 0.5, "the shares are those of what is listed: {top}");

    // The same of what is kept.
    let question = collecting(&client).await.snapshot().unwrap();
    let look = Snapshot::read(&client.simple_query(&question).await.unwrap()).unwrap();
    let empty = Snapshot { statements: Vec::new(), is_whole: true, ..look.clone() };
    let mut growth = Growth::from(empty);
    growth.step(look);
    assert!(growth.left_out() > 20, "{growth:?}");
    let grown = growth.top(Order::Total, 100, 0);
    let first = grown.first().unwrap();
    assert!(first.query.as_ref().unwrap().contains("of_the_application") && first.share > 0.5, "{grown:#?}");
    assert!(
        grown.iter().all(|it| it.query.as_deref().is_some_and(|query| !query.contains("asked by"))),
        "{grown:#?}"
    );
}
