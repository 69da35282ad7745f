//! An example service: media buys, by a sales agent that neither hangs nor falls over when its database does.
//!
//! ```sh
//! cargo run -p sales-agent     # on a PostgreSQL of its own, or on that of DATABASE_URL; prints what to try
//! ```
//!
//! `DATABASE_QUERY_TIMEOUT`, `DATABASE_CONNECT_TIMEOUT` and `DATABASE_POOL_TIMEOUT` are limits in seconds, `USE_PGBOUNCER=true`
//! says that a PgBouncer is in front of the server (one on port 6543 or 6432 is found without). All other variables are in
//! docs/settings.md.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use plimsoll::{Database, HealthState, Settings};
use plimsoll_http::{Databases, NeedsDatabase, Options, Problem, ServeOptions, layers, serve};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{env, error::Error, io, time::Duration};
use tokio::net::TcpListener;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(io::stderr).init();
    let (settings, _own_postgres) = settings().await?;
    // Fails on what waiting cannot heal. A server that is away is no reason not to start.
    let db = Database::connect(settings.application_name("sales-agent")).await?;
    // Empty until there is a schema; so long /media-buys is answered 503, and /health and /pool are there.
    let databases = Databases::new();
    tokio::spawn(bring_up(db.clone(), databases.clone()));

    let router = Router::new()
        // While the breaker is open its requests are refused before the handler runs.
        .route("/media-buys", post(book).layer(NeedsDatabase::new(&databases)))
        .route("/health", get(health))
        .route("/pool", get(async |State(db): State<Database>| Json(sales_agent::pool_status(&db))))
        .layer(layers(&databases, Options::default()))
        .with_state(db.clone());
    let listener = TcpListener::bind(env::var("LISTEN").as_deref().unwrap_or("127.0.0.1:8083")).await?;
    let at = listener.local_addr()?;
    println!(
        "sales-agent listens on http://{at}

  Buy:                  curl -H 'Content-Type: application/json' -d '{{\"buyer_ref\": \"b-1\", \"budget_cents\": 50000}}' http://{at}/media-buys
  Is the database well: curl -i http://{at}/health
  The pool and breaker: curl http://{at}/pool
"
    );
    serve(listener, router, ServeOptions { databases: vec![db], ..ServeOptions::default() }).await?;
    Ok(())
}

/// Makes the schema, when the server can be reached.
async fn bring_up(db: Database, databases: Databases) {
    while let Err(error) = db.migrate(&sales_agent::MIGRATIONS).await {
        tracing::warn!("there is no schema yet, it is tried again: {error}");
        sleep(Duration::from_secs(2)).await;
    }
    databases.add("sales", &db);
    println!("sales-agent is ready");
}

#[derive(Deserialize)]
struct Buy {
    buyer_ref: String,
    budget_cents: i64,
}

async fn book(
    State(db): State<Database>,
    buy: Result<Json<Buy>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(Buy { buyer_ref, budget_cents }) = buy.map_err(|error| bad(error.body_text()))?;
    let (id, is_new) = sales_agent::book(&db, &buyer_ref, budget_cents).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(json!({ "media_buy_id": id }))))
}

#[derive(Deserialize)]
struct Asked {
    /// Whether to ask the database now. Else a good answer is up to a minute old, unless something has failed since.
    #[serde(default)]
    force: bool,
}

/// For whoever looks after the service. Whether the process lives is another question, and `/pool` answers that one too: a
/// process that is restarted because its database is away helps no one.
async fn health(
    State(db): State<Database>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Query(asked) = asked.map_err(|error| bad(error.body_text()))?;
    let health = db.health(asked.force).await;
    let (status, message) = match health.state {
        HealthState::Healthy => (StatusCode::OK, "healthy".to_owned()),
        // Works, and should be looked at: no reason to send requests elsewhere.
        HealthState::Degraded => (StatusCode::OK, health.reasons.join("; ")),
        _ => (StatusCode::SERVICE_UNAVAILABLE, health.reasons.join("; ")),
    };
    Ok((status, Json(json!({ "status": health.state.to_string(), "message": message }))))
}

fn bad(title: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", title)
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
