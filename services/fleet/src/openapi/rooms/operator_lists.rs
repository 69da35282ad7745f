//! What operators look through: lists of what is all tenants'.

use super::audit;
use super::operator::{statuses, subscription, tenant};
use crate::alerts::alert::{AlertStatus, AlertType};
use crate::devices::DeviceStatus;
use crate::openapi::operation::{Described, operator};
use crate::openapi::schema::{count, flag, id, line, object, or_null, page, text, time, whole, word};
use crate::subscriptions::subscription::{SubscriptionStatus, SubscriptionType};
use serde_json::Value;

pub(super) fn all() -> Vec<Described> {
    let alert_states = word(AlertStatus::ALL.map(AlertStatus::as_str));
    let alert_types = word(AlertType::ALL.map(AlertType::as_str));
    vec![
        list("/operator/tenants", "listTenants", "The tenants", tenant())
            .query("status", word(statuses()))
            .query("search", line(200)),
        of_tenants("/operator/subscriptions", "listAllSubscriptions", "The subscriptions", subscription())
            .query("status", word(SubscriptionStatus::ALL.map(SubscriptionStatus::as_str)))
            .query("type", word(SubscriptionType::ALL.map(SubscriptionType::as_str))),
        of_tenants("/operator/devices", "listAllDevices", "The devices of all tenants", device())
            .query("status", word(DeviceStatus::ALL.map(DeviceStatus::as_str)))
            .query("search", line(200)),
        of_tenants(
            "/operator/alerts",
            "listAllAlerts",
            "The alerts of all tenants, the newest first",
            alert(),
        )
        .query("status", alert_states)
        .query("alert_type", alert_types),
        of_tenants(
            "/operator/quarantine",
            "listQuarantine",
            "What was not taken, the newest first",
            rejected(),
        )
        .query("reason", line(200))
        .query("device_id", line(200)),
        of_tenants("/operator/audit-log", "listAllAudit", "Who did what, the newest first", audit::entry())
            .query("actor_id", line(200))
            .query("action", line(200)),
    ]
}

fn list(path: &'static str, name: &'static str, summary: &'static str, item: Value) -> Described {
    operator("get", path, name, summary).paged(1000).gives(200, "A page.", page("items", item))
}

fn of_tenants(path: &'static str, name: &'static str, summary: &'static str, item: Value) -> Described {
    list(path, name, summary, item).query("tenant_id", line(200))
}

fn device() -> Value {
    object([
        ("tenant_id", text()),
        ("device_id", text()),
        ("site_id", text()),
        ("subscription_id", or_null(text())),
        ("status", word(DeviceStatus::ALL.map(DeviceStatus::as_str))),
        ("name", or_null(text())),
        ("device_type", or_null(text())),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}

fn alert() -> Value {
    object([
        ("alert_id", id()),
        ("tenant_id", text()),
        ("site_id", or_null(text())),
        ("device_id", or_null(text())),
        ("alert_type", word(AlertType::ALL.map(AlertType::as_str))),
        ("status", word(AlertStatus::ALL.map(AlertStatus::as_str))),
        ("severity", whole(1, 5)),
        ("summary", text()),
        ("created_at", time()),
        ("last_triggered_at", time()),
    ])
}

fn rejected() -> Value {
    object([
        ("event_id", id()),
        ("tenant_id", text()),
        ("device_id", text()),
        ("site_id", or_null(text())),
        ("msg_type", text()),
        ("reason", text()),
        ("ingested_at", time()),
        ("event_ts", or_null(time())),
        ("payload", text()),
        ("payload_length", count()),
        ("is_cut", flag()),
    ])
}
