//! An earlier run to be held against.

use crate::report::Row;
use anyhow::{Context, Result};
use std::path::Path;

/// What a ratio may lose before it is called worse; a quiet machine repeats itself within half of that.
const TOLERANCE: f64 = 0.10;

/// Reads the rows of an earlier `--json`.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("{} could not be read", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}, line {}, is not a row of --json", path.display(), number + 1))
        })
        .collect()
}

/// A sentence for each row whose ratio is worse than it was. Rows that only one of the two has are passed over.
pub fn compare(before: &[Row], now: &[&Row]) -> Vec<String> {
    let mut worse = Vec::new();
    for row in now {
        let earlier = before.iter().find(|earlier| earlier.bench == row.bench && earlier.case == row.case);
        let (Some(was), Some(is)) =
            (earlier.and_then(|earlier| earlier.ratio_to_best_peer), row.ratio_to_best_peer)
        else {
            continue;
        };
        if is < was * (1.0 - TOLERANCE) {
            let loss = (1.0 - is / was) * 100.0;
            worse.push(format!(
                "{}, {}: the ratio to the best peer is {is:.3} and was {was:.3}, {loss:.0} % worse",
                row.bench, row.case
            ));
        }
    }
    worse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, ratio: f64) -> Row {
        let line = format!(
            r#"{{"bench":"query","case":"{case}","unit":"per s","plimsoll":1.0,"deadpool":1.0,"bb8":null,"sqlx":null,"ratio_to_best_peer":{ratio},"spread":0.1}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_ratio_that_lost_more_than_a_tenth_is_named_with_both_figures() {
        let before = [row("a", 1.0), row("b", 2.0), row("gone", 1.0)];
        let now = [row("a", 0.91), row("b", 1.7), row("new", 0.1)];
        let worse = compare(&before, &now.iter().collect::<Vec<_>>());
        assert_eq!(worse, ["query, b: the ratio to the best peer is 1.700 and was 2.000, 15 % worse"]);
    }
}
