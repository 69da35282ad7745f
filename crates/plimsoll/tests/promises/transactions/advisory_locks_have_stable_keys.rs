//! An advisory lock means the same in every process and in SQL: the key of typed parts is one number, computed alike
//! on both sides, no two keys of other parts are alike, and the lock is bounded, exclusive and gone with its
//! transaction, behind a transaction pooler too.

use crate::server;
use bytes::Bytes;
use plimsoll::{CopyIn, Database, Fault, KeyPart, LockKey, Outcome, Transaction};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::{Duration, Instant};

async fn held(db: &TestDatabase) -> u32 {
    let sql = "SELECT count(*) AS n FROM pg_locks \
               WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    server::text(db, sql).await.parse().unwrap()
}

#[tokio::test]
async fn sql_and_rust_compute_the_same_number() {
    let db = test_server::database().await.unwrap();
    let pool = server::database(&db).await;
    let sql = "SELECT ('x' || substr(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint";
    let keys: [LockKey; 7] = [
        "nightly report".into(),
        ("device", "t1", "d7").into(),
        ("device", "t1", 7_i64).into(),
        ("device", -1_i64, i64::MIN, i64::MAX).into(),
        ("Größe/ü", "zwölf Straßen", "日本").into(),
        ("device", "").into(),
        LockKey::new("many", (0..5_i64).map(KeyPart::Number)),
    ];
    for key in keys {
        let row = pool.query_one(sql, &[&key.text()]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), key.number(), "{}", key.text());
    }
    // Written down, so that no release ever locks another number than the one before it.
    assert_eq!(LockKey::from(("device", "t1", "d7")).number(), FIXED);
}

/// `printf 'device/s2:t1/s2:d7' | sha256sum | cut -c1-16`, as a signed number.
const FIXED: i64 = 322_996_218_006_570_488;

#[tokio::test]
async fn two_transactions_exclude_each_other_until_the_first_ends() {
    let db = test_server::database().await.unwrap();
    let pool = server::database(&db).await;
    let first = pool.begin().await.unwrap();
    first.advisory_lock(("device", "t1", 7)).await.unwrap();
    assert_eq!(held(&db).await, 1);

    let second = pool.begin().await.unwrap();
    assert!(!second.try_advisory_lock(("device", "t1", 7)).await.unwrap());
    assert!(second.try_advisory_lock(("device", "t1", 8)).await.unwrap(), "another key is another lock");
    second.rollback().await;

    let impatient = pool.named("wait").lock_timeout(Duration::from_millis(150));
    let began = Instant::now();
    let wait = async |tx: Transaction| tx.advisory_lock(("device", "t1", 7)).await;
    let error = impatient.transaction(wait).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::LockTimeout, Outcome::RolledBack), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "bounded by lock_timeout: {:?}", began.elapsed());

    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.transaction(async |tx| tx.advisory_lock(("device", "t1", 7)).await).await }
    });
    let waits = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    server::until("the next one waits", server::PATIENCE, async || server::text(&db, waits).await == "1")
        .await;
    first.commit().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(held(&db).await, 0, "a lock goes with its transaction");
}

#[tokio::test]
async fn it_goes_with_a_transaction_that_was_rolled_back_or_dropped() {
    let db = test_server::database().await.unwrap();
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    let error = pool
        .transaction(async |tx| {
            tx.advisory_lock("nightly report").await?;
            Err::<(), _>(plimsoll::Error::abort("no"))
        })
        .await;
    assert!(error.is_err());
    assert_eq!(held(&db).await, 0);
    let dropped = pool.begin().await.unwrap();
    dropped.advisory_lock("nightly report").await.unwrap();
    drop(dropped);
    drop(pool.acquire().await.unwrap());
    assert_eq!(held(&db).await, 0);
}

async fn behind_a_transaction_pooler_it_holds_and_the_session_form_is_refused(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let settings =
        server::settings(&bouncer.url(db.name())).pooler(plimsoll::settings::PoolerMode::Transaction);
    let pool = Database::connect(settings).await.unwrap();
    let first = pool.begin().await.unwrap();
    first.advisory_lock(("device", "t1", 7)).await.unwrap();
    let second = pool.begin().await.unwrap();
    assert!(!second.try_advisory_lock(("device", "t1", 7)).await.unwrap());
    first.rollback().await;
    assert!(second.try_advisory_lock(("device", "t1", 7)).await.unwrap());

    let session_forms = ["SELECT pg_advisory_lock(7)", "SELECT pg_catalog.PG_TRY_ADVISORY_LOCK_SHARED(7)"];
    let lease = pool.acquire().await.unwrap();
    let inside = pool.acquire().await.unwrap();
    inside.as_ref().batch_execute("BEGIN").await.unwrap();
    for sql in session_forms {
        let copy_out = format!("COPY ({sql}) TO STDOUT");
        let copy_in = format!("COPY nothing FROM STDIN WHERE ({sql}) IS NULL");
        let copied = async |_: CopyIn<'_, Bytes>| Ok(());
        for error in [
            second.query_stream(sql, &[], async |_| Ok(())).await.unwrap_err(),
            second.copy_out(&copy_out, async |_| Ok(())).await.unwrap_err(),
            second.copy_in(&copy_in, copied).await.unwrap_err(),
            inside.query_stream(sql, &[]).await.err().unwrap(),
            inside.copy_out(&copy_out).await.err().unwrap(),
            inside.copy_in::<Bytes>(&copy_in).await.err().unwrap(),
            pool.query(sql, &[]).await.unwrap_err(),
            lease.query(sql, &[]).await.unwrap_err(),
            lease.batch_execute(sql).await.unwrap_err(),
            second.query(sql, &[]).await.unwrap_err(),
            second.batch_execute(sql).await.unwrap_err(),
        ] {
            assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
            assert!(error.sentence().contains("pg_advisory_xact_lock"), "{error}");
        }
    }
    second.commit().await.unwrap();
    assert_eq!(held(&db).await, 0);
}

fn part() -> impl Strategy<Value = KeyPart> {
    prop_oneof![
        "[a-c/:0-9 %s]{0,6}".prop_map(KeyPart::Text),
        (-12_i64..12).prop_map(KeyPart::Number),
        any::<i64>().prop_map(KeyPart::Number),
        any::<String>().prop_map(KeyPart::Text),
    ]
}

fn key() -> impl Strategy<Value = (String, Vec<KeyPart>)> {
    ("[a-b/:s0-9%F]{0,4}", prop::collection::vec(part(), 0..4))
}

proptest! {
    #[test]
    fn other_parts_make_another_text_and_another_number(keys in prop::collection::vec(key(), 2..40)) {
        let mut texts: HashMap<String, (String, Vec<KeyPart>)> = HashMap::new();
        let mut numbers: HashMap<i64, String> = HashMap::new();
        for (namespace, parts) in keys {
            let made = LockKey::new(&namespace, parts.clone());
            prop_assert_eq!(&made, &LockKey::new(&namespace, parts.clone()));
            let of = (namespace, parts);
            if let Some(other) = texts.insert(made.text().to_owned(), of.clone()) {
                prop_assert_eq!(&other, &of, "two keys share the text {}", made.text());
            }
            if let Some(other) = numbers.insert(made.number(), made.text().to_owned()) {
                prop_assert_eq!(other.as_str(), made.text());
            }
        }
    }
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_transaction_pooler_it_holds_and_the_session_form_is_refused);
