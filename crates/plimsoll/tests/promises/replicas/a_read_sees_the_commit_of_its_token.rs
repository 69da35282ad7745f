//! A read that is made after a commit sees it, on whichever server it runs: it waits for a replica for a moment, and goes to
//! the primary otherwise. How the COMMIT ended is told as without a token.

use crate::ledger;
use crate::server::{self, PATIENCE, until};
use crate::standby::{self, port_of};
use plimsoll::event::Event;
use plimsoll::{CommitToken, Database, Fault, Outcome, Transaction, deadline};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode, StopMode};
use plimsoll_faults::{Direction, Fault as Broken, When};
use std::time::Duration;

/// Adds an entry; gives the token of its commit.
async fn add(db: &Database, id: i64) -> CommitToken {
    let insert = async |tx: Transaction| tx.execute("INSERT INTO entry VALUES ($1)", &[&id]).await;
    db.named("add").transaction_with_token(insert).await.expect("a commit").1
}

/// Whether a read after this commit finds the entry, and where it ran.
async fn found(db: &Database, token: CommitToken, id: i64) -> (bool, u16) {
    let sql = "SELECT EXISTS (SELECT FROM entry WHERE id = $1), inet_server_port()";
    let row = db.named("find").read_only().after(token).query_one(sql, &[&id]).await.expect("a read");
    (row.get(0), row.get::<_, i32>(1).try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_replica_that_has_it_or_on_the_primary() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let settings = standby::settings(&primary, &[&replica]).replica_wait(Duration::from_millis(500));
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    let settings = standby::settings(&primary, &[&replica]).replica_wait(PATIENCE);
    let patient = Database::connect(settings).await.unwrap();
    standby::used(&patient, 1).await;
    let mut on_replica = 0;
    for id in 0..200 {
        let token = add(&db, id).await;
        // As it comes back from a cookie.
        let token = token.to_string().parse().unwrap();
        let (is_there, port) = found(&db, token, id).await;
        assert!(is_there, "{id} on {port}");
        on_replica += usize::from(port == replica.port());
    }
    println!("{on_replica} of 200 reads ran on the replica");
    assert!(on_replica > 150, "the replica is behind by milliseconds: {on_replica}");

    replica.execute("postgres", "SELECT pg_wal_replay_pause()").await.unwrap();
    until("replay has stopped", PATIENCE, async || {
        standby::ask(&replica, "SELECT pg_get_wal_replay_pause_state()").await == "paused"
    })
    .await;
    let token = add(&db, 1_000).await;
    assert_eq!(found(&db, token, 1_000).await, (true, primary.port()));
    let without = "SELECT count(*) FROM entry WHERE id = 1000";
    let row = db.named("find").read_only().query_one(without, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "a read that asks for nothing sees what the replica has");

    // The replica goes on while the read waits.
    let waiting = tokio::spawn(async move { found(&patient, token, 1_000).await });
    until("it waits on the replica", PATIENCE, async || {
        let asks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_last_wal_replay_lsn%' \
                    AND application_name NOT LIKE '%(heartbeat)' AND pid <> pg_backend_pid()";
        standby::ask(&replica, asks).await != "0"
    })
    .await;
    replica.execute("postgres", "SELECT pg_wal_replay_resume()").await.unwrap();
    assert_eq!(waiting.await.unwrap(), (true, replica.port()));
}

/// A commit that is not flushed yet is seen all the same: its place is where the log will be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_commit_that_does_not_wait_for_the_disk() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let settings = standby::settings(&primary, &[&replica]).replica_wait(PATIENCE);
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    for id in 0..20_i64 {
        let tx = db.named("add").begin().await.unwrap();
        tx.batch_execute("SET LOCAL synchronous_commit = off").await.unwrap();
        tx.execute("INSERT INTO entry VALUES ($1)", &[&id]).await.unwrap();
        let token = tx.commit_with_token().await.unwrap();
        assert_eq!(found(&db, token, id).await, (true, replica.port()));
    }
}

/// A standby that was restarted begins again at its last restart point, and may show less than before. What was known of it
/// proves nothing then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_when_the_replica_was_restarted_and_shows_less_than_before() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    // Asked so seldom that what is known is from before the restart.
    let settings = standby::settings(&primary, &[&replica]).replica_check(Duration::from_secs(4));
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    let token = add(&db, 1).await;
    let place = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let wanted = place(token.to_string().split_once('-').unwrap().1);
    until("the replica is known to have it", PATIENCE, async || {
        let replayed = db.routing().unwrap().replicas[0].replayed.clone().unwrap_or_default();
        replayed.split_once('/').is_some_and(|(high, low)| place(high) << 32 | place(low) >= wanted)
    })
    .await;
    assert_eq!(found(&db, token, 1).await, (true, replica.port()));
    // What it replays anew it will not show for an hour.
    replica.execute("postgres", "ALTER SYSTEM SET recovery_min_apply_delay = '1h'").await.unwrap();
    replica.restart(StopMode::Immediate).await.unwrap();
    assert_eq!(found(&db, token, 1).await, (true, primary.port()));
    let there = "SELECT count(*) FROM entry WHERE id = 1";
    assert_eq!(standby::ask(&replica, there).await, "0", "the replica shows less than before");
}

/// After a promotion a token of the time before goes to the primary, and a new one to a replica that follows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_promotion_on_the_primary() {
    let first = standby::primary().await;
    let second = standby::standby_of(&first).await;
    let hosts = format!("{},{}", standby::host(&first), standby::host(&second));
    let settings = standby::settings(&first, &[&first, &second]).hosts(hosts);
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    let old = add(&db, 1).await;
    assert!(found(&db, old, 1).await.0);
    standby::caught_up(&first, &second).await;
    first.stop_mode(StopMode::Fast).await.unwrap();
    second.promote().await.unwrap();
    // What follows the new primary, in the place of the old one.
    let third =
        plimsoll_embedded::Cluster::builder().standby_of(&second).port(first.port()).start().await.unwrap();
    until("writes go on", PATIENCE, async || db.execute("SELECT 1", &[]).await.is_ok()).await;
    let new = add(&db, 2).await;
    assert!(new.to_string().starts_with("2-"), "{new}");
    assert_eq!(old.latest(new), new);
    standby::used(&db, 1).await;
    assert_eq!(found(&db, old, 1).await, (true, second.port()), "the primary");
    until("a new token is good for the replica", PATIENCE, async || {
        let (is_there, port) = found(&db, new, 2).await;
        assert!(is_there);
        port == third.port()
    })
    .await;
}

/// Whatever becomes of a COMMIT is told as it is without a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_commit_that_fails_gives_none() {
    let ledger = ledger::ledger().await;
    let db = server::database(&ledger).await;
    let twice = async |tx: Transaction| {
        tx.execute("INSERT INTO careful VALUES (1)", &[]).await?;
        tx.execute("INSERT INTO careful VALUES (1)", &[]).await
    };
    let error = db.named("twice").transaction_with_token(twice).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Constraint, Outcome::RolledBack), "{error}");
    let swallowed = async |tx: Transaction| {
        let _ = tx.query("SELECT 1 / 0", &[]).await;
        Ok(())
    };
    let error = db.named("swallowed").transaction_with_token(swallowed).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::RolledBack), "{error}");
    let nothing = async |_: Transaction| Ok(());
    db.named("nothing").transaction_with_token(nothing).await.expect("a place in the log");
    let reads = db.named("reads").read_only();
    reads
        .transaction_with_token(async |tx| tx.query("SELECT 1", &[]).await)
        .await
        .expect("a place in the log");
    assert_eq!(ledger::ids(&ledger, "careful").await, Vec::<i32>::new());

    // A COMMIT that takes a second is not stopped by its deadline, and its caller is told the truth.
    let mut events = db.events();
    let slow = async |tx: Transaction| tx.execute("INSERT INTO slow VALUES (1)", &[]).await;
    let work = db.named("slow").transaction_with_token(slow);
    let error = deadline::within(Duration::from_millis(300), work).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let settled = server::event("the COMMIT has ended", &mut events, |event| match event {
        Event::CommitSettled { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(settled.await, Outcome::Committed);
    assert_eq!(ledger::ids(&ledger, "slow").await, [1]);
}

/// The wire breaks where the answer to the COMMIT would come: unknown, or resolved where that was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_whose_answer_is_lost_unless_it_can_be_resolved() {
    let ledger = ledger::ledger().await;
    let (wire, url) = ledger::wire(&ledger).await;
    let db = Database::connect(server::settings(&url)).await.unwrap();
    for (id, resolvable) in [(1, false), (2, true)] {
        let call = db.named("lost");
        let call = if resolvable { call.resolvable() } else { call };
        wire.set_once(Broken::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
        let told = call.transaction_with_token(async |tx| tx.execute(ledger::INSERT, &[&id]).await).await;
        match (resolvable, told) {
            (false, Err(error)) => assert_eq!(error.outcome(), Outcome::Unknown, "{error}"),
            (true, Ok((_, token))) => println!("resolved: {token}"),
            (_, told) => panic!("{id}: {told:?}"),
        }
    }
    assert_eq!(ledger::entries(&ledger).await, [1, 2]);
}

async fn through_a_pooler_too(version: PgBouncerVersion) {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let pooler = async |cluster| {
        let bouncer = PgBouncer::in_front_of(cluster).version(version).pool_mode(PoolMode::Transaction);
        bouncer.start().await.unwrap()
    };
    let (before_primary, before_replica) = (pooler(&primary).await, pooler(&replica).await);
    let settings = server::settings(&before_primary.url("postgres"))
        .replica_hosts(format!("127.0.0.1:{}", before_replica.port()))
        .replica_check(Duration::from_millis(25))
        .replica_wait(PATIENCE);
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    for id in 0..20 {
        let token = add(&db, id).await;
        let (is_there, port) = found(&db, token, id).await;
        assert!(is_there && port == replica.port(), "{id} on {port}");
    }
    assert_eq!(port_of(db.named("write")).await, primary.port());
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    through_a_pooler_too
);
