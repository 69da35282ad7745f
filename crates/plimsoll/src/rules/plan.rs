//! A plan in one line, without constants: `Limit (cost 12.7, 10 rows) [Seq Scan on orders (cost 18334.0, 1 row; filter (id = ?))]`.
//!
//! The server's own text of a plan repeats the constants of its statement in every condition. So its JSON is read, and of
//! each node only what is on a list is told; a condition is told as a text without constants.

use crate::sql::fingerprint::normalise;
use serde_json::Value;
use std::fmt::Write;

/// The length of a line, in bytes, from which on no further node is told.
const LONGEST: usize = 4_000;

/// Nodes within nodes that are told.
const DEEPEST: usize = 40;

/// Names that say what a node reads.
const NAMES: [(&str, &str); 4] =
    [("Index Name", "using"), ("Relation Name", "on"), ("CTE Name", "on"), ("Function Name", "on")];

/// Conditions of a node.
const CONDITIONS: [&str; 7] =
    ["Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "One-Time Filter"];

/// Shows the answer of `EXPLAIN (FORMAT JSON)`, if it is one.
pub(crate) fn shown(json: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(json).ok()?;
    let mut line = String::new();
    node(answer.get(0)?.get("Plan")?, DEEPEST, &mut line)?;
    Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

fn node(plan: &Value, deeper: usize, line: &mut String) -> Option<()> {
    let word = |key| plan.get(key).and_then(Value::as_str);
    if deeper == 0 {
        line.push_str("...");
        return Some(());
    }
    line.push_str(word("Node Type")?);
    for (key, before) in NAMES {
        if let Some(name) = word(key) {
            let _ = write!(line, " {before} {name}");
        }
    }
    let number = |key| plan.get(key).and_then(Value::as_f64).unwrap_or_default();
    let _ = write!(line, " (cost {:.1}, {:.0} rows", number("Total Cost"), number("Plan Rows"));
    for key in CONDITIONS {
        if let Some(condition) = word(key) {
            // How the session reads a backslash in '..' is not known here; if it matters, nothing is shown.
            let shown = normalise(condition, None).text;
            let _ = write!(line, "; {} {shown}", key.to_ascii_lowercase());
        }
    }
    line.push(')');
    let below = plan.get("Plans").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (number, inner) in below.iter().enumerate() {
        line.push_str(if number == 0 { " [" } else { ", " });
        if line.len() > LONGEST {
            line.push_str("...");
            break;
        }
        node(inner, deeper - 1, line)?;
    }
    if !below.is_empty() {
        line.push(']');
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plan_is_one_line_without_constants() {
        let json = r#"[{"Plan": {"Node Type": "Hash Join", "Total Cost": 12.34, "Plan Rows": 5,
            "Hash Cond": "((a.id)::text = (b.name)::text)", "Plans": [
                {"Node Type": "Index Scan", "Index Name": "a_pkey", "Relation Name": "a", "Total Cost": 8, "Plan Rows": 1,
                 "Index Cond": "(id = 'planted'::text)", "Output": ["'planted'"]},
                {"Node Type": "Seq Scan", "Relation Name": "b\nc", "Filter": "(note = E'\\'planted' AND x > 17)"}]}}]"#;
        assert_eq!(
            shown(json).unwrap(),
            "Hash Join (cost 12.3, 5 rows; hash cond ((a.id)::text = (b.name)::text)) \
             [Index Scan using a_pkey on a (cost 8.0, 1 rows; index cond (id = ?::text)), \
             Seq Scan on b c (cost 0.0, 0 rows; filter (note = ? and x > ?))]"
        );
    }

    #[test]
    fn what_is_no_plan_is_none() {
        for json in ["", "[]", "{}", "[{\"Plan\": {}}]", "[{\"Plan\": 7}]"] {
            assert_eq!(shown(json), None, "{json}");
        }
    }

    #[test]
    fn a_plan_is_bounded() {
        let leaf = "{\"Node Type\": \"Result\"}".to_owned();
        let deep = (0..50)
            .fold(leaf.clone(), |plan, _| format!("{{\"Node Type\": \"Limit\", \"Plans\": [{plan}]}}"));
        assert!(shown(&format!("[{{\"Plan\": {deep}}}]")).unwrap().contains("..."));
        let wide = vec![leaf; 5_000].join(", ");
        let json = format!("[{{\"Plan\": {{\"Node Type\": \"Append\", \"Plans\": [{wide}]}}}}]");
        assert!(shown(&json).unwrap().len() < 2 * LONGEST);
    }

    proptest! {
        #[test]
        fn no_answer_panics(text in ".{0,200}") {
            let _ = shown(&text);
        }
    }
}
