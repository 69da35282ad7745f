//! Answers beside the files under `tests/golden`, where what differs from run to run stands as a placeholder.
//!
//! `PLIMSOLL_BLESS=1` writes the files anew. Each answer must be one that the description promises for its path and status
//! too, before its placeholders are put in.

use crate::client::Answer;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::PathBuf;

/// Numbers that are the same in each run.
const STABLE: [&str; 9] = [
    "schema_version",
    "min",
    "max",
    "size",
    "maximum",
    "min_connections",
    "execution_count",
    "error_count",
    "configured",
];

/// Texts that hold numbers which differ.
const TOLD: [&str; 3] = ["reasons", "warnings", "error"];

/// Lists whose length says nothing.
const LISTS: [&str; 3] = ["pool_history", "bounds", "counts"];

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub(super) fn is_blessed() -> bool {
    std::env::var_os("PLIMSOLL_BLESS").is_some()
}

/// The answer to this path is the one in the file of this name.
pub(super) fn is_golden(name: &str, path: &str, answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store", "{name}: {answer:?}");
    is_as_described(path, answer);
    let told = written(path, answer);
    let file = folder().join("endpoints").join(format!("{name}.http"));
    if is_blessed() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &told).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == told,
        "{name} differs; if it should, run this test with PLIMSOLL_BLESS=1:\n{told}\n-- was:\n{kept}"
    );
}

/// The whole answer as text.
fn written(path: &str, answer: &Answer) -> String {
    let mut text = format!("GET {path}\n{}\n", answer.status);
    for name in ["content-type", "cache-control", "www-authenticate", "retry-after", "allow"] {
        let value = answer.header(name);
        let value = if name == "retry-after" && !value.is_empty() { "<seconds>" } else { value };
        if !value.is_empty() {
            text += &format!("{name}: {value}\n");
        }
    }
    let body = match answer.header("content-type").contains("json") {
        true => {
            let mut body = answer.json();
            hide(&mut body, "");
            sorted(&body)
        }
        false => without_values(&answer.body),
    };
    text + "\n" + body.trim_end() + "\n"
}

/// What Prometheus scrapes, without its values; other texts stay as they are.
fn without_values(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once("} ") {
        Some((series, _)) => format!("{series}}} <number>\n"),
        None => line.to_owned() + "\n",
    };
    text.lines().map(line).collect()
}

fn hide(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            let is_problem = fields.contains_key("title");
            for (name, field) in fields.iter_mut() {
                if !(is_problem && name == "status") {
                    hide(field, name);
                }
            }
        }
        Value::Array(_) if LISTS.contains(&name) => *value = json!("<list>"),
        Value::Array(values) => {
            values.iter_mut().for_each(|value| hide(value, name));
            // Which of two statements was the slower differs from run to run.
            values.sort_by_key(|value| value["query_template"].as_str().unwrap_or_default().to_owned());
        }
        Value::Number(_) if !STABLE.contains(&name) => *value = json!("<number>"),
        Value::String(text) if name == "request_id" => *text = "<id>".to_owned(),
        Value::String(text) if is_time(text) => *text = "<time>".to_owned(),
        Value::String(text) if TOLD.contains(&name) => *text = without_numbers(text),
        _ => {}
    }
}

fn is_time(text: &str) -> bool {
    text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

/// Numbers become `#`, those in codes (`PL-BRK-01`) stay.
fn without_numbers(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.starts_with("PL-") {
        true => word.to_owned(),
        false => {
            let mut short = String::new();
            let digit = |c: char| c.is_ascii_digit();
            for (at, c) in word.char_indices() {
                let follows = short.ends_with('#');
                let is_point = c == '.' && follows && word[at + 1..].starts_with(digit);
                if !digit(c) && !is_point {
                    short.push(c);
                } else if !follows {
                    short.push('#');
                }
            }
            short
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The answer is one that the description promises.
pub(super) fn is_as_described(path: &str, answer: &Answer) {
    let document = serde_json::to_value(plimsoll_http::openapi()).unwrap();
    let path = path.split('?').next().unwrap();
    let responses = &document["paths"][path]["get"]["responses"];
    let status = answer.status.to_string();
    let response = responses.get(&status).unwrap_or_else(|| panic!("{path} has no {status}: {answer:?}"));
    let kind = answer.header("content-type");
    let schema = response["content"][kind].get("schema");
    let schema = schema.unwrap_or_else(|| panic!("{path} {status} has no {kind}: {response}"));
    if !kind.contains("json") {
        assert_eq!(schema["type"], "string", "{path}");
        return;
    }
    let mut whole = document.clone();
    allow_only_what_is_named(&mut whole["components"]);
    let mut root = Map::new();
    root.insert("components".to_owned(), whole["components"].take());
    root.extend(schema.as_object().unwrap().clone());
    let validator = jsonschema::draft202012::new(&Value::Object(root)).unwrap();
    let body = answer.json();
    let wrong: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{path} {status}: {wrong:#?}\n{body:#}");
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

/// As text, with the fields of every object in the order of their names: whether serde keeps another order depends on the
/// features that other crates of the build have switched on.
pub(super) fn sorted(value: &Value) -> String {
    fn sort(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut all: Vec<_> =
                    fields.iter().map(|(name, value)| (name.clone(), sort(value))).collect();
                all.sort_by(|one, other| one.0.cmp(&other.0));
                Value::Object(all.into_iter().collect())
            }
            Value::Array(values) => values.iter().map(sort).collect(),
            _ => value.clone(),
        }
    }
    serde_json::to_string_pretty(&sort(value)).unwrap()
}
