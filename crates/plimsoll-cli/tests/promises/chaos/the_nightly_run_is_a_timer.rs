//! The units of the nightly drill are units to systemd, and what they start is a command line that fits.

use super::scene::server;
use crate::command::plimsoll_of;
use crate::units::{calendar, unit, verified};

#[test]
fn systemd_takes_both_units_without_a_word() {
    let service = unit("plimsoll-chaos.service");
    assert_eq!(verified("plimsoll-chaos", &service), (true, String::new()));
    assert!(calendar("plimsoll-chaos.timer").contains("*-*-* 02:30:00"));
}

#[tokio::test]
async fn what_it_starts_can_be_planned() {
    let service = unit("plimsoll-chaos.service");
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/plimsoll ")).unwrap();
    let cluster = server().await;
    let line = line
        .replace("${CHAOS_SERVICE}", "http://127.0.0.1:9/orders")
        .replace("${CHAOS_HEALTH}", "http://127.0.0.1:9/readyz")
        .replace("${CHAOS_TABLE}", "orders")
        .replace("--yes --html /var/lib/plimsoll/chaos.html", "--dry-run");
    let url = cluster.url("postgres");
    let arguments: Vec<&str> = line.split_whitespace().chain(["-d", &url]).collect();
    let run = plimsoll_of(&arguments).await;
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.out.contains("for 10 s") && run.out.contains("Nothing was done"), "{}", run.out);
}
