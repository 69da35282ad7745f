//! Messages about alerts.

use crate::delivery::log::STATES;
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{count, id, list, object, or_null, page, text, time, uuid, whole, word};

pub(super) fn all() -> Vec<Described> {
    let attempt = object([
        ("attempt", count()),
        ("started_at", time()),
        ("finished_at", or_null(time())),
        ("outcome", or_null(word(["SENT", "RETRY", "DEAD"]))),
        ("status_code", or_null(whole(0, 999))),
        ("error", or_null(text())),
    ]);
    let message = object([
        ("delivery_id", id()),
        ("idempotency_key", uuid()),
        ("alert_id", id()),
        ("event", word(["OPEN", "ACKNOWLEDGED", "CLOSED", "ESCALATED"])),
        ("route_id", or_null(uuid())),
        ("integration_id", or_null(uuid())),
        ("channel", word(["webhook", "email"])),
        ("status", word(STATES)),
        ("attempts", count()),
        ("next_attempt_at", or_null(time())),
        ("last_error", or_null(text())),
        ("created_at", time()),
        ("finished_at", or_null(time())),
        ("log", list(attempt)),
    ]);
    let one = tenant(
        "deliveries",
        "get",
        "/customer/deliveries",
        "listDeliveries",
        "A page of the messages, the newest first",
    );
    vec![one.query("status", word(STATES)).query("alert", id()).paged(200).gives(
        200,
        "The page.",
        page("deliveries", message),
    )]
}
