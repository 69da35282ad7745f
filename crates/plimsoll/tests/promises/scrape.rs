//! What a scrape gives, as series with their values.

use plimsoll::Database;
use std::collections::{BTreeMap, BTreeSet};

/// The series of one pool, without the label `pool`: `name{label="value"}`.
#[derive(Clone, Debug)]
pub(crate) struct Scrape(pub(crate) BTreeMap<String, f64>);

impl Scrape {
    pub(crate) fn of(db: &Database) -> Scrape {
        Scrape::read(&db.monitor().prometheus())
    }

    pub(crate) fn read(text: &str) -> Scrape {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap();
            let labels = labels.strip_suffix('}').unwrap();
            let own =
                labels.split(',').filter(|label| !label.starts_with("pool=")).collect::<Vec<_>>().join(",");
            let series = if own.is_empty() { name.to_owned() } else { format!("{name}{{{own}}}") };
            (series, value.parse().unwrap())
        });
        Scrape(series.collect())
    }

    pub(crate) fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is not in {:#?}", self.0))
    }

    pub(crate) fn has(&self, series: &str) -> bool {
        self.0.contains_key(series)
    }

    /// The counters and the counts of histograms that are larger than they were in this earlier scrape, each with by how
    /// much. None may be smaller.
    pub(crate) fn grown_since(&self, earlier: &Scrape) -> BTreeMap<&str, u64> {
        let mut grown = BTreeMap::new();
        for (series, now) in &self.0 {
            let name = series.split('{').next().unwrap();
            let is_count = name.ends_with("_total") || name.ends_with("_seconds_count");
            let before = earlier.0.get(series).copied().unwrap_or_default();
            if is_count {
                assert!(*now >= before, "{series} shrank from {before} to {now}");
                if *now > before {
                    grown.insert(series.as_str(), (now - before) as u64);
                }
            }
        }
        grown
    }

    /// The names of what has grown.
    pub(crate) fn grown_names(&self, earlier: &Scrape) -> BTreeSet<&str> {
        self.grown_since(earlier).into_keys().collect()
    }
}
