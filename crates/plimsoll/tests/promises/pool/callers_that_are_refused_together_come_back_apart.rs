//! Callers that are refused in the same moment are told different times at which to come back, none too early.

use crate::server;
use plimsoll::Fault;
use plimsoll_embedded::test_server;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test]
async fn each_is_told_another_time() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    db.isolate();
    let mut told = BTreeSet::new();
    for _ in 0..100 {
        let error = db.query("SELECT 1", &[]).await.unwrap_err();
        assert_eq!(error.fault(), Fault::CircuitOpen, "{error}");
        let after = error.retry_after().expect("the advice");
        assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&after), "{after:?}");
        told.insert(after);
    }
    assert!(told.len() > 90, "{} times for 100 callers", told.len());
    let (first, last) = (*told.first().unwrap(), *told.last().unwrap());
    assert!(last.saturating_sub(first) > Duration::from_millis(500), "spread from {first:?} to {last:?}");
}
