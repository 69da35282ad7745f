//! The scene on which limits strike: a service with slow routes, its log, and what must be so afterwards.

use super::strikes::{self, Strike};
use crate::client::Answer;
use crate::log::Log;
use crate::service::{Service, first, rows, settings, until};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use plimsoll::{Database, Settings, TransactionGuard};
use plimsoll_http::{Options, Problem, RouteDeadline};
use std::time::Duration;
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;

pub(super) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

type Answered = Result<&'static str, Problem>;

/// Waits for a lock.
async fn locked(State(db): State<Database>) -> Answered {
    db.named("counts").execute("UPDATE contended SET n = n + 1", &[]).await?;
    Ok("counted")
}

/// Takes its time.
async fn slow(State(db): State<Database>) -> Answered {
    db.named("sleeps").query_one("SELECT pg_sleep(60)", &[]).await?;
    Ok("slept")
}

/// Takes its time, and allows itself less than others.
async fn allows_itself_less(State(db): State<Database>) -> Answered {
    db.named("sleeps").statement_timeout(ms(300)).query_one("SELECT pg_sleep(60)", &[]).await?;
    Ok("slept")
}

/// Many statements, none of which is slow.
async fn many(State(db): State<Database>) -> Answered {
    db.named("many")
        .transaction(async |tx| {
            tx.execute("UPDATE contended SET n = n + 1", &[]).await?;
            for _ in 0..100 {
                tx.query_one("SELECT pg_sleep(0.1)", &[]).await?;
            }
            Ok(())
        })
        .await?;
    Ok("done")
}

/// A transaction in which something else is waited for.
async fn elsewhere(State(db): State<Database>) -> Answered {
    db.named("waits elsewhere")
        .transaction(async |tx| {
            tx.execute("UPDATE contended SET n = n + 1", &[]).await?;
            // That time passes here is what is played.
            sleep(ms(1500)).await;
            tx.execute("UPDATE contended SET n = n + 1", &[]).await
        })
        .await?;
    Ok("counted")
}

/// What it waits for knows nothing of a deadline, and it holds a connection meanwhile.
async fn endless(State(db): State<Database>) -> Answered {
    let _lease = db.named("holds").acquire().await?;
    std::future::pending::<()>().await;
    Ok("never")
}

async fn stream(State(db): State<Database>) -> Response {
    rows(
        db,
        "SELECT repeat('x', 20000) || pg_sleep(CASE WHEN i > 3 THEN 60 ELSE 0 END)::text FROM generate_series(1, 9) AS i",
    )
}

pub(super) fn routes(_: &Database) -> Router<Database> {
    Router::new()
        .route("/locked", get(locked))
        .route("/slow", get(slow))
        .route("/slow/stream", get(stream))
        .route("/less", get(allows_itself_less))
        .route("/many", get(many))
        .route("/elsewhere", get(elsewhere))
        .route("/endless", get(endless))
        .route("/short", get(slow).layer(RouteDeadline::of(ms(500))))
}

pub(super) struct Scene {
    pub(super) service: Service,
    pub(super) log: Log,
    _guard: DefaultGuard,
}

/// A deadline that no test comes near.
pub(super) fn patient() -> Options {
    Options::default().deadline(Duration::from_secs(50))
}

impl Scene {
    pub(super) async fn open(options: Options, change: impl FnOnce(Settings) -> Settings) -> Self {
        let (log, guard) = Log::start("plimsoll=info,plimsoll_http=info");
        let service = Service::start_with(options, change, routes).await;
        service.fresh.execute("CREATE TABLE contended AS SELECT 0 AS n").await.unwrap();
        Scene { service, log, _guard: guard }
    }

    /// Compares what the client got, and what the logs say, with what was to be seen.
    pub(super) async fn strike(&self, test: &str, route: &str, answer: Option<&Answer>) {
        let Strike { status, code, outcome, ended, log, .. } = strikes::of(test);
        assert_eq!(answer.map(|answer| answer.status), *status, "{answer:?}");
        let record = self.service.records.of(route).await;
        assert_eq!(record["ended"], *ended, "{record}");
        let is_ours = code.is_some();
        assert_eq!(record["status"], if is_ours { status.unwrap() } else { 499 }, "{record}");
        if let (Some(answer), true) = (answer, is_ours) {
            self.is_told_to_people(answer, code.unwrap(), outcome.unwrap());
            assert_eq!(record["code"], code.unwrap());
            self.is_in_the_log(route, code.unwrap(), &record).await;
        }
        for words in *log {
            until(&format!("the log says {words:?}"), async || self.log.text().contains(words)).await;
        }
    }

    /// The body has what a page shows to the person before it: what happened and what to do, and the id to ask by.
    fn is_told_to_people(&self, answer: &Answer, code: &str, outcome: &str) {
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
        let problem = answer.json();
        assert_eq!((&problem["code"], &problem["outcome"]), (&code.into(), &outcome.into()), "{problem}");
        assert_eq!(problem["status"], answer.status);
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        for sentence in [&problem["title"], &problem["advice"]] {
            let sentence = sentence.as_str().unwrap();
            assert!(sentence.len() > 20 && sentence.ends_with('.'), "{sentence:?}");
        }
        let comes_back = [409, 503].contains(&answer.status);
        assert_eq!(!answer.header("retry-after").is_empty(), comes_back, "{answer:?}");
    }

    /// The code is in a line of its own, under the request's id: as the error that it was, or as a deadline that passed.
    async fn is_in_the_log(&self, route: &str, code: &str, record: &serde_json::Value) {
        let tells = |line: &serde_json::Value| {
            let fields = &line["fields"];
            let is_late = fields["route"] == route && fields["limit_ms"].is_number();
            let begins = fields["message"].as_str().is_some_and(|message| message.starts_with(code));
            fields["request"] == record["request"] && (fields["code"] == code && begins || is_late)
        };
        until(&format!("{code} is in the log"), async || self.log.at("plimsoll::http").iter().any(tells))
            .await;
        let line = self.log.at("plimsoll::http").into_iter().find(tells).unwrap();
        assert_eq!(line["level"], "WARN", "{line}");
    }

    /// Afterwards no statement runs, no session is idle in a transaction, every connection is one that the pool knows of, the
    /// full set can be lent at once, and nothing of what was told as undone is there.
    pub(super) async fn leaves_nothing(self) {
        let Service { db, fresh, .. } = &self.service;
        let sessions = |state: &str| {
            format!(
                "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() AND \
                 pid <> pg_backend_pid() AND application_name NOT LIKE '%(heartbeat)' AND state {state}"
            )
        };
        let [active, forgotten, all] =
            ["= 'active'", "LIKE 'idle in transaction%'", "IS NOT NULL"].map(sessions);
        until("no statement runs", async || first(fresh, &active).await == "0").await;
        until("no transaction is left open", async || first(fresh, &forgotten).await == "0").await;
        self.service.until_at_rest().await;
        let mut leases = Vec::new();
        for _ in 0..db.pool_status().maximum {
            leases.push(db.named("afterwards").acquire().await.expect("the full set can be lent"));
        }
        for lease in &leases {
            lease
                .query_one("SELECT n FROM contended WHERE n = 0", &[])
                .await
                .expect("it works, and nothing was stored");
        }
        assert_eq!(db.pool_status().total_connections, leases.len());
        until("the pool knows every session", async || first(fresh, &all).await == leases.len().to_string())
            .await;
        drop(leases);
        self.service.until_at_rest().await;
        self.service.end().await;
    }

    /// Another program, which locks the row.
    pub(super) async fn stranger(&self) -> Stranger {
        let db = Database::connect(settings(&self.service.fresh).await).await.unwrap();
        let holds = db.begin().await.unwrap();
        holds.execute("SELECT n FROM contended FOR UPDATE", &[]).await.unwrap();
        Stranger { db, holds }
    }
}

pub(super) struct Stranger {
    db: Database,
    holds: TransactionGuard,
}

impl Stranger {
    pub(super) async fn leaves(self) {
        self.holds.rollback().await;
        self.db.close().await;
    }
}
