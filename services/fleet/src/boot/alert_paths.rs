//! The paths of alerts, escalation, on-call and integrations, each with `/api/v1` and without.

use crate::service::Service;
use crate::{alert_rules, alerts, delivery, escalation, integrations, oncall};
use axum::Router;
use axum::routing::{MethodRouter, delete, get, patch};
use plimsoll_http::NeedsDatabase;

/// All of them; none does anything without the database.
pub(crate) fn all(needs: &NeedsDatabase) -> Router<Service> {
    let policies = || get(escalation::routes::list).post(escalation::routes::create);
    let policy = || {
        let one = get(escalation::routes::get).put(escalation::routes::update);
        one.delete(escalation::routes::delete)
    };
    let schedules = || get(oncall::routes::list).post(oncall::routes::create);
    let schedule = || {
        let one = get(oncall::routes::get).put(oncall::routes::update);
        one.delete(oncall::routes::delete)
    };
    let routes = || get(integrations::routes::list).post(integrations::routes::create);
    let route = || {
        let one = get(integrations::routes::get).put(integrations::routes::update);
        one.delete(integrations::routes::delete)
    };
    let rules = || get(alert_rules::routes::list).post(alert_rules::routes::create);
    let rule = || {
        let one = get(alert_rules::routes::get).put(alert_rules::routes::update);
        one.delete(alert_rules::routes::delete)
    };
    let places =
        || get(integrations::integration_routes::list).post(integrations::integration_routes::create);
    let place = || {
        let one = get(integrations::integration_routes::get).put(integrations::integration_routes::update);
        one.delete(integrations::integration_routes::delete)
    };
    let overrides = || get(oncall::routes::overrides).post(oncall::routes::add_override);
    let paths: Vec<(&str, MethodRouter<Service>)> = vec![
        ("/customer/escalation-policies", policies()),
        ("/customer/escalation-policies/{id}", policy()),
        ("/customer/oncall/schedules", schedules()),
        ("/customer/oncall/schedules/{id}", schedule()),
        ("/customer/oncall/schedules/{id}/current", get(oncall::routes::current)),
        ("/customer/oncall/schedules/{id}/timeline", get(oncall::routes::timeline)),
        ("/customer/oncall/schedules/{id}/overrides", overrides()),
        ("/customer/oncall/schedules/{id}/overrides/{override}", delete(oncall::routes::delete_override)),
        ("/customer/alerts", get(alerts::routes::list)),
        ("/customer/alerts/{id}", get(alerts::routes::get)),
        ("/customer/alerts/{id}/acknowledge", patch(alerts::routes::acknowledge)),
        ("/customer/alerts/{id}/close", patch(alerts::routes::close)),
        ("/customer/alerts/{id}/silence", patch(alerts::routes::silence)),
        ("/customer/integration-routes", routes()),
        ("/customer/integration-routes/{id}", route()),
        ("/customer/integrations", places()),
        ("/customer/integrations/{id}", place()),
        ("/customer/alert-rules", rules()),
        ("/customer/alert-rules/{id}", rule()),
        ("/customer/deliveries", get(delivery::routes::list)),
    ];
    paths.into_iter().fold(Router::new(), |router, (path, method)| {
        let method = method.route_layer(needs.clone());
        router.route(&format!("/api/v1{path}"), method.clone()).route(path, method)
    })
}
