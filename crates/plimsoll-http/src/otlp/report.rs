//! How often it is told that spans were lost: at once, then at most once a minute, and once when it is over.

use std::time::{Duration, Instant};

/// Between two lines of the log.
const PAUSE: Duration = Duration::from_secs(60);

/// What was lost, and when that was told last.
#[derive(Debug, Default)]
pub(super) struct Report {
    told: Option<Instant>,
    /// Since the last success.
    lost: u64,
    /// Of these, not told yet.
    untold: u64,
}

impl Report {
    /// So many spans were lost now. Gives the number to tell of, if it is time.
    pub(super) fn lost(&mut self, spans: u64, now: Instant) -> Option<u64> {
        self.lost += spans;
        self.untold += spans;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// The collector has taken spans. Gives how many were lost before, if any were.
    pub(super) fn given(&mut self) -> Option<u64> {
        self.untold = 0;
        Some(std::mem::take(&mut self.lost)).filter(|lost| *lost > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_at_once_then_once_a_minute_and_its_end_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut report = Report::default();
        assert_eq!(report.given(), None, "nothing was lost");
        assert_eq!(report.lost(3, at(0)), Some(3));
        assert_eq!(report.lost(4, at(1)), None);
        assert_eq!(report.lost(5, at(59)), None);
        assert_eq!(report.lost(6, at(60)), Some(15));
        assert_eq!(report.given(), Some(18));
        assert_eq!(report.given(), None);
        // A collector that comes and goes is told of no more often.
        assert_eq!(report.lost(1, at(61)), None);
        assert_eq!(report.lost(1, at(121)), Some(2));
    }
}
