//! How much of a table or an index is waste: an estimate from the catalogs and the statistics, which reads no row.
//!
//! What is there is compared with what would be there after a rewrite. A rewrite's size follows from the number of rows, their
//! width, and the fill factor: see [`row`] for the width, [`tables`] and [`indexes`] for the rest. Rows, pages and widths are as of
//! the last vacuum or analyze, so an estimate is as old as those are; where they are missing, where much has changed since, or
//! where the counters cannot tell how much, the answer is that it is not known, with the reason, and never a number.
//!
//! Tests hold the estimates against the extension `pgstattuple`, which reads the whole table, and against the size after
//! `VACUUM FULL` or `REINDEX`: they are within ten points of a hundred. What they cannot see:
//!
//! - Widths are averages. Where rows are narrow and their texts vary, padding costs a few bytes more or less than the average says.
//! - The line pointers of removed rows stay in their pages; pgstattuple counts them as used, a rewrite gives them back, and so
//!   they are waste here.
//! - The old values of a dropped column are waste here too, though pgstattuple counts them as rows.
//! - The chunks of a TOAST table are told by their number only. They are taken to be full, so what is estimated is the least.
//!
//! | file | what it holds |
//! |---|---|
//! | [`row`] | how wide a row or an index entry is |
//! | [`tables`] | the estimate of tables |
//! | [`indexes`] | the estimate of B-trees |
//! | [`exact`] | what `pgstattuple` counts, where it is installed |

pub mod exact;
pub mod indexes;
pub mod row;
pub mod tables;

use std::fmt;

/// Waste below so many megabytes is left alone, whatever its share: of a table, and of an index. `plimsoll doctor` and `plimsoll bloat`
/// judge by the same numbers.
pub const WARN_MB: f64 = 500.0;

/// So many megabytes of waste make trouble, if the share does too.
pub const CRIT_MB: f64 = 10_240.0;

/// A larger share of waste in a table is a warning, in percent.
pub const TABLE_WARN: f64 = 30.0;

/// The same of an index: one that grows in no order of its keys is a third empty, as it should be.
pub const INDEX_WARN: f64 = 40.0;

/// A larger share of waste makes trouble, in percent.
pub const CRIT: f64 = 50.0;

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Its size, in bytes, as of the last vacuum or analyze.
    pub bytes: f64,
    /// The share of it that no live row takes: dead rows, free space, and what the fill factor leaves free. From 0 to 1.
    pub free: f64,
    /// The share of it that a rewrite would give back. From 0 to 1.
    pub waste: f64,
    /// It is at least so much.
    pub at_least: bool,
}

impl Estimate {
    /// What a rewrite would give back, in bytes.
    #[must_use]
    pub fn wasted_bytes(&self) -> f64 {
        self.bytes * self.waste
    }
}

/// Why there is no estimate.
#[derive(Clone, Debug, PartialEq)]
pub enum Unknown {
    /// It was never analyzed.
    NeverAnalyzed,
    /// No analyze is on record, so nothing tells how much has changed since.
    NotCounted,
    /// The same of the vacuum of a TOAST table, which is never analyzed.
    NotVacuumed,
    /// So large a share of its rows has changed since the last analyze.
    Changed(f64),
    /// There are no statistics of some columns, or the role that asks may not see them.
    NoStatistics,
    /// So large a share of the rows is dead and still in the index: a vacuum has to remove them first.
    Dead(f64),
    /// How often keys repeat is not known well enough: it would be between these shares.
    Repeats(f64, f64),
    /// Keys are stored in another form than in the table.
    Stored,
}

/// The largest share of rows that may have changed since the last analyze, or be dead in an index.
const TOO_MUCH: f64 = 0.2;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::NeverAnalyzed => f.write_str("it was never analyzed"),
            Unknown::NotCounted => {
                f.write_str(
                    "no analyze of it is on record (there was none, or the counters were begun anew since), so nothing tells how much \
                     has changed",
                )
            }
            Unknown::NotVacuumed => f.write_str(
                "no vacuum of it is on record (there was none, or the counters were begun anew since), so nothing tells how much has \
                 changed",
            ),
            Unknown::Changed(share) => {
                write!(f, "{:.0} % of its rows have changed since the last analyze", share * 100.0)
            }
            Unknown::NoStatistics => f.write_str(
                "there are no statistics of some of its columns, or the role that asks may not see them (GRANT pg_read_all_data)",
            ),
            Unknown::Dead(share) => {
                write!(f, "{:.0} % of the table's rows are dead and wait for a vacuum", share * 100.0)
            }
            Unknown::Repeats(least, most) => write!(
                f,
                "the statistics do not tell well enough how often keys repeat: between {:.0} % and {:.0} % would be waste",
                least * 100.0,
                most * 100.0
            ),
            Unknown::Stored => f.write_str("its keys are stored in another form than in the table"),
        }
    }
}

impl Unknown {
    /// An analyze would help.
    #[must_use]
    pub fn is_helped_by_analyze(&self) -> bool {
        matches!(self, Unknown::NeverAnalyzed | Unknown::NotCounted | Unknown::Changed(_))
    }
}

/// How much the statistics are worth, by what the counters say.
fn are_fit(rows: f64, counted: bool, modified: f64) -> Result<(), Unknown> {
    if rows < 0.0 {
        return Err(Unknown::NeverAnalyzed);
    }
    if !counted {
        return Err(Unknown::NotCounted);
    }
    let changed = modified / rows.max(1.0);
    if changed > TOO_MUCH { Err(Unknown::Changed(changed)) } else { Ok(()) }
}

/// A share, which is none below 0 and none above 1.
fn share(of: f64) -> f64 {
    of.clamp(0.0, 1.0)
}
