//! `fleet simulate` ends with a summary, and with a status that tells whether each reading was acknowledged: what was not is never
//! left out.

use crate::service;
use crate::simulating::Simulation;

/// Where no service listens.
const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn all_is_well_with_what_the_file_of_a_service_says() {
    let fleet = service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("of a service");
    let text = format!(
        "# A comment\nFLEET_URL='{}'\n\nTENANT_ID='test'\nDEVICE_KEY='{}'\n",
        fleet.device.url, fleet.device.key
    );
    std::fs::write(&file, text).unwrap();
    let ended = Simulation::of_file(&file, "--devices 5 --rate 25 --for 2s").ended().await;
    ended.is_clean();
    assert_eq!(fleet.readings().await, ended.number("made"));
    assert!(
        ended
            .summary
            .starts_with("5 devices of tenant test, 5 over HTTP and 0 over MQTT, made readings for 2 s\n")
    );
    // An option goes before the file.
    let ended = Simulation::of_file(&file, "--devices 5 --rate 25 --for 1s --key other").ended().await;
    assert_eq!((ended.status, ended.number("refused")), (Some(1), ended.number("made")), "{ended:?}");
    assert!(ended.summary.contains(&format!("401 x{}", ended.number("made"))), "{ended:?}");
    fleet.running.stop().await;
}

#[tokio::test]
async fn a_service_that_is_away_is_owed_all_that_there_was_room_for() {
    let options = format!("--url {NOWHERE} --devices 4 --keep 3 --rate 40 --for 2s --drain 1s");
    let ended = Simulation::of_test("key", &options).ended().await;
    let (made, dropped) = (ended.number("made"), ended.number("dropped"));
    assert_eq!(
        (ended.status, ended.number("waiting"), ended.number("acknowledged")),
        (Some(1), 12, 0),
        "{ended:?}"
    );
    assert!(made >= 78 && dropped == made - 12, "{ended:?}");
    assert!(ended.summary.contains("no answer x"), "{ended:?}");
}

#[tokio::test]
async fn an_interrupt_ends_it_in_order_and_a_second_one_at_once() {
    let fleet = service::start().await;
    let options = format!("--url {} --devices 5 --rate 25", fleet.device.url);
    let simulation = Simulation::of_test(&fleet.device.key, &options);
    service::until("readings come", async || fleet.readings().await >= 20).await;
    simulation.interrupt().await;
    let ended = simulation.ended().await;
    ended.is_clean();
    assert_eq!(fleet.readings().await, ended.number("made"));

    // What waits is waited for, unless it is told again not to.
    let hold = fleet.hold_writes().await;
    let simulation = Simulation::of_test(&fleet.device.key, &options);
    fleet.until_writes_wait(1).await;
    simulation.interrupt().await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    simulation.interrupt().await;
    let ended = simulation.ended().await;
    assert!(ended.status == Some(1) && ended.number("waiting") > 0, "{ended:?}");
    hold.rollback().await;
    fleet.running.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_named() {
    for (options, said) in [
        ("", "fleet simulate: where to? name the service with --url"),
        ("--url http://127.0.0.1:9 --rate 0", "fleet simulate: --rate 0: readings a second, more than 0"),
        ("--url http://127.0.0.1:9 --share-mqtt 0.5", "fleet simulate: --share-mqtt 0.5: there is no broker"),
    ] {
        let ended = Simulation::of_test("key", options).ended().await;
        assert!(ended.status == Some(2) && ended.progress.starts_with(said), "{options}: {ended:?}");
        assert_eq!(ended.summary, "");
    }
}
