//! Acquire, connect, begin, statement, commit: each may be dropped at any of its awaits, and afterwards a full set of
//! connections can still be lent, and nothing half-done is in the database.

use crate::server;
use plimsoll::{Database, Result, Settings};
use plimsoll_embedded::test_server;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Drops what it holds after so many polls.
struct Impatient<F> {
    work: Option<Pin<Box<F>>>,
    polls: u32,
}

impl<F: Future> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let answer = work.as_mut().poll(cx);
        if answer.is_pending() && self.polls == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        answer.map(Some)
    }
}

fn impatient<F: Future>(polls: u32, work: F) -> Impatient<F> {
    Impatient { work: Some(Box::pin(work)), polls }
}

async fn transfer(db: &Database, from: i32, to: i32) -> Result<u64> {
    db.transaction(async |tx| {
        tx.execute("update account set balance = balance - 1 where id = $1", &[&from]).await?;
        tx.query_one("select pg_sleep(0.0005)", &[]).await?;
        tx.execute("update account set balance = balance + 1 where id = $1", &[&to]).await
    })
    .await
}

/// The same, begun and committed by hand.
async fn transfer_by_hand(db: &Database, from: i32, to: i32) -> Result<()> {
    let tx = db.begin().await?;
    tx.execute("update account set balance = balance - 1 where id = $1", &[&from]).await?;
    tx.execute("update account set balance = balance + 1 where id = $1", &[&to]).await?;
    tx.commit().await
}

const KINDS: usize = 7;

async fn step(db: &Database, settings: &Settings, kind: usize, n: i32) {
    match kind {
        0 => drop(db.acquire().await),
        1 => drop(db.query("select pg_sleep(0.001)", &[]).await),
        // Always in one order: this is about drops, not about deadlocks.
        2 => drop(transfer(db, n % 3, n % 3 + 1).await),
        3 => {
            if let Ok(tx) = db.begin().await {
                let _ = tx.execute("update account set balance = balance + 5 where id = 0", &[]).await;
                tx.rollback().await;
            }
        }
        4 => drop(transfer_by_hand(db, n % 3, n % 3 + 1).await),
        5 => {
            if let Ok(other) = Database::connect(settings.clone()).await {
                let _ = other.query("select 1", &[]).await;
            }
        }
        _ => {
            if let Ok(lease) = db.acquire().await {
                let _ = lease
                    .batch_execute("begin; update account set balance = 0 where id = 0; set work_mem = '1MB'")
                    .await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_combinations() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("create table account (id int primary key, balance int)").await.unwrap();
    fresh.execute("insert into account select n, 100 from generate_series(0, 3) n").await.unwrap();
    let settings = server::settings_for(&fresh).await;
    let db = Database::connect(settings.clone().pool_max(3)).await.unwrap();
    // How many of each kind were dropped before they had ended.
    let dropped: Arc<[AtomicU32; KINDS]> = Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..1000i32 {
        let (db, settings, dropped) = (db.clone(), settings.clone(), Arc::clone(&dropped));
        let (kind, polls) = (n as usize % KINDS, (n as u32 / KINDS as u32) % 14 + 1);
        tasks.spawn(async move {
            let ended = impatient(polls, step(&db, &settings, kind, n)).await;
            dropped[kind].fetch_add(u32::from(ended.is_none()), Ordering::Relaxed);
        });
        // Far more than there are connections, so that most have to wait for one.
        if tasks.len() >= 24 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    println!("dropped of each kind: {dropped:?}");
    for (kind, dropped) in dropped.iter().enumerate() {
        // Lending what is idle has hardly a place to be dropped at.
        let least = if kind == 0 { 5 } else { 10 };
        assert!(dropped.load(Ordering::Relaxed) >= least, "kind {kind} was hardly ever dropped half-way");
    }
    let mut all = Vec::new();
    for which in 0..3 {
        let lease = tokio::time::timeout(Duration::from_secs(10), db.acquire()).await;
        let lease =
            lease.unwrap_or_else(|_| panic!("place {which} is lost: {:?}", db.pool_status())).unwrap();
        assert_eq!(lease.wire().transaction_status, 'I');
        all.push(lease);
    }
    let sum: i64 = all[0].query_one("select sum(balance) from account", &[]).await.unwrap().get(0);
    assert_eq!(sum, 400, "half of a transfer was kept");
    drop(all);
    let status = db.pool_status();
    assert_eq!((status.waiting, status.connecting), (0, 0), "{status:?}");
    let open = "select count(*)::text from pg_stat_activity where datname = current_database() \
                and pid <> pg_backend_pid() and application_name not like '%(heartbeat)'";
    server::until(
        "nothing is left of the pools that were dropped while they connected",
        server::PATIENCE,
        async || server::text(&fresh, open).await.parse::<usize>().unwrap() <= 3,
    )
    .await;
}
