//! The promises as text: what is broken first, then what was not looked at, then what may be missing.

use super::{Found, Promise};
use crate::columns::{counted, lines, lines_from};
use plimsoll_inspect::integrity::Kind;
use std::fmt::Write;

/// So many of a list are shown, unless all are asked for.
const SHOWN: usize = 20;

pub(super) fn text(found: &Found, all: bool) -> String {
    let mut text = head(found);
    let pick = |is: fn(&Promise) -> bool| found.promises.iter().filter(move |it| is(it));
    list(&mut text, all, "Broken: what is there is not as promised", pick(Promise::is_broken), |it| {
        let mut lines = vec![it.rule.to_string(), what(it)];
        lines.extend(in_order(it));
        lines
    });
    let is_open = |it: &Promise| !it.rule.is_validated && !it.is_broken();
    list(&mut text, all, "Not validated: rows from before may break it", pick(is_open), |it| {
        std::iter::once(it.rule.to_string()).chain(in_order(it)).collect()
    });
    list(&mut text, all, "Not counted", pick(|it| it.not_counted.is_some()), |it| {
        vec![it.rule.to_string(), it.not_counted.clone().unwrap_or_default()]
    });
    let title = "Columns that look like foreign keys and are none (by their names: a hint)";
    list(&mut text, all, title, found.missing_keys.iter(), |key| {
        let index = if key.is_indexed { "" } else { " (no index begins with it: make one first)" };
        let mut lines = vec![format!("{}, column {} -> {}{index}", key.table, key.column, key.refers_to)];
        lines.push(format!("first mend the rows that refer to nothing: {};", key.find));
        lines.extend(key.add.iter().map(|sql| format!("{sql};")));
        lines
    });
    if found.has_more_missing_keys {
        text.push_str("  and more\n");
    }
    if all {
        list(&mut text, true, "All promises", found.promises.iter(), |it| vec![it.rule.to_string()]);
    } else {
        let keys = pick(|it| it.rule.kind == Kind::ForeignKey);
        list(&mut text, false, "Foreign keys", keys, |it| vec![it.rule.to_string()]);
    }
    if found.counted {
        let asked = found.promises.iter().filter(|it| it.broken.is_some()).count() as u64;
        let broken = pick(Promise::is_broken).count() as u64;
        let counted = counted(asked, "promise was", "promises were");
        let _ = writeln!(text, "\n{counted} held against the rows; {broken} broken.");
    } else {
        text.push_str("\nNo row was read. --count holds the promises against the rows.\n");
    }
    text
}

/// How many promises of which kind.
fn head(found: &Found) -> String {
    let of = |kind, one, many| counted(found.kinds.get(&kind).copied().unwrap_or_default(), one, many);
    lines(
        &format!(
            "Database {} promises: {}, {}, {}, {}{}",
            found.database,
            of(Kind::ForeignKey, "foreign key", "foreign keys"),
            of(Kind::Unique, "unique key", "unique keys"),
            of(Kind::Required, "required column", "required columns"),
            of(Kind::Check, "check", "checks"),
            if found.has_more {
                " (there are more, which were not looked at: --table asks for some)"
            } else {
                ""
            }
        ),
        0,
    )
}

/// How many break it, and how.
fn what(it: &Promise) -> String {
    let Some(broken) = it.broken else { return String::new() };
    let more = if broken.has_more { "more than " } else { "" };
    let count = |one: &str, many: &str| counted(broken.rows, one, many);
    let told = match it.rule.kind {
        Kind::ForeignKey => {
            count("row refers to one that does not exist", "rows refer to ones that do not exist")
        }
        Kind::Unique => count("key is there more than once", "keys are there more than once"),
        Kind::Required => count("row has no value", "rows have no value"),
        _ => count("row does not meet the condition", "rows do not meet the condition"),
    };
    format!("{more}{told}")
}

/// What to do about it, in its order: rows that break it are mended before it is validated, which fails otherwise.
fn in_order(it: &Promise) -> Vec<String> {
    let all =
        |statements: &[String]| statements.iter().map(|sql| format!("{sql};")).collect::<Vec<_>>().join(" ");
    let them = it.rule.kind.counted();
    let mut lines = Vec::new();
    match (it.find.is_empty(), it.is_broken()) {
        (true, _) => {}
        (false, true) => lines.push(format!("these {them}, to be mended: {}", all(&it.find))),
        (false, false) => {
            lines.push(format!("first mend the {them} that break it, if this finds any: {}", all(&it.find)))
        }
    }
    let then = if lines.is_empty() { "" } else { "then " };
    lines.extend(it.validate.iter().map(|sql| format!("{then}{sql};")));
    lines
}

/// A title, and below it each thing: its first line a little inside, the others further.
fn list<'a, T: 'a>(
    text: &mut String,
    all: bool,
    title: &str,
    things: impl Iterator<Item = &'a T>,
    told: impl Fn(&'a T) -> Vec<String>,
) {
    let mut more = 0_u64;
    for (number, thing) in things.enumerate() {
        if number == 0 {
            let _ = writeln!(text, "\n{title}");
        }
        if number >= SHOWN && !all {
            more += 1;
            continue;
        }
        for (number, line) in told(thing).iter().enumerate() {
            let indent = if number == 0 { 2 } else { 6 };
            let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            text.push_str(&lines_from(indent, &clean, indent + 2));
        }
    }
    if more > 0 {
        let _ = writeln!(text, "  and {more} more (--all lists them)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::is_the_screen;
    use plimsoll_inspect::integrity::{Broken, Rule};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn promise(kind: &str, name: &str, definition: &str, is_validated: bool) -> Promise {
        let rule = json!({
            "kind": kind, "table": "public.orders", "name": name, "definition": definition, "is_validated": is_validated,
        });
        let rule: Rule = serde_json::from_value(rule).unwrap();
        Promise::of(rule, None, None)
    }

    #[test]
    fn the_screen_is_what_it_was() {
        let key = "FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE CASCADE";
        let many = serde_json::from_value::<Broken>(json!({"rows": 1000, "has_more": true})).unwrap();
        let mut broken =
            Promise::of(promise("foreign_key", "orders_customer_id_fkey", key, true).rule, Some(many), None);
        broken.find =
            vec!["SELECT ctid, * FROM ONLY public.orders AS c WHERE NOT EXISTS (SELECT FROM x)".to_owned()];
        let one = serde_json::from_value::<Broken>(json!({"rows": 1, "has_more": false})).unwrap();
        let twice = "CREATE UNIQUE INDEX by_number ON public.orders USING btree (number)";
        let mut twice = Promise::of(promise("unique", "by_number", twice, false).rule, Some(one), None);
        twice.find = vec![
            "SET enable_indexscan = off".to_owned(),
            "SELECT (number), pg_catalog.count(*) FROM x".to_owned(),
        ];
        twice.validate = Some("REINDEX INDEX CONCURRENTLY public.by_number".to_owned());
        let mut unknown = promise(
            "unique",
            "orders_pkey",
            "CREATE UNIQUE INDEX orders_pkey ON public.orders USING btree (id)",
            true,
        );
        unknown.not_counted = Some("it took more than 30 s".to_owned());
        let mut check = promise("check", "positive", "CHECK ((amount > 0)) NOT VALID", false);
        check.find = vec!["SELECT ctid, * FROM ONLY public.orders WHERE NOT (amount > 0)".to_owned()];
        let none = serde_json::from_value::<Broken>(json!({"rows": 0, "has_more": false})).unwrap();
        let kept = Promise::of(
            promise("check", "kept", "CHECK ((amount < 9)) NOT VALID", false).rule,
            Some(none),
            None,
        );
        let missing = json!({
            "table": "public.orders", "column": "region_id", "refers_to": "public.regions (id)", "is_indexed": false,
            "find": "SELECT ctid, * FROM public.orders AS c WHERE c.region_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.regions AS p)",
            "add": ["ALTER TABLE public.orders ADD CONSTRAINT orders_region_id_fkey FOREIGN KEY (region_id) REFERENCES public.regions (id) NOT VALID",
                    "ALTER TABLE public.orders VALIDATE CONSTRAINT orders_region_id_fkey"],
        });
        let found = Found {
            schema_version: 1,
            database: "shop".to_owned(),
            kinds: BTreeMap::from([(Kind::ForeignKey, 1), (Kind::Unique, 1), (Kind::Check, 1)]),
            promises: vec![broken, twice, unknown, check, kept],
            has_more: false,
            counted: true,
            missing_keys: vec![serde_json::from_value(missing).unwrap()],
            has_more_missing_keys: false,
        };
        is_the_screen("integrity.txt", &text(&found, false));
    }
}
