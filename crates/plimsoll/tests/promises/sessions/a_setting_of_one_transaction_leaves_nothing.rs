//! The server reports some settings whenever they change, for a `SET LOCAL` too. That leaves nothing: the connection is
//! lent again as it is, directly and behind a pooler. What a session really keeps is seen by the same reports, even if
//! no text has told of it.

use crate::server::{self, bare};
use plimsoll::event::Event;
use plimsoll::{Database, Pooler};
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode, test_server};
use tokio::sync::broadcast::Receiver;

/// Settings that the server reports, for the transaction only, in all the ways there are; the last ones are hidden in
/// functions.
const LOCAL: &[&str] = &[
    "SET LOCAL timezone = 'Asia/Tokyo'",
    "SET LOCAL TIME ZONE 'Europe/Rome'",
    "SET LOCAL datestyle = 'German'",
    "SET LOCAL intervalstyle = 'iso_8601'",
    "SET LOCAL application_name = 'report'",
    "SET LOCAL standard_conforming_strings = off",
    "SET LOCAL default_transaction_read_only = on",
    "SET LOCAL ROLE other",
    "SELECT set_config('TimeZone', 'Asia/Tokyo', true)",
    "SELECT local_zone()",
    "SELECT own_zone()",
];

const SETUP: &str = "do $$ begin create role other; exception when duplicate_object or unique_violation then null; end $$;
    create function local_zone() returns text language sql as $$ select set_config('TimeZone', 'Asia/Tokyo', true) $$;
    create function own_zone() returns text language sql set timezone = 'Asia/Tokyo' as $$ select 'x'::text $$;
    create function session_zone() returns text language sql as $$ select set_config('TimeZone', 'Asia/Tokyo', false) $$;";

async fn database() -> test_server::TestDatabase {
    let fresh = test_server::database().await.unwrap();
    bare(&fresh.url()).await.batch_execute(SETUP).await.unwrap();
    fresh
}

/// How often a connection had to be made clean, or was thrown away.
fn repairs(events: &mut Receiver<Event>) -> Vec<Event> {
    let mut found = Vec::new();
    while let Ok(event) = events.try_recv() {
        if matches!(event, Event::Reclaimed { .. } | Event::Discarded { .. }) {
            found.push(event);
        }
    }
    found
}

/// Runs every setting in transactions that commit and that roll back.
async fn set_for_transactions(db: &Database) {
    for sql in LOCAL {
        for _ in 0..2 {
            db.transaction(async |tx| tx.query(*sql, &[]).await).await.unwrap();
            let rolled_back = db.transaction(async |tx| {
                tx.query(*sql, &[]).await?;
                tx.query("SELECT 1/0", &[]).await
            });
            rolled_back.await.unwrap_err();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_direct_connection() {
    let fresh = database().await;
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let mut events = db.events();
    set_for_transactions(&db).await;
    assert_eq!(db.pool_status().opened, 1);
    assert!(repairs(&mut events).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_behind_a_transaction_pooler() {
    let fresh = database().await;
    let bouncer = PgBouncer::in_front_of(&fresh)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "1")
        .start()
        .await
        .unwrap();
    let settings = server::settings(&bouncer.url(fresh.name())).pool_max(1);
    let db = Database::connect(settings).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction));
    let opened = db.pool_status().opened;
    let mut events = db.events();
    set_for_transactions(&db).await;
    assert_eq!(db.pool_status().opened, opened);
    assert!(repairs(&mut events).is_empty());
}

/// No text says so, but the server does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn but_one_that_a_function_changed_for_the_session_is_taken_back() {
    let fresh = database().await;
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let before: String = db.query_one("SHOW timezone", &[]).await.unwrap().get(0);
    for _ in 0..3 {
        db.query("SELECT session_zone()", &[]).await.unwrap();
        let after: String = db.query_one("SHOW timezone", &[]).await.unwrap().get(0);
        assert_eq!(after, before);
        db.transaction(async |tx| tx.query("SELECT session_zone()", &[]).await).await.unwrap();
        let after: String = db.query_one("SHOW timezone", &[]).await.unwrap().get(0);
        assert_eq!(after, before);
    }
}

/// What the administrator sets for everybody is reported too. A reset does not take it back, so it is the usual then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_one_that_was_changed_for_everybody_is_no_leftover_for_ever() {
    let cluster = Cluster::builder().start().await.unwrap();
    let url = cluster.url("postgres");
    let db = Database::connect(server::settings(&url).pool_max(1)).await.unwrap();
    let zone = async || -> String { db.query_one("SHOW timezone", &[]).await.unwrap().get(0) };
    assert_ne!(zone().await, "Asia/Tokyo");
    let admin = bare(&url).await;
    admin.batch_execute("ALTER SYSTEM SET timezone = 'Asia/Tokyo'").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    server::until("the session has the new zone", server::PATIENCE, async || zone().await == "Asia/Tokyo")
        .await;
    for _ in 0..3 {
        zone().await;
    }
    let mut events = db.events();
    for _ in 0..20 {
        assert_eq!(zone().await, "Asia/Tokyo");
        db.transaction(async |tx| tx.query("SET LOCAL timezone = 'Europe/Rome'", &[]).await).await.unwrap();
    }
    assert!(repairs(&mut events).is_empty());
}
