//! What operators do with tenants and subscriptions, and what they see of the service.

use super::ingest::TENANT_ID;
use super::subscriptions::{self, SUBSCRIPTION_ID};
use crate::openapi::operation::{Described, operator};
use crate::openapi::schema::{
    and, count, like, line, list, map, number, object, or_null, text, time, whole, with, word,
};
use crate::operator::tenant::TenantStatus;
use crate::subscriptions::subscription::SubscriptionType;
use serde_json::Value;

pub(super) fn all() -> Vec<Described> {
    let mut all = tenants();
    all.extend(subscriptions());
    all.extend(system());
    all
}

/// A tenant with its numbers.
pub(super) fn tenant() -> Value {
    let stats =
        ["devices", "devices_active", "subscriptions", "device_limit", "alerts_open", "not_taken_24h"];
    object([
        ("tenant_id", like(TENANT_ID)),
        ("name", text()),
        ("status", word(statuses())),
        ("created_at", time()),
        ("updated_at", time()),
        ("deleted_at", or_null(time())),
        ("stats", object(stats.map(|name| (name, count())))),
    ])
}

/// The states of a tenant.
pub(super) fn statuses() -> [&'static str; 3] {
    TenantStatus::ALL.map(TenantStatus::as_str)
}

fn tenants() -> Vec<Described> {
    const ONE: &str = "/operator/tenants/{tenant}";
    let new = object([("tenant_id", like(TENANT_ID)), ("name", line(200))]);
    let made = object([
        ("tenant_id", text()),
        ("name", text()),
        ("status", word(["ACTIVE"])),
        ("provisioning_key", text()),
        ("access_token", text()),
    ]);
    let change = with([], [("name", or_null(line(200))), ("status", or_null(word(statuses())))]);
    vec![
        operator("post", "/operator/tenants", "createTenant", "Makes a tenant").takes(new).gives(
            201,
            "The tenant with its secrets, which are told this once.",
            made,
        ),
        operator("get", ONE, "getTenant", "A tenant with its numbers")
            .gives(200, "It.", tenant())
            .refused(&[404]),
        operator("patch", ONE, "changeTenant", "Renames or suspends a tenant, or lets it in again")
            .takes(change)
            .gives(200, "The tenant as it is then.", tenant())
            .refused(&[404]),
        operator("delete", ONE, "deleteTenant", "The tenant is let in no more; its rows stay")
            .gives(200, "The tenant as it is then.", tenant())
            .refused(&[404]),
    ]
}

/// A subscription as operators see it.
pub(super) fn subscription() -> Value {
    and(subscriptions::shown("type"), "tenant_id", like(TENANT_ID))
}

fn subscriptions() -> [Described; 2] {
    let kinds = SubscriptionType::ALL.map(SubscriptionType::as_str);
    let limit = || whole(0, 10_000_000);
    let new = with(
        [("tenant_id", like(TENANT_ID)), ("type", word(kinds)), ("device_limit", limit())],
        [
            ("parent_id", or_null(like(SUBSCRIPTION_ID))),
            ("term_days", or_null(whole(1, 3_650))),
            ("plan_id", or_null(line(200))),
            ("description", or_null(line(1000))),
        ],
    );
    let change = with(
        [],
        [("device_limit", or_null(limit())), ("status", or_null(word(["ACTIVE", "SUSPENDED", "EXPIRED"])))],
    );
    [
        operator("post", "/operator/subscriptions", "createSubscription", "Makes a subscription")
            .takes(new)
            .gives(201, "It.", subscription())
            .refused(&[404]),
        operator(
            "patch",
            "/operator/subscriptions/{tenant}/{subscription}",
            "changeSubscription",
            "Changes the limit or the state of a subscription",
        )
        .takes(change)
        .gives(200, "It as it is then.", subscription())
        .refused(&[404]),
    ]
}

fn sample() -> Value {
    let pool = object([
        ("pool", text()),
        ("connections", count()),
        ("maximum", count()),
        ("lent", count()),
        ("waiting", count()),
        ("acquired_total", count()),
        ("refused_total", count()),
        ("statements_total", count()),
        ("failed_total", count()),
        ("wait_p95_ms", or_null(number())),
        ("statement_p95_ms", or_null(number())),
        ("breaker", text()),
    ]);
    object([("at", time()), ("readings_waiting", count()), ("pools", list(pool))])
}

fn errors() -> Value {
    let statement =
        object([("query_hash", text()), ("statement", text()), ("errors", count()), ("executions", count())]);
    let pool = object([
        ("pool", text()),
        ("statements_failed", count()),
        ("statements", count()),
        ("acquisitions_refused", count()),
        ("connects_failed", count()),
        ("most_failed", list(statement)),
    ]);
    let messages = object([("from_strangers", count()), ("counted_and_not_kept", count())]);
    object([("pools", list(pool)), ("messages", messages)])
}

/// What comes in, as this instance knows it.
fn inflow() -> Value {
    object(
        ["schema_version", "acknowledged", "waiting", "newest_took_ms", "strangers", "not_kept"]
            .map(|name| (name, count())),
    )
}

fn system() -> [Described; 6] {
    let counts = || map(count());
    let all = object(
        ["tenants", "devices", "subscriptions", "alerts", "not_taken_24h"].map(|name| (name, counts())),
    );
    let samples = object([("interval_seconds", count()), ("samples", list(sample()))]);
    [
        operator("get", "/operator/system/metrics", "systemMetrics", "Each pool as it is now").gives(
            200,
            "They; null before the database was there.",
            object([("metrics", or_null(sample()))]),
        ),
        operator("get", "/operator/system/metrics/latest", "latestSample", "The latest sample that was kept")
            .gives(200, "It; null before there is one.", object([("sample", or_null(sample()))])),
        operator("get", "/operator/system/metrics/history", "samples", "The samples of up to two hours")
            .query("minutes", whole(1, 120))
            .gives(200, "They, the oldest first.", samples),
        operator("get", "/operator/system/errors", "systemErrors", "What has failed since the start").gives(
            200,
            "It.",
            errors(),
        ),
        operator("get", "/operator/system/ingest", "inflow", "What comes in, since this instance started")
            .gives(200, "It.", inflow()),
        operator(
            "get",
            "/operator/system/aggregates",
            "aggregates",
            "How many there are of what, of all tenants",
        )
        .gives(200, "The counts by their states.", all),
    ]
}
