//! A service on Plimsoll holds every promise in every drill, and the database is as it was afterwards.

use super::scene::{
    Door, LOCKS, OURS, PATIENCE, Playing, drill, in_short, number, played, server, until, verdict,
};

#[tokio::test]
async fn under_slow_statements_locks_and_without_a_free_connection() {
    let cluster = server().await;
    let door = Door::open().await;
    let (orders, ready) = (door.at("/orders"), door.at("/readyz"));
    let service = door.guarded(&cluster, cluster.port()).await;
    let url = cluster.url("postgres");
    let drills = ["slow-query", "lock-pile-up", "connection-exhaustion"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drills.html");
    let mut arguments =
        vec!["--service", &orders, "--health", &ready, "--table", "orders", "-d", &url, "--yes", "--json"];
    arguments.extend(["--html", file.to_str().unwrap()]);
    arguments.extend(drills);
    let run = played(&arguments).await;
    for (number, name) in drills.iter().enumerate() {
        let drill = drill(&run, number);
        assert_eq!(drill["drill"], *name);
        assert_eq!(drill["held"], "held", "{}", in_short(&drill));
    }
    assert_eq!(run.status, 0, "{}", run.error);
    // The lock was felt, so the promises were put to the test.
    for number in [0, 1] {
        let (_, told) = verdict(&drill(&run, number), "refusals");
        assert!(told.starts_with("refused: "), "{told}");
    }
    let full = drill(&run, 2);
    assert!(full["done"].as_str().unwrap().ends_with("3 are left reserved"), "{}", in_short(&full));
    // The page has a part for each drill, its promises, and the fault in its charts.
    let page = std::fs::read_to_string(&file).unwrap();
    for name in drills {
        assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
    }
    assert!(page.contains("18 promises were held") && page.contains("How long each answer took"));
    assert_eq!(page.matches("every question is answered within 2.5 s").count(), 3);
    assert_eq!(
        page.matches(": the fault</li>").count(),
        6,
        "a service that answers all the time has no other mark"
    );
    assert_eq!((number(&cluster, LOCKS).await, number(&cluster, OURS).await), (0, 0));
    service.end().await;
}

#[tokio::test]
async fn when_the_wire_stands_still_or_is_cut_or_the_server_is_away() {
    let cluster = server().await;
    let door = Door::open().await;
    let (orders, ready) = (door.at("/orders"), door.at("/readyz"));
    let url = cluster.url("postgres");
    let mut playing = Playing::begin(&[
        "--service",
        &orders,
        "--health",
        &ready,
        "-d",
        &url,
        "--proxy",
        "127.0.0.1:0",
        "--yes",
        "--json",
        "freeze",
        "cut",
        "restart",
    ]);
    let port = playing.proxy().await;
    let service = door.guarded(&cluster, port).await;
    let run = playing.ended().await;
    for (number, name) in ["freeze", "cut", "restart"].iter().enumerate() {
        let drill = drill(&run, number);
        assert_eq!(
            (&drill["drill"], &drill["held"]),
            (&(*name).into(), &"held".into()),
            "{}",
            in_short(&drill)
        );
    }
    assert_eq!(run.status, 0, "{}", run.error);
    // Health was told of what could not be reached.
    for number in [0, 2] {
        let (_, told) = verdict(&drill(&run, number), "health");
        assert!(told.contains(" after the fault began"), "{told}");
    }
    service.end().await;
}

#[tokio::test]
async fn when_the_server_is_restarted_by_a_command() {
    let cluster = server().await;
    let door = Door::open().await;
    let (orders, ready) = (door.at("/orders"), door.at("/readyz"));
    let service = door.guarded(&cluster, cluster.port()).await;
    let url = cluster.url("postgres");
    let folder = tempfile::tempdir().unwrap();
    let [begun, done] = ["begun", "done"].map(|name| folder.path().join(name));
    let command = format!("touch {}; until [ -e {} ]; do sleep 0.05; done", begun.display(), done.display());
    let playing = Playing::begin(&[
        "--service",
        &orders,
        "--health",
        &ready,
        "-d",
        &url,
        "--yes",
        "--json",
        "--restart-command",
        &command,
        "restart",
    ]);
    until("the command runs", PATIENCE, async || begun.exists()).await;
    cluster.restart(plimsoll_embedded::StopMode::Immediate).await.unwrap();
    std::fs::write(&done, "").unwrap();
    let run = playing.ended().await;
    let drill = drill(&run, 0);
    assert_eq!((run.status, &drill["held"]), (0, &"held".into()), "{}{}", run.error, in_short(&drill));
    // The sessions were looked at again afterwards, though the look's own connection had gone too.
    let samples = drill["seen"]["samples"].as_array().unwrap();
    let ended = drill["seen"]["fault_ended_s"].as_f64().unwrap();
    assert!(samples.iter().any(|sample| sample["at_s"].as_f64().unwrap() > ended + 4.0), "{samples:?}");
    service.end().await;
}
