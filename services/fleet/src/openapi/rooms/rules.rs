//! Rules of alerts.

use crate::alert_rules::rule::{OPERATORS, RuleKind};
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    about, few, flag, id, like, line, list, object, or_null, page, text, time, whole, with, word,
};
use serde_json::{Value, json};

const TAG: &str = "rules";
const PATH: &str = "/customer/alert-rules";
const ONE: &str = "/customer/alert-rules/{id}";

pub(super) fn all() -> Vec<Described> {
    vec![
        tenant(TAG, "get", PATH, "listRules", "A page of the rules").paged(1000).gives(
            200,
            "The page.",
            page("rules", rule()),
        ),
        tenant(TAG, "post", PATH, "createRule", "Makes a rule").takes(body()).gives(201, "The rule.", rule()),
        tenant(TAG, "get", ONE, "getRule", "A rule")
            .part("id", id())
            .gives(200, "It.", rule())
            .refused(&[404]),
        tenant(TAG, "put", ONE, "putRule", "The rule anew; what is not said has its default again")
            .part("id", id())
            .takes(body())
            .gives(200, "The rule as it is then.", rule())
            .refused(&[404]),
        tenant(TAG, "delete", ONE, "deleteRule", "Deletes a rule and closes its alerts")
            .part("id", id())
            .gives_nothing("It is gone.")
            .refused(&[404]),
    ]
}

fn kinds() -> [&'static str; 2] {
    RuleKind::ALL.map(RuleKind::as_str)
}

fn body() -> Value {
    let decimal = like(r"^-?[0-9]{1,40}(\.[0-9]{1,40})?$");
    let threshold = about(
        json!({ "anyOf": [{ "type": "number" }, decimal, { "type": "null" }] }),
        "A decimal number without an exponent, with at most 40 digits; as a text, it stays digit for digit.",
    );
    with(
        [("name", line(200))],
        [
            ("kind", or_null(word(kinds()))),
            ("metric_name", or_null(line(128))),
            ("operator", or_null(word(OPERATORS))),
            ("threshold", threshold),
            ("duration_seconds", or_null(whole(0, 2_592_000))),
            ("severity", or_null(whole(1, 5))),
            ("site_ids", or_null(few(line(128), 100))),
            ("enabled", or_null(flag())),
            ("escalation_policy_id", or_null(id())),
        ],
    )
}

fn rule() -> Value {
    object([
        ("rule_id", id()),
        ("name", text()),
        ("kind", word(kinds())),
        ("metric_name", or_null(text())),
        ("operator", or_null(word(OPERATORS))),
        ("threshold", or_null(like(r"^-?[0-9]+(\.[0-9]+)?$"))),
        ("duration_seconds", whole(0, 2_592_000)),
        ("severity", whole(1, 5)),
        ("site_ids", list(text())),
        ("enabled", flag()),
        ("escalation_policy_id", or_null(id())),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}
