//! The description names every path that there is and no other, and says of each who may ask and how it fails.

use super::golden::{folder, is_blessed, sorted};
use super::site::{Site, Who};
use plimsoll_http::{Databases, EndpointOptions};
use serde_json::Value;
use std::fs;

/// Who may ask by the description: nobody has to show a token, it is optional, or needed.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Never,
    Optional,
    Always,
}

fn asked(operation: &Value) -> Asked {
    let ways = operation["security"].as_array().unwrap();
    let has = |wanted: &str| ways.iter().any(|way| way.as_object().unwrap().contains_key(wanted));
    match (ways.len(), has("operator")) {
        (0, _) => Asked::Never,
        (1, true) => Asked::Always,
        (2, true) => Asked::Optional,
        _ => panic!("{operation:#}"),
    }
}

#[tokio::test]
async fn and_no_other() {
    let site = Site::new(&Databases::new(), EndpointOptions::default()).await;
    let answer = site.get(Who::Operator, "/api/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let document = answer.json();
    assert_eq!(document, serde_json::to_value(plimsoll_http::openapi()).unwrap());
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    let scheme = &document["components"]["securitySchemes"]["operator"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&"http".into(), &"bearer".into()));
    let paths = document["paths"].as_object().unwrap();
    // The table of routes is not to be seen from here; its source is.
    let source = include_str!("../../../src/endpoints/mod.rs");
    let routes: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\", get("))
        .map(|(path, _)| path)
        .collect();
    let mut in_order = routes.clone();
    in_order.sort_unstable();
    assert_eq!(
        paths.keys().map(String::as_str).collect::<Vec<_>>(),
        in_order,
        "the routes and the description"
    );
    assert!(routes.len() >= 11);
    for path in routes {
        let operation = &paths[path]["get"];
        let responses = operation["responses"].as_object().unwrap();
        let default = &responses["default"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(*default, "#/components/schemas/Problem", "{path}");
        let told = site.get(Who::Anyone, path).await;
        let needs = match path {
            "/livez" => Asked::Never,
            "/readyz" | "/api/health/database" => Asked::Optional,
            _ => Asked::Always,
        };
        assert_eq!(asked(operation), needs, "{path}");
        assert_eq!(told.status == 401, needs == Asked::Always, "{path}: {told:?}");
        assert_eq!(responses.contains_key("401"), needs == Asked::Always, "{path}");
        assert_ne!(site.get(Who::Operator, path).await.status, 404, "{path}");
    }
    for name in paths.values().map(|item| item["get"]["operationId"].as_str().unwrap()) {
        assert_eq!(answer.body.matches(&format!("\"operationId\":\"{name}\"")).count(), 1, "{name}");
    }
    let is_link = |part: &&str| part.contains("[`") || part.contains("crate::");
    let links: Vec<&str> = answer.body.split("\",").filter(is_link).collect();
    assert!(links.is_empty(), "links of the source: {links:#?}");
    let told = sorted(&document) + "\n";
    let file = folder().join("openapi.json");
    if is_blessed() {
        fs::write(&file, &told).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap_or_default() == told, "openapi.json: run with PLIMSOLL_BLESS=1");
}

#[tokio::test]
async fn and_every_reference_leads_somewhere() {
    let document = serde_json::to_value(plimsoll_http::openapi()).unwrap();
    let text = document.to_string();
    let references: Vec<&str> =
        text.split("\"$ref\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > 10);
    for reference in references {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{reference}");
    }
}

#[tokio::test]
async fn and_another_method_is_told_which_there_is() {
    let site = Site::new(&Databases::new(), EndpointOptions::default()).await;
    for path in ["/livez", "/readyz", "/operator/system/health", "/api/metrics/queries"] {
        let answer = site.send(Who::Operator, "POST", path, "Content-Length: 0\r\n").await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
        assert!(answer.header("allow").contains("GET"), "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let head = site.send(Who::Operator, "HEAD", path, "").await;
        assert!(head.status != 405 && head.body.is_empty(), "{head:?}");
    }
}
