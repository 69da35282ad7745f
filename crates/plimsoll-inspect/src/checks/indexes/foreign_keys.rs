//! I04: the table that refers to another has an index for it.
//!
//! One index serves every foreign key whose columns it begins with, so keys of one table share an index where they can: the same
//! columns, or those of one among those of the other.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::subject::{Subject, quoted};

const ROWS: Threshold = Threshold {
    name: "foreign_key_rows_warn",
    default: 10_000.0,
    unit: "rows",
    meaning: "a foreign key without an index on a table with more rows is a warning",
};

pub(super) const I04: Check = Check {
    id: "I04",
    title: "Each large table that refers to another has an index for it",
    why: "without it each DELETE of a parent's row, and each change of its key, reads the whole table that \
     refers to it and keeps locks meanwhile",
    ask: &[include_str!("foreign_keys.sql")],
    needs_primary: true,
    thresholds: &[ROWS],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let most = thresholds.get(&ROWS);
    let mut found = Vec::new();
    let mut keys = Vec::new();
    for row in answers.rows() {
        let key = Key::read(row)?;
        let table = &key.table;
        match row.number::<f64>("row_count")? {
            _ if key.is_locked => found.push(Finding::skipped(
                key.subject(),
                format!(
                    "another session has locked {table}, so that the conditions of its indexes cannot be read"
                ),
            )),
            None => found.push(Finding::skipped(
                key.subject(),
                format!(
                    "no index begins with its columns, and nothing has counted the rows of {table}: \
                     ANALYZE {table}"
                ),
            )),
            Some(rows) if rows > most => keys.push(Key { rows, ..key }),
            Some(_) => {}
        }
    }
    let wanted = format!("an index that begins with its columns, or at most {most} rows");
    found.extend(together(keys).iter().flat_map(|group| findings(group)).map(|it| it.threshold(&wanted)));
    Ok(worst_first(found))
}

/// A foreign key without an index.
#[derive(Clone, Debug, Default)]
struct Key {
    name: String,
    table: String,
    schema: String,
    parent: String,
    /// Quoted where that is needed, in the order of the key.
    columns: Vec<String>,
    rows: f64,
    is_partitioned: bool,
    /// Whether it has an index could not be read.
    is_locked: bool,
    /// An index that would serve it if it were valid.
    invalid_index: Option<String>,
    /// A name that no other index has.
    free_name: String,
}

impl Key {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        Ok(Key {
            name: text("key_name")?,
            table: text("table_name")?,
            schema: text("schema_name")?,
            parent: text("parent_name")?,
            columns: text("column_names")?.lines().map(str::to_owned).collect(),
            rows: 0.0,
            is_partitioned: row.flag("is_partitioned")?,
            is_locked: row.flag("is_locked")?,
            invalid_index: row.text("invalid_index")?.map(str::to_owned),
            free_name: text("free_name")?,
        })
    }

    fn subject(&self) -> String {
        format!("foreign key {} of {}", self.name, self.table)
    }

    fn has_all_of(&self, other: &Key) -> bool {
        self.table == other.table && other.columns.iter().all(|column| self.columns.contains(column))
    }
}

/// The keys in groups that one index can serve, the one with the most columns first: each has all columns of the next.
fn together(mut keys: Vec<Key>) -> Vec<Vec<Key>> {
    // The sort keeps the order of those that are alike, which is that of their size.
    keys.sort_by_key(|key| std::cmp::Reverse(key.columns.len()));
    let mut groups: Vec<Vec<Key>> = Vec::new();
    for key in keys {
        let fits = |group: &&mut Vec<Key>| group.last().is_some_and(|last| last.has_all_of(&key));
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(key),
            None => groups.push(vec![key]),
        }
    }
    groups
}

/// The columns of the index that serves a group: those of the last key, then what each before it has besides.
fn columns(group: &[Key]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    for column in group.iter().rev().flat_map(|key| &key.columns) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    columns
}

/// A finding for each key; the first one has the statement that makes the index of all.
fn findings(group: &[Key]) -> Vec<Finding> {
    let columns = columns(group).join(", ");
    let Some(first) = group.first() else { return Vec::new() };
    let finding = |key: &Key| {
        let value = format!(
            "no index of {}, which has about {:.0} rows, begins with the columns ({}) that refer to {}",
            key.table,
            key.rows,
            key.columns.join(", "),
            key.parent
        );
        let served = group.iter().filter(|other| other.name != key.name).map(|other| other.name.as_str());
        let served: Vec<&str> = served.collect();
        let (value, remedy) = match served.as_slice() {
            [] => (value, remedy(key, &columns)),
            others if key.name == first.name => {
                (format!("{value}; one index serves {} too", others.join(", ")), remedy(key, &columns))
            }
            _ => (
                value,
                Remedy::advice(format!("the index for foreign key {} serves this one too", first.name)),
            ),
        };
        Finding::new(State::Warn, key.subject(), value).source("pg_constraint, pg_index").remedy(remedy)
    };
    group.iter().map(finding).collect()
}

fn remedy(key: &Key, columns: &str) -> Remedy {
    let Key { table, schema, .. } = key;
    if let Some(invalid) = &key.invalid_index {
        return Remedy::advice(format!(
            "{invalid} would do if it were valid: check I01 has what puts it right; a second index would do the same work"
        ));
    }
    let name = quoted(&key.free_name);
    if key.is_partitioned {
        return Remedy::advice(format!(
            "CREATE INDEX {name} ON ONLY {table} ({columns}); then CREATE INDEX CONCURRENTLY on each partition and \
             ALTER INDEX {schema}.{name} ATTACH PARTITION each of them: a partitioned table has no CREATE INDEX CONCURRENTLY"
        ));
    }
    Remedy::now(
        format!("CREATE INDEX CONCURRENTLY {name} ON {table} ({columns})"),
        format!("DROP INDEX CONCURRENTLY {schema}.{name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, table: &str, columns: &[&str]) -> Key {
        Key {
            name: name.to_owned(),
            table: table.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            ..Key::default()
        }
    }

    #[test]
    fn keys_share_an_index_where_one_can_serve_them() {
        let groups = together(vec![
            key("a1", "t", &["a"]),
            key("a2", "t", &["a"]),
            key("ba", "t", &["b", "a"]),
            key("bc", "t", &["b", "c"]),
            key("abc", "t", &["a", "b", "c"]),
            key("other", "u", &["a"]),
        ]);
        let named: Vec<(Vec<&str>, String)> = groups
            .iter()
            .map(|group| (group.iter().map(|key| key.name.as_str()).collect(), columns(group).join(", ")))
            .collect();
        assert_eq!(
            named,
            [
                (vec!["abc", "ba", "a1", "a2"], "a, b, c".to_owned()),
                (vec!["bc"], "b, c".to_owned()),
                (vec!["other"], "a".to_owned()),
            ]
        );
    }
}
