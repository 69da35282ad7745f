//! The description of a service, as it serves it, and real answers held against it.

use crate::service::{Answer, Fleet};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What `/openapi.json` says.
pub(crate) struct Description {
    document: Value,
    /// By the schemas' texts.
    validators: RefCell<HashMap<String, Rc<Validator>>>,
}

/// One thing that can be asked.
pub(crate) struct Operation<'a> {
    pub(crate) id: &'a str,
    /// In capitals.
    pub(crate) method: String,
    /// With its parameters in braces.
    pub(crate) path: &'a str,
    pub(crate) said: &'a Value,
}

impl Operation<'_> {
    /// Who has to prove that they may ask: the name of the proof, or none.
    pub(crate) fn proof(&self) -> Option<&str> {
        let named = self.said["security"].as_array().unwrap().first().and_then(Value::as_object);
        named.and_then(|proof| proof.keys().next()).map(String::as_str)
    }

    /// Whether it has this parameter.
    pub(crate) fn takes(&self, parameter: &str) -> bool {
        self.said["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == parameter)
    }

    /// The path as the table of permissions has it.
    pub(crate) fn plain(&self) -> &'static str {
        let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/").leak()
    }
}

impl Description {
    /// Of this service.
    pub(crate) async fn of(fleet: &Fleet) -> Self {
        let answer = fleet.device.get_as("/openapi.json", None).await;
        assert_eq!((answer.status, answer.kind.as_str()), (200, "application/json"));
        let mut document = answer.body;
        allow_only_what_is_named(&mut document["components"]);
        Description { document, validators: RefCell::default() }
    }

    /// All of them, in the order of the document.
    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let mut all = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, said) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "servers") {
                let id = said["operationId"].as_str().unwrap();
                all.push(Operation { id, method: method.to_uppercase(), path, said });
            }
        }
        all
    }

    /// In what this answer differs from what is described.
    pub(crate) fn differences(&self, operation: &Operation<'_>, answer: &Answer) -> Vec<String> {
        let responses = &operation.said["responses"];
        let Some(response) = responses.get(answer.status.to_string()).or(responses.get("default")) else {
            return vec![format!("the status {} is not described", answer.status)];
        };
        let response = self.behind(response);
        let mut wrong = self.of_headers(response, answer);
        let Some(content) = response.get("content") else {
            if !answer.kind.is_empty() || !answer.body.is_null() {
                wrong.push("no body is described".to_owned());
            }
            return wrong;
        };
        match content.get(&answer.kind) {
            None => wrong.push(format!("the kind {:?} is not described", answer.kind)),
            Some(said) if answer.kind.contains("json") && !answer.kind.contains("ndjson") => {
                wrong.extend(self.of_body(&said["schema"], &answer.body));
            }
            Some(said) => assert_eq!(said["schema"]["type"], "string", "{}", operation.id),
        }
        wrong
    }

    fn behind<'a>(&'a self, said: &'a Value) -> &'a Value {
        let link = said.get("$ref").and_then(Value::as_str);
        link.map_or(said, |link| self.document.pointer(link.strip_prefix('#').unwrap()).unwrap())
    }

    fn of_headers(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let sent = [
            ("Retry-After", answer.retry_after.map(Value::from)),
            ("WWW-Authenticate", answer.challenge.clone().map(Value::from)),
        ];
        let mut wrong = Vec::new();
        for (name, value) in sent {
            let said = response.get("headers").and_then(|headers| headers.get(name));
            match (said, value) {
                (Some(said), Some(value)) => wrong.extend(self.of_body(&said["schema"], &value)),
                (Some(said), None) if said["required"] == true => wrong.push(format!("without {name}")),
                (None, Some(_)) => wrong.push(format!("{name} is not described")),
                _ => {}
            }
        }
        wrong
    }

    fn of_body(&self, schema: &Value, body: &Value) -> Vec<String> {
        let validator = self.validator(schema);
        validator.iter_errors(body).map(|error| format!("{error} at {:?}", error.instance_path())).collect()
    }

    fn validator(&self, schema: &Value) -> Rc<Validator> {
        let made = || {
            let mut root = Map::new();
            root.insert("components".to_owned(), self.document["components"].clone());
            root.extend(schema.as_object().unwrap().clone());
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Rc::new(options.build(&Value::Object(root)).unwrap())
        };
        Rc::clone(self.validators.borrow_mut().entry(schema.to_string()).or_insert_with(made))
    }
}

/// A field that no schema names is a mistake here, whatever a client has to put up with.
fn allow_only_what_is_named(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_closed = fields.get("properties").is_some_and(Value::is_object)
                && fields.get("type").is_some_and(|kind| kind == "object")
                && !fields.contains_key("additionalProperties");
            if is_closed {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(allow_only_what_is_named);
        }
        Value::Array(values) => values.iter_mut().for_each(allow_only_what_is_named),
        _ => {}
    }
}
