//! With less time left than `deadline_floor` the server is not even asked: no answer would be back in time, and the
//! statement would be work that nobody waits for.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Fault, Outcome, deadline};
use std::time::Duration;

const FLOOR: Duration = Duration::from_millis(500);
/// Far more than the statement takes, and less than the floor.
const SHORT: Duration = Duration::from_millis(400);
const ENOUGH: Duration = Duration::from_secs(10);

#[tokio::test]
async fn neither_a_statement_nor_a_transaction_nor_its_commit() {
    let db = ledger().await;
    let pool = Database::connect(server::settings_for(&db).await.deadline_floor(FLOOR)).await.unwrap();
    // Connected and prepared: what follows would take a millisecond.
    pool.execute(INSERT, &[&0]).await.unwrap();
    let insert = async |tx: plimsoll::Transaction| tx.execute(INSERT, &[&1]).await;
    for error in [
        deadline::within(SHORT, pool.execute(INSERT, &[&1])).await.unwrap_err(),
        pool.named("short").within(SHORT).execute(INSERT, &[&1]).await.unwrap_err(),
        deadline::within(SHORT, pool.transaction(insert)).await.unwrap_err(),
        deadline::within(SHORT, pool.named("read").read_only().query("SELECT 1", &[])).await.unwrap_err(),
    ] {
        assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::NotStarted), "{error}");
        assert!(error.sentence().contains("had passed, or nearly, before"), "{error}");
    }
    let wrote = deadline::within(ENOUGH, async {
        let tx = pool.begin().await.unwrap();
        tx.execute(INSERT, &[&2]).await.unwrap();
        deadline::within(SHORT, tx.commit()).await
    })
    .await;
    assert_eq!(wrote.unwrap_err().outcome(), Outcome::RolledBack, "a COMMIT that was not sent");
    assert_eq!(entries(&db).await, [0]);
    deadline::within(ENOUGH, pool.execute(INSERT, &[&3])).await.unwrap();
    assert_eq!(entries(&db).await, [0, 3]);
}
