//! When the replica of a read load is lost, reads go on, but on no more of the primary than the settings give them; those
//! that find no place are told so. A replica that comes back is used again.

use crate::server::{self, PATIENCE, until};
use crate::standby::{self, port_of};
use plimsoll::event::Event;
use plimsoll::settings::ReplicaFallback;
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::{Cluster, StopMode};
use plimsoll_faults::Process;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const READERS: usize = 24;
const CAP: usize = 2;

/// How many of the program's reads the primary runs at this moment.
async fn reads_on(primary: &Cluster) -> usize {
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%pg_sleep(0.15)%' \
                   AND pid <> pg_backend_pid()";
    standby::ask(primary, running).await.parse().unwrap()
}

/// Counts errors, and keeps the text of one; best of one that was told while the replica was known to be away.
fn note(errors: &mut BTreeMap<Fault, (u64, String)>, fault: Fault, count: u64, text: String) {
    let (counted, kept) = errors.entry(fault).or_default();
    *counted += count;
    if kept.is_empty() || text.contains("does not answer") {
        *kept = text;
    }
}

/// Reads until told to stop; counts the answers, and the errors by their fault.
async fn read(
    db: Database,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> BTreeMap<Fault, (u64, String)> {
    let mut errors = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        match db.named("read").read_only().query_one("SELECT pg_sleep(0.15)", &[]).await {
            Ok(_) => {
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                assert_ne!(error.outcome(), Outcome::Committed);
                note(&mut errors, error.fault(), 1, error.to_string());
            }
        }
    }
    errors
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_within_their_part_of_the_primary() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let settings = standby::settings(&primary, &[&replica]).pool_max(8).replica_fallback_share(0.25);
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    assert_eq!(db.routing().unwrap().fallback_cap, CAP);
    let mut events = db.events();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(read(db.clone(), Arc::clone(&stop), Arc::clone(&answered)));
    }
    let more = async |count: u64| {
        let from = answered.load(Ordering::SeqCst);
        until("reads go on", PATIENCE, async || answered.load(Ordering::SeqCst) >= from + count).await;
    };
    more(50).await;
    assert_eq!(db.routing().unwrap().fell_back, 0);

    replica.stop_mode(StopMode::Immediate).await.unwrap();
    let lost = server::event("the replica is lost", &mut events, |event| match event {
        Event::ReplicaLost { server, reason } => Some((server.clone(), reason.clone())),
        _ => None,
    });
    let (server, reason) = lost.await;
    assert_eq!((server, reason.as_str()), (standby::host(&replica), "does not answer"));
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < server::span() || most == 0 {
        most = most.max(reads_on(&primary).await);
        // The primary's own work has all the rest.
        db.query_one("SELECT 1", &[]).await.expect("writes are not held up");
    }
    assert!((1..=CAP).contains(&most), "{most} reads at a time on the primary");
    more(50).await;
    let capped = server::event("some were refused", &mut events, |event| match event {
        Event::FallbackCapped { refused, cap } => Some((*refused, *cap)),
        _ => None,
    });
    let (refused, cap) = capped.await;
    assert!(refused > 0 && cap == CAP, "{refused} refused, {cap}");

    replica.start_again().await.unwrap();
    let back = server::event("the replica is back", &mut events, |event| match event {
        Event::ReplicaBack { server, after } => Some((server.clone(), *after)),
        _ => None,
    });
    assert!(back.await.1 >= server::span(), "it was away all that time");
    let served = db.routing().unwrap().replicas[0].served;
    until("the replica is used again", PATIENCE, async || {
        db.routing().unwrap().replicas[0].served > served + 50
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    let mut errors: BTreeMap<Fault, (u64, String)> = BTreeMap::new();
    for (fault, (count, text)) in readers.join_all().await.into_iter().flatten() {
        note(&mut errors, fault, count, text);
    }
    println!("{most} at a time on the primary; told: {errors:#?}");
    let (_, text) = errors.remove(&Fault::NoReplica).expect("too many for the part that they may have");
    for part in
        ["does not answer", "reads like it hold all 2 of the primary's 8 connections", "server: primary"]
    {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    // What was under way when the replica ended is told as it is.
    errors.retain(|fault, _| !fault.is_connectivity());
    assert!(errors.is_empty(), "{errors:#?}");
}

/// A replica that hangs is found out too, and no read waits for it longer than for the breaker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_hangs_is_left_alone() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let db = Database::connect(standby::settings(&primary, &[&replica]).pool_max(8)).await.unwrap();
    standby::used(&db, 1).await;
    let server = Process::attach_tree(replica.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    standby::used(&db, 0).await;
    assert_eq!(port_of(db.named("read").read_only()).await, primary.port());
    server.thaw().unwrap();
    standby::used(&db, 1).await;
    until("reads go there again", PATIENCE, async || {
        port_of(db.named("read").read_only()).await == replica.port()
    })
    .await;
}

/// The connection on which a replica is asked may be ended alone; that is no reason to read elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_that_is_ended_is_no_lost_replica() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let db = standby::database(&primary, &[&replica]).await;
    standby::used(&db, 1).await;
    let mut events = db.events();
    let asked_on = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%(heartbeat)'";
    let before = standby::ask(&replica, asked_on).await;
    replica.execute("postgres", &format!("SELECT pg_terminate_backend({before})")).await.unwrap();
    until("it is asked on another one", PATIENCE, async || {
        let now = standby::ask(&replica, asked_on).await;
        !now.is_empty() && now != before
    })
    .await;
    assert_eq!(port_of(db.named("read").read_only()).await, replica.port());
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::ReplicaLost { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_settings_say_so_no_read_goes_to_the_primary() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let settings = standby::settings(&primary, &[&replica]).replica_fallback(ReplicaFallback::Refuse);
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    replica.stop_mode(StopMode::Fast).await.unwrap();
    standby::used(&db, 0).await;
    let error = db.named("read").read_only().query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::NoReplica, Outcome::NotStarted));
    // Drawn for each error, so that those who are refused together do not come back together.
    let after = error.retry_after().unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&after), "{after:?}");
    let expected = format!("no replica may serve it ({} does not answer)", standby::host(&replica));
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(port_of(db.named("read").read_only().on_primary()).await, primary.port());
    assert_eq!(db.routing().unwrap().refused, 1);
}

/// The program starts although the replica is away, and finds it when it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_comes_later_is_used() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    replica.stop_mode(StopMode::Fast).await.unwrap();
    let db = standby::database(&primary, &[&replica]).await;
    assert_eq!(port_of(db.named("read").read_only()).await, primary.port());
    replica.start_again().await.unwrap();
    standby::used(&db, 1).await;
    assert_eq!(port_of(db.named("read").read_only()).await, replica.port());
}
