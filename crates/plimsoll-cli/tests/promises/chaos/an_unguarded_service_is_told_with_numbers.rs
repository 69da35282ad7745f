//! A service without limits breaks its promises, and the verdict says which, with the numbers; the exit status is 1.

use super::scene::{Door, Playing, drill, in_short, played, server, verdict};

#[tokio::test]
async fn behind_a_lock_and_on_a_wire_that_stands_still() {
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
        "--table",
        "orders",
        "--yes",
        "--json",
        "--fault-for",
        "5s",
        "lock-pile-up",
        "freeze",
    ]);
    let service = door.unguarded(&cluster, playing.proxy().await);
    let run = playing.ended().await;
    assert_eq!(run.status, 2, "{run:?}");
    let (locked, frozen) = (drill(&run, 0), drill(&run, 1));
    for drill in [&locked, &frozen] {
        assert_eq!(drill["held"], "broken", "{}", in_short(drill));
        let (held, told) = verdict(drill, "answers");
        assert_eq!(held, "broken", "{}", in_short(drill));
        let late: usize = told.split(' ').next().unwrap().parse().unwrap();
        let asked: usize = told.split(' ').nth(2).unwrap().parse().unwrap();
        let probes = drill["seen"]["probes"].as_array().unwrap();
        let counted = probes.iter().filter(|probe| probe["took_s"].as_f64().unwrap() > 2.5).count();
        assert!(
            late == counted && late > 5 && asked == probes.len(),
            "{told}; {counted} of {}",
            probes.len()
        );
    }
    // The database answered behind the lock, so a health that stays is right there; and wrong on the silent wire.
    assert_eq!(verdict(&locked, "health").0, "held", "{}", in_short(&locked));
    assert_eq!(verdict(&frozen, "health").0, "broken", "{}", in_short(&frozen));
    service.end().await;
}

#[tokio::test]
async fn as_text_for_people() {
    let cluster = server().await;
    let door = Door::open().await;
    let orders = door.at("/orders");
    let url = cluster.url("postgres");
    let service = door.unguarded(&cluster, cluster.port());
    let run = played(&[
        "--service",
        &orders,
        "-d",
        &url,
        "--table",
        "orders",
        "--yes",
        "--fault-for",
        "5s",
        "lock-pile-up",
    ])
    .await;
    assert_eq!(run.status, 2, "{run:?}");
    let (plan, told) =
        run.out.split_once("\nlock-pile-up: BROKEN\n").unwrap_or_else(|| panic!("{}", run.out));
    assert!(plan.contains("holds    every question is answered within 2.5 s"), "{plan}");
    assert!(told.contains("  BROKEN   every question is answered within 2.5 s:"), "{told}");
    assert!(told.contains("had no answer") && told.contains("holds ACCESS EXCLUSIVE on orders"), "{told}");
    assert!(run.out.lines().all(|line| line.chars().count() <= 80), "{}", run.out);
    service.end().await;
}
