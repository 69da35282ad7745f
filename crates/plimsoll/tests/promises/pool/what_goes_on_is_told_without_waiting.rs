//! Any thread learns what goes on with a database, without the runtime and without a request: who holds connections and what
//! they do, who waits for how long and with which priority, and what the breaker does. The program may hang meanwhile.

use crate::server::{self, PATIENCE, until};
use plimsoll::pool::LeaseState;
use plimsoll::request_id::{self, RequestId};
use plimsoll::{BreakerState, Database, Diagnostics, Priority};
use plimsoll_embedded::test_server;
use std::time::Duration;

/// Asked by a thread that knows no runtime.
fn seen(db: &Database) -> Diagnostics {
    let limit = Duration::from_secs(5);
    std::thread::scope(|scope| scope.spawn(|| db.diagnostics(limit)).join().unwrap())
}

fn id(text: &str) -> RequestId {
    RequestId::parse(text).unwrap()
}

#[tokio::test]
async fn leases_waiters_listeners_and_the_breaker_are_told() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_min(0).pool_max(1).max_overflow(0);
    let db = Database::connect(settings).await.unwrap();
    let idle = seen(&db);
    let pool = idle.servers[0].pool.as_ref().unwrap();
    assert!(pool.status.leases.is_empty() && pool.waiting.oldest.is_empty() && !pool.is_closed);
    assert_eq!((idle.listeners, idle.servers[0].is_replica), (0, false));

    let lease = request_id::within(id("holds"), db.named("holder").acquire()).await.unwrap();
    lease.query("SELECT 'a secret constant'", &[]).await.unwrap();
    let listener = db.listen(["news"]).await.unwrap();
    let mut callers = Vec::new();
    for (at, priority) in [Priority::Low, Priority::High, Priority::Normal].into_iter().enumerate() {
        let asking = db.clone();
        let work = async move {
            asking.named("waiter").priority(priority).query_one("SELECT 1", &[]).await.map(drop)
        };
        callers.push(tokio::spawn(request_id::within(id(&format!("waits-{at}")), work)));
        until("it waits", PATIENCE, async || db.pool_status().waiting == at + 1).await;
    }
    db.isolate();

    let now = seen(&db);
    let server = &now.servers[0];
    assert_eq!(server.breaker.as_ref().unwrap().state, BreakerState::Isolated);
    assert!(server.last_connect.as_ref().unwrap().starts_with("last connect ok"), "{server:?}");
    assert_eq!((now.listeners, now.retries), (1, Some(db.retry_status())));
    let pool = server.pool.as_ref().unwrap();
    assert_eq!((pool.status.checked_out, pool.status.maximum, pool.status.waiting), (1, 1, 3));
    let held = &pool.status.leases[0];
    assert!(held.work.starts_with("\"holder\" (what_goes_on_is_told_without_waiting.rs:"), "{held:?}");
    assert_eq!((held.request_id.as_deref(), held.state), (Some("holds"), LeaseState::Idle));
    assert!(held.fingerprint.is_some() && !format!("{now:?}").contains("a secret constant"), "{now:?}");
    let waiting = &pool.waiting;
    assert_eq!((waiting.high, waiting.normal, waiting.low), (1, 1, 1));
    let told = waiting.oldest.iter().map(|waiter| (waiter.request_id.as_deref().unwrap(), waiter.priority));
    let joined = [("waits-0", Priority::Low), ("waits-1", Priority::High), ("waits-2", Priority::Normal)];
    assert_eq!(told.collect::<Vec<_>>(), joined, "in the order of their waits, and not of their turns");
    assert!(waiting.oldest.windows(2).all(|pair| pair[0].waited >= pair[1].waited), "{waiting:?}");

    db.resume();
    drop((lease, listener));
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    until("none waits", PATIENCE, async || seen(&db).servers[0].pool.as_ref().unwrap().status.waiting == 0)
        .await;
    db.close().await;
    assert!(seen(&db).servers[0].pool.as_ref().unwrap().is_closed);
}
