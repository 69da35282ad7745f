//! The same figures as a table, as plain lines, as JSON and as OpenMetrics.

use super::service::Service;
use crate::command::plimsoll_of;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_form_that_was_asked_for() {
    let service = Service::start().await;
    let (url, folder) = (service.at("/"), tempfile::tempdir().unwrap());
    let file = folder.path().join("load.prom");
    let shape =
        ["--rate", "40", "--for", "500ms", "--rounds", "2", "--warm-up", "0s", "--arrivals", "poisson"];
    let of = |more: &'static [&'static str]| {
        let all: Vec<String> = [["load", "http", &url].as_slice(), &shape, more]
            .concat()
            .iter()
            .map(|it| (*it).to_owned())
            .collect();
        async move { plimsoll_of(&all.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let table = of(&[]).await;
    assert_eq!(table.status, 0, "{table:?}");
    for expected in
        ["40 calls a second, at random, in 2 rounds of 500 ms", "p99 of the times since due", "GET /"]
    {
        assert!(table.out.contains(expected), "{expected}: {}", table.out);
    }
    assert!(table.out.lines().all(|line| line.chars().count() <= 80), "{}", table.out);
    let plain = of(&["--format", "plain"]).await;
    let due = plain.out.lines().find_map(|line| line.strip_prefix("due\t")).unwrap().parse::<u64>().unwrap();
    let again = of(&["--format", "plain", "--seed", "1"]).await;
    assert!(again.out.contains(&format!("due\t{due}\n")), "the same seed makes the same arrivals: {again:?}");
    let page = folder.path().join("load.html");
    let files = ["--openmetrics", file.to_str().unwrap(), "--html", page.to_str().unwrap()];
    let arguments = [["load", "http", &url].as_slice(), &shape, &files].concat();
    assert_eq!(plimsoll_of(&arguments).await.status, 0);
    let metrics = std::fs::read_to_string(&file).unwrap();
    let answered = format!("plimsoll_load_calls{{result=\"answered\"}} {due}\n");
    assert!(metrics.ends_with("# EOF\n") && metrics.contains(&answered), "{metrics}");
    let families = metrics.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert!(families >= 5 && !file.with_extension("prom.part").exists(), "{metrics}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("Every call was answered well.") && html.contains("<svg"), "{html}");

    // What is not this command's is not written over, and that is told before the load.
    std::fs::write(&page, "mine").unwrap();
    let calls = service.shared.calls.load(Ordering::Relaxed);
    let refused = plimsoll_of(&arguments).await;
    assert_eq!((refused.status, refused.error.lines().count()), (3, 1), "{refused:?}");
    assert_eq!(service.shared.calls.load(Ordering::Relaxed), calls);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
}
