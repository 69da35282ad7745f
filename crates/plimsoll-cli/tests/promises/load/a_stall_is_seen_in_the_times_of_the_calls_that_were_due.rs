//! A service that stands still for a second shows it in the times of all calls that were due meanwhile, not of one call only; and
//! calls that could not be begun are counted, and never put off.

use super::service::{STALL, Service, number, report};
use crate::command::plimsoll_of;

const RATE: u64 = 100;

async fn stalled(in_flight: &str) -> serde_json::Value {
    let service = Service::start().await;
    let url = service.at("/stall");
    let arguments = [
        "load",
        "http",
        &url,
        "--rate",
        "100",
        "--for",
        "3s",
        "--rounds",
        "1",
        "--warm-up",
        "0s",
        "--json",
        "--in-flight",
        in_flight,
        "--allow",
        "100",
    ];
    let run = plimsoll_of(&arguments).await;
    assert_eq!(run.status, 0, "{run:?}");
    report(&run.out)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_proportion_to_its_length() {
    let report = stalled("1000").await;
    let stall = STALL.as_secs_f64() * 1_000.0;
    assert_eq!((number(&report["due"]), number(&report["skipped"])), (3.0 * RATE as f64, 0.0));
    let times = &report["times_ms"];
    // A third of the calls was due in the stall: a tenth of all waited for more than two thirds of it. A load that waits for its
    // answers would have had one slow call in 200, which no 99th percentile shows.
    assert!(number(&times["p90"]) > stall * 0.5, "{times}");
    assert!(number(&times["p99"]) > stall * 0.8, "{times}");
    assert!(number(&times["p50"]) < stall * 0.5, "most were due outside of the stall: {times}");
    assert_eq!(number(&report["answered"]), number(&report["due"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_what_the_cap_keeps_from_being_begun_is_skipped() {
    let report = stalled("5").await;
    let [due, skipped, answered] = ["due", "skipped", "answered"].map(|name| number(&report[name]));
    assert_eq!((due, due - skipped), (3.0 * RATE as f64, answered), "{report}");
    // Of the hundred calls of the stall, five were in flight.
    assert!(skipped > 60.0, "{report}");
    // Nothing is begun late to make up for it.
    let late = &report["begun_late_ms"];
    assert!(number(&late["p50"]) < 500.0, "{late}");
}
