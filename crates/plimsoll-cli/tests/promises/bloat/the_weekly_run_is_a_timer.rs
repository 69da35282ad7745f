//! The units in `deploy/systemd` are units to systemd, and what they start does what they say.

use super::database;
use crate::command::plimsoll_of;
use crate::units::{calendar, unit, verified};

#[test]
fn systemd_takes_both_units_without_a_word() {
    let service = unit("plimsoll-bloat.service");
    assert_eq!(verified("plimsoll-bloat", &service), (true, String::new()));
    // The check itself can fail.
    let (_, said) = verified("plimsoll-bloat", &service.replace("Type=oneshot", "Type=onceshot"));
    assert!(said.contains("onceshot"), "{said}");
    assert!(calendar("plimsoll-bloat.timer").contains("Sun *-*-* 03:30:00"));
}

#[tokio::test]
async fn what_it_starts_can_be_run() {
    let service = unit("plimsoll-bloat.service");
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/plimsoll ")).unwrap();
    let db = database(true).await;
    let url = db.url();
    let arguments: Vec<&str> = line.split_whitespace().chain(["-d", &url]).collect();
    let run = plimsoll_of(&arguments).await;
    assert_eq!(run.status, 0, "all of it is below the thresholds: {run:?}");
    assert!(run.out.contains("counted by pgstattuple"), "{}", run.out);
}
