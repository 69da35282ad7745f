//! The systemd unit of the guides: what it says fits what the server does.

use super::{plan, root};
use crate::ServeOptions;
use crate::serve::descriptors_of;
use std::fs;
use std::time::Duration;

/// The value of a key that is there once.
fn value(key: &str) -> String {
    let text = fs::read_to_string(root().join("docs/guides/app.service")).unwrap();
    let mut found = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = found.next().unwrap_or_else(|| panic!("app.service says no {key}")).to_owned();
    assert!(found.next().is_none(), "{key} is said twice");
    value
}

#[test]
fn systemd_waits_until_the_server_has_stopped_by_itself() {
    let options = ServeOptions::default();
    let stop = Duration::from_secs(value("TimeoutStopSec").parse().unwrap());
    assert!(options.grace < options.hard_stop && options.hard_stop < stop, "{stop:?}");
    assert_eq!((value("KillSignal"), value("KillMode")), ("SIGTERM".to_owned(), "mixed".to_owned()));
}

#[test]
fn the_unit_leaves_descriptors_for_the_pool_beside_the_most_sockets() {
    let limit: usize = value("LimitNOFILE").parse().unwrap();
    let options = ServeOptions::default();
    let most = 10_000;
    assert!(limit >= most + descriptors_of(&plan()) + options.spare_descriptors, "{limit}");
}

/// Each line of the unit that the guide explains is in the unit.
#[test]
fn the_guide_explains_what_the_unit_says() {
    let unit = fs::read_to_string(root().join("docs/guides/app.service")).unwrap();
    let guide = fs::read_to_string(root().join("docs/guides/deployment.md")).unwrap();
    let (_, section) = guide.split_once("## systemd").unwrap();
    let (section, _) = section.split_once("### ").unwrap();
    let lines = section.split('`').skip(1).step_by(2).filter(|words| words.contains('='));
    let lines: Vec<&str> = lines.filter(|words| words.starts_with(char::is_uppercase)).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    for line in lines {
        assert!(
            unit.lines().any(|known| known == line),
            "the guide explains {line}, which the unit does not say"
        );
    }
}
