//! Each replay: the guarded client holds what the other one breaks, on a server that is gone afterwards.

use crate::command::{plimsoll, runs};
use serde_json::Value;

/// Plays one; says what the unguarded client broke.
async fn broken_by_the_other(replay: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay.html");
    let run =
        runs(plimsoll(&["chaos", "--replay", replay, "--json", "--html", file.to_str().unwrap()])).await;
    let outcome: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!((&outcome["schema_version"], &outcome["replay"]), (&1.into(), &replay.into()));
    let promises = outcome["promises"].as_array().unwrap();
    assert!(promises.len() >= 3);
    for promise in promises {
        assert_eq!(promise["guarded"]["held"], "held", "{promise}");
    }
    assert_eq!((run.status, &outcome["held"]), (0, &"held".into()), "{}", run.error);
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains(replay) && page.matches(": the trouble</li>").count() >= 2, "{page}");
    for client in ["guarded", "unguarded"] {
        let calls = outcome[client]["calls"].as_array().unwrap();
        assert!(calls.len() > 50 && calls.iter().any(|call| call["error"].is_null()), "{client}");
    }
    let broken = promises.iter().filter(|promise| promise["unguarded"]["held"] == "broken");
    broken.map(|promise| promise["said"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn of_an_index_that_is_built_without_concurrently() {
    let broken = broken_by_the_other("index-without-concurrently").await;
    assert!(broken.iter().any(|said| said.starts_with("every call is answered within")), "{broken:?}");
    assert!(broken.iter().any(|said| said.starts_with("reads of another table")), "{broken:?}");
}

#[tokio::test]
async fn of_a_switchover_after_which_writes_fail_as_read_only() {
    let broken = broken_by_the_other("read-only-switchover").await;
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(broken[0].starts_with("writes are served again"), "{broken:?}");
}

#[tokio::test]
async fn of_everyone_who_reconnects_at_once() {
    let broken = broken_by_the_other("everyone-reconnects").await;
    assert!(broken.iter().any(|said| said.contains("attempts to connect")), "{broken:?}");
}
