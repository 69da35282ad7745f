//! An OTLP request decodes to what Prometheus gets at the same moment: the same numbers, under OpenTelemetry's names, units,
//! kinds and buckets.

use crate::scrape::Scrape;
use crate::server::{PATIENCE, settings_for, until};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, metric, number_data_point,
};
use plimsoll::Database;
use plimsoll::monitor::{metrics, otlp};
use plimsoll_embedded::test_server;
use prost::Message;

const NANOS: u64 = 1_000_000_000;

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

fn find<'m>(all: &'m [Metric], name: &str) -> &'m Metric {
    all.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is missing"))
}

fn histogram(metric: &Metric) -> &[HistogramDataPoint] {
    match &metric.data {
        Some(metric::Data::Histogram(histogram)) => {
            assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
            &histogram.data_points
        }
        other => panic!("{other:?}"),
    }
}

/// The value of a sum or a gauge of one series, and whether it is monotonic.
fn number(metric: &Metric) -> (f64, Option<bool>) {
    let (points, is_monotonic) = match &metric.data {
        Some(metric::Data::Sum(sum)) => {
            assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
            (&sum.data_points, Some(sum.is_monotonic))
        }
        Some(metric::Data::Gauge(gauge)) => (&gauge.data_points, None),
        other => panic!("{other:?}"),
    };
    match points[0].value {
        Some(number_data_point::Value::AsInt(number)) => (number as f64, is_monotonic),
        Some(number_data_point::Value::AsDouble(number)) => (number, is_monotonic),
        None => panic!("no value: {metric:?}"),
    }
}

#[tokio::test]
async fn as_prometheus() {
    let fresh = test_server::database().await.unwrap();
    let settings = settings_for(&fresh).await.pool_name("orders").application_name("shop");
    let db = Database::connect(settings).await.unwrap();
    for _ in 0..3 {
        db.query("SELECT 1", &[]).await.unwrap();
    }
    assert!(db.query("SELECT 1 / 0", &[]).await.is_err());
    until("all are idle", PATIENCE, async || db.pool_status().checked_out == 0).await;

    let (bytes, scrape) = (db.monitor().otlp(), Scrape::of(&db));
    let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
    let of_resource = &request.resource_metrics[0];
    assert_eq!(text(&of_resource.resource.as_ref().unwrap().attributes, "service.name"), "shop");
    let of_scope = &of_resource.scope_metrics[0];
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "plimsoll");
    let all = &of_scope.metrics;

    let operations = find(all, "db.client.operation.duration");
    assert_eq!(operations.unit, "s");
    let points = histogram(operations);
    let answered = &points[0];
    assert_eq!((answered.count, points.len()), (3, 2));
    assert_eq!(answered.explicit_bounds, [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]);
    assert_eq!((answered.bucket_counts.len(), answered.bucket_counts.iter().sum::<u64>()), (10, 3));
    assert!(answered.start_time_unix_nano > 1_700_000_000 * NANOS);
    assert!(answered.time_unix_nano >= answered.start_time_unix_nano);
    assert_eq!(text(&answered.attributes, "db.system.name"), "postgresql");
    assert_eq!(text(&answered.attributes, "db.client.connection.pool.name"), "orders");
    assert_eq!(text(&points[1].attributes, "error.type"), "PL-SQL-02");
    assert!(
        answered.attributes.iter().all(|attribute| attribute.key != "error.type"),
        "an answer has no error"
    );

    for (name, unit, monotonic) in [
        ("db.client.connection.max", "{connection}", Some(false)),
        ("db.client.connection.timeouts", "{timeout}", Some(true)),
        ("pool.utilization_pct", "%", None),
        ("pool.acquisition_failures", "{acquisition}", Some(true)),
        ("pool.avg_acquisition_ms", "ms", None),
        ("queries.error_rate", "1", None),
        ("plimsoll.statements", "{statement}", Some(true)),
    ] {
        let (metric, definition) = (find(all, name), metrics().find(|metric| metric.name() == name).unwrap());
        let (value, is_monotonic) = number(metric);
        assert_eq!((metric.unit.as_str(), is_monotonic), (unit, monotonic), "{name}");
        assert!((value - scrape.get(&definition.prometheus_name())).abs() < 1e-9, "{name}: {value}");
        assert_eq!(metric.description, definition.help());
    }
}

#[tokio::test]
async fn with_the_pools_of_a_program_in_one_metric() {
    let fresh = test_server::database().await.unwrap();
    let first = Database::connect(settings_for(&fresh).await.pool_name("a")).await.unwrap();
    let second = Database::connect(settings_for(&fresh).await.pool_name("b")).await.unwrap();
    second.query("SELECT 1", &[]).await.unwrap();
    let request = ExportMetricsServiceRequest::decode(otlp("shop", [&first, &second]).as_slice()).unwrap();
    let all = &request.resource_metrics[0].scope_metrics[0].metrics;
    let points = histogram(find(all, "db.client.operation.duration"));
    let counts: Vec<_> = points
        .iter()
        .map(|point| (text(&point.attributes, "db.client.connection.pool.name"), point.count))
        .collect();
    assert_eq!(counts, [("a".to_owned(), 0), ("b".to_owned(), 1)]);
    // The mean of no statement is not told of.
    let Some(metric::Data::Gauge(mean)) = &find(all, "queries.avg_duration_ms").data else { panic!() };
    assert_eq!(mean.data_points.len(), 1);
    let once: std::collections::BTreeSet<&str> = all.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(once.len(), all.len());
}
