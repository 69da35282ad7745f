//! `GET /openapi.json`: every path of the service as programs read of it, by OpenAPI 3.1. Anyone may read it: it tells how the
//! service is asked, and nothing of what is in it.
//!
//! | file | what is in it |
//! |---|---|
//! | here | the document, made once |
//! | [`operation`] | an operation, and how it is refused |
//! | [`schema`] | the words that schemas are made of |
//! | [`rooms`] | what each room of the service answers |
//!
//! What the library answers about the service and its databases is described by the library, and merged in. Each path of the
//! tenants' and of the operators' is there with and without `/api/v1`, which the document says by its two servers.
//!
//! What belongs to a page is no part of it: `/`, `/stream`, `/front/..`, `/faults/..`, `/console..` and `/plimsoll..`. That is the
//! pages, their files, and what only they ask for: it changes with the page, in the same version, and no other program may rely on
//! it. What a page shows of a tenant or of the service comes from paths that are described. A test holds everything else against
//! the router, and another one holds real answers against the schemas.

mod operation;
mod rooms;
mod schema;

use crate::boot::router::VERSION;
use axum::http::{HeaderName, header};
use operation::Described;
use schema::also;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

const ABOUT: &str = "Devices of many tenants send readings; people look at them and are told when something is wrong. \
    Every refusal is application/problem+json (RFC 9457) with a code that programs may rely on. Another tenant's things are \
    answered as what does not exist. For another method a path answers 405, and says in Allow which it takes. A reading has at \
    most 8 KiB, a batch and a file of devices 1 MiB, any other body 256 KiB. Any request may also be refused with 408, 413, 414 \
    or 431 before it is read to its end.";

/// Everything, as JSON.
#[must_use]
pub fn document() -> Value {
    let library = serde_json::to_value(plimsoll_http::openapi()).unwrap_or_default();
    let mut paths = part(&library, "/paths");
    for item in paths.values_mut() {
        *item = also(item.take(), "servers", one_server());
    }
    for one in rooms::all() {
        add(&mut paths, &one);
    }
    let mut proofs = part(&library, "/components/securitySchemes");
    proofs.extend(operation::proofs().map(|(name, scheme)| (name.to_owned(), scheme)));
    let components = json!({
        "schemas": part(&library, "/components/schemas"),
        "responses": operation::refusals(),
        "securitySchemes": proofs,
    });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "fleet", "version": VERSION, "description": ABOUT },
        "servers": [
            { "url": "/", "description": "As it is." },
            { "url": "/api/v1", "description": "The same under its version." },
        ],
        "tags": rooms::TAGS.map(|(name, about)| json!({ "name": name, "description": about })),
        "paths": paths,
        "components": components,
    })
}

/// What the library's description has at this place.
fn part(library: &Value, place: &str) -> Map<String, Value> {
    library.pointer(place).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn add(paths: &mut Map<String, Value>, one: &Described) {
    let item = paths.entry(one.path()).or_insert_with(|| json!({}));
    if !one.is_under_version() {
        *item = also(item.take(), "servers", one_server());
    }
    *item = also(item.take(), one.method(), one.json());
}

fn one_server() -> Value {
    json!([{ "url": "/" }])
}

/// `GET /openapi.json`.
pub(crate) async fn answer() -> ([(HeaderName, &'static str); 2], &'static str) {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], &DOCUMENT)
}

#[cfg(test)]
mod tests;
