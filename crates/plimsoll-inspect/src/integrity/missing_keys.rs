//! Columns that look like foreign keys and are none. Only their names and types speak for it: it is a hint, and no finding.

use crate::answer::{Unreadable, rows};
use serde::{Deserialize, Serialize};
use tokio_postgres::SimpleQueryMessage;

const MISSING_KEYS: &str = include_str!("../sql/missing_keys.sql");

/// The most hints that are given.
pub const MOST: usize = 200;

/// The question for them; it reads catalogs only.
#[must_use]
pub fn question() -> String {
    // One more tells that there are more.
    MISSING_KEYS.replace("{limit}", &(MOST + 1).to_string())
}

/// A column that looks like a foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MissingKey {
    /// The table, with its schema, quoted where that is needed.
    pub table: String,
    /// The column.
    pub column: String,
    /// The table and the column that it seems to refer to.
    pub refers_to: String,
    /// Some index begins with the column. Without one, each delete in the other table would read this table whole.
    pub is_indexed: bool,
    /// The question for rows that such a key would refuse: they are mended before it is validated.
    #[serde(default)]
    pub find: String,
    /// The statements that add the key: the first takes a short lock, the second reads the table beside its writers. Of a
    /// partitioned table there is only one, which reads it under a lock that keeps writers out.
    pub add: Vec<String>,
}

impl MissingKey {
    /// Reads the answer to [`question`], at most [`MOST`] and whether there are more.
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<(Vec<Self>, bool), Unreadable> {
        let mut keys = Vec::new();
        for row in rows(answer).filter(|row| row.has("add_key")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            let validate = row.text("validate_key")?.map(str::to_owned);
            keys.push(MissingKey {
                table: text("table_name")?,
                column: text("column_name")?,
                refers_to: text("refers_to")?,
                is_indexed: row.flag("is_indexed")?,
                find: text("find_orphans")?,
                add: std::iter::once(text("add_key")?).chain(validate).collect(),
            });
        }
        let has_more = keys.len() > MOST;
        keys.truncate(MOST);
        Ok((keys, has_more))
    }
}
