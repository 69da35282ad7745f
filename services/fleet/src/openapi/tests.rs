//! The document has each path of the router and no other, and is one by OpenAPI.

use super::*;
use crate::identity::permissions::tests::paths;
use std::collections::BTreeSet;

/// Pages for people, what they are made of, and what only they ask for.
fn is_page(path: &str) -> bool {
    let exact = ["/", "/stream", "/faults/{action}", "/console", "/plimsoll"].contains(&path);
    exact || ["/front/", "/console/", "/plimsoll/"].iter().any(|begin| path.starts_with(begin))
}

/// Method and path, with every parameter as `{}`.
fn plain(method: &str, path: &str) -> (String, String) {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    (method.to_ascii_lowercase(), path.split('/').map(part).collect::<Vec<_>>().join("/"))
}

/// What the document says that there is, with each of its servers.
fn described() -> BTreeSet<(String, String)> {
    let document = document();
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let servers = item.get("servers").unwrap_or(&document["servers"]).as_array().unwrap();
        for server in servers {
            let begins = server["url"].as_str().unwrap().trim_end_matches('/');
            for method in item.as_object().unwrap().keys().filter(|key| *key != "servers") {
                found.insert(plain(method, &format!("{begins}{path}")));
            }
        }
    }
    found
}

#[test]
fn each_path_is_described_and_no_other() {
    let mut there = BTreeSet::new();
    for (path, methods) in paths() {
        if !is_page(&path) {
            let asked = methods.iter().filter(|method| method.as_str() != "HEAD");
            there.extend(asked.map(|method| plain(method.as_str(), &path)));
        }
    }
    assert!(there.len() > 150, "only {} were found: the router is printed in another way", there.len());
    let described = described();
    let missing: Vec<_> = there.difference(&described).collect();
    assert!(missing.is_empty(), "not described: {missing:#?}");
    let more: Vec<_> = described.difference(&there).collect();
    assert!(more.is_empty(), "described, and not there: {more:#?}");
}

#[test]
fn each_reference_leads_somewhere_and_each_name_is_there_once() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "servers") {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is the name of two operations");
            let declared = operation["parameters"].as_array();
            let of_path: BTreeSet<&str> = declared
                .into_iter()
                .flatten()
                .filter(|one| one["in"] == "path")
                .map(|one| one["name"].as_str().unwrap())
                .collect();
            let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(of_path, in_path.collect(), "{method} {path}");
            assert!(
                operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn each_operation_of_a_tenants_tells_its_permission() {
    let document = document();
    let needed = |path: &str, method: &str| document["paths"][path][method]["x-permission"].clone();
    assert_eq!(needed("/customer/devices/{device}", "delete"), "devices.delete");
    assert_eq!(needed("/operator/tenants", "get"), Value::Null);
    assert!(
        !document.to_string().contains("admin.everything"),
        "an operation without a permission of its own"
    );
}
