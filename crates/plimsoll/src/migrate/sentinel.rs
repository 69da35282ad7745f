//! Looks up the sentinel: the table whose existence shows that there is a schema.
//!
//! The catalog itself is queried. `information_schema` shows a role only objects on which it has rights, and
//! `to_regclass` requires the right to use the schema, so a role without rights would be told that there is no such
//! table, and an existing schema would be created once more. For the same reason the search path is read as it was
//! set: `current_schemas` leaves out schemas that the role may not use.

use crate::call::database::Database;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;

const PATH: &str = "SELECT pg_catalog.current_setting('search_path'), current_user::text";

/// Whether a table, view or foreign table with one of the names is in one of the schemas; and which schemas exist.
const LOOK: &str = "SELECT pg_catalog.count(class.oid) > 0, \
    pg_catalog.array_agg(DISTINCT space.nspname::text) \
    FROM pg_catalog.pg_namespace AS space LEFT JOIN pg_catalog.pg_class AS class \
    ON class.relnamespace = space.oid AND class.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND class.relname = ANY ($2::text[]::name[]) \
    WHERE space.nspname = ANY ($1::text[]::name[])";

/// A table's name, as it may be written in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentinel {
    schema: Option<Name>,
    table: Name,
}

/// One part of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    text: String,
    is_quoted: bool,
}

/// The result of the lookup.
pub(super) struct Found {
    pub(super) exists: bool,
    /// The name and where it was looked up, for an error: `public.exploits`, or the name and the schemas.
    pub(super) shown: String,
}

impl Sentinel {
    pub(super) fn read(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::new(
                Fault::Usage,
                Phase::Migrate,
                Outcome::NotStarted,
                format!(
                    "the sentinel \"{text}\" is not the name of a table: {why}; write it as in SQL, as table or schema.table"
                ),
            )
        };
        let parts =
            parts(text, '.').ok_or_else(|| refuse("a quotation mark is not closed, or stands within it"))?;
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(table), None, None) if !table.text.is_empty() => Ok(Sentinel { schema: None, table }),
            (Some(schema), Some(table), None) if !schema.text.is_empty() && !table.text.is_empty() => {
                Ok(Sentinel { schema: Some(schema), table })
            }
            (_, _, Some(_)) => Err(refuse("it has more than two parts")),
            _ => Err(refuse("a part of it is empty")),
        }
    }

    /// Looks up the table.
    pub(super) async fn look(&self, db: &Database) -> Result<Found> {
        let connection = db.named("schema sentinel").acquire().await?;
        let schemas = match &self.schema {
            Some(schema) => schema.spellings(),
            None => {
                let row = connection.query_one(PATH, &[]).await?;
                schemas(row.try_get(0)?, row.try_get(1)?)
            }
        };
        let row = connection.query_one(LOOK, &[&schemas, &self.table.spellings()]).await?;
        let (exists, there) =
            (row.try_get(0)?, row.try_get::<_, Option<Vec<String>>>(1)?.unwrap_or_default());
        let table = &self.table.text;
        let shown = match (there.as_slice(), &self.schema) {
            ([schema], _) => format!("{schema}.{table}"),
            (_, Some(schema)) => format!("{}.{table}", schema.text),
            (several, None) => format!("{table} (looked for in {})", several.join(", ")),
        };
        Ok(Found { exists, shown })
    }
}

impl Name {
    /// The name as SQL reads it. A name without quotes is also tried exactly as written, as earlier releases did.
    fn spellings(&self) -> Vec<String> {
        let folded = self.text.to_ascii_lowercase();
        if self.is_quoted || folded == self.text {
            vec![self.text.clone()]
        } else {
            vec![folded, self.text.clone()]
        }
    }
}

/// The schemas of a search path.
fn schemas(path: &str, user: &str) -> Vec<String> {
    let names = parts(path, ',').unwrap_or_default();
    names
        .into_iter()
        .map(|name| match name.text.as_str() {
            "$user" => user.to_owned(),
            _ if name.is_quoted => name.text,
            _ => name.text.to_ascii_lowercase(),
        })
        .collect()
}

/// Splits names at a separator, quoted or not; `None` if the quotes do not match.
fn parts(text: &str, separator: char) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside)?,
            None => {
                let (name, _) = rest.split_once(separator).unwrap_or((rest, ""));
                if name.contains('"') {
                    return None;
                }
                let after = rest.get(name.len()..).unwrap_or_default();
                (Name { text: name.trim().to_owned(), is_quoted: false }, after)
            }
        };
        names.push(name);
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(separator)?.trim_start();
    }
}

/// A name up to its closing quotation mark, and the rest. A doubled quotation mark is part of the name.
fn quoted(inside: &str) -> Option<(Name, &str)> {
    let mut text = String::new();
    let mut rest = inside;
    loop {
        let (before, after) = rest.split_once('"')?;
        text.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                text.push('"');
                rest = more;
            }
            None => return Some((Name { text, is_quoted: true }, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Vec<String>>, Vec<String>) {
        let Sentinel { schema, table } = Sentinel::read(text).unwrap();
        (schema.map(|schema| schema.spellings()), table.spellings())
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_sentinel_is_read_as_sql_reads_a_name() {
        assert_eq!(read("exploits"), (None, list(&["exploits"])));
        assert_eq!(read(" app . exploits "), (Some(list(&["app"])), list(&["exploits"])));
        assert_eq!(read("App.Exploits"), (Some(list(&["app", "App"])), list(&["exploits", "Exploits"])));
        assert_eq!(read("\"My App\".\"a\"\"b.c\""), (Some(list(&["My App"])), list(&["a\"b.c"])));
        assert_eq!(read("\"Exploits\""), (None, list(&["Exploits"])));
        for wrong in ["", ".", "a.", ".a", "a.b.c", "\"a", "a\"b\"", "\"a\"b", "\"\""] {
            assert!(Sentinel::read(wrong).unwrap_err().to_string().contains("schema.table"), "{wrong}");
        }
    }

    #[test]
    fn a_search_path_is_read_as_the_server_shows_it() {
        assert_eq!(schemas("\"$user\", public", "Me"), ["Me", "public"]);
        assert_eq!(schemas("App,\"Tenant 1\",\"a,b\"", "me"), ["app", "Tenant 1", "a,b"]);
        assert_eq!(schemas("", "me"), [""]);
        assert_eq!(schemas("\"\"", "me"), [""]);
    }
}
