//! Work that may run again does not wait for a connection again: whoever got none has waited its whole limit already,
//! and five such waits would keep a request five times as long.

use plimsoll::{Database, Fault, Settings};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn while_the_server_is_away() {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings::default().hosts(format!("127.0.0.1:{port}")).user("nobody").pool_timeout(LIMIT);
    let db = Database::connect(settings.tcp_user_timeout(plimsoll::settings::Limit::Off)).await.unwrap();
    let begun = Instant::now();
    let error = db.retrying(async |tx| tx.execute("SELECT 1", &[]).await).await.unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.fault(), Fault::Unreachable, "{error}");
    // Sooner where the breaker knows by then that no connection can be opened.
    assert!(took < LIMIT * 2, "{took:?}: {error}");
    assert_eq!(error.attempts(), 1, "{error}");
}
