//! Integrations, and the routes to them.

use crate::alerts::Severity;
use crate::alerts::alert::{AlertStatus, AlertType};
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    about, few, flag, like, line, list, object, or_null, page, text, time, uuid, whole, with, word,
};
use serde_json::{Value, json};

const TAG: &str = "integrations";
const PLACES: &str = "/customer/integrations";
const PLACE: &str = "/customer/integrations/{id}";
const ROUTES: &str = "/customer/integration-routes";
const ROUTE: &str = "/customer/integration-routes/{id}";

pub(super) fn all() -> Vec<Described> {
    vec![
        tenant(TAG, "get", PLACES, "listIntegrations", "A page of the integrations").paged(1000).gives(
            200,
            "The page.",
            page("integrations", integration()),
        ),
        tenant(TAG, "post", PLACES, "createIntegration", "Makes an integration")
            .takes(integration_body())
            .gives(201, "It, without its secret.", integration()),
        one("get", PLACE, "getIntegration", "An integration").gives(200, "It.", integration()),
        one("put", PLACE, "putIntegration", "The integration anew; a secret that is not said stays")
            .takes(integration_body())
            .gives(200, "It as it is then.", integration()),
        one("delete", PLACE, "deleteIntegration", "Deletes an integration with its routes")
            .gives_nothing("It is gone."),
        tenant(TAG, "get", ROUTES, "listRoutes", "A page of the routes").paged(1000).gives(
            200,
            "The page.",
            page("routes", route()),
        ),
        tenant(TAG, "post", ROUTES, "createRoute", "Makes a route").takes(route_body()).gives(
            201,
            "It.",
            route(),
        ),
        one("get", ROUTE, "getRoute", "A route").gives(200, "It.", route()),
        one("put", ROUTE, "putRoute", "The route anew; what is not said has its default again")
            .takes(route_body())
            .gives(200, "It as it is then.", route()),
        one("delete", ROUTE, "deleteRoute", "Deletes a route").gives_nothing("It is gone."),
    ]
}

fn one(method: &'static str, path: &'static str, name: &'static str, summary: &'static str) -> Described {
    tenant(TAG, method, path, name, summary).part("id", uuid()).refused(&[404])
}

fn integration_body() -> Value {
    let secret = about(
        or_null(text()),
        "Of 16 to 256 characters. Left out, or as it is shown, it stays; empty, it goes.",
    );
    let webhook = with([("url", like("^https?://[!-~]*$"))], [("secret", secret)]);
    let receivers = json!({ "type": "array", "items": text(), "minItems": 1, "maxItems": 20 });
    let mail = object([("to", receivers)]);
    with(
        [
            ("name", line(200)),
            ("type", word(["webhook", "email"])),
            ("config", json!({ "anyOf": [webhook, mail] })),
        ],
        [("enabled", or_null(flag()))],
    )
}

fn integration() -> Value {
    let config = about(json!({ "type": "object" }), "A secret is shown as stars.");
    object([
        ("integration_id", uuid()),
        ("name", text()),
        ("type", text()),
        ("enabled", flag()),
        ("config", config),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}

fn types() -> Value {
    word(AlertType::ALL.map(AlertType::as_str))
}

fn states() -> Value {
    word(AlertStatus::ALL.map(AlertStatus::as_str))
}

fn route_body() -> Value {
    let severity = about(text(), "critical, high, medium (or warning), low or info, in any case.");
    let severities = json!({ "type": ["array", "null"], "items": severity, "minItems": 1 });
    let priority = whole(i32::MIN.into(), i32::MAX.into());
    with(
        [("integration_id", uuid()), ("name", line(200))],
        [
            ("enabled", or_null(flag())),
            ("severities", severities),
            ("alert_types", or_null(few(types(), 100))),
            ("site_ids", or_null(few(line(128), 100))),
            ("device_prefixes", or_null(few(line(128), 100))),
            ("deliver_on", or_null(few(states(), 100))),
            ("priority", or_null(priority)),
        ],
    )
}

fn route() -> Value {
    object([
        ("route_id", uuid()),
        ("integration_id", uuid()),
        ("name", text()),
        ("enabled", flag()),
        ("severities", list(word(Severity::ALL.map(Severity::as_str)))),
        ("alert_types", list(types())),
        ("site_ids", list(text())),
        ("device_prefixes", list(text())),
        ("deliver_on", list(states())),
        ("priority", whole(i32::MIN.into(), i32::MAX.into())),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}
