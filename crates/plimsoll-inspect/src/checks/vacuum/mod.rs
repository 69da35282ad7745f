//! Checks B: what vacuum has left undone, and what is running out.

mod analyze_lag;
mod autovacuum_off;
mod index_bloat;
mod sequences;
mod table_bloat;
mod truncation;
mod vacuum_lag;
mod wraparound;

use super::Check;

pub(super) const CHECKS: &[&Check] = &[
    &wraparound::B01,
    &autovacuum_off::B03,
    &vacuum_lag::B04,
    &analyze_lag::B05,
    &table_bloat::B07,
    &index_bloat::B08,
    &sequences::B10,
    &truncation::B11,
];

/// Bytes as they are said: `312 kB`, `1.4 GB`.
fn size(bytes: f64) -> String {
    const STEP: f64 = 1_024.0;
    match bytes {
        small if small < STEP * STEP => format!("{:.0} kB", small / STEP),
        middle if middle < STEP * STEP * STEP => format!("{:.0} MB", middle / STEP / STEP),
        large => format!("{:.1} GB", large / STEP / STEP / STEP),
    }
}
