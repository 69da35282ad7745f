//! The words that schemas are made of.

use serde_json::{Map, Value, json};

/// Without control characters, as names are.
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// A text.
pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// A text of people's: of so many characters, none of which is a control character.
pub(super) fn line(most: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": LINE })
}

/// A text in this form.
pub(super) fn like(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of these words.
pub(super) fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// A time with its offset (RFC 3339).
pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A day.
pub(super) fn day() -> Value {
    json!({ "type": "string", "format": "date" })
}

/// A UUID.
pub(super) fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A whole number from one to another.
pub(super) fn whole(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// How many.
pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// The number by which something is named.
pub(super) fn id() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": i64::MAX })
}

/// A number.
pub(super) fn number() -> Value {
    json!({ "type": "number" })
}

/// True or false.
pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// Any value.
pub(super) fn anything() -> Value {
    json!({})
}

/// A list.
pub(super) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A list with so many at the most.
pub(super) fn few(items: Value, most: usize) -> Value {
    json!({ "type": "array", "items": items, "maxItems": most })
}

/// The same, or null.
pub(super) fn or_null(schema: Value) -> Value {
    match schema.get("type").and_then(Value::as_str).map(str::to_owned) {
        Some(kind) if schema.get("enum").is_none() => also(schema, "type", json!([kind, "null"])),
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// The same, of which this is said too.
pub(super) fn also(mut schema: Value, name: &str, said: impl Into<Value>) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(name.to_owned(), said.into());
    }
    schema
}

/// An object with one needed field more.
pub(super) fn and(mut object: Value, name: &str, form: Value) -> Value {
    if let Some(fields) = object.get_mut("properties").and_then(Value::as_object_mut) {
        fields.insert(name.to_owned(), form);
    }
    if let Some(needed) = object.get_mut("required").and_then(Value::as_array_mut) {
        needed.push(name.into());
    }
    object
}

/// One of these, and no other.
pub(super) fn one_of<const N: usize>(forms: [Value; N]) -> Value {
    json!({ "oneOf": forms.as_slice() })
}

/// The same with a sentence about it.
pub(super) fn about(schema: Value, sentence: &str) -> Value {
    also(schema, "description", sentence)
}

/// An object with all of these fields and no others.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    with(fields, [])
}

/// An object with all of the first fields, some of the second, and no others.
pub(super) fn with<const N: usize, const M: usize>(
    needed: [(&str, Value); N],
    possible: [(&str, Value); M],
) -> Value {
    let names: Vec<&str> = needed.iter().map(|(name, _)| *name).collect();
    let fields: Map<String, Value> =
        needed.iter().chain(&possible).map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": names, "properties": fields, "additionalProperties": false })
}

/// An object whose fields have any names, and values of this form.
pub(super) fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

/// A page of a list, and the cursor of the next one while there is one.
pub(super) fn page(name: &str, items: Value) -> Value {
    object([(name, list(items)), ("next", or_null(text()))])
}

/// What was measured: numbers and truth values by their names.
pub(super) fn metrics() -> Value {
    map(json!({ "type": ["number", "boolean"] }))
}
