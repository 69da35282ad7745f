//! G12: a server that waits hours for a silent client is found.

use super::app::App;
use crate::session::session_at;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_on_the_defaults_and_is_put_right() {
    let mut app = App::new().await;
    let finding = app.finds_and_remedies("G12", State::Warn).await;
    assert!(finding.value.contains("is 0; one that is idle is noticed after"), "{finding:#?}");
    for setting in ["tcp_user_timeout = '30s'", "tcp_keepalives_idle = 60", "tcp_keepalives_interval = 10"] {
        app.set(setting).await;
    }
    app.set("tcp_keepalives_count = 6").await;
    let finding = app.finds("G12", State::Ok).await;
    assert!(finding.value.contains("is 30s; one that is idle is noticed after 120 s"), "{finding:#?}");
    app.set("tcp_keepalives_idle = 300").await;
    app.finds_and_remedies("G12", State::Warn).await;
    app.scene.thresholds.push(("dead_peer_warn", 400.0));
    app.finds("G12", State::Ok).await;
    app.end().await;
}

/// What the operating system does shows on a TCP connection only.
#[tokio::test]
async fn through_a_unix_socket_it_is_not_known() {
    let mut app = App::new().await;
    app.set("tcp_user_timeout = '30s'").await;
    app.finds("G12", State::Warn).await;
    let server = app.db.server();
    let url = format!(
        "host={} port={} user={} password={} dbname={}",
        server.socket_dir().display(),
        server.port(),
        server.superuser(),
        server.password(),
        app.db.name()
    );
    app.scene.asker = session_at(&url, None, "asker").await;
    let finding = app.finds("G12", State::Skipped).await;
    assert!(finding.value.contains("cannot be seen"), "{finding:#?}");
    app.set("tcp_user_timeout = 0").await;
    app.finds_and_remedies("G12", State::Warn).await;
    app.end().await;
}
