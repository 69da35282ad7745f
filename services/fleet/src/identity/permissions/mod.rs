//! Which permission each path of a tenant's needs: one table, looked into in one place ([`Caller::of`](crate::caller)).
//!
//! A path that is not here needs [`EVERYTHING`], so that one which was forgotten is closed and not open; a test fails for it.

use super::roles::EVERYTHING;
use axum::http::Method;

/// Method, path without `/api/v1`, permission. A part in braces stands for any name of a parameter.
const TABLE: &[(Method, &str, &str)] = &[
    (Method::GET, "/customer/devices", "devices.read"),
    (Method::POST, "/customer/devices", "devices.create"),
    (Method::POST, "/customer/devices/import", "devices.import"),
    (Method::GET, "/customer/devices/summary", "devices.read"),
    (Method::GET, "/customer/devices/{}", "devices.read"),
    (Method::PATCH, "/customer/devices/{}", "devices.update"),
    (Method::DELETE, "/customer/devices/{}", "devices.delete"),
    (Method::PATCH, "/customer/devices/{}/decommission", "devices.decommission"),
    (Method::GET, "/customer/devices/{}/tags", "devices.read"),
    (Method::PUT, "/customer/devices/{}/tags", "devices.update"),
    (Method::POST, "/customer/devices/{}/tags", "devices.update"),
    (Method::DELETE, "/customer/devices/{}/tags/{}", "devices.update"),
    (Method::GET, "/customer/devices/{}/tokens", "devices.tokens.read"),
    (Method::POST, "/customer/devices/{}/tokens/rotate", "devices.tokens.rotate"),
    (Method::DELETE, "/customer/devices/{}/tokens/{}", "devices.tokens.revoke"),
    (Method::GET, "/customer/devices/{}/telemetry", "telemetry.read"),
    (Method::GET, "/customer/devices/{}/telemetry/export", "telemetry.read"),
    (Method::GET, "/customer/last-readings", "telemetry.read"),
    (Method::GET, "/customer/overview", "alerts.read"),
    (Method::GET, "/customer/alerts", "alerts.read"),
    (Method::GET, "/customer/alerts/{}", "alerts.read"),
    (Method::PATCH, "/customer/alerts/{}/acknowledge", "alerts.acknowledge"),
    (Method::PATCH, "/customer/alerts/{}/close", "alerts.close"),
    (Method::PATCH, "/customer/alerts/{}/silence", "alerts.silence"),
    (Method::GET, "/customer/alert-rules", "alert_rules.read"),
    (Method::POST, "/customer/alert-rules", "alert_rules.create"),
    (Method::GET, "/customer/alert-rules/{}", "alert_rules.read"),
    (Method::PUT, "/customer/alert-rules/{}", "alert_rules.update"),
    (Method::DELETE, "/customer/alert-rules/{}", "alert_rules.delete"),
    (Method::GET, "/customer/escalation-policies", "escalation.read"),
    (Method::POST, "/customer/escalation-policies", "escalation.create"),
    (Method::GET, "/customer/escalation-policies/{}", "escalation.read"),
    (Method::PUT, "/customer/escalation-policies/{}", "escalation.update"),
    (Method::DELETE, "/customer/escalation-policies/{}", "escalation.delete"),
    (Method::GET, "/customer/oncall/schedules", "oncall.read"),
    (Method::POST, "/customer/oncall/schedules", "oncall.create"),
    (Method::GET, "/customer/oncall/schedules/{}", "oncall.read"),
    (Method::PUT, "/customer/oncall/schedules/{}", "oncall.update"),
    (Method::DELETE, "/customer/oncall/schedules/{}", "oncall.delete"),
    (Method::GET, "/customer/oncall/schedules/{}/current", "oncall.read"),
    (Method::GET, "/customer/oncall/schedules/{}/timeline", "oncall.read"),
    (Method::GET, "/customer/oncall/schedules/{}/overrides", "oncall.read"),
    (Method::POST, "/customer/oncall/schedules/{}/overrides", "oncall.update"),
    (Method::DELETE, "/customer/oncall/schedules/{}/overrides/{}", "oncall.update"),
    (Method::GET, "/customer/integrations", "integrations.read"),
    (Method::POST, "/customer/integrations", "integrations.create"),
    (Method::GET, "/customer/integrations/{}", "integrations.read"),
    (Method::PUT, "/customer/integrations/{}", "integrations.update"),
    (Method::DELETE, "/customer/integrations/{}", "integrations.delete"),
    (Method::GET, "/customer/integration-routes", "integrations.read"),
    (Method::POST, "/customer/integration-routes", "integrations.routes.create"),
    (Method::GET, "/customer/integration-routes/{}", "integrations.read"),
    (Method::PUT, "/customer/integration-routes/{}", "integrations.routes.update"),
    (Method::DELETE, "/customer/integration-routes/{}", "integrations.routes.delete"),
    (Method::GET, "/customer/deliveries", "integrations.read"),
    (Method::GET, "/customer/sites", "devices.read"),
    (Method::GET, "/customer/subscriptions", "subscriptions.read"),
    (Method::GET, "/customer/subscriptions/{}", "subscriptions.read"),
    (Method::GET, "/customer/subscription/audit", "subscriptions.read"),
    (Method::POST, "/customer/subscription/renew", "subscriptions.renew"),
    (Method::POST, "/subscription/renew", "subscriptions.renew"),
    (Method::GET, "/customer/audit-log", "audit.read"),
];

/// Every path of the tenants', without `/api/v1`, with its method. Each parameter is `{}`.
pub fn paths() -> impl Iterator<Item = (&'static Method, &'static str)> {
    TABLE.iter().map(|(method, path, _)| (method, *path))
}

/// What a request needs of its caller. `path` is that of the router, with its parameters in braces.
pub(crate) fn of(method: &Method, path: &str) -> &'static str {
    row(method, path).unwrap_or(EVERYTHING)
}

fn row(method: &Method, path: &str) -> Option<&'static str> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let is = |row: &&(Method, &str, &str)| row.0 == *method && is_same(row.1, path);
    TABLE.iter().find(is).map(|(_, _, permission)| *permission)
}

/// Whether two paths are the same, whatever their parameters are called.
fn is_same(one: &str, other: &str) -> bool {
    let is_parameter = |part: &str| part.starts_with('{') && part.ends_with('}');
    let plain = |path: &'_ str| path.split('/').count();
    let alike = |(one, other): (&str, &str)| one == other || (is_parameter(one) && is_parameter(other));
    plain(one) == plain(other) && one.split('/').zip(other.split('/')).all(alike)
}

#[cfg(test)]
pub(crate) mod tests;
