//! A service prints its report also if it was started by a shell, without a terminal, in a session of its own, or with the
//! signal ignored or blocked by what started it.

use super::child::Start;
use plimsoll_embedded::test_server;

async fn prints(wrapper: &[&str]) {
    let database = test_server::database().await.unwrap();
    let service = Start { wrapper, ..Start::default() }.on(&database.url()).await;
    let report = service.report().await;
    assert!(report.contains("database \"main\""), "{wrapper:?}: {report}");
    assert_eq!(service.get("/now").await.body, "1");
    assert!(service.report().await.contains("requests: "));
}

#[tokio::test]
async fn by_a_shell_that_stays() {
    prints(&["sh", "-c", "\"$@\"; exit $?", "sh"]).await;
}

#[tokio::test]
async fn by_nohup() {
    prints(&["nohup"]).await;
}

#[tokio::test]
async fn in_a_session_of_its_own() {
    prints(&["setsid"]).await;
}

#[tokio::test]
async fn by_a_shell_that_ignores_the_signal() {
    prints(&["sh", "-c", "trap '' USR1; exec \"$@\"", "sh"]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn with_the_signal_blocked() {
    prints(&["env", "--block-signal=USR1"]).await;
}
