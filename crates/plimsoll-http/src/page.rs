//! How much of a list a client asks for, and from where: `?limit=100&after=<cursor>`.
//!
//! What cannot be read is refused. A limit that is passed over gives another page than was asked for, and a cursor that is
//! passed over gives the first page again.

use crate::cursor::{self, CursorList};
use crate::problem::Problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The rows of a page where the client says nothing.
const USUAL: u32 = 100;
/// The most rows of a page.
const MOST: u32 = 1000;

/// A page as the client asks for it: a limit of 1 to 1,000 rows, 100 if it is not said, and the cursor that came with the page
/// before, if there was one. As an argument of a handler it is read from the query, whose other parts it leaves alone; see
/// [`CursorKeys`](crate::CursorKeys) for a whole handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    limit: u32,
    after: Option<String>,
}

impl Page {
    /// A page of a list that has limits of its own, from what it has read out of the query: so many rows at the most, behind this
    /// cursor.
    #[must_use]
    pub fn asked(limit: u32, after: Option<String>) -> Self {
        Page { limit, after }
    }

    /// How many rows it has at the most.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many rows to ask the database for, as a parameter of `LIMIT`: one more than the page has, which tells whether there is
    /// another page.
    #[must_use]
    pub fn rows_to_ask(&self) -> i64 {
        i64::from(self.limit).saturating_add(1)
    }

    /// The key behind which it begins; `None` on the first page.
    ///
    /// # Errors
    /// 400 for a cursor that is none of this list.
    pub fn after<K: Serialize + DeserializeOwned>(&self, list: &CursorList<K>) -> Result<Option<K>, Problem> {
        self.after.as_deref().map(|cursor| list.read(cursor)).transpose()
    }

    /// Cuts the rows that were asked for down to the page, and gives the cursor of the next one, if there is one.
    ///
    /// # Errors
    /// As [`CursorList::cursor`].
    pub fn next<K: Serialize + DeserializeOwned, R>(
        &self,
        list: &CursorList<K>,
        rows: &mut Vec<R>,
        key: impl FnOnce(&R) -> K,
    ) -> Result<Option<String>, Problem> {
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let is_more = rows.len() > most;
        rows.truncate(most);
        rows.last().filter(|_| is_more).map(|last| list.cursor(&key(last))).transpose()
    }

    fn of(query: Vec<(String, String)>) -> Result<Self, Problem> {
        let (mut limit, mut after) = (None, None);
        for (name, value) in query {
            match name.as_str() {
                "limit" if limit.is_none() => limit = Some(number(&value).ok_or_else(bad_limit)?),
                "limit" => return Err(bad_limit()),
                "after" if after.is_none() => after = Some(value),
                "after" => return Err(cursor::refused()),
                _ => {}
            }
        }
        Ok(Page { limit: limit.unwrap_or(USUAL), after })
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::try_from_uri(&parts.uri).map_err(|_| bad_limit())?;
        Page::of(query)
    }
}

/// Digits only, within the limits.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| is_number && (1..=MOST).contains(limit))
}

fn bad_limit() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BAD_LIMIT", "limit is a whole number from 1 to 1000.")
        .advice("Send it once, or leave it out for 100.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CursorKeys;

    fn asked(query: &str) -> Result<Page, &'static str> {
        let uri = format!("/devices?{query}").parse().unwrap();
        let Query(query) = Query::try_from_uri(&uri).unwrap();
        Page::of(query).map_err(|problem| problem.code())
    }

    fn page(limit: u32, after: Option<&str>) -> Result<Page, &'static str> {
        Ok(Page { limit, after: after.map(str::to_owned) })
    }

    #[test]
    fn what_is_not_said_is_usual() {
        assert_eq!(asked(""), page(100, None));
        assert_eq!(asked("limit=1"), page(1, None));
        assert_eq!(asked("after=x&limit=1000&status=a&status=b"), page(1000, Some("x")));
        assert_eq!(asked("after="), page(100, Some("")), "which is no cursor");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for limit in
            ["0", "1001", "-1", "+1", "1.5", "", "many", "%31%00", "99999999999999999999", "0x10", "%201"]
        {
            assert_eq!(asked(&format!("limit={limit}")), Err("BAD_LIMIT"), "{limit}");
        }
        assert_eq!(asked("limit=1&limit=1"), Err("BAD_LIMIT"));
        assert_eq!(asked("after=x&after=x"), Err("BAD_CURSOR"));
    }

    #[test]
    fn one_row_more_tells_of_another_page() {
        let keys = CursorKeys::new(&"k".repeat(32).into()).unwrap();
        let list = keys.list::<u32>("", "numbers", "number");
        let page = asked("limit=3").unwrap();
        assert_eq!(page.rows_to_ask(), 4);
        let next = |count| {
            let mut rows: Vec<u32> = (1..=count).collect();
            let next = page.next(&list, &mut rows, |row| *row).unwrap();
            (rows.len(), next.map(|cursor| list.read(&cursor).unwrap()))
        };
        assert_eq!([next(0), next(2), next(3)], [(0, None), (2, None), (3, None)]);
        assert_eq!(next(4), (3, Some(3)));
    }
}
