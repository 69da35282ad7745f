//! A database with one table, what is in it once everybody who writes has ended, and a wire to it that may break.

use plimsoll::{Error, Outcome};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_faults::Proxy;
use plimsoll_faults::ledger::End;

/// Puts one entry down.
pub(crate) const INSERT: &str = "INSERT INTO entry VALUES ($1)";

/// A fresh database with an empty table `entry`, and beside it `careful`, whose COMMIT finds doubled ids, and `slow`,
/// whose COMMIT takes a second.
pub(crate) async fn ledger() -> TestDatabase {
    let setup = "CREATE TABLE entry (id int PRIMARY KEY);
         CREATE TABLE careful (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE slow (id int PRIMARY KEY);
         CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER dawdles AFTER INSERT ON slow
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();";
    test_server::database_from("ledger", setup).await.expect("a ledger")
}

/// The ids in `entry` once whoever is still writing has ended: the lock waits for them.
pub(crate) async fn entries(db: &TestDatabase) -> Vec<i32> {
    ids(db, "entry").await
}

/// The same for another table.
pub(crate) async fn ids(db: &TestDatabase, table: &str) -> Vec<i32> {
    let sql = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT id FROM {table} ORDER BY id");
    let rows = db.execute(&sql).await.expect("the ids of a table");
    rows.iter().filter_map(|row| row.get("id")?.parse().ok()).collect()
}

/// A wire in front of the database's server, and the database's URL by way of it.
pub(crate) async fn wire(db: &TestDatabase) -> (Proxy, String) {
    let server = db.server();
    let wire = Proxy::in_front_of((server.host(), server.port())).await.expect("a wire");
    let url = db.url().replace(&format!(":{}/", server.port()), &format!(":{}/", wire.port()));
    assert!(url.contains(&wire.port().to_string()), "the URL leads over the wire");
    (wire, url)
}

/// What a caller was told, as the ledger has it.
pub(crate) fn end_of<T>(told: &Result<T, Error>) -> End {
    match told.as_ref().map_err(Error::outcome) {
        Ok(_) | Err(Outcome::Committed) => End::Acknowledged,
        Err(Outcome::NotStarted) => End::Refused,
        Err(Outcome::RolledBack) => End::Failed,
        Err(_) => End::Unknown,
    }
}
