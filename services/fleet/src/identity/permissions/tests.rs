//! The table has a row for each path of a tenant's, as the router knows them.

use super::*;
use crate::boot::access::AccessTo;
use crate::boot::ingest_config::IngestConfig;
use crate::boot::router::{self, RouterInput};
use crate::console::OpenTenants;
use crate::front::FrontInput;
use crate::identity::Identity;
use crate::identity::config::IdentityConfig;
use crate::service::Service;
use plimsoll_http::{Marks, Operators, ReadySwitch};
use std::collections::BTreeMap;
use std::time::Duration;

/// Each path of the service, with its methods. The router tells them only to who prints it.
pub(crate) fn paths() -> BTreeMap<String, Vec<Method>> {
    let identity = Identity::new(&IdentityConfig::default(), None).unwrap();
    let service = Service::new(false, Operators::default(), identity, &IngestConfig::default());
    let router = router::all(RouterInput {
        service: service.clone(),
        deadline: Duration::from_secs(15),
        ready: ReadySwitch::new(),
        marks: Marks::default(),
        access: AccessTo::of(true),
        front: FrontInput {
            service,
            device_key: None,
            #[cfg(feature = "dev")]
            play: None,
        },
        open_tenants: OpenTenants::default(),
    });
    // What comes behind is the answer to paths that are none.
    let printed = format!("{router:?}");
    let (printed, _) = printed.split_once("fallback_router").unwrap();
    let (mut methods, mut paths) = (BTreeMap::new(), BTreeMap::new());
    for piece in printed.split("RouteId(").skip(1) {
        let (id, rest) = piece.split_once("): ").unwrap_or((piece, ""));
        if let Some(path) = rest.strip_prefix('"') {
            paths.insert(id, path.split('"').next().unwrap().to_owned());
        } else if let Some((_, allowed)) = rest.split_once("allow_header: Bytes(b\"") {
            let allowed = allowed.split('"').next().unwrap().split(',');
            methods.insert(id, allowed.map(|method| method.parse().unwrap()).collect());
        }
    }
    paths.into_iter().filter_map(|(id, path)| Some((path, methods.remove(id)?))).collect()
}

#[test]
fn each_path_of_a_tenants_has_a_row() {
    let mut seen = 0;
    for (path, methods) in paths() {
        let plain = path.strip_prefix("/api/v1").unwrap_or(&path);
        if !["/customer", "/subscription"].iter().any(|plane| plain.starts_with(plane)) {
            continue;
        }
        for method in methods {
            seen += 1;
            assert!(row(&method, &path).is_some(), "{method} {path} has no row in identity/permissions");
        }
    }
    assert!(seen > 60, "only {seen} were found: the router is printed in another way");
}

/// Each word that stands where a device's id does, wherever that is, is one that no device gets as its id.
#[test]
fn no_device_has_the_id_of_a_word_in_a_path() {
    let paths = paths();
    let places: Vec<&str> =
        paths.keys().filter_map(|path| path.split_once("{device}")).map(|(before, _)| before).collect();
    let words: std::collections::BTreeSet<&str> = paths
        .keys()
        .flat_map(|path| places.iter().filter_map(|place| path.strip_prefix(place)))
        .map(|rest| rest.split('/').next().unwrap_or_default())
        .filter(|word| !word.is_empty() && !word.starts_with('{'))
        .collect();
    assert_eq!(words, std::collections::BTreeSet::from(crate::devices::RESERVED_IDS));
}

#[test]
fn a_path_without_a_row_needs_everything() {
    for (method, path, needed) in [
        (Method::GET, "/customer/devices/{device}", "devices.read"),
        (Method::HEAD, "/api/v1/customer/devices/{any}", "devices.read"),
        (Method::DELETE, "/api/v1/customer/devices/{device}", "devices.delete"),
        (Method::PUT, "/customer/devices/{device}", EVERYTHING),
        (Method::GET, "/customer/devices/{device}/", EVERYTHING),
        (Method::GET, "/customer/devices/d1", EVERYTHING),
        (Method::GET, "/customer/new", EVERYTHING),
        (Method::GET, "", EVERYTHING),
    ] {
        assert_eq!(of(&method, path), needed, "{method} {path}");
    }
    // A row is one of a kind.
    for (at, one) in TABLE.iter().enumerate() {
        assert!(!TABLE[at + 1..].iter().any(|other| (&one.0, one.1) == (&other.0, other.1)), "{one:?}");
    }
}
