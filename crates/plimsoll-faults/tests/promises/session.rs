//! A real PostgreSQL at the other end of the wire.

use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_faults::Proxy;
use tokio_postgres::{Client, Config, NoTls};

/// A fresh database with a table `entry`, and a wire in front of its server.
pub(crate) async fn database() -> (TestDatabase, Proxy) {
    let database = test_server::database_from("entries", "CREATE TABLE entry (id int)").await.unwrap();
    let config: Config = database.url().parse().unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let wire = Proxy::in_front_of(("127.0.0.1", port)).await.unwrap();
    (database, wire)
}

/// A client through the wire.
#[expect(clippy::disallowed_methods, reason = "the wire is under test here and not the client")]
pub(crate) async fn connect(database: &TestDatabase, wire: &Proxy) -> Client {
    let direct: Config = database.url().parse().unwrap();
    let mut config = Config::new();
    config.host("127.0.0.1").port(wire.port()).dbname(database.name()).user(direct.get_user().unwrap());
    if let Some(password) = direct.get_password() {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// How many rows there are once whoever is still writing has ended: the lock waits for them.
pub(crate) async fn rows_in_the_end(database: &TestDatabase) -> u64 {
    let sql = "LOCK TABLE entry IN ACCESS EXCLUSIVE MODE; SELECT count(*) AS rows FROM entry";
    let rows = database.execute(sql).await.unwrap();
    rows.first().and_then(|row| row.get("rows")).unwrap().parse().unwrap()
}
