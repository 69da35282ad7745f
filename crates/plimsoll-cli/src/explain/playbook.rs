//! Which part of the playbooks a fault leads to, and which part a check. A test looks whether each part is there, and whether the guide
//! itself leads there from the same code.

use plimsoll::Fault;

/// The pages that say what to look at and what to do, the first one first; none for what only the program's own code can put
/// right.
pub(super) fn of(fault: Fault) -> impl Iterator<Item = &'static str> {
    let pages: &[&str] = match fault {
        Fault::PoolExhausted | Fault::QueueFull | Fault::Overloaded => {
            &["docs/runbooks/database-issues.md#exhaustion", "docs/guides/on-call.md#the-pool-is-exhausted"]
        }
        Fault::SelfDeadlock => &[
            "docs/runbooks/database-issues.md#failed-acquisitions",
            "docs/guides/on-call.md#the-pool-is-exhausted",
        ],
        Fault::ConnectTimeout => &[
            "docs/runbooks/database-issues.md#circuit-open",
            "docs/guides/on-call.md#503s-that-come-and-go",
            "docs/guides/on-call.md#the-pooler-is-in-the-way",
        ],
        Fault::Unreachable | Fault::NotAccepting => &[
            "docs/runbooks/database-issues.md#circuit-open",
            "docs/guides/on-call.md#503s-that-come-and-go",
            "docs/guides/on-call.md#after-a-restart",
        ],
        Fault::CircuitOpen => {
            &["docs/runbooks/database-issues.md#circuit-open", "docs/guides/on-call.md#503s-that-come-and-go"]
        }
        Fault::TooManyConnections => &["docs/runbooks/database-issues.md#utilisation"],
        Fault::DeadlinePassed => &[
            "docs/runbooks/database-issues.md#slow-acquisition",
            "docs/guides/on-call.md#statement-timeouts",
        ],
        Fault::StatementTimeout | Fault::TransactionTimeout => {
            &["docs/runbooks/database-issues.md#timeouts", "docs/guides/on-call.md#statement-timeouts"]
        }
        Fault::LockTimeout => {
            &["docs/guides/on-call.md#everything-hangs", "docs/guides/on-call.md#statement-timeouts"]
        }
        Fault::ConnectionLost | Fault::ServerShutdown => {
            &["docs/guides/on-call.md#outcome-unknown", "docs/guides/on-call.md#after-a-restart"]
        }
        Fault::IdleSessionEnded => &["docs/guides/on-call.md#a-transaction-does-not-end"],
        Fault::ReadOnlyServer => &["docs/guides/on-call.md#writes-fail-after-a-switchover"],
        Fault::ServerResources => &["docs/guides/on-call.md#the-disk-fills"],
        Fault::Migration => &["docs/runbooks/database-issues.md#schema"],
        _ => &[],
    };
    pages.iter().copied()
}

/// The same of a check of `plimsoll doctor`, by its id: what to do when it is more than a setting.
pub(super) fn of_check(id: &str) -> Option<&'static str> {
    Some(match id {
        "C01" => "docs/guides/on-call.md#the-pool-is-exhausted",
        "C06" | "C07" | "C08" | "C09" => "docs/guides/on-call.md#the-pooler-is-in-the-way",
        "A01" => "docs/guides/on-call.md#statement-timeouts",
        "A02" | "A03" | "A06" => "docs/guides/on-call.md#a-transaction-does-not-end",
        "A04" => "docs/guides/on-call.md#everything-hangs",
        "B04" | "B07" | "B08" => "docs/guides/on-call.md#tables-and-indexes-bloat",
        "R02" => "docs/guides/on-call.md#the-disk-fills",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(file: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::read_to_string(root.join(file)).unwrap()
    }

    fn anchors(text: &str) -> impl Iterator<Item = String> + '_ {
        text.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor)
    }

    /// The anchor of a heading, as GitHub makes it.
    fn anchor(heading: &str) -> String {
        let letters = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
        letters.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    }

    #[test]
    fn each_part_is_there() {
        let mut looked_at = 0;
        let of_checks = plimsoll_inspect::checks::all().filter_map(|check| of_check(check.id));
        for page in Fault::ALL.into_iter().flat_map(of).chain(of_checks) {
            let (file, wanted) = page.split_once('#').unwrap();
            assert!(anchors(&read(file)).any(|anchor| anchor == wanted), "{page}");
            looked_at += 1;
        }
        assert!(looked_at > 40, "only {looked_at} were found");
    }

    /// What an alert says goes to a part of the runbook.
    #[test]
    fn each_alert_leads_to_a_part_that_is_there() {
        let (rules, mut looked_at) = (read("docs/monitoring/plimsoll.rules.yml"), 0);
        for line in rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")) {
            let (file, wanted) = line.trim_matches('\'').split_once('#').unwrap();
            let text = read(&format!("docs/monitoring/{file}"));
            assert!(anchors(&text).any(|anchor| anchor == wanted), "{line}");
            looked_at += 1;
        }
        assert!(looked_at > 10, "only {looked_at} were found");
    }

    /// The table at the head of the guide and `plimsoll explain` send a code to the same part.
    #[test]
    fn the_guide_leads_there_too() {
        let guide = read("docs/guides/on-call.md");
        let mut looked_at = 0;
        for row in guide.lines().filter(|line| line.starts_with("| ") && line.contains("](#")) {
            let part = row.split("](#").nth(1).unwrap().split(')').next().unwrap();
            for fault in Fault::ALL.into_iter().filter(|fault| row.contains(fault.code())) {
                let page = format!("docs/guides/on-call.md#{part}");
                assert!(of(fault).any(|of| of == page), "{} does not lead to {page}", fault.code());
                looked_at += 1;
            }
        }
        assert!(looked_at > 10, "only {looked_at} were found");
    }
}
