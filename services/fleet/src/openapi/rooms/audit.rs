//! What was done by whom.

use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{id, object, or_null, page, text, time, word};
use serde_json::Value;

pub(super) fn all() -> Vec<Described> {
    let one =
        tenant("audit", "get", "/customer/audit-log", "listAudit", "What was done to what is the tenant's");
    vec![one.paged(1000).gives(200, "The page, the newest first.", page("items", entry()))]
}

/// A row of the record.
pub(super) fn entry() -> Value {
    object([
        ("audit_id", id()),
        ("at", time()),
        ("tenant_id", or_null(text())),
        ("actor_type", word(["operator", "tenant"])),
        ("actor_id", or_null(text())),
        ("person", or_null(text())),
        ("action", text()),
        ("object_type", text()),
        ("object_id", or_null(text())),
        ("outcome", word(["DONE", "REFUSED"])),
        ("reason", or_null(text())),
        ("client", or_null(text())),
        ("request_id", or_null(text())),
    ])
}
