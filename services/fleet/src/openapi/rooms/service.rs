//! The service itself, beside what the library answers about it.

use crate::openapi::operation::{Described, anyone};
use crate::openapi::schema::{object, word};
use serde_json::json;

pub(super) fn all() -> Vec<Described> {
    vec![
        anyone("/healthz", "alive", "Whether the process answers").gives(
            200,
            "It does.",
            object([("status", word(["alive"]))]),
        ),
        anyone("/openapi.json", "describe", "This description").gives(
            200,
            "The description.",
            json!({ "type": "object" }),
        ),
    ]
}
