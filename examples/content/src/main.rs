//! An example service: one list of content, which stays responsive whatever its clients and its database do.
//!
//! ```sh
//! cargo run -p content     # on a PostgreSQL of its own, or on that of DATABASE_URL; prints what to try
//! ```

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Json, Router, routing::get};
use plimsoll::{Database, Settings};
use plimsoll_http::report::{ReportOptions, on_sigusr1};
use plimsoll_http::{
    CursorKeys, EndpointOptions, NeedsDatabase, Operators, Options, Page, Problem, ServeOptions, User,
};
use plimsoll_http::{check, endpoints, layers, serve};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{env, error::Error, io, time::Duration};
use tokio::net::TcpListener;

/// How long a request may take, and how long the proxy in front waits for it (nginx: `proxy_read_timeout`).
const DEADLINE: Duration = Duration::from_secs(15);
const PROXY: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // One line of JSON for each request (target plimsoll::access), each slow statement and each trouble.
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(io::stderr).init();
    let (settings, _own_postgres) = settings().await?;
    let db = Database::connect(settings.application_name("content")).await?;
    db.ready_within(Duration::from_secs(30)).await?;
    db.migrate(&content::MIGRATIONS).await?;
    // Each limit lies inside the next one out, or the wrong one would strike first.
    check(db.plan(), DEADLINE, Some(PROXY))?;

    // The same key on all instances, or the page that one has begun is refused by the next.
    let keys = match env::var("CURSOR_KEY") {
        Ok(key) => CursorKeys::new(&key.into())?,
        Err(_) => CursorKeys::drawn_for_development()?,
    };
    // kill -USR1 prints what goes on, also while everything hangs.
    let _report = on_sigusr1(&db, ReportOptions::default())?;
    let listener = TcpListener::bind(env::var("LISTEN").as_deref().unwrap_or("127.0.0.1:8081")).await?;
    let at = listener.local_addr()?;
    // Who may ask for metrics: while it listens on this machine alone, whoever is on it; elsewhere an operator with a token.
    let operators = Operators::default().or_anyone_here(at);
    let router = Router::new()
        .route("/content/unified", get(unified).layer(NeedsDatabase::new(&db)))
        .merge(endpoints(&db, &operators, EndpointOptions::default()))
        .layer(layers(&db, Options::default().deadline(DEADLINE)))
        .layer(from_fn(user_of_gateway))
        .with_state((db.clone(), keys));
    println!(
        "content listens on http://{at}

  The newest, with two tags:        curl 'http://{at}/content/unified?tags=night,forest&limit=3'
  A request that runs out of time:  curl -i -H 'X-Request-Timeout-Ms: 500' 'http://{at}/content/unified?slow=5'
  A client that hangs up:           curl -m 1 'http://{at}/content/unified?slow=60'
  What it did to the database:      curl 'http://{at}/api/metrics/queries?limit=3'
  And what it does now, on stderr:  kill -USR1 {}

content is ready",
        std::process::id()
    );
    serve(listener, router, ServeOptions { databases: vec![db], ..ServeOptions::default() }).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Asked {
    /// Separated by commas; an item must have them all.
    #[serde(default)]
    tags: String,
    /// Seconds that the database is kept busy first. Only to try things out: a real service has no such thing.
    slow: Option<u32>,
}

/// A page of the list. When the client leaves or the time is over, this is dropped where it waits, and what runs on the
/// database is stopped there: nothing of that has to be written here.
async fn unified(
    State((db, keys)): State<(Database, CursorKeys)>,
    page: Page,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(Asked { tags, slow }) = asked.map_err(|error| bad(error.body_text()))?;
    let list = keys.list::<i64>("", "content", "id DESC").filtered_by("tags", &tags);
    let tags: Vec<String> = tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    if tags.len() > 10 {
        return Err(bad("There are at most 10 tags.".to_owned()));
    }
    let before = page.after(&list)?.unwrap_or(i64::MAX);
    if let Some(seconds) = slow {
        db.named("slow on purpose").query_one("SELECT pg_sleep($1)", &[&f64::from(seconds)]).await?;
    }
    let mut items = content::page(&db, &tags, before, page.rows_to_ask()).await?;
    let next = page.next(&list, &mut items, |item| item.id)?;
    Ok(Json(json!({ "items": items, "next": next })))
}

fn bad(title: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BAD_QUERY", title)
}

/// Who asks, as the gateway in front of this service has found out and says. The access log has it.
async fn user_of_gateway(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user-id").and_then(|id| id.to_str().ok()).map(User::new);
    user.and_then(|user| request.extensions_mut().insert(user));
    next.run(request).await
}

/// What the environment says, `DATABASE_URL` first; without one, of a PostgreSQL that is gone when this program ends.
#[cfg(feature = "dev")]
async fn settings() -> Result<(Settings, Option<plimsoll_embedded::Cluster>), Box<dyn Error>> {
    if env::var_os("DATABASE_URL").is_some() {
        return Ok((Settings::from_env()?, None));
    }
    let own = plimsoll_embedded::Cluster::start().await?;
    Ok((Settings::from_env()?.url(own.url("postgres")), Some(own)))
}

#[cfg(not(feature = "dev"))]
async fn settings() -> Result<(Settings, ()), Box<dyn Error>> {
    Ok((Settings::from_env()?, ()))
}
