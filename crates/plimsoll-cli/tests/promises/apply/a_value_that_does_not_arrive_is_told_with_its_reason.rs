//! A value that was set and does not count is told, with what is stronger, and the status is 2.

use super::scene::Scene;
use plimsoll_embedded::{PgBouncer, PoolMode};

const PROFILE: [&str; 4] = ["--profile", "service", "--role", "app"];

/// What an older session of the role does, until this is dropped.
fn through(url: &str) -> [String; 2] {
    ["--through".to_owned(), url.to_owned()]
}

#[tokio::test]
async fn what_the_role_says_itself_is_stronger() {
    let scene = Scene::start().await;
    scene.sql("ALTER ROLE app SET lock_timeout = '20s'").await;
    let url = scene.url("app");
    let through = through(&url);
    let through = [through[0].as_str(), through[1].as_str()];
    scene.apply(&PROFILE).with(1).says("it will not count for role app: the role says 20s");
    let ended = scene.apply(&[&PROFILE[..], &through, &["--yes"]].concat()).with(2);
    let ended = ended.says(
        "NOT WHAT WAS SET on the application's own path: 20s (user). what is set for role app is stronger",
    );
    // The rest was done.
    ended.says("6 done, 0 so already, 0 declined, 0 failed; 1 not what a new session shows");
    // It is said at its level now, and still does not count.
    let ended = scene.apply(&[&PROFILE[..], &["--yes"]].concat()).with(1);
    ended.says("said, and not what counts: the role says 20s").says("ALTER ROLE \"app\" RESET lock_timeout;");
    scene.sql("ALTER ROLE app RESET lock_timeout").await;
    let ended = scene.apply(&[&PROFILE[..], &through, &["--yes"]].concat()).with(1);
    ended.says("lock_timeout, database shop: read back on the application's own path: 5s (database)");
}

/// It is stronger than all that can be set here. It is told when it is read back, or before, if it is refused as a connection string.
#[tokio::test]
async fn what_the_applications_connection_string_says_is_stronger() {
    let scene = Scene::start().await;
    let url = format!("{}&options=-c%20lock_timeout%3D0", scene.url("app"));
    scene
        .apply(&["--profile", "service", "--through", &url, "--yes"])
        .with(2)
        .says("the application's own connection string says otherwise (options=..)");
}

#[tokio::test]
async fn a_pooler_goes_on_with_the_connections_that_it_has() {
    let scene = Scene::start().await;
    let bouncer = PgBouncer::in_front_of(&scene.server).pool_mode(PoolMode::Transaction).user("app", "app");
    let bouncer = bouncer.setting("default_pool_size", "1").start().await.unwrap();
    let url = format!("postgresql://app:app@{}:{}/shop?sslmode=disable", bouncer.host(), bouncer.port());
    // The pooler's one connection to the server begins before the change.
    assert_eq!(super::scene::psql(&url, "SHOW lock_timeout"), "0");
    let ended = scene.apply(&["--profile", "service", "--through", &url, "--yes"]).with(2);
    ended.says("the pooler gave a server connection that began before the change: RECONNECT in its console");
    bouncer.admin("RECONNECT").await.unwrap();
    let ended = scene.apply(&["--profile", "service", "--through", &url, "--yes"]).with(1);
    ended.says("lock_timeout, database shop: read back on the application's own path: 5s (database)");
}

#[tokio::test]
async fn another_role_or_none_is_not_the_applications() {
    let scene = Scene::start().await;
    scene.sql("CREATE ROLE other LOGIN").await;
    let other = scene.url("other");
    let ended = scene.apply(&[&PROFILE[..], &["--through", &other]].concat()).with(3);
    ended.says("the application's role is app, and --through logs in as other");
    scene.apply(&["--profile", "service"]).with(3).says("which role does the application log in as?");
}
