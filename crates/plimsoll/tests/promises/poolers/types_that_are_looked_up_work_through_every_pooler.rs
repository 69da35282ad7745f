//! Enums, composites, domains and arrays of them work through a transaction pooler as they do on a direct connection,
//! whether it tracks the names of prepared statements or not, tracks few of them, or changes its mind; in every way to
//! run a statement, each row is stored once.

use crate::looked_up::{Label, Opaque, Point, Share, TYPES};
use crate::server::{self, bare};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use plimsoll::{Database, Error, Fault, Isolation, Outcome, Pooler, Result, Transaction};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

const INSERT: &str =
    "INSERT INTO visit VALUES ($1, $2, $3, $4, $5, $6) RETURNING mood, moods, at, share, best";
const FIND: &str =
    "SELECT mood, moods, at, share, best FROM visit WHERE id = $1 AND mood = $2 AND $2 = any(moods)";
const MOODS: [&str; 3] = ["sad", "ok", "happy"];

/// How many names a PgBouncer of this version may be told to track; nothing is its default.
fn tracking(version: PgBouncerVersion) -> &'static [Option<&'static str>] {
    match version {
        PgBouncerVersion::V1_18 => &[None],
        _ => &[None, Some("0"), Some("1"), Some("2")],
    }
}

/// A pooler with two server connections, which takes them in turn.
async fn pooler(version: PgBouncerVersion, tracks: Option<&str>, server: &TestDatabase) -> PgBouncer {
    let builder = PgBouncer::in_front_of(server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "2")
        .setting("server_round_robin", "1");
    let builder = match tracks {
        Some(count) => builder.setting("max_prepared_statements", count),
        None => builder,
    };
    builder.start().await.unwrap()
}

/// A pool through it that is larger than its number of server connections; both of those are open.
async fn through(bouncer: &PgBouncer, server: &TestDatabase) -> Database {
    let db = Database::connect(server::settings(&bouncer.url(server.name()))).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction));
    let held = db.begin().await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    held.rollback().await;
    db
}

async fn stored(server: &TestDatabase) -> i32 {
    let rows = server::text(server, "SELECT count(*) FROM visit").await.parse().unwrap();
    let right = "SELECT count(*) FROM visit WHERE moods = ARRAY[mood, 'happy']::mood[] AND at = ROW(id, -id)::point2 \
                 AND share = id % 100 AND best::mood = 'happy' AND mood = (ARRAY['sad', 'ok', 'happy']::mood[])[id % 3 + 1]";
    assert_eq!(server::text(server, right).await, format!("{rows}"), "every row is as it was sent");
    rows
}

fn assert_is_visit(row: &tokio_postgres::Row, id: i32) {
    let mood = MOODS[id as usize % 3];
    assert_eq!(row.get::<_, Opaque>(0).0, mood.as_bytes());
    let moods: Vec<Vec<u8>> = row.get::<_, Vec<Opaque>>(1).into_iter().map(|mood| mood.0).collect();
    assert_eq!(moods, [mood.as_bytes(), b"happy"]);
    assert_eq!(row.get::<_, Point>(2), Point(id, -id));
    assert_eq!(row.get::<_, Share>(3).0, id % 100);
    assert_eq!(row.get::<_, Opaque>(4).0, b"happy");
}

/// A visit's columns, for the statement [`INSERT`].
macro_rules! visit {
    ($id:expr) => {
        &[
            &$id,
            &Label(MOODS[$id as usize % 3]),
            &vec![Label(MOODS[$id as usize % 3]), Label("happy")],
            &Point($id, -$id),
            &Share($id % 100),
            &Label("happy"),
        ]
    };
}

/// Inserts one in every way there is, and gives how many that were.
async fn in_every_way(db: &Database, next: &AtomicI32) -> Result<i32> {
    let take = || next.fetch_add(1, Ordering::Relaxed);
    let first = take();
    assert_is_visit(&db.query_one(INSERT, visit!(first)).await?, first);
    let found =
        db.named("find").read_only().query_one(FIND, &[&first, &Label(MOODS[first as usize % 3])]).await?;
    assert_is_visit(&found, first);

    let id = take();
    let lease = db.acquire().await?;
    assert_is_visit(&lease.query_one(INSERT, visit!(id)).await?, id);
    assert_is_visit(&lease.query_one(FIND, &[&id, &Label(MOODS[id as usize % 3])]).await?, id);
    drop(lease);

    let id = take();
    let call = db.named("kept apart").isolation(Isolation::RepeatableRead);
    assert_is_visit(&call.query_one(INSERT, visit!(id)).await?, id);
    let id = take();
    assert_is_visit(&db.named("resolvable").resolvable().query_one(INSERT, visit!(id)).await?, id);

    let (one, other, undone) = (take(), take(), take());
    db.transaction(async |tx| {
        assert_is_visit(&tx.query_one(INSERT, visit!(one)).await?, one);
        let inside = tx
            .savepoint(async |tx| {
                tx.execute(INSERT, visit!(undone)).await?;
                Err::<(), _>(Error::abort("not this one"))
            })
            .await;
        assert_eq!(inside.unwrap_err().fault(), Fault::Aborted);
        tx.savepoint(async |tx| tx.query_one(INSERT, visit!(other)).await).await
    })
    .await?;

    let (streamed, copied) = (take(), take());
    db.transaction(async |tx| streams(&tx, streamed, copied).await).await?;
    Ok(8)
}

/// A row that comes out of a stream, one that goes in by COPY, and both out again.
async fn streams(tx: &Transaction, streamed: i32, copied: i32) -> Result<()> {
    tx.query_stream(INSERT, visit!(streamed), async |mut rows| {
        assert_is_visit(&rows.next().await.unwrap()?, streamed);
        assert!(rows.next().await.is_none());
        Ok(())
    })
    .await?;
    let mood = MOODS[copied as usize % 3];
    let line = format!("{copied}\t{mood}\t{{{mood},happy}}\t({copied},-{copied})\t{}\thappy\n", copied % 100);
    let rows = tx
        .copy_in("COPY visit FROM STDIN", async |mut copy| {
            copy.send(Bytes::from(line.clone())).await?;
            copy.finish().await
        })
        .await?;
    assert_eq!(rows, 1);
    let out = format!("COPY (SELECT * FROM visit WHERE id = {copied}) TO STDOUT");
    let bytes = tx.copy_out(&out, async |copy| copy.try_collect::<Vec<Bytes>>().await).await?;
    assert_eq!(bytes.concat(), line.as_bytes());
    tx.query_stream(FIND, &[&copied, &Label(mood)], async |mut rows| {
        assert_is_visit(&rows.next().await.unwrap()?, copied);
        Ok(())
    })
    .await
}

/// Types that no connection has met, so that each has to look them up, by the names that it has kept for that: on three
/// connections at once, alone, in a transaction, and as a stream and a copy. A transaction may be told that it has to run
/// again.
async fn new_types(db: &Database, server: &TestDatabase, number: i32) -> Result<()> {
    let make = format!(
        "CREATE TYPE kind_{number} AS ENUM ('ok', 'happy'); CREATE TYPE pair_{number} AS (x int, y int);
         CREATE TABLE thing_{number} (id serial PRIMARY KEY, kind kind_{number}, kinds kind_{number}[] DEFAULT '{{ok}}',
                                      pair pair_{number} DEFAULT ROW(1, 2))"
    );
    server.execute(&make).await.unwrap();
    let insert = format!("INSERT INTO thing_{number} (kind) VALUES ($1) RETURNING kind");
    let kinds = format!("INSERT INTO thing_{number} (kind) VALUES ($1) RETURNING kinds");
    let pair = format!("INSERT INTO thing_{number} (kind) VALUES ('ok') RETURNING pair");
    for sql in [&insert, &kinds] {
        db.query_one(sql, &[&Label("ok")]).await?;
    }
    assert_eq!(db.query_one(&pair, &[]).await?.get::<_, Point>(0), Point(1, 2));
    let alone = async || db.named("read").read_only().query(&format!("TABLE thing_{number}"), &[]).await;
    let inside = || {
        db.retrying(async |tx| {
            tx.query_one(&kinds, &[&Label("happy")]).await?;
            tx.savepoint(async |tx| tx.query_one(&pair, &[]).await).await
        })
    };
    let (one, other, read) = tokio::join!(inside(), inside(), alone());
    one?;
    other?;
    assert!(read?.len() >= 3);
    db.retrying(async |tx| {
        tx.copy_in(&format!("COPY thing_{number} (kind) FROM STDIN"), async |mut copy| {
            copy.send(Bytes::from("happy\n")).await?;
            copy.finish().await
        })
        .await?;
        tx.query_stream(&insert, &[&Label("happy")], async |mut rows| {
            assert_eq!(rows.next().await.unwrap()?.get::<_, Opaque>(0).0, b"happy");
            Ok(())
        })
        .await
    })
    .await?;
    let count = format!("SELECT count(*) || '/' || max(id) FROM thing_{number}");
    let count = server::text(server, &count).await;
    assert!(count.starts_with("9/"), "nine were told to be stored, and are: {count}");
    Ok(())
}

async fn every_way_to_run_a_statement_stores_each_row_once(version: PgBouncerVersion) {
    for tracks in tracking(version) {
        let server = test_server::database_from("looked-up", TYPES).await.unwrap();
        let bouncer = pooler(version, *tracks, &server).await;
        let db = through(&bouncer, &server).await;
        let next = std::sync::Arc::new(AtomicI32::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (db, next) = (db.clone(), std::sync::Arc::clone(&next));
            tasks.spawn(async move {
                let mut told = 0;
                for round in 0..5 {
                    told += in_every_way(&db, &next)
                        .await
                        .unwrap_or_else(|error| panic!("round {round}: {error}"));
                }
                told
            });
        }
        let told: i32 = tasks.join_all().await.into_iter().sum();
        assert_eq!(stored(&server).await, told, "tracking {tracks:?}");
        assert_eq!(
            db.pool_status().closed,
            0,
            "tracking {tracks:?}: no connection had to be thrown away for it"
        );
    }
}

async fn a_stranger_that_takes_names_away_costs_nothing(version: PgBouncerVersion) {
    for tracks in tracking(version) {
        let server = test_server::database_from("looked-up", TYPES).await.unwrap();
        let bouncer = pooler(version, *tracks, &server).await;
        let db = through(&bouncer, &server).await;
        let stranger = bare(&bouncer.url(server.name())).await;
        let next = AtomicI32::new(0);
        let mut told = 0;
        for round in 0..3 {
            told += in_every_way(&db, &next).await.unwrap();
            for (at, forget) in
                ["DEALLOCATE ALL", "DISCARD ALL", "SELECT 1; DEALLOCATE ALL"].into_iter().enumerate()
            {
                let at = i32::try_from(at).unwrap();
                let work = async {
                    new_types(&db, &server, round * 3 + at).await?;
                    in_every_way(&db, &next).await
                };
                let (mine, ()) = tokio::join!(work, async {
                    for _ in 0..50 {
                        stranger.batch_execute(forget).await.unwrap();
                    }
                });
                told += mine.unwrap_or_else(|error| panic!("{forget}, tracking {tracks:?}: {error}"));
            }
        }
        assert_eq!(stored(&server).await, told, "tracking {tracks:?}");
        assert_eq!(
            db.pool_status().closed,
            0,
            "tracking {tracks:?}: no connection had to be thrown away for it"
        );
    }
}

/// In a way that no pooler can see: it goes on believing that the server has them. What may run again does.
async fn names_that_were_taken_away_unseen_are_given_anew(version: PgBouncerVersion) {
    let server = test_server::database_from("looked-up", TYPES).await.unwrap();
    let bouncer = pooler(version, None, &server).await;
    let db = through(&bouncer, &server).await;
    let (one, other) = (bare(&bouncer.url(server.name())).await, bare(&bouncer.url(server.name())).await);
    let next = AtomicI32::new(0);
    let told = in_every_way(&db, &next).await.unwrap();
    for round in 0..6 {
        // On both server connections.
        for stranger in [&one, &other] {
            stranger.batch_execute("BEGIN; DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$").await.unwrap();
        }
        for stranger in [&one, &other] {
            stranger.batch_execute("COMMIT").await.unwrap();
        }
        new_types(&db, &server, round).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert_eq!(stored(&server).await, told);
}

mod a_pooler_that_is_told_otherwise_while_it_runs_is_followed {
    use super::*;

    /// An older one has no such setting.
    #[tokio::test]
    async fn on_pgbouncer_1_24() {
        let server = test_server::database_from("looked-up", TYPES).await.unwrap();
        let bouncer = pooler(PgBouncerVersion::V1_24, None, &server).await;
        let db = through(&bouncer, &server).await;
        // Each of the connections has names that it kept.
        let leases = futures_util::future::join_all((0..4).map(|_| db.acquire())).await;
        for (lease, id) in leases.into_iter().zip(0..) {
            lease.unwrap().execute(INSERT, visit!(id)).await.unwrap();
        }
        let mut number = 0;
        for tracks in ["0", "200", "1", "0", "2", "0", "200"] {
            bouncer.admin(&format!("SET max_prepared_statements = {tracks}")).await.unwrap();
            for _ in 0..2 {
                number += 1;
                let answer = new_types(&db, &server, number).await;
                answer.unwrap_or_else(|error| panic!("types {number}, tracking {tracks}: {error}"));
            }
        }
        assert_eq!(stored(&server).await, 4);
    }
}

/// It passes names on as they are, also where it would track them in another mode.
async fn a_session_pooler_that_nobody_described_is_no_different(version: PgBouncerVersion) {
    let server = test_server::database_from("looked-up", TYPES).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server).version(version).start().await.unwrap();
    let db = Database::connect(server::settings(&bouncer.url(server.name()))).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction), "which is safe with either kind");
    let next = AtomicI32::new(0);
    let mut told = 0;
    for _ in 0..3 {
        told += in_every_way(&db, &next).await.unwrap();
        new_types(&db, &server, told).await.unwrap();
    }
    assert_eq!(stored(&server).await, told);
}

mod a_pooler_that_is_upgraded_and_downgraded_is_followed {
    use super::*;

    #[tokio::test]
    async fn from_on_pgbouncer_1_18_to_on_pgbouncer_1_24() {
        use PgBouncerVersion::{V1_18, V1_24};
        let server = test_server::database_from("looked-up", TYPES).await.unwrap();
        let mut bouncer = pooler(V1_18, None, &server).await;
        let db = through(&bouncer, &server).await;
        let next = AtomicI32::new(0);
        let mut told = in_every_way(&db, &next).await.unwrap();
        for (number, version) in (0..).zip([V1_24, V1_18, V1_24]) {
            bouncer.restart_as(version).await.unwrap();
            let passes = async || db.query_one("SELECT 1", &[]).await.is_ok();
            server::until("a statement passes", server::PATIENCE, passes).await;
            new_types(&db, &server, number).await.unwrap_or_else(|error| panic!("{version}: {error}"));
            told += in_every_way(&db, &next).await.unwrap_or_else(|error| panic!("{version}: {error}"));
            assert_eq!(stored(&server).await, told, "{version}");
        }
    }
}

/// Where a pooler shares prepared statements, a text that is prepared for the first time is described as it was
/// understood when a stranger prepared it. A moment fits either type, and would be stored nine hours off.
async fn what_is_learned_is_of_today_though_strangers_prepared_it_before(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let zone = format!("ALTER DATABASE \"{}\" SET timezone = 'Asia/Tokyo'", server.name());
    server.execute(&format!("CREATE TABLE seen (at timestamp); {zone}")).await.unwrap();
    let bouncer = pooler(version, None, &server).await;
    let insert = "INSERT INTO seen VALUES ($1) RETURNING extract(epoch FROM at)::int8";
    let strangers = [bare(&bouncer.url(server.name())).await, bare(&bouncer.url(server.name())).await];
    for stranger in &strangers {
        stranger.batch_execute("BEGIN").await.unwrap();
        std::mem::forget(stranger.prepare(insert).await.unwrap());
    }
    for stranger in &strangers {
        stranger.batch_execute("COMMIT").await.unwrap();
    }
    server.execute("ALTER TABLE seen ALTER at TYPE timestamptz").await.unwrap();
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let db = through(&bouncer, &server).await;
    for _ in 0..4 {
        let row = db.query_one(insert, &[&moment]).await;
        assert_eq!(row.unwrap().get::<_, i64>(0), 1_000_000_000);
    }
    let wrong = "SELECT count(*) FROM seen WHERE at <> to_timestamp(1000000000)";
    assert_eq!(server::text(&server, wrong).await, "0");
    assert_eq!(server::text(&server, "SELECT count(*) FROM seen").await, "4");
}

async fn a_stream_whose_types_were_made_anew_comes_when_its_transaction_runs_again(
    version: PgBouncerVersion,
) {
    let server = test_server::database().await.unwrap();
    server.execute("CREATE TABLE thing (id serial)").await.unwrap();
    let bouncer = pooler(version, None, &server).await;
    let db = through(&bouncer, &server).await;
    for round in 0..4 {
        let anew = "ALTER TABLE thing DROP COLUMN IF EXISTS kind; DROP TYPE IF EXISTS kind; \
                    CREATE TYPE kind AS ENUM ('ok', 'happy'); ALTER TABLE thing ADD COLUMN kind kind";
        server.execute(anew).await.unwrap();
        let insert = "INSERT INTO thing (kind) VALUES ($1) RETURNING kind";
        db.retrying(async |tx| {
            tx.query_stream(insert, &[&Label("happy")], async |mut rows| {
                assert_eq!(rows.next().await.unwrap()?.get::<_, Opaque>(0).0, b"happy");
                Ok(())
            })
            .await
        })
        .await
        .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert_eq!(server::text(&server, "SELECT count(*) FROM thing").await, "4");
}

async fn a_name_that_nobody_knows_any_more_is_not_a_lost_connection(version: PgBouncerVersion) {
    let server = test_server::database_from("looked-up", TYPES).await.unwrap();
    let bouncer = pooler(version, None, &server).await;
    let db = through(&bouncer, &server).await;
    let lease = db.acquire().await.unwrap();
    let statement = lease.as_ref().prepare("INSERT INTO visit (id) VALUES (1)").await.unwrap();
    for _ in 0..4 {
        // It comes to every server connection in turn.
        lease.as_ref().batch_execute("DEALLOCATE ALL").await.unwrap();
    }
    let error = lease.query(&statement, &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StalePlan, "{error}");
    assert!(matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack), "{error}");
    drop((statement, lease));
    assert_eq!(server::text(&server, "SELECT count(*) FROM visit").await, "0");
    let id = 7;
    assert_is_visit(&db.query_one(INSERT, visit!(id)).await.unwrap(), id);
}

plimsoll_embedded::on_each_pgbouncer!(
    a_stranger_that_takes_names_away_costs_nothing,
    names_that_were_taken_away_unseen_are_given_anew,
    what_is_learned_is_of_today_though_strangers_prepared_it_before,
    a_session_pooler_that_nobody_described_is_no_different,
    a_stream_whose_types_were_made_anew_comes_when_its_transaction_runs_again,
    a_name_that_nobody_knows_any_more_is_not_a_lost_connection,
);
plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    every_way_to_run_a_statement_stores_each_row_once
);
