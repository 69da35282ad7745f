//! What the service `content` keeps, and how it asks for it: the schema in `migrations/`, and the one list of all content.
//!
//! A page is one statement, whatever it shows. Three decisions are in it:
//!
//! - **Keyset, no OFFSET.** A page begins below the last id of the one before. OFFSET would read all that it skips, and show an
//!   item twice when another was added meanwhile.
//! - **No query for each row.** The tags of an item come as an array with the item.
//! - **Two texts instead of one with `$3 IS NULL OR ..`.** Without tags the list is read along the primary key, with tags along
//!   the index of the first tag; one text for both would have one plan, and that is bad for one of them.

use plimsoll::migrate::Migrations;
use plimsoll::{Database, Result};
use serde::Serialize;

/// The schema, and some thousand rows to look at.
pub static MIGRATIONS: Migrations =
    plimsoll::migrations!("migrations/001_content.sql", "migrations/002_seed.sql");

/// A page of everything: `$1` the id below which it begins, `$2` how many items.
pub const PAGE: &str = "
SELECT c.id, c.owner, c.title, c.is_generated,
       ARRAY(SELECT l.tag FROM content_tag l WHERE l.content_id = c.id ORDER BY l.tag) AS tags
  FROM content c
 WHERE c.id < $1
 ORDER BY c.id DESC LIMIT $2";

/// A page of what has all the tags of the array `$3`. The first leads through its index, and of each item that it finds the
/// tags are counted; so let the first be the rarest. A count is looked up for each item, while the planner may answer
/// `NOT EXISTS` by reading the whole table of tags into a hash first.
pub const PAGE_OF_TAGS: &str = "
SELECT c.id, c.owner, c.title, c.is_generated,
       ARRAY(SELECT l.tag FROM content_tag l WHERE l.content_id = c.id ORDER BY l.tag) AS tags
  FROM content_tag first JOIN content c ON c.id = first.content_id
 WHERE first.tag = ($3::text[])[1] AND first.content_id < $1
   AND (SELECT count(*) FROM content_tag l WHERE l.content_id = first.content_id AND l.tag = ANY ($3::text[]))
       = (SELECT count(DISTINCT tag) FROM unnest($3::text[]) AS tag)
 ORDER BY first.content_id DESC LIMIT $2";

/// One item of the list.
#[derive(Debug, Serialize)]
pub struct Item {
    /// Its id, which is also its place in the list.
    pub id: i64,
    /// Who made it, or had it generated.
    pub owner: String,
    /// What it is called.
    pub title: String,
    /// Whether a program made it.
    pub is_generated: bool,
    /// Its tags, in alphabetical order.
    pub tags: Vec<String>,
}

/// At most `limit` items with all of these tags, the newest first, from below the id `before`.
///
/// # Errors
/// As any statement.
///
/// # Cancel safety
/// Dropped, the statement is stopped on the server.
pub async fn page(db: &Database, tags: &[String], before: i64, limit: i64) -> Result<Vec<Item>> {
    let call = db.named("page of content").read_only();
    let rows = match tags {
        [] => call.query(PAGE, &[&before, &limit]).await?,
        tags => call.query(PAGE_OF_TAGS, &[&before, &limit, &tags]).await?,
    };
    rows.iter()
        .map(|row| {
            Ok(Item {
                id: row.try_get(0)?,
                owner: row.try_get(1)?,
                title: row.try_get(2)?,
                is_generated: row.try_get(3)?,
                tags: row.try_get(4)?,
            })
        })
        .collect()
}
