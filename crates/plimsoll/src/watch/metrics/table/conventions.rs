//! What OpenTelemetry's conventions for databases name: <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/>.
//! Of these only `db.client.operation.duration` is stable.

use super::definitions;
use crate::record::endings::Ending;
use crate::rules::given_up::GivenUp;
use crate::watch::metrics::definition::{Label, Metric, Origin, Point, Value, count, size, times};

const SYSTEM: Label = Label { name: "db.system.name", values: || vec!["postgresql"], is_always_there: true };
const STATE: Label =
    Label { name: "db.client.connection.state", values: || vec!["idle", "used"], is_always_there: true };
const ERROR: Label = Label { name: "error.type", values: error_types, is_always_there: false };

/// The value of a label that a series lacks is the empty text.
fn error_types() -> Vec<&'static str> {
    [""].into_iter().chain(Ending::error_types()).collect()
}

definitions! {
    /// How long statements took, from their sending to the end of their answer. Those that failed have an error type:
    /// the code of the fault, `dropped` where the caller gave the statement up, or `_OTHER`.
    OPERATION_DURATION = Metric::histogram("db.client.operation.duration", |reading| {
        let each = reading.operations.iter();
        let point = |(ending, times): &(Ending, _)| Point {
            labels: vec!["postgresql", ending.error_type().unwrap_or_default()],
            value: Value::Times(Clone::clone(times)),
        };
        each.map(point).collect()
    }).of(Origin::Stable).labelled(&[SYSTEM, ERROR]);

    /// Connections that exist. One that is being made clean counts as used.
    CONNECTION_COUNT = Metric::up_down("db.client.connection.count", "connection", |reading| {
        let states = [("idle", reading.status.checked_in), ("used", reading.status.checked_out)];
        let point = |(state, count)| Point { labels: vec![state], value: Value::Level(count as f64) };
        states.map(point).into()
    }).of(Origin::Development).labelled(&[STATE]);

    /// Idle connections that are kept at the most.
    CONNECTION_IDLE_MAX = Metric::up_down("db.client.connection.idle.max", "connection", |reading| {
        size(reading.status.size)
    }).of(Origin::Development);

    /// Connections that are kept open even when nothing is asked for.
    CONNECTION_IDLE_MIN = Metric::up_down("db.client.connection.idle.min", "connection", |reading| {
        size(reading.min)
    }).of(Origin::Development);

    /// Connections that there may be, overflow included.
    CONNECTION_MAX = Metric::up_down("db.client.connection.max", "connection", |reading| {
        size(reading.status.maximum)
    }).of(Origin::Development);

    /// Callers that wait for a connection.
    CONNECTION_PENDING = Metric::up_down("db.client.connection.pending_requests", "request", |reading| {
        size(reading.status.waiting)
    }).of(Origin::Development);

    /// Callers whose time ran out while they waited for a connection.
    CONNECTION_TIMEOUTS = Metric::counter("db.client.connection.timeouts", "timeout", |reading| {
        count(reading.given_up.that(GivenUp::is_timeout))
    }).of(Origin::Development);

    /// How long opening a connection took, of those that were opened.
    CONNECTION_CREATE_TIME = Metric::histogram("db.client.connection.create_time", |reading| {
        times(reading.connect.clone())
    }).of(Origin::Development);

    /// How long callers waited until they had a connection or gave up, with the check of the connection.
    CONNECTION_WAIT_TIME = Metric::histogram("db.client.connection.wait_time", |reading| {
        times(reading.wait.clone())
    }).of(Origin::Development);

    /// How long connections were held.
    CONNECTION_USE_TIME = Metric::histogram("db.client.connection.use_time", |reading| {
        times(reading.held.clone())
    }).of(Origin::Development);
}
