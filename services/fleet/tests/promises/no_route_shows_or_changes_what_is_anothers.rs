//! No path of the tenants' shows or changes with one tenant's token what is another's, and each answers about it as about what
//! does not exist. The paths are those of the table of permissions, which a test holds against the router: a new path is asked
//! here by itself, or fails for want of a body.

use crate::asking::{Ask, OTHER};
use crate::boundaries::state;
use crate::service::{self, Answer, Fleet};
use crate::things::{Ids, MARK, bodies, filled, named, of_nothing, of_the_first_tenant};
use fleet::identity::permissions;
use std::collections::BTreeMap;

/// The second tenant has a little of its own, so that it is refused for no other reason.
const SECOND: &str = "
    INSERT INTO tenants (tenant_id, name, provision_key_hash) VALUES ('other', 'o', encode(sha256('other.key'), 'hex'));
    INSERT INTO sites (tenant_id, site_id, name) VALUES ('other', 'default', 'd');
    INSERT INTO tenant_access_tokens VALUES ('other', encode(sha256('other.token'), 'hex'), 'l');
    INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, active_device_count, term_end)
    VALUES ('other', 'SUB-20250101-00077', 'MAIN', 1000, 1, now() + interval '5 days');
    INSERT INTO device_registry (tenant_id, device_id, site_id, status, subscription_id)
    VALUES ('other', 'own', 'default', 'ACTIVE', 'SUB-20250101-00077')";

/// Ways to name another tenant than that of the token: headers, and a query.
const WAYS: [(&[&str], &str); 3] = [
    (&[], ""),
    (&["X-Tenant", "X-Tenant-Id", "Tenant", "X-Organization", "X-Forwarded-User", "X-Remote-User"], ""),
    (&[], "tenant_id=test&tenant=test&organization=test"),
];

async fn two_tenants() -> Fleet {
    let fleet = service::start().await;
    fleet.database.execute(SECOND).await.unwrap();
    fleet
}

/// A request of the second tenant's that names the first one in this way.
async fn by_the_second(
    fleet: &Fleet,
    method: &str,
    path: &str,
    (headers, query): (&'static [&'static str], &str),
    body: Option<&str>,
) -> Answer {
    let mark = if query.is_empty() {
        ""
    } else if path.contains('?') {
        "&"
    } else {
        "?"
    };
    let path = format!("{path}{mark}{query}");
    let mut ask = Ask::new(fleet, method.parse().unwrap(), &path).token(OTHER);
    for header in headers {
        ask = ask.header(header, "test");
    }
    match body {
        Some(body) => ask.body(body).send().await,
        None => ask.send().await,
    }
}

/// Some of the things are the first tenant's, the others are nothing: every choice with at least one of the first's.
fn choices(kinds: &[&'static str], theirs: &Ids, nothing: &Ids) -> Vec<Ids> {
    let with = |choice: u32| {
        let mut ids = theirs.clone();
        for (place, kind) in kinds.iter().enumerate() {
            if choice & (1 << place) != 0 {
                ids.insert(kind, nothing[kind].clone());
            }
        }
        ids
    };
    (0..(1 << kinds.len()) - 1u32).map(with).collect()
}

/// What is told, but for the id of the request and for the ids that were asked about.
fn told(answer: &Answer, ids: &[&Ids]) -> (u16, String, Option<String>, bool, String) {
    let mut body = answer.body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    let mut text = body.to_string();
    for id in ids.iter().flat_map(|ids| ids.values()).filter(|id| id.len() > 3) {
        text = text.replace(id.as_str(), "<id>");
    }
    (answer.status, answer.kind.clone(), answer.challenge.clone(), answer.retry_after.is_some(), text)
}

/// Every row that is not the second tenant's, of every table.
async fn of_others(fleet: &Fleet) -> Vec<(String, String)> {
    let own = |row: &&str| !row.starts_with("(other,") && !row.contains(",other,");
    let rows = |text: String| text.lines().filter(own).collect::<Vec<_>>().join("\n");
    state(fleet).await.into_iter().map(|(table, text)| (table, rows(text))).collect()
}

#[track_caller]
fn shows_nothing(answer: &Answer, what: &str) {
    let text = answer.body.to_string();
    assert!(!text.contains(MARK), "{what} shows what is another tenant's: {text}");
    assert!(answer.status < 500, "{what}: {answer:?}");
}

/// It names the devices that it is asked about in its query.
const ABOUT_DEVICES: &str = "/customer/last-readings";

#[tokio::test]
async fn what_is_named_is_like_nothing_and_stays_as_it_is() {
    let (fleet, nothing) = (two_tenants().await, of_nothing());
    let mut asked = 0;
    for (number, (method, path)) in permissions::paths().enumerate() {
        let theirs = of_the_first_tenant(&fleet, number).await;
        let (kinds, method) = (named(path), method.as_str());
        let theirs_said = bodies(method, path, &theirs);
        // Lists are looked at below.
        if method != "GET" || !kinds.is_empty() {
            let before = of_others(&fleet).await;
            for prefix in ["", "/api/v1"] {
                for way in WAYS {
                    asked += compare(&fleet, (method, path, prefix), way, &theirs, &nothing).await;
                }
            }
            assert_eq!(
                of_others(&fleet).await,
                before,
                "{method} {path} has changed what is another tenant's"
            );
        }
        // It is the token that makes the difference: its own tenant is answered.
        let mut own_path = filled(path, &theirs);
        if path == ABOUT_DEVICES {
            own_path = format!("{path}?devices={}", theirs["devices"]);
        }
        let own = Ask::new(&fleet, method.parse().unwrap(), &own_path);
        let own = match theirs_said.into_iter().next() {
            Some(body) => own.body(body).send().await,
            None => own.send().await,
        };
        assert!((200..300).contains(&own.status), "{method} {path} with its own tenant's token: {own:?}");
        assert!(own.body["failed"].as_i64().is_none_or(|failed| failed == 0), "{method} {path}: {own:?}");
    }
    assert!(asked > 300, "only {asked} requests were compared");
}

/// Asks about the first tenant's things and about nothing, and gives how many answers were compared.
async fn compare(
    fleet: &Fleet,
    (method, path, prefix): (&str, &'static str, &str),
    way: (&'static [&'static str], &str),
    theirs: &Ids,
    nothing: &Ids,
) -> usize {
    let what = format!("{method} {prefix}{path} {way:?}");
    let (said, none_said) = (bodies(method, path, theirs), bodies(method, path, nothing));
    let count = said.len().max(1);
    let mut compared = 0;
    for place in 0..count {
        let none_path = format!("{prefix}{}", filled(path, nothing));
        let none_body = none_said.get(place).map(String::as_str);
        let none = by_the_second(fleet, method, &none_path, way, none_body).await;
        shows_nothing(&none, &what);
        let kinds = named(path);
        let all = if kinds.is_empty() { vec![theirs.clone()] } else { choices(&kinds, theirs, nothing) };
        for ids in all {
            let path = format!("{prefix}{}", filled(path, &ids));
            let answer = by_the_second(fleet, method, &path, way, said.get(place).map(String::as_str)).await;
            // Something that it has made for itself is its own.
            if kinds.is_empty() && said.get(place) == none_said.get(place) {
                shows_nothing(&answer, &what);
                continue;
            }
            assert_eq!(
                told(&answer, &[&ids, theirs]),
                told(&none, &[nothing]),
                "{what} {:?}",
                said.get(place)
            );
            if !kinds.is_empty() {
                assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
            }
            compared += 1;
        }
    }
    compared
}

/// The paths that name nothing and change nothing.
fn lists() -> Vec<&'static str> {
    permissions::paths()
        .filter(|(method, path)| *method == "GET" && !path.contains("{}"))
        .map(|(_, path)| path)
        .collect()
}

#[tokio::test]
async fn lists_are_the_same_whatever_the_others_have() {
    let fleet = two_tenants().await;
    let mut before = BTreeMap::new();
    for path in lists() {
        for (place, way) in WAYS.into_iter().enumerate() {
            let answer = by_the_second(&fleet, "GET", path, way, None).await;
            // This one is asked about devices, and for that it names them.
            let is_answered = answer.status == 200 || path == ABOUT_DEVICES;
            assert!(place == 2 || is_answered, "{path}: {answer:?}");
            before.insert((path, place), told(&answer, &[]));
        }
    }
    let theirs = of_the_first_tenant(&fleet, 1).await;
    of_the_first_tenant(&fleet, 2).await;
    let all = of_others(&fleet).await;
    let nothing = of_nothing();
    for path in lists() {
        for (place, way) in WAYS.into_iter().enumerate() {
            let answer = by_the_second(&fleet, "GET", path, way, None).await;
            assert_eq!(told(&answer, &[]), before[&(path, place)], "{path} {way:?}");
        }
        for (filter, kind) in [
            ("site_id", "sites"),
            ("tag", "tags"),
            ("search", "devices"),
            ("devices", "devices"),
            ("subscription_id", "subscriptions"),
            ("alert", "alerts"),
        ] {
            let ask = async |ids: &Ids| {
                let path = format!("{path}?{filter}={}", ids[kind]);
                by_the_second(&fleet, "GET", &path, WAYS[0], None).await
            };
            assert_eq!(
                told(&ask(&theirs).await, &[&theirs]),
                told(&ask(&nothing).await, &[&nothing]),
                "{path} {filter}"
            );
        }
    }
    assert_eq!(of_others(&fleet).await, all);
}

#[tokio::test]
async fn a_page_of_anothers_is_not_gone_on_with() {
    let fleet = two_tenants().await;
    for number in 0..2 {
        of_the_first_tenant(&fleet, number).await;
    }
    let mut tried = Vec::new();
    for path in lists() {
        let first = fleet.device.get(&format!("{path}?limit=1")).await;
        let Some(cursor) = first.body["next"].as_str() else { continue };
        let own = fleet.device.get(&format!("{path}?limit=1&after={cursor}")).await;
        assert_eq!(own.status, 200, "{path}: {own:?}");
        let ask = async |cursor: &str| {
            by_the_second(&fleet, "GET", &format!("{path}?limit=1&after={cursor}"), WAYS[0], None).await
        };
        let (theirs, none) = (ask(cursor).await, ask("bm9uZQ").await);
        assert_eq!(theirs.status, 400, "{path}: {theirs:?}");
        assert_eq!(told(&theirs, &[]), told(&none, &[]), "{path}");
        tried.push(path);
    }
    assert!(tried.len() >= 9, "{tried:?}");
}

#[tokio::test]
async fn a_message_is_taken_for_no_tenant_but_that_of_its_key() {
    let fleet = two_tenants().await;
    let theirs = of_the_first_tenant(&fleet, 1).await;
    let before = of_others(&fleet).await;
    for kind in ["telemetry", "heartbeat"] {
        for path in ["/ingest/v1/tenant", "/ingest/tenant"] {
            let send = async |tenant: &str, device: &str| {
                let path = format!("{path}/{tenant}/device/{device}/{kind}?tenant_id=other");
                let body = if kind == "heartbeat" { "{}" } else { r#"{"t": 1}"# };
                fleet.device.send_to(&path, Some("other.key"), body).await
            };
            let none = send("nobody", "nobody").await;
            none.refused(401, "TOKEN_INVALID");
            for device in [theirs["devices"].as_str(), "nobody", "own"] {
                let answer = send("test", device).await;
                assert_eq!(told(&answer, &[]), told(&none, &[]), "{path} {kind} {device}");
            }
        }
    }
    let batch = async |tenant: &str, device: &str| {
        let message = serde_json::json!({ "tenant_id": tenant, "device_id": device, "t": 1 });
        let body = serde_json::json!({ "messages": [message] }).to_string();
        fleet.device.send_to("/ingest/v1/batch", Some("other.key"), body).await
    };
    let (answer, none) = (batch("test", &theirs["devices"]).await, batch("nobody", "nobody").await);
    assert_eq!(answer.body["results"][0]["reason"], "TOKEN_INVALID", "{answer:?}");
    assert_eq!(told(&answer, &[&theirs]), told(&none, &[&of_nothing()]));
    assert_eq!(of_others(&fleet).await, before);
}
