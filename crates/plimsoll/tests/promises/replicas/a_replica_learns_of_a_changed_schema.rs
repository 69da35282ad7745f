//! A standby does not count the changes of its catalog. What is known of statements on a replica follows the schema all the
//! same, because the primary's changes are passed on.

use crate::server::{self, PATIENCE, until};
use crate::standby;
use plimsoll::Database;
use std::time::{Duration, SystemTime};

/// Noon of the first day, which as local time is another moment in this zone.
const AT: Duration = Duration::from_secs(12 * 3600);
const FIND: &str = "SELECT count(*) FROM reading WHERE at = $1";

async fn finds(db: &Database) -> i64 {
    let at = SystemTime::UNIX_EPOCH + AT;
    let read = db.named("find").read_only().max_lag(Duration::from_secs(60));
    read.query_one(FIND, &[&at]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_was_changed_by_another_program() {
    let primary = standby::primary().await;
    let make = "CREATE TABLE reading (at timestamp); INSERT INTO reading VALUES ('1970-01-01 12:00:00')";
    primary.execute("postgres", make).await.unwrap();
    primary.execute("postgres", "ALTER DATABASE postgres SET TimeZone = 'Asia/Tokyo'").await.unwrap();
    let replica = standby::standby_of(&primary).await;
    // Nothing is forgotten by its age alone.
    let settings = standby::settings(&primary, &[&replica]).statement_expiry(None).pool_max(1);
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    for _ in 0..3 {
        assert_eq!(finds(&db).await, 1);
    }
    let other = server::bare(&primary.url("postgres")).await;
    let change = "ALTER TABLE reading ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC'";
    other.batch_execute(change).await.unwrap();
    drop(other);
    standby::caught_up(&primary, &replica).await;
    until("the new type is known", PATIENCE, async || finds(&db).await == 1).await;
    for _ in 0..3 {
        assert_eq!(finds(&db).await, 1);
    }
    assert_eq!(db.routing().unwrap().fell_back, 0, "all of it was read from the replica");
}
