//! The table of metrics.
//!
//! | file | what it holds |
//! |---|---|
//! | [`conventions`] | those that OpenTelemetry names |
//! | [`documents`] | the nine figures of the operators' documents, with their targets |
//! | [`own`] | all else |

pub(super) mod conventions;
pub(super) mod documents;
pub(super) mod own;

use super::definition::Metric;

/// Makes a static of each metric, with its documentation as its help, and the list of them.
macro_rules! definitions {
    ($( $(#[doc = $help:literal])+ $name:ident = $metric:expr; )+) => {
        $( $(#[doc = $help])+ pub(in crate::watch::metrics) static $name: Metric =
            $metric.explained(concat!($($help),+).trim_ascii()); )+

        pub(super) static ALL: &[&Metric] = &[$( &$name ),+];
    };
}
use definitions;

/// Every metric, in the order in which they are documented.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    [conventions::ALL, documents::ALL, own::ALL].into_iter().flatten().copied()
}
