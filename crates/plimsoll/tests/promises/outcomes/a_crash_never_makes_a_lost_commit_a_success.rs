//! The server forgets, in a crash, an id that it had handed out and written nothing of to disk; after the restart the next
//! transaction is given the same id. What became of that one says nothing of ours.

use plimsoll::{Database, Outcome, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_faults::{Direction, Fault, Process, Proxy, When};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn although_its_id_is_used_again() {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, lost_and_used_again()).await.expect("the whole test is over in time");
}

async fn lost_and_used_again() {
    // Nothing of a transaction is written down before its COMMIT.
    let server = Cluster::builder().setting("wal_writer_delay", "10s").setting("autovacuum", "off").start();
    let server = server.await.unwrap();
    server.execute("postgres", "CREATE TABLE entry (id int); CHECKPOINT").await.unwrap();
    let wire = Proxy::in_front_of((server.host(), server.port())).await.unwrap();
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
        server.start_again().await.unwrap();
        server.execute("postgres", "INSERT INTO entry VALUES (2)").await.unwrap();
        wire.clear();
    };
    let (told, ()) = tokio::join!(transaction, crash);

    let rows = server.execute("postgres", "SELECT id FROM entry WHERE id = 1").await.unwrap();
    assert!(rows.is_empty(), "the crash has taken it");
    let error = told.expect_err("it is not stored, so nobody may be told that it is");
    assert!(matches!(error.outcome(), Outcome::Unknown | Outcome::RolledBack), "{error}");
}
