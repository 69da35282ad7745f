//! What is promised of lists that are read page by page.

mod a_cursor_that_is_none_is_refused;
mod each_row_that_stays_is_seen_once;

use crate::service::Service;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Json;
use axum::routing::get;
use plimsoll::Database;
use plimsoll_http::{CursorKeys, Options, Page, Problem};
use serde::Deserialize;
use serde_json::{Value, json};

/// The time and, since times can be equal, the id.
type Key = (i64, i64);

const PAGE: &str =
    "SELECT at, id FROM item WHERE kind = $3 AND ($1::bigint IS NULL OR (at, id) > ($1, $2::bigint))
                    ORDER BY at, id LIMIT $4";

fn keys() -> CursorKeys {
    CursorKeys::new(&"the key of these tests, 32 bytes long".into()).unwrap()
}

#[derive(Deserialize)]
struct Of {
    kind: String,
}

async fn items(State(db): State<Database>, Query(of): Query<Of>, page: Page) -> Result<Json<Value>, Problem> {
    let list = keys().list::<Key>("", "items", "at, id").filtered_by("kind", &of.kind);
    let (at, id) = page.after(&list)?.unzip();
    let mut rows = db.named("page").query(PAGE, &[&at, &id, &of.kind, &page.rows_to_ask()]).await?;
    let next = page.next(&list, &mut rows, |row| (row.get(0), row.get(1)))?;
    let ids: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
    Ok(Json(json!({ "ids": ids, "next": next })))
}

/// A service with a list of so many items of the kind `a` at four different times.
async fn with_items(count: i64) -> Service {
    let routes = |_: &Database| Router::new().route("/items", get(items));
    let service = Service::start(Options::default(), routes).await;
    let make = format!(
        "CREATE TABLE item (id bigint PRIMARY KEY, at bigint NOT NULL, kind text NOT NULL);
         INSERT INTO item SELECT n, n % 4, 'a' FROM generate_series(10, {count} * 10, 10) n"
    );
    service.fresh.execute(&make).await.unwrap();
    service
}
