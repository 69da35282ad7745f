//! The profile `roles`: what is there and what is made later, the application uses, and can make nothing; who changes the schema
//! can; who looks sees all sessions and no row. Undo takes all of it away.

use super::scene::{Scene, differences, psql};
use std::process::Command;

/// What the server says to this, which it must refuse.
fn refused(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args([url, "-X", "-q", "-c", sql]).output().unwrap();
    assert!(!output.status.success(), "{sql} is refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn from_nothing() {
    let scene = Scene::start().await;
    scene
        .sql("CREATE TABLE \"old Table\" (id serial PRIMARY KEY, a int); CREATE VIEW seen AS SELECT 1 AS one")
        .await;
    let before = scene.picture().await;
    let arguments =
        ["--profile", "service", "--create-roles", "--role", "shop o'p", "--yes", "--journal", "j"];
    let ended = scene.apply(&arguments).with(1);
    assert!(ended.text.contains("0 failed; 0 not what"), "{}", ended.text);

    let as_role = |name: &str| scene.url(&name.replace(' ', "%20").replace('\'', "%27"));
    let (app, migrations, monitoring) =
        (as_role("shop o'p"), as_role("shop o'p_migrations"), as_role("shop o'p_monitoring"));
    psql(
        &app,
        "INSERT INTO \"old Table\" (a) VALUES (1); UPDATE \"old Table\" SET a = 2; DELETE FROM \"old Table\"",
    );
    assert_eq!(psql(&app, "SELECT one FROM seen"), "1");
    assert!(refused(&app, "CREATE TABLE mine (id int)").contains("permission denied for schema public"));
    assert!(refused(&app, "TRUNCATE \"old Table\"").contains("permission denied"));
    assert!(refused(&app, "DROP TABLE \"old Table\"").contains("must be owner"));
    psql(&migrations, "CREATE TABLE new_table (id bigserial PRIMARY KEY, a int)");
    psql(&app, "INSERT INTO new_table (a) VALUES (1); SELECT currval('new_table_id_seq')");
    assert_eq!(psql(&monitoring, "SELECT pg_has_role('pg_monitor', 'USAGE')"), "t");
    assert!(refused(&monitoring, "SELECT * FROM new_table").contains("permission denied"));
    for (url, name, value) in [
        (&app, "idle_in_transaction_session_timeout", "30s"),
        (&app, "lock_timeout", "5s"),
        (&migrations, "lock_timeout", "5s"),
        (&migrations, "statement_timeout", "0"),
        (&monitoring, "statement_timeout", "10s"),
        (&monitoring, "default_transaction_read_only", "on"),
    ] {
        assert_eq!(psql(url, &format!("SHOW {name}")), value, "{url} {name}");
    }
    let again = scene.apply(&arguments[..5]).with(1);
    again.says("0 to change");

    // What was made with these roles goes first: it is told of, and the rest goes on then.
    let ended = scene.apply(&["--undo", "j", "--yes", "--journal", "back"]).with(2);
    ended.says("owner of table new_table").says("REASSIGN OWNED BY");
    psql(&migrations, "DROP TABLE new_table");
    scene.apply(&["--resume", "back", "--yes"]).with(0).says("0 failed; 0 not what");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_role_had_before_it_keeps() {
    let scene = Scene::start().await;
    scene.sql("CREATE TABLE t (a int); CREATE TABLE u (a int); GRANT SELECT ON t TO app; GRANT USAGE ON SCHEMA public TO app").await;
    let before = scene.picture().await;
    let ended = scene.apply(&["--profile", "roles", "--role", "app", "--yes", "--journal", "j"]).with(1);
    let ended = ended.says("GRANT INSERT, UPDATE, DELETE ON TABLE public.t TO \"app\"");
    ended.says("GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.u TO \"app\"");
    psql(&scene.url("app"), "INSERT INTO t VALUES (1); INSERT INTO u SELECT a FROM t");
    scene.apply(&["--undo", "j", "--yes"]).with(0);
    assert_eq!(psql(&scene.url("app"), "SELECT count(*) FROM t"), "1");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}

#[tokio::test]
async fn a_lesser_role_gets_the_sql() {
    let scene = Scene::start().await;
    let ended = scene.apply_as("app", &["--profile", "roles", "--role", "shop"]).with(1);
    ended
        .says("role app is no superuser, and no lesser role may do all of this; superusers: postgres")
        .says("CREATE ROLE \"shop_migrations\" LOGIN NOSUPERUSER")
        .says("0 to change");
}

/// Whether a role that is there has a password is told as it is, or that it cannot be known.
#[tokio::test]
async fn a_password_is_told_of_as_it_is() {
    let scene = Scene::start().await;
    scene
        .sql("ALTER ROLE app PASSWORD 'secret' CREATEDB; CREATE ROLE app_migrations; CREATE ROLE plain LOGIN")
        .await;
    let profile = ["--profile", "roles", "--role", "app"];
    let ended = scene.apply(&profile).with(1);
    for words in [
        "role app\n     so already: there, with a password; it may more than the profile gives (CREATEDB)",
        "role app_migrations\n     so already: there, without a password; it may not log in (NOLOGIN)",
        "then  there, without a password",
        "now   none: app_migrations, app_monitoring",
    ] {
        assert!(ended.text.contains(words), "{words:?} is not said: {}", ended.text);
    }
    assert!(!ended.text.contains("secret"), "{}", ended.text);
    let ended = scene.apply_as("plain", &profile).with(1);
    let ended = ended.says("role app\n     so already: there; whether it has a password cannot be known, since this role may not");
    ended.says("now   none: app_monitoring; not to be known to this role: app, app_migrations");
    // Where all have one there is nothing to say.
    scene.sql("ALTER ROLE app_migrations LOGIN PASSWORD 'x'; CREATE ROLE app_monitoring LOGIN PASSWORD 'x' VALID UNTIL '2020-01-01'").await;
    let ended = scene.apply(&profile).with(1).says("there, with a password that has expired");
    assert!(!ended.text.contains("passwords of the roles"), "{}", ended.text);
}
