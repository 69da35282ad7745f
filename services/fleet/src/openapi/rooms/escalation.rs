//! Escalation policies.

use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    about, few, flag, id, like, line, list, object, or_null, page, text, time, whole, with,
};
use serde_json::Value;

const TAG: &str = "escalation";
const PATH: &str = "/customer/escalation-policies";
const ONE: &str = "/customer/escalation-policies/{id}";

pub(super) fn all() -> Vec<Described> {
    vec![
        tenant(TAG, "get", PATH, "listPolicies", "A page of the policies").paged(1000).gives(
            200,
            "The page.",
            page("policies", policy()),
        ),
        tenant(TAG, "post", PATH, "createPolicy", "Makes a policy").takes(body()).gives(
            201,
            "The policy.",
            policy(),
        ),
        tenant(TAG, "get", ONE, "getPolicy", "A policy")
            .part("id", id())
            .gives(200, "It.", policy())
            .refused(&[404]),
        tenant(TAG, "put", ONE, "putPolicy", "The policy anew; levels of which nothing is said stay")
            .part("id", id())
            .takes(body())
            .gives(200, "The policy as it is then.", policy())
            .refused(&[404]),
        tenant(TAG, "delete", ONE, "deletePolicy", "Deletes a policy")
            .part("id", id())
            .gives_nothing("It is gone.")
            .refused(&[404]),
    ]
}

fn body() -> Value {
    let level = with(
        [],
        [
            ("level_number", or_null(whole(1, 5))),
            ("delay_minutes", or_null(whole(0, 10_080))),
            ("notify_email", or_null(like("^[!-~]+@[!-~]+$"))),
            ("notify_webhook", or_null(like("^https?://[!-~]*$"))),
            ("oncall_schedule_id", or_null(id())),
        ],
    );
    with(
        [("name", line(200))],
        [
            ("description", or_null(line(1000))),
            ("is_default", or_null(flag())),
            ("levels", or_null(few(level, 5))),
            (
                "webhook_secret",
                about(
                    or_null(text()),
                    "Signs what is sent. Of 16 to 256 characters. Left out, or as it is shown, it stays; empty, it goes.",
                ),
            ),
        ],
    )
}

fn policy() -> Value {
    let level = object([
        ("level_number", whole(1, 5)),
        ("delay_minutes", whole(0, 10_080)),
        ("notify_email", or_null(text())),
        ("notify_webhook", or_null(text())),
        ("oncall_schedule_id", or_null(id())),
    ]);
    object([
        ("policy_id", id()),
        ("name", text()),
        ("description", or_null(text())),
        ("is_default", flag()),
        ("levels", list(level)),
        ("webhook_secret", about(or_null(text()), "Shown as stars; null where there is none.")),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}
