//! The runbook has a part for every alert, under the heading to which the alert leads, and for every trigger by which the
//! team is called; each says what to look at, what to change and whom to call. (That it names only what exists is promised
//! with the guides.)

use plimsoll::monitor::{Severity, alerts};
use std::collections::BTreeMap;
use std::path::Path;

fn runbook() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks/database-issues.md");
    std::fs::read_to_string(path).unwrap()
}

/// The parts of the page by the anchors of their headings.
fn parts(text: &str) -> BTreeMap<String, &str> {
    let parts = text.split("\n## ").skip(1);
    parts.map(|part| (part.lines().next().unwrap().to_lowercase().replace(' ', "-"), part)).collect()
}

#[test]
fn under_the_heading_to_which_it_leads() {
    let text = runbook();
    let parts = parts(&text);
    for alert in alerts() {
        let part =
            parts.get(alert.anchor()).unwrap_or_else(|| panic!("there is no part #{}", alert.anchor()));
        assert!(part.contains(alert.name()), "#{} does not name {}", alert.anchor(), alert.name());
        if alert.severity() == Severity::Critical {
            assert!(part.contains("database-p0"), "#{} does not say whom to page", alert.anchor());
        }
    }
}

#[test]
fn and_every_trigger_of_the_documents() {
    let text = runbook();
    for trigger in
        ["Timeouts in the log", "above 95 %", "Schema initialization failed", "a connection may be leaked"]
    {
        assert!(text.contains(trigger), "{trigger:?} is not in the runbook");
    }
    assert!(text.contains("#database-reliability") && text.contains("database-p0"));
}

#[test]
fn with_what_to_look_at_what_to_change_and_whom_to_call() {
    let text = runbook();
    let parts = parts(&text);
    let mut seen = 0;
    for (anchor, part) in parts.iter().filter(|(_, part)| part.contains("**What you see.**")) {
        for question in ["**What to look at.**", "**What to change.**", "**Whom to call.**"] {
            assert!(part.contains(question), "#{anchor} has no {question}");
        }
        seen += 1;
    }
    assert!(seen >= 9, "only {seen} parts were found: the test does not look");
}

#[test]
fn and_an_anchor_that_leads_nowhere_is_found() {
    let parts = parts("# Page\n\n## Failed acquisitions\n\ntext\n\n## Leaks\n");
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["failed-acquisitions", "leaks"]);
    assert!(!parts.contains_key("utilisation"));
}
