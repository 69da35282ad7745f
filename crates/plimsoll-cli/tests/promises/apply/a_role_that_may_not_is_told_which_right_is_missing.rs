//! A role that may not change something is told which right is missing; the SQL that it is shown gives exactly that, and the SQL
//! for a role that may does the rest.

use super::scene::Scene;

const PROFILE: [&str; 4] = ["--profile", "service", "--role", "app"];

#[tokio::test]
async fn a_plain_role_and_what_it_is_granted() {
    let scene = Scene::start().await;
    scene.sql("CREATE ROLE owner; CREATE ROLE plain LOGIN; ALTER DATABASE shop OWNER TO owner").await;
    let before = scene.picture().await;
    let ended = scene.apply_as("plain", &PROFILE).with(1);
    for words in [
        "0 to change, 1 so already, 6 not allowed to role plain",
        "only owner, who owns the database, or a superuser may alter it",
        "GRANT \"owner\" TO \"plain\";",
        "role plain may not alter role app",
        "ALTER ROLE \"plain\" CREATEROLE;",
        "role plain may write no settings of the server",
        "in postgresql.conf: log_lock_waits = on",
        "only a superuser may install it",
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;",
        "which this role may not see",
    ] {
        assert!(ended.text.contains(words), "{words:?} is not said: {}", ended.text);
    }
    scene.apply_as("plain", &[&PROFILE[..], &["--yes"]].concat()).with(2);
    assert_eq!(super::scene::differences(&before, &scene.picture().await), Vec::<String>::new());

    // What it was told to ask for is enough, each for its part.
    let json = scene.apply_as("plain", &[&PROFILE[..], &["--json"]].concat());
    let planned: Vec<serde_json::Value> = serde_json::from_str(&json.text).unwrap();
    for missing in planned.iter().filter(|one| one["planned"] == "missing") {
        for grant in missing["grant"].as_array().unwrap() {
            scene.sql(grant.as_str().unwrap()).await;
        }
    }
    let ended = scene.apply_as("plain", &[&PROFILE[..], &["--yes", "--journal", "j"]].concat()).with(2);
    let ended = ended.says("ALTER SYSTEM SET log_lock_waits = 'on'").says("1 not allowed to role plain");
    ended.says("5 done, 0 so already, 0 declined, 0 failed; 0 not what a new session shows");
    assert_eq!(scene.shown("app", "log_lock_waits"), "on");
    assert_eq!(scene.shown("app", "lock_timeout"), "5s");
    scene.apply_as("plain", &["--undo", "j", "--yes"]).with(0).says("5 done");
    assert_eq!(scene.shown("app", "log_lock_waits"), "off");
}

#[tokio::test]
async fn where_the_servers_settings_are_out_of_reach_the_database_is_told() {
    let scene = Scene::start().await;
    if scene.server.version() < 15 {
        return; // Rights to single settings came with 15.
    }
    scene.sql("CREATE ROLE owner LOGIN; ALTER DATABASE shop OWNER TO owner").await;
    scene.sql("GRANT SET ON PARAMETER log_lock_waits, log_min_duration_statement TO owner").await;
    let ended = scene.apply_as("owner", &[&PROFILE[..], &["--yes", "--journal", "j"]].concat()).with(2);
    let ended = ended.says("log_lock_waits, database shop");
    let ended = ended.says("NOTE  for database shop only: it is wanted for the whole server");
    ended.says("ALTER DATABASE \"shop\" SET log_lock_waits = 'on'");
    assert_eq!(scene.shown("app", "log_lock_waits"), "on");
    assert_eq!(super::scene::psql(&scene.server.url("postgres"), "SHOW log_lock_waits"), "off");
    scene.apply_as("owner", &["--undo", "j", "--yes"]).with(0);
    assert_eq!(scene.shown("app", "log_lock_waits"), "off");
}

#[tokio::test]
async fn the_role_itself_may_say_what_is_its_own() {
    let scene = Scene::start().await;
    let ended = scene.apply_as("app", &[&PROFILE[..], &["--yes"]].concat()).with(2);
    ended.says("read back on a new connection: 30s (database user)").says("1 done");
    assert_eq!(scene.shown("app", "idle_in_transaction_session_timeout"), "30s");
}
