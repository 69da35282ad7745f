//! G06: sessions that the server closes while a pool keeps them are found.

use super::app::App;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_when_the_pool_keeps_longer_than_the_server() {
    let mut app = App::new().await;
    app.finds("G06", State::Ok).await;
    app.set("idle_session_timeout = '5min'").await;
    let finding = app.finds_and_remedies("G06", State::Crit).await;
    assert_eq!(finding.value, "idle_session_timeout is 5min");
    // A pool that lets go sooner.
    app.scene.thresholds.push(("pool_idle", 200.0));
    app.finds("G06", State::Ok).await;
    app.end().await;
}
