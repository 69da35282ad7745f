//! An operation: who may ask, with what, what is answered, and how it is refused.

use super::schema;
use crate::identity::permissions;
use axum::http::Method;
use serde_json::{Map, Value, json};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    /// A tenant's person, by what the table of permissions says.
    Tenant,
    Operator,
    Device,
}

/// How an operation is refused: status, the name of the answer, what it means, and whether it says when to come back.
const REFUSALS: [(u16, &str, &str, bool); 13] = [
    (400, "Malformed", "The request says what cannot be, and why.", false),
    (401, "NotProved", "No accepted token is shown.", false),
    (403, "Forbidden", "Who shows this token may not do this.", false),
    (404, "NotFound", "It is not there, or is another tenant's.", false),
    (408, "TooSlow", "The body did not come in time.", false),
    (409, "Conflict", "It contradicts what is there, or others change the same now.", false),
    (413, "TooLarge", "The body is longer than what is read.", false),
    (415, "OtherKind", "The body is of a kind that is not read here.", false),
    (422, "Unfit", "The database does not take these values.", false),
    (429, "TooOften", "It is asked too often.", true),
    (500, "OwnMistake", "The service made a mistake; its log has the rest.", false),
    (503, "NotNow", "Not now: there is no room, no database, or the service is starting.", false),
    (504, "Late", "It was not done within its time.", false),
];

/// An operation.
pub(super) struct Described {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    who: Who,
    is_under_version: bool,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
}

/// An operation of a tenant's person.
pub(super) fn tenant(
    tag: &'static str,
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Described {
    let mut one = Described {
        method,
        path,
        id,
        summary,
        tag,
        who: Who::Tenant,
        is_under_version: true,
        parameters: Vec::new(),
        body: None,
        answers: Map::new(),
    };
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        one.parameters.push(parameter("path", name, true, schema::text()));
    }
    one.refused(&[400, 401, 403, 409, 500, 503, 504])
}

/// An operation of an operator's.
pub(super) fn operator(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Described {
    Described { who: Who::Operator, ..tenant("operator", method, path, id, summary) }
}

/// An operation of a device's.
pub(super) fn device(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    let one = tenant("ingest", "post", path, id, summary);
    Described { who: Who::Device, is_under_version: false, ..one }.refused(&[404, 429])
}

/// An operation of anyone's, about the service itself.
pub(super) fn anyone(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    let one = tenant("service", "get", path, id, summary);
    Described { who: Who::Anyone, is_under_version: false, answers: Map::new(), ..one }.refused(&[400, 503])
}

fn parameter(place: &str, name: &str, is_needed: bool, schema: Value) -> Value {
    json!({ "in": place, "name": name, "required": is_needed, "schema": schema })
}

impl Described {
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    /// Whether it is there under `/api/v1` too.
    pub(super) fn is_under_version(&self) -> bool {
        self.is_under_version
    }

    /// The form of a parameter of the path.
    pub(super) fn part(mut self, name: &str, schema: Value) -> Self {
        let any = parameter("path", name, true, schema::text());
        for one in self.parameters.iter_mut().filter(|one| **one == any) {
            *one = parameter("path", name, true, schema.clone());
        }
        self
    }

    /// It can be said in the query.
    pub(super) fn query(mut self, name: &str, schema: Value) -> Self {
        self.parameters.push(parameter("query", name, false, schema));
        self
    }

    /// It has to be said in the query.
    pub(super) fn needs_query(mut self, name: &str, schema: Value) -> Self {
        self.parameters.push(parameter("query", name, true, schema));
        self
    }

    /// It can be said in a header.
    pub(super) fn header(mut self, name: &str, schema: Value) -> Self {
        self.parameters.push(parameter("header", name, false, schema));
        self
    }

    /// It is a page of a list, of so many rows at the most.
    pub(super) fn paged(self, most: i64) -> Self {
        let cursor = schema::about(schema::text(), "The cursor of the page before, `next`.");
        self.query("limit", schema::whole(1, most)).query("after", cursor)
    }

    /// It takes a body of JSON.
    pub(super) fn takes(self, schema: Value) -> Self {
        self.takes_as(&[JSON], &schema, true)
    }

    /// The same, which may be left out.
    pub(super) fn may_take(self, schema: Value) -> Self {
        self.takes_as(&[JSON], &schema, false)
    }

    /// It takes a body of one of these kinds.
    pub(super) fn takes_as(mut self, kinds: &[&str], schema: &Value, is_needed: bool) -> Self {
        let content: Map<String, Value> =
            kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
        self.body = Some(json!({ "required": is_needed, "content": content }));
        self.refused(&[408, 413, 415, 422])
    }

    /// It answers with JSON.
    pub(super) fn gives(self, status: u16, what: &str, schema: Value) -> Self {
        self.gives_as(status, what, &[(JSON, schema)])
    }

    /// It answers with one of these kinds.
    pub(super) fn gives_as(mut self, status: u16, what: &str, kinds: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> =
            kinds.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
        self.answers.insert(status.to_string(), json!({ "description": what, "content": content }));
        self
    }

    /// It answers 204.
    pub(super) fn gives_nothing(mut self, what: &str) -> Self {
        self.answers.insert("204".to_owned(), json!({ "description": what }));
        self
    }

    /// It may be refused with these.
    pub(super) fn refused(mut self, with: &[u16]) -> Self {
        for (status, name, ..) in REFUSALS.iter().filter(|row| with.contains(&row.0)) {
            let link = json!({ "$ref": format!("#/components/responses/{name}") });
            self.answers.entry(status.to_string()).or_insert(link);
        }
        self
    }

    pub(super) fn json(&self) -> Value {
        let security = match self.who {
            Who::Anyone => json!([]),
            Who::Tenant => json!([{ "tenant": [] }]),
            Who::Operator => json!([{ "operator": [] }]),
            Who::Device => json!([{ "device": [] }]),
        };
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "security": security,
            "parameters": self.parameters,
            "responses": self.answers,
        });
        if let Some(body) = &self.body {
            operation = schema::also(operation, "requestBody", body.clone());
        }
        if let (Who::Tenant, Ok(method)) = (self.who, self.method.to_ascii_uppercase().parse::<Method>()) {
            let needed = permissions::of(&method, self.path);
            operation = schema::about(operation, &format!("Needs the permission `{needed}`."));
            operation = schema::also(operation, "x-permission", needed);
        }
        operation
    }
}

/// The answers of refusals, by their names.
pub(super) fn refusals() -> Value {
    let mut all = Map::new();
    for (status, name, what, is_later) in REFUSALS {
        let form = json!({ "$ref": "#/components/schemas/Problem" });
        let schema = json!({ "allOf": [form, { "properties": { "status": { "const": status } } }] });
        let mut answer = json!({ "description": what, "content": { PROBLEM: { "schema": schema } } });
        if is_later || [409, 503, 504].contains(&status) {
            let seconds = schema::about(schema::whole(1, 7_200), "Come back after so many seconds.");
            let later = json!({ "Retry-After": { "required": is_later, "schema": seconds } });
            answer = schema::also(answer, "headers", later);
        }
        if status == 401 {
            let how = json!({ "WWW-Authenticate": { "required": true, "schema": schema::text() } });
            answer = schema::also(answer, "headers", how);
        }
        all.insert(name.to_owned(), answer);
    }
    Value::Object(all)
}

/// How a caller proves who it is. That of operators is the library's.
pub(super) fn proofs() -> [(&'static str, Value); 2] {
    let bearer = "A tenant's own token, or a signed one (JWT) of its identity provider.";
    let device = "A device's token, or at its first message the tenant's provisioning key.";
    [
        ("tenant", json!({ "type": "http", "scheme": "bearer", "description": bearer })),
        (
            "device",
            json!({ "type": "apiKey", "in": "header", "name": "X-Provision-Token", "description": device }),
        ),
    ]
}
