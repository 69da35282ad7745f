//! Why a breaker is not closed, as a value and in words.

use crate::fault::Fault;
use tokio::time::Instant;

/// Why the breaker is not closed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cause {
    /// Answers were owed, and none came since then.
    Silent(Instant),
    /// No connection could be opened since then.
    Failing { since: Instant, failures: u32, fault: Fault, last: String },
    /// The server had answered again, and then a call did not reach it.
    Relapsed,
    /// The server answers again; so many calls at a time are let through.
    Recovering(u32),
    /// By a call of [`Circuit::isolate`](super::Circuit::isolate).
    Isolated,
}

impl Cause {
    /// In words, as of now.
    pub(crate) fn told(&self, now: Instant) -> String {
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        match self {
            Cause::Silent(since) => {
                format!("the server has owed answers and given none for {:.1} s", seconds(*since))
            }
            Cause::Failing { since, failures, last, .. } => format!(
                "no connection could be opened for {:.1} s ({failures} tries; the last: {last})",
                seconds(*since)
            ),
            Cause::Relapsed => "the server had answered again, and then could not be reached".to_owned(),
            Cause::Recovering(step) => {
                format!("the server answers again, and {step} calls at a time are let through")
            }
            Cause::Isolated => "it was isolated by hand".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_cause_has_its_words() {
        let start = Instant::now();
        let told = |cause: Cause| cause.told(start + Duration::from_millis(1_240));
        assert_eq!(told(Cause::Silent(start)), "the server has owed answers and given none for 1.2 s");
        assert_eq!(told(Cause::Relapsed), "the server had answered again, and then could not be reached");
        let recovering = "the server answers again, and 8 calls at a time are let through";
        assert_eq!(told(Cause::Recovering(8)), recovering);
        assert_eq!(told(Cause::Isolated), "it was isolated by hand");
        let (fault, last) = (Fault::Unreachable, "refused".to_owned());
        let failing = Cause::Failing { since: start, failures: 4, fault, last };
        assert_eq!(told(failing), "no connection could be opened for 1.2 s (4 tries; the last: refused)");
    }
}
