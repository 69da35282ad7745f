//! Alerts.

use crate::alerts::Severity;
use crate::alerts::alert::{AlertStatus, AlertType};
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    anything, count, few, id, line, object, or_null, page, text, time, whole, with, word,
};
use serde_json::Value;

const TAG: &str = "alerts";

pub(super) fn all() -> Vec<Described> {
    let by = with([], [("acknowledged_by", or_null(line(200)))]);
    let minutes = object([("minutes", whole(1, 43_200))]);
    let changes = |path, name, summary| {
        let one = tenant(TAG, "patch", path, name, summary).part("id", id());
        one.gives(200, "The alert as it is then.", alert()).refused(&[404])
    };
    vec![
        tenant(
            TAG,
            "get",
            "/customer/alerts",
            "listAlerts",
            "A page of the alerts in one state, the newest first",
        )
        .query("status", word(AlertStatus::ALL.map(AlertStatus::as_str)))
        .paged(200)
        .gives(200, "The page.", page("alerts", alert())),
        tenant(TAG, "get", "/customer/alerts/{id}", "getAlert", "An alert")
            .part("id", id())
            .gives(200, "It.", alert())
            .refused(&[404]),
        changes("/customer/alerts/{id}/acknowledge", "acknowledgeAlert", "Acknowledges an open alert")
            .may_take(by),
        changes("/customer/alerts/{id}/close", "closeAlert", "Closes an alert"),
        changes("/customer/alerts/{id}/silence", "silenceAlert", "Does not escalate it for so long")
            .takes(minutes),
        tenant(
            TAG,
            "get",
            "/customer/overview",
            "overview",
            "How many are open, the worst, and who is on call",
        )
        .gives(200, "What the console shows first.", overview()),
    ]
}

fn overview() -> Value {
    let worst = object([
        ("alert_id", id()),
        ("severity_name", or_null(word(Severity::ALL.map(Severity::as_str)))),
        ("device_id", or_null(text())),
        ("summary", text()),
        ("created_at", time()),
    ]);
    let oncall = object([
        ("schedule_id", id()),
        ("name", text()),
        ("timezone", text()),
        ("responder", or_null(text())),
        ("until", or_null(time())),
    ]);
    let open = object(Severity::ALL.map(|severity| (severity.as_str(), count())));
    let alerts = object([("open", open), ("acknowledged", count()), ("worst", few(worst, 5))]);
    object([("schema_version", count()), ("tenant", text()), ("alerts", alerts), ("oncall", few(oncall, 50))])
}

fn alert() -> Value {
    object([
        ("alert_id", id()),
        ("site_id", or_null(text())),
        ("device_id", or_null(text())),
        ("alert_type", word(AlertType::ALL.map(AlertType::as_str))),
        ("rule_id", or_null(id())),
        ("fingerprint", text()),
        ("status", word(AlertStatus::ALL.map(AlertStatus::as_str))),
        ("severity", whole(1, 5)),
        ("severity_name", word(Severity::ALL.map(Severity::as_str))),
        ("summary", text()),
        ("details", anything()),
        ("created_at", time()),
        ("closed_at", or_null(time())),
        ("silenced_until", or_null(time())),
        ("acknowledged_by", or_null(text())),
        ("acknowledged_at", or_null(time())),
        ("escalation_level", count()),
        ("escalated_at", or_null(time())),
        ("next_escalation_at", or_null(time())),
        ("trigger_count", count()),
        ("last_triggered_at", time()),
    ])
}
