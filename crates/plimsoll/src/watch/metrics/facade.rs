//! Counters and gauges, handed to the `metrics` facade.
//!
//! The sampler does this each second, and a program when it asks for it. A recorder is told by how much a counter has grown
//! since it was told last, so a second pool of the same name, or one that is opened anew, adds to the same counter; and a
//! recorder that is installed late is told everything. It is not told of histograms: they are rendered from this library's
//! own when they are asked for.

use super::definition::{Metric, MetricKind, POOL, Unit as Measure, Value};
use super::reading::Reading;
use super::table::metrics;
use crate::record::Published;
use ::metrics::{Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use std::collections::HashMap;

const METADATA: Metadata<'static> = Metadata::new("plimsoll", Level::INFO, Some(module_path!()));

/// A program has one recorder, or a few in tests.
const RECORDERS: usize = 8;

/// Tells the facade of everything, and keeps in `told` what it was told.
pub(super) fn publish(pool: &str, reading: &Reading<'_>, told: &mut Published) {
    ::metrics::with_recorder(|recorder| {
        let number = std::ptr::from_ref(recorder).cast::<()>() as usize;
        if told.len() >= RECORDERS && !told.contains_key(&number) {
            return;
        }
        let told = told.entry(number).or_default();
        let is_first = told.is_empty();
        for metric in metrics().filter(|metric| metric.kind != MetricKind::Histogram) {
            if is_first {
                describe(recorder, metric);
            }
            publish_one(recorder, pool, metric, reading, told);
        }
    });
}

fn publish_one(
    recorder: &dyn Recorder,
    pool: &str,
    metric: &Metric,
    reading: &Reading<'_>,
    told: &mut HashMap<(&'static str, Vec<&'static str>), u64>,
) {
    for point in (metric.read)(reading) {
        let own = metric
            .labels
            .iter()
            .zip(&point.labels)
            .map(|(label, value)| Label::new(label.name.replace('.', "_"), *value));
        let labels: Vec<Label> = [Label::new(POOL, pool.to_owned())].into_iter().chain(own).collect();
        let key = Key::from_parts(metric.prometheus_name(), labels);
        match point.value {
            Value::Count(count) => {
                let before = told.insert((metric.name, point.labels), count).unwrap_or_default();
                recorder.register_counter(&key, &METADATA).increment(count.saturating_sub(before));
            }
            Value::Level(level) => recorder.register_gauge(&key, &METADATA).set(level),
            Value::Times(_) => {}
        }
    }
}

fn describe(recorder: &dyn Recorder, metric: &Metric) {
    let name = KeyName::from(metric.prometheus_name());
    let unit = match metric.unit {
        Measure::Seconds | Measure::Timestamp => Some(Unit::Seconds),
        Measure::Milliseconds => Some(Unit::Milliseconds),
        Measure::Percent => Some(Unit::Percent),
        Measure::Ratio => None,
        Measure::Each(_) => Some(Unit::Count),
    };
    match metric.kind {
        MetricKind::Counter => recorder.describe_counter(name, unit, metric.help.into()),
        _ => recorder.describe_gauge(name, unit, metric.help.into()),
    }
}
