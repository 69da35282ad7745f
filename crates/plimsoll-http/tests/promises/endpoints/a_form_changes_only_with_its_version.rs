//! The form of the answers is kept in a file for each version of it. A change of the form without a raised version fails here,
//! and `PLIMSOLL_BLESS=1` writes only the file of a version that has none.

use super::golden::{folder, is_blessed, sorted};
use super::site::{Site, Who};
use plimsoll_http::{Databases, EndpointOptions};
use serde_json::Value;
use std::fs;

/// The schemas without what is only for people.
fn form() -> String {
    let mut document = serde_json::to_value(plimsoll_http::openapi()).unwrap();
    let mut schemas = document["components"]["schemas"].take();
    strip(&mut schemas);
    sorted(&schemas) + "\n"
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A field of that name is an object, the text for people is none.
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

#[tokio::test]
async fn and_stays_what_it_is_within_one() {
    let site = Site::new(&Databases::new(), EndpointOptions::default()).await;
    let version = site.get(Who::Anyone, "/readyz").await.json()["schema_version"].as_u64().unwrap();
    let file = folder().join(format!("schemas/v{version}.json"));
    let form = form();
    if is_blessed() && !file.exists() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &form).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let first = form.lines().zip(kept.lines()).position(|(now, was)| now != was).unwrap_or_default();
    assert!(
        kept == form,
        "the form of the answers differs from that of version {version} (from line {} of {}): raise SCHEMA_VERSION and run \
         this test with PLIMSOLL_BLESS=1",
        first + 1,
        file.display(),
    );
}

#[test]
fn and_every_answer_has_one() {
    let document = serde_json::to_value(plimsoll_http::openapi()).unwrap();
    let schemas = &document["components"]["schemas"];
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (status, response) in item["get"]["responses"].as_object().unwrap() {
            let Some(name) = response["content"]["application/json"]["schema"]["$ref"].as_str() else {
                continue;
            };
            let schema = &schemas[name.rsplit('/').next().unwrap()];
            let required = schema["required"].as_array().unwrap();
            assert!(required.iter().any(|name| name == "schema_version"), "{path} {status}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}
