//! The one sentence says what is the matter with a real database, as soon as it is so, and no longer than that.

use super::{Scene, operators};
use crate::service::until;
use plimsoll::{Database, deadline};
use plimsoll_http::{DashboardOptions, Level, Matter, verdict};
use std::time::Duration;

async fn until_it_is(db: &Database, matter: Matter) {
    until(&format!("it is {}", matter.as_str()), async || verdict(db).matter == matter).await;
}

#[tokio::test]
async fn of_a_pool() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let db = &scene.db;
    assert_eq!(verdict(db).level, Level::Well);
    db.pause();
    assert_eq!(verdict(db).matter, Matter::Paused);
    db.resume();
    db.isolate();
    let told = verdict(db);
    assert_eq!((told.matter, told.level), (Matter::Isolated, Level::Trouble));
    db.resume();
    assert_eq!(verdict(db).level, Level::Well);

    // All three connections are lent, and callers wait in vain.
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(db.named("keeps it").acquire().await.unwrap());
    }
    let callers = tokio::spawn({
        let db = db.clone();
        async move {
            loop {
                let waits = (0..4).map(|_| deadline::within(Duration::from_millis(400), db.acquire()));
                futures_util::future::join_all(waits).await;
            }
        }
    });
    until_it_is(db, Matter::Exhausted).await;
    let told = verdict(db);
    assert!(told.sentence.contains("\"keeps it\" (the_sentence_follows_the_state.rs:"), "{told}");
    callers.abort();
    leases.clear();
    until("it is well", async || verdict(db).level == Level::Well).await;
    db.close().await;
    assert_eq!(verdict(db).matter, Matter::Closed);
    scene.end().await;
}

#[tokio::test]
async fn of_sessions_that_wait_behind_a_lock() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let db = &scene.db;
    db.query("CREATE TABLE device (id int PRIMARY KEY)", &[]).await.unwrap();
    db.query("INSERT INTO device VALUES (1)", &[]).await.unwrap();
    let holder = db.named("nightly report").begin().await.unwrap();
    holder.execute("UPDATE device SET id = 1", &[]).await.unwrap();
    let waiter = tokio::spawn({
        let db = db.clone();
        async move { db.named("renew").execute("UPDATE device SET id = 1", &[]).await }
    });
    until_it_is(db, Matter::LockPileUp).await;
    let told = verdict(db);
    assert!(
        told.sentence.starts_with("1 session waits for a lock on public.device behind \"nightly report\" ("),
        "{told}"
    );
    assert!(told.since.is_some(), "{told:?}");
    holder.commit().await.unwrap();
    waiter.await.unwrap().unwrap();
    until("it is well", async || verdict(db).level == Level::Well).await;
    scene.end().await;
}

#[tokio::test]
async fn of_a_lease_that_is_forgotten() {
    let leaky = |settings: plimsoll::Settings| settings.leak_after(Duration::from_millis(200));
    let scene = Scene::start_with(DashboardOptions::default(), &operators(), leaky).await;
    let lease = scene.db.named("forgets it").acquire().await.unwrap();
    until_it_is(&scene.db, Matter::Leaking).await;
    assert!(verdict(&scene.db).sentence.contains("\"forgets it\""));
    drop(lease);
    until("it is well", async || verdict(&scene.db).level == Level::Well).await;
    scene.end().await;
}
