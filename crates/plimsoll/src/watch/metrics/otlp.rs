//! All metrics as one OTLP request, in bytes: sending them is the program's, or another crate's.

use super::definition::{Label, Metric as Definition, MetricKind, Point, Value};
use crate::monitor::HistogramSnapshot;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::time::{SystemTime, UNIX_EPOCH};

/// The attribute that tells the pools of a program apart.
const POOL: &str = "db.client.connection.pool.name";

/// A pool: its name, when it was opened, and its points of a metric.
pub(super) type Pool<'a> = (&'a str, SystemTime, Vec<Point>);

/// The request, encoded. All metrics are cumulative, from the opening of their pool on.
pub(super) fn request(service: &str, metrics: Vec<Metric>) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource { attributes: vec![attribute("service.name", service)], ..Resource::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
    let of_resource = ResourceMetrics { resource: Some(resource), scope_metrics, schema_url: String::new() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }.encode_to_vec()
}

/// A metric with the points of all pools; nothing if there are none.
pub(super) fn metric(definition: &Definition, pools: &[Pool<'_>], now: SystemTime) -> Option<Metric> {
    let points = || pools.iter().flat_map(|(pool, began, points)| points.iter().map(|p| (*pool, *began, p)));
    points().next()?;
    let numbers = || {
        let number = |(pool, began, point): (&str, SystemTime, &Point)| NumberDataPoint {
            attributes: attributes(definition.labels, pool, point),
            start_time_unix_nano: nanos(began),
            time_unix_nano: nanos(now),
            value: number(&point.value),
            ..NumberDataPoint::default()
        };
        points().map(number).collect()
    };
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match definition.kind {
        MetricKind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers() }),
        kind @ (MetricKind::Counter | MetricKind::UpDownCounter) => metric::Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: cumulative,
            is_monotonic: kind == MetricKind::Counter,
        }),
        MetricKind::Histogram => {
            let histogram = |(pool, began, point): (&str, SystemTime, &Point)| {
                let Value::Times(times) = &point.value else { return None };
                Some(data_point(attributes(definition.labels, pool, point), began, now, times))
            };
            let data_points = points().filter_map(histogram).collect();
            metric::Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative })
        }
    };
    Some(Metric {
        name: definition.name.to_owned(),
        description: definition.help.to_owned(),
        unit: definition.unit.ucum(),
        data: Some(data),
        ..Metric::default()
    })
}

fn number(value: &Value) -> Option<number_data_point::Value> {
    match value {
        Value::Count(count) => {
            Some(number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)))
        }
        Value::Level(level) => Some(number_data_point::Value::AsDouble(*level)),
        Value::Times(_) => None,
    }
}

fn data_point(
    attributes: Vec<KeyValue>,
    began: SystemTime,
    now: SystemTime,
    times: &HistogramSnapshot,
) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: nanos(began),
        time_unix_nano: nanos(now),
        count: times.count,
        sum: Some(times.sum_seconds),
        bucket_counts: times.counts.clone(),
        explicit_bounds: times.bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: &[Label], pool: &str, point: &Point) -> Vec<KeyValue> {
    let own = labels.iter().zip(&point.labels).filter(|(_, value)| !value.is_empty());
    let own = own.map(|(label, value)| attribute(label.name, value));
    [attribute(POOL, pool)].into_iter().chain(own).collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
