//! A result in plain lines, made from what it is as JSON, so that both say the same.

use super::fields;
use serde::Serialize;
use serde_json::Value;

/// A line for each element of these lists, with these of its members as fields. Where there are several lists, the name of the list is
/// the first field. A list is found by its pointer (`/since_look/statements`); one that is not there has no elements.
pub(crate) fn rows(value: &impl Serialize, lists: &[(&str, &[&str])]) -> String {
    let Ok(value) = serde_json::to_value(value) else { return String::new() };
    let mut text = String::new();
    for (pointer, names) in lists {
        let list = value.pointer(pointer).and_then(Value::as_array);
        for element in list.into_iter().flatten() {
            let name = pointer.rsplit('/').next().filter(|_| lists.len() > 1).map(str::to_owned);
            let members = names.iter().map(|name| field(element.pointer(&format!("/{name}"))));
            let line: Vec<String> = name.into_iter().chain(members).collect();
            text.push_str(&fields(line.iter().map(String::as_str)));
        }
    }
    text
}

/// Nothing is an empty field; what has parts is written as JSON, or a list of words with blanks between them.
fn field(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => all.iter().map(|one| field(Some(one))).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_element_is_a_line() {
        let value = json!({
            "tables": [{"name": "a\tb", "mb": 1.5, "why": null}, {"name": "c", "of": {"parts": [1, 2]}}],
            "held": [{"name": "x"}],
        });
        assert_eq!(rows(&value, &[("/tables", &["name", "mb", "why"])]), "a b\t1.5\t\nc\t\t\n");
        assert_eq!(
            rows(&value, &[("/tables", &["name", "of/parts"]), ("/held", &["name"]), ("/none", &["name"])]),
            "tables\ta b\t\ntables\tc\t1 2\nheld\tx\n"
        );
    }
}
