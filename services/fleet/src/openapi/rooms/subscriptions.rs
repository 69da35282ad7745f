//! Subscriptions.

use super::devices::DEVICE_ID;
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    about, anything, count, few, flag, id, like, line, list, object, one_of, or_null, page, text, time,
    whole, with, word,
};
use crate::subscriptions::subscription::{SubscriptionStatus, SubscriptionType};
use serde_json::Value;

const TAG: &str = "subscriptions";

/// The form of a subscription's id.
pub(super) const SUBSCRIPTION_ID: &str = "^SUB-[0-9]{8}-[0-9]{5}$";

/// What its tenant and operators see of a subscription, whose kind has this name.
pub(super) fn shown(kind: &str) -> Value {
    object([
        ("subscription_id", like(SUBSCRIPTION_ID)),
        (kind, word(SubscriptionType::ALL.map(SubscriptionType::as_str))),
        ("parent_id", or_null(text())),
        ("status", word(SubscriptionStatus::ALL.map(SubscriptionStatus::as_str))),
        ("device_limit", count()),
        ("active_device_count", count()),
        ("plan_id", or_null(text())),
        ("description", or_null(text())),
        ("term_start", time()),
        ("term_end", time()),
        ("grace_end", or_null(time())),
    ])
}

pub(super) fn all() -> Vec<Described> {
    vec![
        tenant(TAG, "get", "/customer/subscriptions", "listSubscriptions", "A page of them")
            .paged(1000)
            .gives(200, "The page.", page("subscriptions", shown("subscription_type"))),
        tenant(TAG, "get", "/customer/subscriptions/{subscription}", "getSubscription", "A subscription")
            .gives(200, "It.", shown("subscription_type"))
            .refused(&[404]),
        tenant(TAG, "get", "/customer/subscription/audit", "listEvents", "What happened, the newest first")
            .query("subscription_id", like(SUBSCRIPTION_ID))
            .paged(1000)
            .gives(200, "The page.", page("events", event()))
            .refused(&[404]),
        renew("/customer/subscription/renew", "renew"),
        renew("/subscription/renew", "renewAlso"),
    ]
}

fn event() -> Value {
    object([
        ("event_id", id()),
        ("subscription_id", text()),
        ("event_type", text()),
        ("event_timestamp", time()),
        ("device_id", or_null(text())),
        ("actor_type", text()),
        ("actor_id", or_null(text())),
        ("details", anything()),
    ])
}

fn renew(path: &'static str, id: &'static str) -> Described {
    let body = with(
        [("subscription_id", like(SUBSCRIPTION_ID))],
        [
            ("plan_id", or_null(line(200))),
            ("term_days", or_null(whole(1, 3_660))),
            ("new_device_limit", or_null(whole(0, 10_000_000))),
            ("devices_to_deactivate", few(like(DEVICE_ID), 10_000)),
        ],
    );
    let done = object([
        ("subscription_id", text()),
        ("renewed", flag()),
        ("status", word(["ACTIVE"])),
        ("new_term_end", time()),
        ("device_limit", count()),
        ("devices_deactivated", anything()),
    ]);
    let left = || [("subscription_id", text()), ("renewed", flag()), ("note", text())];
    let [subscription, renewed, note] = left();
    let with_more = object([subscription, renewed, note, ("not_changed", list(text())), ("advice", text())]);
    let forms = [done, object(left()), with_more];
    let key = "Makes the same request sent again one request.";
    tenant(TAG, "post", path, id, "Renews a subscription")
        .header("Idempotency-Key", about(like("^[ -~]{1,255}$"), key))
        .takes(body)
        .gives(200, "It is renewed, or was in force already.", one_of(forms))
        .refused(&[404])
}
