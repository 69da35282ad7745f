//! How many connections may still be opened is told as the server decides it: by its own limit less what is reserved, and by the limits
//! of the role and of the database.

use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::room::{ROOM, Room};
use tokio_postgres::Client;

async fn look(asker: &Client) -> Room {
    Room::read(&asker.simple_query(ROOM).await.unwrap()).unwrap().unwrap()
}

#[tokio::test]
async fn and_superusers_have_no_limit_of_their_own() {
    let cluster = Cluster::builder()
        .setting("max_connections", "20")
        .setting("superuser_reserved_connections", "4")
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'pw' CONNECTION LIMIT 5").await.unwrap();
    cluster.execute("postgres", "CREATE DATABASE orders CONNECTION LIMIT 7").await.unwrap();
    let url = cluster.url("orders");
    let superuser = session_at(&url, None, "superuser").await;
    let first = look(&superuser).await;
    assert_eq!((first.most, first.reserved, first.role_limit, first.database_limit), (20, 4, None, None));
    assert_eq!(first.usable(), 16);

    let app = session_at(&url, Some("app"), "app").await;
    let alone = look(&app).await;
    assert_eq!((alone.role_limit, alone.role_used, alone.database_limit), (Some(5), 0, Some(7)), "{alone:?}");
    assert_eq!((alone.usable(), alone.free()), (5, 5), "the session that asks is not counted: {alone:?}");
    let more = [session_at(&url, Some("app"), "a").await, session_at(&url, Some("app"), "b").await];
    let then = look(&app).await;
    assert_eq!((then.role_used, then.free()), (2, 3), "{then:?}");
    assert_eq!(then.used, alone.used + 2, "{then:?}");
    drop(more);
}
