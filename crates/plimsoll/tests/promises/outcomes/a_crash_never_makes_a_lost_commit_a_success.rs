//! The server forgets, in a crash, an id that it had handed out and written nothing of to disk; after the restart the next
//! transaction is given the same id. A standby that takes over has never heard of an id of which it was sent nothing. What
//! became of the one that has it then says nothing of ours.

use plimsoll::{Database, Outcome, Settings};
use plimsoll_embedded::{Cluster, ClusterBuilder};
use plimsoll_faults::{Direction, Fault, Process, Proxy, When};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn although_its_id_is_used_again() {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, lost_and_used_again()).await.expect("the whole test is over in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn although_a_standby_uses_its_id_again() {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, lost_in_a_failover()).await.expect("the whole test is over in time");
}

async fn lost_and_used_again() {
    let server = server().await;
    let wire = Proxy::in_front_of((server.host(), server.port())).await.unwrap();
    let after = async {
        server.start_again().await.unwrap();
        server.execute("postgres", "INSERT INTO entry VALUES (2)").await.unwrap();
    };
    commit_is_lost(&server, &wire, after).await;
    let rows = server.execute("postgres", "SELECT id FROM entry WHERE id = 1").await.unwrap();
    assert!(rows.is_empty(), "the crash has taken it");
}

async fn lost_in_a_failover() {
    let primary = server().await;
    let standby = quiet().standby_of(&primary).start().await.unwrap();
    let wire = Proxy::in_front_of((primary.host(), primary.port())).await.unwrap();
    let after = async {
        standby.promote().await.unwrap();
        // Whichever of them was given the id of ours.
        for _ in 0..100 {
            standby.execute("postgres", "INSERT INTO entry VALUES (2)").await.unwrap();
        }
        wire.lead_to([SocketAddr::from((Ipv4Addr::LOCALHOST, standby.port()))]).unwrap();
    };
    commit_is_lost(&primary, &wire, after).await;
    let rows = standby.execute("postgres", "SELECT id FROM entry WHERE id = 1").await.unwrap();
    assert!(rows.is_empty(), "the standby has not heard of it");
}

/// One that writes nothing of a transaction down before its COMMIT.
fn quiet() -> ClusterBuilder {
    Cluster::builder().setting("wal_writer_delay", "10s").setting("autovacuum", "off")
}

async fn server() -> Cluster {
    let server = quiet().start().await.unwrap();
    server.execute("postgres", "CREATE TABLE entry (id int); CHECKPOINT").await.unwrap();
    server
}

/// The server is killed before COMMIT has come to it, and after that its client asks again.
async fn commit_is_lost(server: &Cluster, wire: &Proxy, after: impl Future<Output = ()>) {
    let settings = Settings::default()
        .hosts(format!("{}:{}", server.host(), wire.port()))
        .user(server.superuser())
        .password(server.password())
        .dbname("postgres");
    let db = Database::connect(settings).await.unwrap();
    let process = Process::attach_tree(server.pid().unwrap()).unwrap();

    // COMMIT does not reach the server; its client cannot know. A standing connection attempt is refused meanwhile.
    let struck = wire.struck();
    wire.set_once(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::Before));
    wire.add(Fault::Refuse);
    let work = db.named("ours").within(Duration::from_secs(20)).resolvable();
    let transaction = work.transaction(async |tx| {
        tx.execute("INSERT INTO entry VALUES (1)", &[]).await?;
        process.freeze().await.expect("the server stands still");
        Ok(())
    });
    let crash = async {
        wire.until_struck(struck + 1).await;
        process.kill().await.unwrap();
        after.await;
        wire.clear();
    };
    let (told, ()) = tokio::join!(transaction, crash);

    let error = told.expect_err("it is not stored, so nobody may be told that it is");
    assert!(matches!(error.outcome(), Outcome::Unknown | Outcome::RolledBack), "{error}");
}
