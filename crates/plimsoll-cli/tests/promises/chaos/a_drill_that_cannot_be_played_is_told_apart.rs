//! What cannot be played says why in one line, with status 3, and is never a verdict.

use super::scene::{Door, drill, in_short, played, server, verdict};
use crate::command::output_of;

#[test]
fn junk_is_refused_in_a_line() {
    let cases: [(&[&str], &str); 10] = [
        (&["chaos"], "DRILL"),
        (&["chaos", "freeze"], "--service"),
        (&["chaos", "--service", "http://a", "explode"], "explode"),
        (&["chaos", "--service", "http://a", "lock-pile-up"], "lock-pile-up needs the table"),
        (&["chaos", "--service", "http://a", "freeze"], "freeze needs --proxy"),
        (&["chaos", "--service", "http://a", "restart"], "restart needs --restart-command"),
        (&["chaos", "--service", "https://a", "slow-query"], "takes http://"),
        (&["chaos", "--service", "http://u:secret@a", "slow-query"], "takes no user and password"),
        (&["chaos", "--service", "http://a", "slow-query", "--fault-for", "1h"], "to 5min"),
        (&["chaos", "--replay", "titanic"], "titanic"),
    ];
    for (arguments, said) in cases {
        let run = output_of(arguments);
        assert_eq!((run.status, run.out.as_str()), (3, ""), "{arguments:?}: {run:?}");
        assert!(run.error.contains(said) && run.error.lines().count() == 1, "{arguments:?}: {}", run.error);
        assert!(!run.error.contains("secret"), "{}", run.error);
    }
}

#[tokio::test]
async fn a_table_or_a_service_that_is_not_there() {
    let cluster = server().await;
    let url = cluster.url("postgres");
    let nowhere = "http://127.0.0.1:9/";
    let run = played(&["--service", nowhere, "-d", &url, "--table", "x'; --", "--yes", "lock-pile-up"]).await;
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.error.contains("write it as in SQL"), "{}", run.error);
    let run = played(&["--service", nowhere, "-d", "postgres://127.0.0.1:9/x", "--yes", "slow-query"]).await;
    assert_eq!((run.status, run.error.lines().count()), (3, 1), "{run:?}");
    let run = played(&["--service", nowhere, "-d", &url, "--yes", "--json", "slow-query"]).await;
    let drill = drill(&run, 0);
    assert_eq!((run.status, &drill["held"]), (3, &serde_json::Value::Null), "{drill}");
    assert!(drill["could_not"].as_str().unwrap().contains("was not brought on"), "{drill}");
}

#[tokio::test]
async fn a_role_that_may_not_and_a_restart_that_fails() {
    let cluster = server().await;
    cluster.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'").await.unwrap();
    let door = Door::open().await;
    let orders = door.at("/orders");
    let service = door.guarded(&cluster, cluster.port()).await;
    let guest = format!("postgres://guest:guest@127.0.0.1:{}/postgres", cluster.port());
    let asked = ["--service", &orders, "-d", &guest, "--table", "orders", "--yes", "--json"];
    let run = played(
        &[&asked[..], &["lock-pile-up", "slow-query", "restart", "--restart-command", "exit 7"]].concat(),
    )
    .await;
    assert_eq!(run.status, 3, "{run:?}");
    for (number, said) in
        [(0, "permission denied for table orders (42501)"), (2, "the restart command failed")]
    {
        let could_not = drill(&run, number)["could_not"].to_string();
        assert!(could_not.contains(said), "{could_not}");
    }
    service.end().await;
}

/// It is never taken for held.
#[tokio::test]
async fn what_a_role_may_not_see() {
    let cluster = server().await;
    cluster.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'").await.unwrap();
    let door = Door::open().await;
    let orders = door.at("/orders");
    let service = door.guarded(&cluster, cluster.port()).await;
    let guest = format!("postgres://guest:guest@127.0.0.1:{}/postgres", cluster.port());
    // It may compute; it may not see what sessions of others do.
    let run = played(&["--service", &orders, "-d", &guest, "--yes", "--json", "slow-query"]).await;
    let drill = drill(&run, 0);
    assert_eq!((run.status, &drill["held"]), (3, &"unknown".into()), "{}{}", run.error, in_short(&drill));
    let (held, told) = verdict(&drill, "leftovers");
    assert!(held == "unknown" && told.ends_with("GRANT pg_read_all_stats"), "{told}");
    assert_eq!(verdict(&drill, "sessions").0, "held", "{}", in_short(&drill));
    assert!(drill["done"].as_str().unwrap().ends_with("computes"), "{}", in_short(&drill));
    service.end().await;
}
