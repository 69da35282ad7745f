//! What the server would refuse is told before the first step: a right that is missing with who has it, and a value or a name that
//! is none.

use super::scene::{Scene, differences};

const PROFILE: [&str; 4] = ["--profile", "service", "--role", "app"];

#[tokio::test]
async fn the_remedies_of_checks_that_the_role_may_not_run() {
    let scene = Scene::start().await;
    scene.sql("CREATE ROLE plain LOGIN; GRANT pg_monitor TO plain; CREATE TABLE wide (id int, a int)").await;
    let before = scene.picture().await;
    let check = ["--check", "G01,G02,O01", "--role", "app"];
    let ended = scene.apply_as("plain", &check).with(1);
    for words in [
        "0 to change",
        "may not: altering role app takes a superuser (postgres), or CREATEROLE",
        "ALTER ROLE \"plain\" CREATEROLE;",
        "for a role that may: ALTER ROLE \"app\" SET client_connection_check_interval = '2s'",
    ] {
        assert!(ended.text.contains(words), "{words:?} is not said: {}", ended.text);
    }
    let ended = scene.apply_as("plain", &[&check[..], &["--yes"]].concat()).with(2);
    assert!(!ended.text.contains("failed"), "{}", ended.text);
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(scene.folder.path()).unwrap().count(), 0, "no journal is begun");

    // What it is told to ask for is enough.
    let json = scene.apply_as("plain", &[&check[..], &["--json"]].concat());
    let planned: Vec<serde_json::Value> = serde_json::from_str(&json.text).unwrap();
    for one in planned.iter().filter(|one| one["what"].as_str().unwrap().contains("role app")) {
        for grant in one["grant"].as_array().unwrap() {
            scene.sql(grant.as_str().unwrap()).await;
        }
    }
    scene.apply_as("plain", &["--check", "G01,G02", "--role", "app", "--yes", "--journal", "j"]).with(0);
    assert_eq!(scene.shown("app", "client_connection_check_interval"), "2s");
    // What it did it may not take back any more: all of it or nothing.
    scene.sql("ALTER ROLE plain NOCREATEROLE").await;
    let ended = scene.apply_as("plain", &["--undo", "j", "--yes"]).with(2);
    ended.says("altering role app takes a superuser").says("Nothing was begun");
    assert_eq!(scene.shown("app", "client_connection_check_interval"), "2s");
    scene.apply(&["--undo", "j", "--yes"]).with(0);
    assert_eq!(scene.shown("app", "client_connection_check_interval"), "0");
}

#[tokio::test]
async fn a_run_that_goes_on_as_a_role_that_may_not() {
    let scene = Scene::start().await;
    scene.sql("CREATE ROLE plain LOGIN").await;
    scene.apply(&[&PROFILE[..], &["--yes", "--journal", "j"]].concat()).with(1);
    let text = std::fs::read_to_string(scene.journal("j")).unwrap();
    std::fs::write(scene.journal("cut"), format!("{}\n", text.lines().next().unwrap())).unwrap();
    scene.apply(&["--undo", "j", "--yes"]).with(0);
    let before = scene.picture().await;
    let ended = scene.apply_as("plain", &["--resume", "cut", "--yes"]).with(2);
    ended.says("Nothing was begun").says("altering database shop takes");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}

/// All that is wrong with the values is told at once, and nothing is shown as if it could be done.
#[tokio::test]
async fn a_value_or_a_name_that_is_none() {
    let scene = Scene::start().await;
    let before = scene.picture().await;
    for (set, words) in [
        ("lock_timeout=abc", "invalid value for parameter \"lock_timeout\": \"abc\""),
        ("lock_timeout=", "--set lock_timeout=: invalid value"),
        ("lock_timeout=5 parsecs", "Valid units for this parameter are"),
        ("lock_timeout=-5", "is outside the valid range for parameter \"lock_timeout\""),
        ("statement_timeout=soon", "invalid value for parameter \"statement_timeout\": \"soon\""),
        ("idle_in_transaction_session_timeout=5MB", "invalid value for parameter \"idle_in_transaction"),
        ("log_lock_waits=maybe", "requires a Boolean value"),
        ("lock_timeot=5s", "has no setting lock_timeot; did you mean lock_timeout?"),
        ("shop.tenant=1", "has no setting shop.tenant"),
        ("timezone=Nowhere/Else", "invalid value for parameter \"TimeZone\""),
        ("default_transaction_isolation=loose", "Available values: serializable"),
        (
            "max_connections=500",
            "it is the whole server's: ALTER SYSTEM SET max_connections = .., then a restart",
        ),
        ("wal_keep_size=1GB", "then a reload"),
        ("server_version=99", "it is fixed when the server is built"),
        ("search_path=app,public", "ALTER ROLE app SET search_path = .., .."),
    ] {
        for way in [&[][..], &["--yes"]] {
            let ended = scene.apply(&[&PROFILE[..], &["--set", set], way].concat()).with(3);
            let ended = ended.says(words).says("nothing was begun");
            assert_eq!(ended.text.lines().count(), 1, "{}", ended.text);
        }
    }
    let two = ["--set", "lock_timeout=abc", "--set", "work_mem=1"];
    scene.apply(&[&PROFILE[..], &two].concat()).with(3).says("\"lock_timeout\"").says("\"work_mem\"");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
    // A limit of the smallest kind does not end the question about it; and a name has no case.
    let small = ["--set", "statement_timeout=1", "--set", "TimeZone=UTC", "--set", "work_mem=8MB"];
    let ended = scene.apply(&[&PROFILE[..], &small, &["--yes", "--journal", "j"]].concat()).with(1);
    ended.says("0 failed; 0 not what a new session shows");
    assert_eq!(scene.shown("app", "work_mem"), "8MB");
    scene.apply(&["--undo", "j", "--yes"]).with(0);
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}

/// A role that may not set it itself hears of a bad value all the same, since the SQL for another role would have it too.
#[tokio::test]
async fn a_bad_value_of_what_only_a_superuser_sets() {
    let scene = Scene::start().await;
    for (set, words) in [
        ("log_lock_waits=maybe", "it is on or off"),
        ("log_min_duration_statement=soon", "it is a number from -1 to 2147483647 ms"),
        ("deadlock_timeout=0", "it is a number from 1 to"),
    ] {
        let ended = scene.apply_as("app", &[&PROFILE[..], &["--set", set]].concat()).with(3);
        ended.says(words).says("nothing was begun");
    }
    scene.apply_as("app", &[&PROFILE[..], &["--set", "log_lock_waits=off"]].concat()).with(1);
}

#[tokio::test]
async fn roles_that_cannot_be_made() {
    let scene = Scene::start().await;
    let before = scene.picture().await;
    let long = "a".repeat(60);
    for (role, more, words) in [
        (long.as_str(), &[][..], "PostgreSQL's names have at most 63 bytes, and this has 71"),
        ("pg_app", &[], "PostgreSQL keeps that name for itself"),
        ("shop", &["--schema", "no_such"], "there is no schema no_such in database shop"),
        ("shop", &["--set", "lock_timeout=5s"], "--set changes a setting of --profile service"),
    ] {
        let arguments = [&["--profile", "roles", "--role", role, "--yes"][..], more].concat();
        scene.apply(&arguments).with(3).says(words);
    }
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}
