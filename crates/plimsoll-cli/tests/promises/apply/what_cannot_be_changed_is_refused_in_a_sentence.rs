//! A standby, a role that is not there, another database's journal, a pooler for what needs a session: one clear line, before
//! anything has been changed.

use super::scene::{Scene, command, url_at};
use plimsoll_embedded::{Auth, Cluster, PgBouncer, PoolMode};

const PROFILE: [&str; 4] = ["--profile", "service", "--role", "app"];

#[tokio::test]
async fn a_standby() {
    let scene = Scene::start().await;
    let standby = Cluster::builder().auth(Auth::Trust).standby_of(&scene.server).start().await.unwrap();
    let url = url_at("postgres", standby.port());
    let ended = command(&url, scene.folder.path(), &PROFILE).output().unwrap();
    super::scene::Ended::of(&ended).with(3).says("this server is a standby").says("connect to the primary");
}

#[tokio::test]
async fn a_name_that_is_not_there_and_an_option_that_does_not_fit() {
    let scene = Scene::start().await;
    scene
        .apply(&["--profile", "service", "--role", "nobody"])
        .with(3)
        .says("there is no role \"nobody\" on this server; there are app, postgres; --create-roles makes it");
    scene.apply(&["--profile", "service", "--role", "ap"]).with(3).says("did you mean app?; --create-roles");
    for (arguments, words) in [
        (
            &["--check", "G01", "--role", "app", "--set", "lock_timeout=5s"][..],
            "--set changes a setting of --profile service",
        ),
        (
            &["--check", "G01", "--role", "app", "--create-roles"],
            "--create-roles makes roles before a profile",
        ),
        (
            &["--profile", "service", "--role", "app", "--schema", "shop"],
            "--schema is the one that roles are made for",
        ),
    ] {
        scene.apply(arguments).with(3).says(words);
    }
    let superuser = ["--profile", "service", "--role", scene.server.superuser()];
    scene.apply(&superuser).with(1).says("no application should log in as one");
    scene.apply(&["--check", "Z99", "--role", "app"]).with(3).says("there is no check Z99; there are G01");
    scene.apply(&["--role", "app"]).with(3).says("--profile");
    scene.apply(&[&PROFILE[..], &["--run", "--yes"]].concat()).with(3);
    scene
        .apply(&[&PROFILE[..], &["--set", "statement timeout=3s"]].concat())
        .with(3)
        .says("is not the name of a setting");
}

#[tokio::test]
async fn a_journal_of_elsewhere_or_none() {
    let scene = Scene::start().await;
    scene.apply(&[&PROFILE[..], &["--yes", "--journal", "j"]].concat()).with(1);
    let other = Scene::start().await;
    let journal = scene.journal("j");
    let undo = ["--undo", journal.to_str().unwrap(), "--yes"];
    other.apply(&undo).with(3).says("the journal is of another server");
    let elsewhere = scene.server.url("postgres");
    let ended = command(&elsewhere, scene.folder.path(), &undo).output().unwrap();
    super::scene::Ended::of(&ended)
        .with(3)
        .says("the journal is of database shop, and this connection leads to postgres");
    std::fs::write(scene.journal("x"), "hello\n").unwrap();
    scene.apply(&["--resume", "x", "--yes"]).with(3).says("line 1 is not one of a journal");
    scene.apply(&["--resume", "none", "--yes"]).with(3).says("the journal none");
    scene
        .apply(&[&PROFILE[..], &["--set", "lock_timeout=4s", "--yes", "--journal", "j"]].concat())
        .with(3)
        .says("the journal j is there already, and no journal is written over: name another by --journal");
}

/// What somebody else has changed since is not overwritten.
#[tokio::test]
async fn what_was_changed_since() {
    let scene = Scene::start().await;
    scene.apply(&[&PROFILE[..], &["--yes", "--journal", "j"]].concat()).with(1);
    scene.sql("ALTER DATABASE shop SET lock_timeout = '7s'").await;
    let ended = scene.apply(&["--undo", "j", "--yes"]).with(1);
    let ended = ended.says("somebody else has changed it since, so it is left alone");
    ended.says("ALTER DATABASE \"shop\" RESET lock_timeout;").says("0 failed");
    assert_eq!(scene.shown("app", "lock_timeout"), "7s");
    // The rest is taken back all the same.
    assert_eq!(scene.shown("app", "log_lock_waits"), "off");
    assert_eq!(scene.shown("app", "idle_in_transaction_session_timeout"), "0");
}

/// What was taken back already is told as it is, and not as what was applied once.
#[tokio::test]
async fn what_was_taken_back_already() {
    let scene = Scene::start().await;
    scene.sql("ALTER DATABASE shop SET lock_timeout = '1min'").await;
    scene.apply(&[&PROFILE[..], &["--yes", "--journal", "j"]].concat()).with(1);
    scene.apply(&["--undo", "j"]).with(1).says("now   5s (what was applied)").says("6 to change");
    scene.apply(&["--undo", "j", "--role", "other"]).with(3).says("the journal is of role app");
    scene.apply(&["--undo", "j", "--yes"]).with(0).says("6 done");
    for way in [&["--undo", "j"][..], &["--undo", "j", "--yes"]] {
        let ended = scene.apply(way).with(0);
        assert!(!ended.text.contains("30s") && !ended.text.contains("5s"), "{}", ended.text);
        let ended = ended.says("lock_timeout, database shop\n     so already: 1min (as it was before)");
        ended.says("0 to change, 6 so already");
    }
    // The same where a check tells of it.
    scene.apply(&["--check", "G01", "--role", "app", "--yes", "--journal", "k"]).with(0);
    scene.apply(&["--undo", "k", "--yes"]).with(0).says("1 done");
    scene.apply(&["--undo", "k", "--yes"]).with(0).says("0 to change, 1 so already");
    // A run of which nothing was done.
    let text = std::fs::read_to_string(scene.journal("k")).unwrap();
    std::fs::write(scene.journal("cut"), format!("{}\n", text.lines().next().unwrap())).unwrap();
    scene.apply(&["--undo", "cut", "--yes"]).with(0).says("Nothing of that run was done");
}

#[tokio::test]
async fn through_a_pooler_what_needs_a_session() {
    let scene = Scene::start().await;
    scene.sql("CREATE TABLE t (a int)").await;
    let bouncer =
        PgBouncer::in_front_of(&scene.server).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let ended = command(
        &bouncer.url("shop"),
        scene.folder.path(),
        &[&PROFILE[..], &["--yes", "--journal", "j"]].concat(),
    );
    let ended = super::scene::Ended::of(&{ ended }.output().unwrap()).with(1);
    ended.says("This connection goes through a pooler.").says("CREATE INDEX CONCURRENTLY").says("6 done");
    assert_eq!(scene.shown("app", "lock_timeout"), "5s");
    // The plan of an index, as a check's remedy would have it.
    let text = std::fs::read_to_string(scene.journal("j")).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let mut step = plan["steps"][0].clone();
    step["run"] = serde_json::json!(["CREATE INDEX CONCURRENTLY i ON t (a)"]);
    step["undo"] = serde_json::json!(["DROP INDEX CONCURRENTLY i"]);
    step["before"] = serde_json::json!({"probe": "sql", "sql": "SELECT to_regclass('public.i') IS NULL"});
    step["after"] = serde_json::json!({"probe": "sql", "sql": "SELECT to_regclass('public.i') IS NOT NULL"});
    step["reading"] = serde_json::json!({"reading": "probe", "probe": step["after"]});
    plan["steps"] = serde_json::json!([step]);
    std::fs::write(scene.journal("index"), format!("{plan}\n")).unwrap();
    let resume = ["--resume", "index", "--yes"];
    let ended = command(&bouncer.url("shop"), scene.folder.path(), &resume).output().unwrap();
    super::scene::Ended::of(&ended)
        .with(3)
        .says("needs a session of its own, and this connection goes through a pooler");
    scene.apply(&resume).with(0).says("1 done");
    assert_eq!(
        scene.sql("SELECT count(*) AS n FROM pg_index WHERE indisvalid AND indexrelid = 'i'::regclass").await
            [0]["n"],
        "1"
    );
    scene.apply(&["--undo", "index", "--yes"]).with(0).says("1 done");
}
