//! Which part of the playbooks a fault leads to. A test looks whether each part is there.

use plimsoll::Fault;

/// The pages that say what to look at and what to do, the first one first; none for what only the program's own code can put
/// right.
pub(super) fn of(fault: Fault) -> impl Iterator<Item = &'static str> {
    let pages: &[&str] = match fault {
        Fault::PoolExhausted | Fault::QueueFull | Fault::Overloaded => {
            &["docs/runbooks/database-issues.md#exhaustion", "docs/guides/on-call.md#the-pool-is-exhausted"]
        }
        Fault::SelfDeadlock => &["docs/runbooks/database-issues.md#failed-acquisitions"],
        Fault::CircuitOpen | Fault::Unreachable | Fault::ConnectTimeout | Fault::NotAccepting => {
            &["docs/runbooks/database-issues.md#circuit-open", "docs/guides/on-call.md#503s-that-come-and-go"]
        }
        Fault::TooManyConnections => &["docs/runbooks/database-issues.md#utilisation"],
        Fault::DeadlinePassed => &["docs/runbooks/database-issues.md#slow-acquisition"],
        Fault::StatementTimeout | Fault::TransactionTimeout => {
            &["docs/runbooks/database-issues.md#timeouts", "docs/guides/on-call.md#statement-timeouts"]
        }
        Fault::LockTimeout => &["docs/guides/on-call.md#everything-hangs"],
        Fault::ConnectionLost | Fault::ServerShutdown => {
            &["docs/guides/on-call.md#outcome-unknown", "docs/guides/on-call.md#after-a-restart"]
        }
        Fault::Migration => &["docs/runbooks/database-issues.md#schema"],
        _ => &[],
    };
    pages.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The anchor of a heading, as GitHub makes it.
    fn anchor(heading: &str) -> String {
        let letters = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
        letters.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    }

    #[test]
    fn each_part_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut looked_at = 0;
        for page in Fault::ALL.into_iter().flat_map(of) {
            let (file, wanted) = page.split_once('#').unwrap();
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let found =
                text.lines().filter_map(|line| line.strip_prefix("## ")).any(|line| anchor(line) == wanted);
            assert!(found, "{page}");
            looked_at += 1;
        }
        assert!(looked_at > 10);
    }
}
