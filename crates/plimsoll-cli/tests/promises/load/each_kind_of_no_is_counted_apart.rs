//! Answers, refusals with and without a Retry-After, failures by status and time limits are counted by kind, for each target by its
//! weight.

use super::service::{Service, number, report};
use crate::command::{Run, plimsoll_of};
use std::sync::atomic::Ordering;

async fn load(arguments: &[&str]) -> Run {
    let shape = ["--for", "1s", "--rounds", "1", "--warm-up", "0s", "--json", "--rate", "80"];
    let arguments: Vec<&str> =
        ["load", "http"].into_iter().chain(arguments.iter().copied()).chain(shape).collect();
    plimsoll_of(&arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_service() {
    let service = Service::start().await;
    let target = |weight: u32, path: &str| format!("{weight} {}", service.at(path));
    let targets = [
        target(4, "/"),
        target(1, "/status?is=503&retry=1"),
        target(1, "/status?is=429"),
        target(1, "/status?is=500"),
        target(1, "/never"),
    ];
    let mut arguments: Vec<&str> = targets.iter().flat_map(|target| ["-t", target]).collect();
    arguments.extend(["--timeout", "300ms"]);
    let run = load(&arguments).await;
    assert_eq!(run.status, 1, "half of it did not end well: {run:?}");
    assert_eq!(run.error, "plimsoll: 50.00 % of the calls were skipped or did not end well (--allow 0)\n");
    let report = report(&run.out);
    let counts = ["due", "answered", "refused", "refused_with_retry_after", "failed", "timed_out", "skipped"];
    assert_eq!(
        counts.map(|name| number(&report[name])),
        [80.0, 40.0, 20.0, 10.0, 10.0, 10.0, 0.0],
        "{report}"
    );
    let kinds = serde_json::json!({
        "refused: status 429": 10, "refused: status 503, told when to come again": 10, "status 500": 10, "timed out": 10
    });
    assert_eq!(report["kinds"], kinds);
    let targets = report["targets"].as_array().unwrap();
    assert_eq!((&targets[0]["name"], &targets[0]["due"]), (&"GET /".into(), &40.into()));
    assert!(number(&targets[4]["times_ms"]["p50"]) >= 299.0, "a time limit is a time: {}", targets[4]);
    assert_eq!(number(&targets[3]["times_ms"]["max"]), 0.0, "a quick no is none: {}", targets[3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_targets_in_a_file_with_headers_and_bodies_that_are_told_nowhere() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (file, headers) = (folder.path().join("targets.toml"), folder.path().join("headers"));
    std::fs::write(folder.path().join("order.json"), r#"{"a":1}"#).unwrap();
    let targets = format!(
        "[[target]]\nname = \"orders\"\nurl = \"{}\"\nbody_file = \"order.json\"\nheaders = {{ Content-Type = \"application/json\" }}\n\
         [[target]]\nweight = 3\nurl = \"{}\"\n",
        service.at("/post"),
        service.at("/")
    );
    std::fs::write(&file, targets).unwrap();
    std::fs::write(&headers, "Authorization: Bearer secret\n").unwrap();
    let headers = format!("@{}", headers.display());
    let run = load(&["--targets-file", file.to_str().unwrap(), "-H", &headers]).await;
    assert_eq!(run.status, 0, "{run:?}");
    let report = report(&run.out);
    assert_eq!(
        (&report["targets"][0]["name"], &report["targets"][0]["answered"]),
        (&"orders".into(), &20.into())
    );
    assert_eq!(service.shared.posted.load(Ordering::Relaxed), 20, "a look before the load posts nothing");
    // One more is the look before the load.
    assert_eq!(service.shared.with_token.load(Ordering::Relaxed), 61);
    assert!(!run.out.contains("secret") && !run.error.contains("secret"), "{run:?}");
}
