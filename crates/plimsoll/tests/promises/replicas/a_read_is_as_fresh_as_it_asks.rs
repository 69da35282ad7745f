//! A replica serves a read only if it is provably not further behind than the read allows. An idle primary makes no replica
//! late, and one that has stopped replaying is late although it answers.

use crate::server::{self, PATIENCE, until};
use crate::standby::{self, port_of};
use plimsoll::event::Event;
use plimsoll::{Database, ServerRole};
use plimsoll_embedded::Cluster;
use std::time::Duration;

const PAUSE: &str = "SELECT pg_wal_replay_pause()";
const RESUME: &str = "SELECT pg_wal_replay_resume()";

async fn paused(replica: &Cluster) {
    replica.execute("postgres", PAUSE).await.unwrap();
    until("replay has stopped", PATIENCE, async || {
        standby::ask(replica, "SELECT pg_get_wal_replay_pause_state()").await == "paused"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_replays_nothing_serves_no_read_that_asks_for_more() {
    let primary = standby::primary().await;
    let (quick, slow) = (standby::standby_of(&primary).await, standby::standby_of(&primary).await);
    let settings = standby::settings(&primary, &[&slow]).max_replica_lag(Duration::from_secs(2));
    let db = Database::connect(settings).await.unwrap();
    let both = standby::database(&primary, &[&quick, &slow]).await;
    standby::used(&db, 1).await;
    standby::used(&both, 2).await;
    let fresh = |db: &Database| {
        let db = db.clone();
        async move { port_of(db.named("fresh").read_only().max_lag(Duration::from_millis(500))).await }
    };
    assert_eq!(fresh(&db).await, slow.port(), "it has all there is");

    paused(&slow).await;
    db.execute("INSERT INTO entry VALUES (1)", &[]).await.unwrap();
    until("the read goes to the primary", PATIENCE, async || fresh(&db).await == primary.port()).await;
    assert_eq!(
        port_of(db.named("any").read_only()).await,
        slow.port(),
        "others are content with two seconds"
    );
    let old = db.named("old").read_only().query_one("SELECT count(*) FROM entry", &[]).await.unwrap();
    assert_eq!(old.get::<_, i64>(0), 0, "which is why it matters");
    until("of two replicas the other one serves it", PATIENCE, async || {
        let routing = both.routing().unwrap();
        routing.replicas[1].lag.is_some_and(|lag| lag > Duration::from_millis(500))
    })
    .await;
    for _ in 0..20 {
        assert_eq!(fresh(&both).await, quick.port());
    }
    assert_eq!(both.routing().unwrap().fell_back, 0);

    let mut events = db.events();
    let lost = server::event("two seconds have passed", &mut events, |event| match event {
        Event::ReplicaLost { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    let reason = lost.await;
    assert!(reason.starts_with("is 2.") && reason.ends_with(" s behind"), "{reason}");
    assert_eq!(port_of(db.named("any").read_only()).await, primary.port());

    slow.execute("postgres", RESUME).await.unwrap();
    until("it is fresh again", PATIENCE, async || fresh(&db).await == slow.port()).await;
    standby::used(&db, 1).await;
}

/// The time of the last replayed transaction grows here without end, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_primary_makes_no_replica_late() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let db = standby::database(&primary, &[&replica]).await;
    standby::used(&db, 1).await;
    db.execute("INSERT INTO entry VALUES (1)", &[]).await.unwrap();
    let seeming = "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp()) > 2";
    until("the usual measure is two seconds", PATIENCE, async || {
        standby::ask(&replica, seeming).await == "t"
    })
    .await;
    let before = db.routing().unwrap().fell_back;
    let read = db.named("read").read_only().max_lag(Duration::from_millis(500));
    assert_eq!(port_of(read).await, replica.port());
    assert_eq!(db.routing().unwrap().fell_back, before);
    assert!(db.routing().unwrap().replicas[0].lag.unwrap() < Duration::from_millis(500));
}

/// While the primary is away nothing new is known of it. Reads go on by what was known last; one that demands a proof gets
/// none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_primary_is_away_reads_go_on_and_no_freshness_is_claimed() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let settings = standby::settings(&primary, &[&replica]).max_replica_lag(Duration::from_millis(700));
    let db = Database::connect(settings.pool_timeout(Duration::from_millis(1_200))).await.unwrap();
    standby::used(&db, 1).await;
    primary.stop_mode(plimsoll_embedded::StopMode::Fast).await.unwrap();
    until("the primary is known to be silent for a second", PATIENCE, async || {
        db.routing().unwrap().replicas[0].lag.is_some_and(|lag| lag > Duration::from_secs(1))
    })
    .await;
    assert_eq!(port_of(db.named("read").read_only()).await, replica.port());
    let demand = db.named("fresh").read_only().max_lag(Duration::from_secs(1));
    let error = demand.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.server_role(), Some(ServerRole::Primary), "it was sent there: {error}");
    primary.start_again().await.unwrap();
    until("a proof is to be had again", PATIENCE, async || {
        let demand = db.named("fresh").read_only().max_lag(Duration::from_secs(1));
        let row = demand.query_one("SELECT inet_server_port()", &[]).await;
        row.is_ok_and(|row| row.get::<_, i32>(0) == i32::from(replica.port()))
    })
    .await;
}

/// A server that is no standby of this primary is never read from, whatever its log says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_not_read_from() {
    let primary = standby::primary().await;
    let other = Cluster::builder().password(primary.password()).start().await.unwrap();
    let stranger = standby::standby_of(&other).await;
    let db = standby::database(&primary, &[&stranger, &other]).await;
    let told = |place: usize| db.routing().unwrap().replicas[place].reason.clone().unwrap_or_default();
    until("both were asked", PATIENCE, async || {
        told(0) == "is no standby of this primary" && told(1) == "takes writes itself"
    })
    .await;
    assert_eq!(port_of(db.named("read").read_only()).await, primary.port());
}

/// A role that may see nothing of the server's statistics gets by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_role_is_enough() {
    let primary = standby::primary().await;
    primary.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'").await.unwrap();
    let replica = standby::standby_of(&primary).await;
    let settings = standby::settings(&primary, &[&replica]).user("app").password("app");
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    assert_eq!(port_of(db.named("read").read_only().max_lag(Duration::from_secs(1))).await, replica.port());
}
