//! The plan only asks the server what it is; without a yes, and where it looks like production, nothing is done.

use super::scene::{OURS, number, played, server};
use crate::command::is_the_screen;
use crate::top::terminal::Terminal;
use serde_json::Value;

const NOWHERE: &str = "http://127.0.0.1:9/orders";

#[tokio::test]
async fn a_plan_reads_and_nothing_else() {
    let cluster =
        plimsoll_embedded::Cluster::builder().setting("log_statement", "all").start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE orders (id integer)").await.unwrap();
    let url = cluster.url("postgres");
    let all = [
        "--service",
        NOWHERE,
        "--health",
        "http://127.0.0.1:9/readyz",
        "-d",
        &url,
        "--table",
        "orders",
        "--proxy",
        "127.0.0.1:0",
        "slow-query",
        "lock-pile-up",
        "freeze",
        "cut",
        "connection-exhaustion",
        "restart",
    ];
    let run = played(&all).await;
    assert_eq!(run.status, 0, "{run:?}");
    is_the_screen("chaos-plan.txt", &run.out.replace(&cluster.port().to_string(), "54321"));
    let json = played(&[&all[..], &["--json"]].concat()).await;
    let plan: Value = serde_json::from_str(&json.out).unwrap();
    let sql = plan["drills"][1]["sql"].as_array().unwrap();
    assert!(sql.contains(&"LOCK TABLE ONLY \"orders\" IN ACCESS EXCLUSIVE MODE".into()), "{plan}");

    let log = std::fs::read_to_string(cluster.log_path()).unwrap();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("statement: ")).collect();
    assert!(
        said.iter().any(|line| line.contains("pg_stat_replication")),
        "the log tells what was asked: {log}"
    );
    for word in ["LOCK TABLE", "statement: SET", "pg_sleep", "BEGIN"] {
        assert!(!said.iter().any(|line| line.contains(word)), "{word}: {said:?}");
    }
}

#[tokio::test]
async fn without_a_yes_or_on_production_it_refuses() {
    let cluster = server().await;
    cluster.create_database("orders_production").await.unwrap();
    let (url, production) = (cluster.url("postgres"), cluster.url("orders_production"));
    let asked = ["--service", NOWHERE, "connection-exhaustion"];
    let run = played(&[&asked[..], &["-d", &url]].concat()).await;
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.out.contains("Nothing was done: this was the plan."), "{}", run.out);
    let run = played(&[&asked[..], &["-d", &url, "--run"]].concat()).await;
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.error.contains("there is no terminal to ask at: say --yes"), "{}", run.error);
    let run = played(&[&asked[..], &["-d", &production, "--yes"]].concat()).await;
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.error.contains("\"production\" is in orders_production"), "{}", run.error);
    // Where it is meant, it goes on, as far as the service that is not there.
    let run = played(
        &[&asked[..], &["-d", &production, "--yes", "--allow-production", "--before", "500ms"]].concat(),
    )
    .await;
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.out.contains("the service was not well before the fault"), "{}", run.out);
    assert_eq!(number(&cluster, OURS).await, 0);
}

#[tokio::test]
async fn at_a_terminal_it_asks_and_takes_a_no() {
    let cluster = server().await;
    let url = cluster.url("postgres");
    let terminal = Terminal::start(
        80,
        50,
        &["chaos", "--service", NOWHERE, "-d", &url, "--run", "connection-exhaustion"],
    );
    let screen = terminal.shows("Bring these faults on? [y]es, [n]o, [q]uit:");
    assert!(screen.contains("sessions of its own take every connection"), "{screen}");
    terminal.press(&["n", "Enter"]);
    let screen = terminal.shows("ended with 3");
    assert!(screen.contains("nothing was done"), "{screen}");
    assert_eq!(number(&cluster, OURS).await, 0);
}
