//! ^C in the middle of a load: what there is by then is told, said to be partial, and kept as no baseline.

use super::service::{Service, report};
use crate::command::{Run, plimsoll};
use plimsoll_embedded::test_server;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::sleep;

fn begun(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn interrupted(child: Child) -> Run {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_service() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (url, file) = (service.at("/"), folder.path().join("baseline.json"));
    let shape =
        ["--rate", "50", "--for", "10min", "--warm-up", "0s", "--json", "--save", file.to_str().unwrap()];
    let child = begun(plimsoll(&[["load", "http", &url].as_slice(), &shape].concat()));
    let until = Instant::now() + Duration::from_secs(30);
    while service.shared.calls.load(Ordering::Relaxed) < 20 {
        assert!(Instant::now() < until, "the load begins");
        sleep(Duration::from_millis(20)).await;
    }
    let run = interrupted(child).await;
    assert_eq!(run.status, 130, "{run:?}");
    let report = report(&run.out);
    assert_eq!((&report["is_partial"], report["rounds"].as_array().unwrap().len()), (&true.into(), 1));
    assert!(report["answered"].as_u64().unwrap() >= 19, "{report}");
    assert!(run.error.contains("it is not kept as a baseline") && !file.exists(), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_database() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let shape = ["--most", "4", "--for", "2s", "--rounds", "100", "--scale", "1", "--yes", "--json"];
    let child = begun(plimsoll(&[["load", "pool-size", "-d", &url].as_slice(), &shape].concat()));
    let until = Instant::now() + Duration::from_secs(60);
    let busy = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%plimsoll_load_%.accounts SET%'
        AND pid <> pg_backend_pid()";
    while db.execute(busy).await.unwrap()[0]["n"] == "0" {
        assert!(Instant::now() < until, "the load begins");
        sleep(Duration::from_millis(50)).await;
    }
    let run = interrupted(child).await;
    assert_eq!(run.status, 130, "{run:?}");
    assert_eq!(report(&run.out)["is_partial"], true);
    let left = db
        .execute("SELECT count(*) AS n FROM pg_namespace WHERE nspname LIKE 'plimsoll_load%'")
        .await
        .unwrap();
    assert_eq!(left[0]["n"], "0", "{run:?}");
}
