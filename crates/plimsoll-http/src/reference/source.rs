//! What is read from the text of the source: the order of the layers, and the fields of the access log.

use std::fmt::Write;

/// The table at the head of `stack.rs`.
pub(super) fn order() -> String {
    let lines = include_str!("../stack.rs").lines().filter_map(|line| line.strip_prefix("//! |"));
    let table: String = lines.map(|line| format!("|{line}\n")).collect();
    assert!(table.lines().count() > 6, "stack.rs begins with a table");
    table
}

/// The fields of a record, each with what is said of it in `access.rs`.
pub(super) fn fields() -> String {
    let source = include_str!("../access.rs");
    let (_, record) = source.split_once("pub struct AccessRecord<'a> {\n").unwrap();
    let (record, _) = record.split_once("\n}\n").unwrap();
    let mut table = "| field | what it is |\n|---|---|\n".to_owned();
    let (mut said, mut is_only_where_known, mut seen) = (String::new(), false, 0);
    for line in record.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            said.push_str(more);
        } else if line.contains("skip_serializing_if") {
            is_only_where_known = true;
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':')) {
            let only = if is_only_where_known { " Left out where there is none." } else { "" };
            let _ = writeln!(table, "| `{name}` | {}{only} |", without_links(said.trim()));
            (said, is_only_where_known, seen) = (String::new(), false, seen + 1);
        }
    }
    assert!(seen >= 13, "only {seen} fields were found");
    table
}

/// ``[`User`](crate::User)`` is `User` on a page.
fn without_links(text: &str) -> String {
    let mut parts = text.split("](crate::");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
    let whole = rest.fold(first, |whole, rest| whole + rest);
    whole.replace("[`", "`")
}

#[test]
fn links_of_the_source_are_words_on_a_page() {
    assert_eq!(without_links("see [`User`](crate::User), and so on"), "see `User`, and so on");
    assert_eq!(without_links("no link"), "no link");
}
