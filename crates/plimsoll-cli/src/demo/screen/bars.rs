//! The seconds of a lane as bars.
//!
//! Time is stretched, so that the whole run takes the whole width, as it does on the bar at the head of the screen: on a
//! wide terminal a second has several columns, or one and two in turn. Where the run has more seconds than there are
//! columns, each has one, and the last ones are shown.
//!
//! The bars of time to an answer are logarithmic, from a millisecond to the deadline, since what matters (two
//! milliseconds, fifty, two thousand) would otherwise be a flat line and a wall.

use super::super::DEADLINE;
use ratatui::style::{Color, Style};
use ratatui::widgets::{Sparkline, SparklineBar};
use std::time::Duration;

/// The 99th percentile of each second; a second in which no request was answered has no bar.
pub(super) fn waits(waits: &[Option<f64>], width: u16, span: Duration) -> Sparkline<'static> {
    let bars = stretched(waits, width, span).map(|wait| {
        let colour = match wait {
            Some(wait) if wait >= 500.0 => Color::Red,
            Some(wait) if wait >= 50.0 => Color::Yellow,
            _ => Color::Green,
        };
        SparklineBar::from(wait.map(height)).style(Style::new().fg(colour))
    });
    Sparkline::default().data(bars).max(height(DEADLINE.as_secs_f64() * 1000.0))
}

/// How many were acknowledged in each second, beside how many came.
pub(super) fn acknowledged(
    acknowledged: &[u64],
    width: u16,
    span: Duration,
    rate: u32,
) -> Sparkline<'static> {
    let bars = stretched(acknowledged, width, span);
    Sparkline::default().data(bars).max(u64::from(rate)).style(Style::new().fg(Color::Green))
}

/// A millisecond and less is one, and each doubling ten more.
fn height(ms: f64) -> u64 {
    (ms.max(1.0).log2() * 10.0).round() as u64 + 1
}

/// The seconds column by column, at most as many columns as this.
fn stretched<T: Copy>(seconds: &[T], width: u16, span: Duration) -> impl Iterator<Item = T> {
    let width = usize::from(width);
    let columns = columns_of(seconds.len(), width, span.as_secs() as usize);
    let shown = seconds.get(columns.skipped..).unwrap_or_default();
    (0..columns.drawn).filter_map(move |column| shown.get(column * columns.seconds / width.max(1)).copied())
}

/// Which seconds are shown in which columns.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    /// The first seconds, for which there is no room.
    skipped: usize,
    /// How many columns have a second by now.
    drawn: usize,
    /// How many seconds the whole width holds.
    seconds: usize,
}

fn columns_of(known: usize, width: usize, span: usize) -> Columns {
    let seconds = span.max(1).min(width.max(1));
    let skipped = known.saturating_sub(seconds);
    // As many columns as show no second after the last one that is known.
    let drawn = ((known - skipped) * width).div_ceil(seconds);
    Columns { skipped, drawn, seconds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drawn(known: usize, width: u16, span: u64) -> Vec<usize> {
        let seconds: Vec<usize> = (0..known).collect();
        stretched(&seconds, width, Duration::from_secs(span)).collect()
    }

    #[test]
    fn a_second_has_as_many_columns_as_there_are_for_it() {
        assert_eq!(drawn(4, 8, 4), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(drawn(2, 8, 4), [0, 0, 1, 1]);
        assert_eq!(drawn(4, 6, 4), [0, 0, 1, 2, 2, 3]);
    }

    #[test]
    fn with_more_seconds_than_columns_the_last_ones_are_shown() {
        assert_eq!(drawn(3, 4, 60), [0, 1, 2]);
        assert_eq!(drawn(9, 4, 60), [5, 6, 7, 8]);
        assert_eq!(drawn(9, 0, 60), [0_usize; 0]);
    }

    proptest! {
        /// Nothing is drawn beyond the width; the last second is drawn; no second among those shown is left out; and at the
        /// end of the run all columns are taken.
        #[test]
        fn no_second_is_left_out(known in 1_usize..300, width in 1_u16..400, span in 1_u64..4000) {
            let drawn = drawn(known, width, span);
            prop_assert!(drawn.len() <= usize::from(width));
            prop_assert_eq!(drawn.last(), Some(&(known - 1)));
            prop_assert!(drawn.windows(2).all(|pair| pair[1] - pair[0] <= 1));
            if known as u64 >= span || known >= usize::from(width) {
                prop_assert_eq!(drawn.len(), usize::from(width));
            }
        }
    }

    #[test]
    fn heights_double_with_every_ten() {
        assert_eq!([0.2, 1.0, 2.0, 4.0, 1024.0].map(height), [1, 1, 11, 21, 101]);
    }
}
