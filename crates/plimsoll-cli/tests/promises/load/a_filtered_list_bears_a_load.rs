//! The list of content with its tag filters, under an open load: each call is answered with its page, and the pool that its statement
//! wants is found on the same tables.

use super::service::{number, report};
use crate::command::plimsoll_of;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server;
use std::collections::HashMap;
use tokio::net::TcpListener;

async fn list(
    State(db): State<Database>,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<String, StatusCode> {
    let tags: Vec<String> =
        asked.get("tags").map(|tags| tags.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let items =
        content::page(&db, &tags, i64::MAX, 20).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    if items.is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok(serde_json::to_string(&items).unwrap()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_its_page() {
    let database = test_server::database().await.unwrap();
    let url = database.url();
    let db = Database::connect(Settings::from_url(url.as_str()).unwrap().pool_max(4)).await.unwrap();
    db.migrate(&content::MIGRATIONS).await.unwrap();
    let routes = Router::new().route("/content/unified", get(list)).with_state(db.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.toml");
    let target = |weight: u32, tags: &str| {
        format!("[[target]]\nweight = {weight}\nurl = \"http://{at}/content/unified?tags={tags}&limit=20\"\n")
    };
    std::fs::write(&file, target(3, "night") + &target(1, "forest,night")).unwrap();
    let shape = ["--rate", "40", "--for", "1s", "--rounds", "3", "--arrivals", "poisson", "--json"];
    let run = plimsoll_of(
        &[["load", "http", "--targets-file", file.to_str().unwrap()].as_slice(), &shape].concat(),
    )
    .await;
    assert_eq!(run.status, 0, "{run:?}");
    let report = report(&run.out);
    assert_eq!(report["answered"], report["due"], "{report}");
    let [often, seldom] = [0, 1].map(|place| number(&report["targets"][place]["answered"]));
    assert!(often > seldom * 2.5 && often < seldom * 3.5, "{report}");
    assert_eq!(report["targets"][1]["name"], "GET /content/unified?tags=forest,night&limit=20");
    db.close().await;

    let sql = content::PAGE_OF_TAGS
        .replace("$1", &i64::MAX.to_string())
        .replace("$2", "20")
        .replace("$3", "ARRAY['forest','night']");
    let shape = ["--most", "3", "--for", "500ms", "--rounds", "1", "--yes", "--json"];
    let run = plimsoll_of(&[["load", "pool-size", "-c", &sql, "-d", &url].as_slice(), &shape].concat()).await;
    assert_eq!(run.status, 0, "{run:?}");
    let recommended = number(&super::service::report(&run.out)["recommended"]);
    assert!((1.0..=3.0).contains(&recommended), "{run:?}");
}
