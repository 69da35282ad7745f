//! What `/openapi.json` says is what is answered: of each operation at least one success and one refusal of a running service are
//! held against their schemas, which know every field and miss none.

use crate::described::{Description, Operation};
use crate::operating::operate;
use crate::service::{self, Answer, Fleet};
use crate::things::{Ids, bodies, filled, of_nothing, of_the_first_tenant};
use serde_json::{Value, json};

/// What is asked, and with what.
struct Question {
    path: String,
    body: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// The operators' things are named by the part of the path before them, as the tenants' are.
fn with_operators_own(ids: &Ids, number: usize) -> Ids {
    let mut ids = ids.clone();
    ids.insert("tenants", format!("other-{number}"));
    ids.insert("tenant", "test".to_owned());
    ids.insert("device", format!("new-{number}"));
    ids
}

/// The path, with what its query has to say.
fn path_of(operation: &Operation<'_>, ids: &Ids) -> String {
    match operation.id {
        "lastReadings" => format!("{}?devices={}", operation.path, ids["devices"]),
        "changeSubscription" => format!("/operator/subscriptions/test/{}", ids["subscriptions"]),
        _ => filled(operation.plain(), ids),
    }
}

/// What is taken; the first is as it is usually sent.
fn body_of(operation: &Operation<'_>, ids: &Ids, number: usize) -> Option<String> {
    let reading = json!({ "ts": service::now().to_string(), "seq": 1, "metrics": { "t": 1, "on": true } });
    let body = match (operation.proof(), operation.id) {
        (Some("tenant"), _) => return bodies(&operation.method, operation.plain(), ids).into_iter().next(),
        (_, "sendReading" | "sendReadingAlso") => reading,
        (_, "sendHeartbeat" | "sendHeartbeatAlso") => json!({ "seq": 7 }),
        (_, "sendBatch") => {
            let one = json!({ "tenant_id": "test", "device_id": ids["device"], "t": 2 });
            json!({ "messages": [one, { "tenant_id": "test", "device_id": "-" }] })
        }
        (_, "createTenant") => json!({ "tenant_id": format!("made-{number}"), "name": "n" }),
        (_, "changeTenant") => json!({ "status": "SUSPENDED" }),
        (_, "createSubscription") => json!({ "tenant_id": "test", "type": "TRIAL", "device_limit": 3 }),
        (_, "changeSubscription") => json!({ "device_limit": 2000 }),
        (_, "revokeTokens") => json!({ "tenant_id": "test", "sub": "anna" }),
        _ => return None,
    };
    Some(body.to_string())
}

async fn ask(fleet: &Fleet, operation: &Operation<'_>, question: &Question, is_proved: bool) -> Answer {
    let device = &fleet.device;
    let mut request =
        device.http.request(operation.method.parse().unwrap(), format!("{}{}", device.url, question.path));
    for (name, value) in &question.headers {
        request = request.header(*name, value);
    }
    request = match operation.proof().filter(|_| is_proved) {
        Some("tenant") => request.bearer_auth(&device.token),
        Some("operator") => request.bearer_auth(&device.operator),
        Some("device") => request.header("X-Provision-Token", &device.key),
        _ => request,
    };
    if let Some(body) = &question.body {
        request = request.body(body.clone());
    }
    Answer::of(request.send().await.unwrap()).await
}

/// Requests that are refused, each in another way; which of them an operation has depends on what it takes.
fn refusable(operation: &Operation<'_>, question: &Question, nothing: &Ids) -> Vec<(u16, Question, bool)> {
    let like = |path: &str, body: Option<&str>, headers: &[(&'static str, &str)]| Question {
        path: path.to_owned(),
        body: body.map(str::to_owned).or_else(|| question.body.clone()),
        headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    };
    let path = question.path.as_str();
    let mut all = vec![(400, like(path, None, &[("X-Request-Timeout-Ms", "soon")]), true)];
    // In a batch, each message is refused for itself.
    if operation.id != "sendBatch"
        && operation.proof().is_some()
        && operation.said["security"].as_array().unwrap().len() == 1
    {
        all.push((401, like(path, None, &[]), false));
    }
    if operation.path.contains('{') && operation.proof() != Some("device") {
        all.push((404, like(&path_of(operation, nothing), None, &[]), true));
    }
    if operation.said.get("requestBody").is_some() && operation.id != "importDevices" {
        all.push((400, like(path, Some("{"), &[]), true));
        all.push((415, like(path, None, &[("Content-Type", "text/xml")]), true));
        all.push((413, like(path, Some(&" ".repeat((1 << 20) + 1)), &[]), true));
    }
    if operation.takes("limit") {
        let mark = if path.contains('?') { '&' } else { '?' };
        all.push((400, like(&format!("{path}{mark}limit=0"), None, &[]), true));
    }
    all
}

/// The answers in which something is left out or added that the description must not miss.
fn changed(body: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let Some(fields) = body.as_object() else { return all };
    let mut more = body.clone();
    more["unheard_of"] = 1.into();
    all.push(("with unheard_of".to_owned(), more));
    for name in fields.keys() {
        let mut less = body.clone();
        less.as_object_mut().unwrap().remove(name);
        all.push((format!("without {name}"), less));
    }
    for (list, items) in fields.iter().filter_map(|(name, value)| Some((name, value.as_array()?))) {
        for (what, item) in items.first().map(changed).unwrap_or_default() {
            let mut other = body.clone();
            other[list][0] = item;
            all.push((format!("{list}: {what}"), other));
        }
    }
    all
}

/// What is wrong with the answer to this question, which is done.
fn wrong_with_success(
    description: &Description,
    operation: &Operation<'_>,
    mut answer: Answer,
) -> Vec<String> {
    if !(200..300).contains(&answer.status) {
        return vec![format!("no success, but {answer:?}")];
    }
    let mut wrong = description.differences(operation, &answer);
    // The description itself is one by OpenAPI, and says nothing of its own fields.
    if operation.path.ends_with("openapi.json") {
        return wrong;
    }
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    if operation.takes("after") && answer.body.as_object().is_none_or(|page| page.values().any(is_empty)) {
        wrong.push("the page is empty, and shows nothing of its items".to_owned());
    }
    for (change, body) in changed(&answer.body) {
        answer.body = body;
        if description.differences(operation, &answer).is_empty() {
            wrong.push(format!("{change} would not be noticed"));
        }
    }
    wrong
}

#[tokio::test]
async fn of_each_operation() {
    let fleet = service::start().await;
    let description = Description::of(&fleet).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("d1", "{}").await.refused(400, "INVALID_METRICS");
    let rejected = "SELECT count(*) AS n FROM quarantine_events";
    service::until("the message is in quarantine", async || fleet.number(rejected).await > 0).await;
    let mut nothing = with_operators_own(&of_nothing(), 0);
    nothing.insert("tenants", "nobody".to_owned());
    let (mut ids, mut are_new) = (Ids::new(), false);
    let mut wrong = Vec::new();
    for (number, operation) in description.operations().iter().enumerate() {
        if !are_new {
            let made = json!({ "tenant_id": format!("other-{number}"), "name": "o" });
            assert_eq!(operate(&fleet, "POST", "/operator/tenants", Some(made)).await.status, 201);
            ids = with_operators_own(&of_the_first_tenant(&fleet, number).await, number);
        }
        are_new = operation.method == "GET";
        let body = body_of(operation, &ids, number);
        let question = Question { path: path_of(operation, &ids), body, headers: Vec::new() };
        let mut found = Vec::new();
        for (status, refused, is_proved) in refusable(operation, &question, &nothing) {
            let answer = ask(&fleet, operation, &refused, is_proved).await;
            if answer.status != status {
                found.push(format!("not {status}, but {answer:?}"));
            }
            let said = description.differences(operation, &answer);
            found.extend(said.iter().map(|one| format!("{status}: {one}: {answer:?}")));
        }
        let answer = ask(&fleet, operation, &question, true).await;
        found.extend(wrong_with_success(&description, operation, answer));
        wrong.extend(found.iter().map(|one| format!("{} {}: {one}", operation.method, operation.path)));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
