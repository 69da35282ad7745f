//! Each call leaves one span, whichever way its statement travels, and each try of work that is tried again leaves one.

use super::{Receiver, attribute, has_failed, install};
use opentelemetry_proto::tonic::trace::v1::Span;
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server;
use plimsoll_http::otlp::OtlpGuard;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tracing::Instrument;
use tracing::subscriber::DefaultGuard;

struct Traced {
    receiver: Receiver,
    guard: OtlpGuard,
    _default: DefaultGuard,
    db: Database,
    fresh: test_server::TestDatabase,
}

impl Traced {
    async fn start() -> Self {
        let receiver = Receiver::start().await;
        let (guard, _default) = install(receiver.options());
        let fresh = test_server::database().await.unwrap();
        let db = Database::connect(crate::service::settings(&fresh).await.pool_max(1)).await.unwrap();
        crate::service::has_its_heartbeat(&db, &fresh).await;
        Traced { receiver, guard, _default, db, fresh }
    }

    /// The spans of this work, in the order in which they began.
    async fn spans(&self, count: usize, work: impl Future<Output = ()>) -> Vec<Span> {
        let root = tracing::info_span!("root");
        let before = self.receiver.spans().len();
        work.instrument(root).await;
        crate::service::until("the root", async || {
            self.guard.flush(crate::service::PATIENCE).await;
            self.receiver.spans().iter().skip(before).any(|span| span.name == "root")
        })
        .await;
        let spans = self.receiver.spans().split_off(before);
        let root = spans.iter().rfind(|span| span.name == "root").unwrap().clone();
        let mut spans: Vec<_> = spans
            .into_iter()
            .filter(|span| span.trace_id == root.trace_id && span.span_id != root.span_id)
            .collect();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    async fn end(self) {
        self.db.close().await;
        drop(self.fresh);
    }
}

#[tokio::test]
async fn whichever_way_its_statement_travels() {
    let traced = Traced::start().await;
    let db = &traced.db;
    let sql = "SELECT count(*) FROM pg_class";
    // New, known, prepared; and as a transaction of one.
    for _ in 0..3 {
        let spans = traced.spans(3, async {
            db.named("plain").query_one(sql, &[]).await.unwrap();
            db.named("read only").read_only().query_one(sql, &[]).await.unwrap();
            db.named("resolvable").resolvable().query_one(sql, &[]).await.unwrap();
        });
        let spans = spans.await;
        let shown: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(shown, ["plain", "read only", "resolvable"]);
        for span in &spans {
            assert_eq!(attribute(span, "plimsoll.outcome"), "answered", "{span:#?}");
            assert_eq!(attribute(span, "db.response.returned_rows"), "1i", "{span:#?}");
            assert!(attribute(span, "db.query.text").to_lowercase().contains("from pg_class"), "{span:#?}");
            assert!(
                !attribute(span, "plimsoll.wait_ms").is_empty()
                    && !attribute(span, "server.address").is_empty()
            );
        }
    }
    traced.end().await;
}

#[tokio::test]
async fn on_a_lease_and_by_hand() {
    use futures_util::StreamExt;
    let traced = Traced::start().await;
    let db = &traced.db;
    let spans = traced.spans(4, async {
        let lease = db.named("holds").acquire().await.unwrap();
        lease.batch_execute("CREATE TABLE t (id int)").await.unwrap();
        lease.execute("INSERT INTO t SELECT generate_series(1, 9)", &[]).await.unwrap();
        let mut rows = Box::pin(lease.query_stream("SELECT id FROM t", &[]).await.unwrap());
        while rows.next().await.is_some() {}
    });
    let spans = spans.await;
    let dbname = db.plan().dbname().to_owned();
    let shown: Vec<_> =
        spans.iter().map(|span| (span.name.clone(), attribute(span, "plimsoll.outcome"))).collect();
    let expected = [
        "acquire".to_owned(),
        format!("CREATE {dbname}"),
        format!("INSERT {dbname}"),
        format!("SELECT {dbname}"),
    ];
    let outcomes = ["lent", "answered", "answered", "answered"].map(str::to_owned);
    assert_eq!(shown, expected.into_iter().zip(outcomes).collect::<Vec<_>>());
    assert_eq!(attribute(&spans[3], "db.response.returned_rows"), "9i");
    assert_eq!(attribute(&spans[2], "plimsoll.affected_rows"), "9i");

    let by_hand = traced.spans(4, async {
        let tx = db.named("by hand").begin().await.unwrap();
        tx.execute("DELETE FROM t", &[]).await.unwrap();
        tx.rollback().await;
        let tx = db.named("by hand").begin().await.unwrap();
        tx.execute("DELETE FROM t", &[]).await.unwrap();
        tx.commit().await.unwrap();
    });
    let by_hand = by_hand.await;
    for (index, outcome) in [(0, "rolled_back"), (2, "committed")] {
        assert_eq!(attribute(&by_hand[index], "plimsoll.outcome"), outcome);
        assert!(!has_failed(&by_hand[index]));
        assert_eq!(by_hand[index + 1].parent_span_id, by_hand[index].span_id);
    }
    traced.end().await;
}

#[tokio::test]
async fn each_try_beside_the_one_before() {
    let traced = Traced::start().await;
    let tried = AtomicU32::new(0);
    let fails = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$";
    let spans = traced.spans(4, async {
        let work = async |tx: plimsoll::Transaction| {
            let is_first = tried.fetch_add(1, Ordering::Relaxed) == 0;
            tx.execute(if is_first { fails } else { "SELECT 1" }, &[]).await
        };
        traced.db.named("collides").retrying(work).await.unwrap();
    });
    let spans = spans.await;
    let tries: Vec<_> = spans.iter().filter(|span| span.name == "collides").collect();
    assert_eq!(tries.len(), 2, "{spans:#?}");
    assert_eq!(tries[0].parent_span_id, tries[1].parent_span_id);
    assert!(has_failed(tries[0]) && !has_failed(tries[1]));
    assert_eq!(attribute(tries[0], "db.response.status_code"), "40001");
    assert_eq!(attribute(tries[0], "plimsoll.outcome"), "rolled_back");
    assert_eq!(
        (attribute(tries[0], "plimsoll.retries"), attribute(tries[1], "plimsoll.retries")),
        (String::new(), "1i".into())
    );
    assert_eq!(attribute(tries[1], "plimsoll.outcome"), "committed");
    traced.end().await;
}

#[tokio::test]
async fn a_call_that_gets_no_connection_leaves_one_too() {
    let traced = Traced::start().await;
    let held = traced.db.acquire().await.unwrap();
    let spans = traced.spans(3, async {
        let limit = Duration::from_millis(60);
        let waits = || traced.db.named("waits").acquire_within(limit);
        for fault in [
            waits().query("SELECT 1", &[]).await.map(drop).unwrap_err().fault(),
            waits().transaction(async |_| Ok(())).await.unwrap_err().fault(),
            waits().acquire().await.map(drop).unwrap_err().fault(),
        ] {
            assert_eq!(fault, Fault::PoolExhausted);
        }
    });
    for span in spans.await {
        assert!(has_failed(&span), "{span:#?}");
        assert_eq!(attribute(&span, "plimsoll.code"), Fault::PoolExhausted.code());
        assert_eq!(attribute(&span, "error.type"), Fault::PoolExhausted.code());
        assert_eq!(attribute(&span, "plimsoll.outcome"), "not_started");
        assert!(attribute(&span, "plimsoll.wait_ms").parse::<f64>().unwrap() >= 50.0, "{span:#?}");
    }
    drop(held);
    traced.end().await;
}
