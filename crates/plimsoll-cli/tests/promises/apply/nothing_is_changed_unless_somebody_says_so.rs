//! Without `--run` or `--yes` a plan is shown and nothing is changed; with `--run` each step is asked about, at a terminal.

use super::scene::{Ended, Scene, differences};
use std::io::Write;
use std::process::{Command, Stdio};

const PROFILE: [&str; 4] = ["--profile", "service", "--role", "app"];

#[tokio::test]
async fn a_dry_run_shows_all_and_changes_nothing() {
    let scene = Scene::start().await;
    scene.sql("ALTER DATABASE shop SET lock_timeout = '1min'").await;
    let before = scene.picture().await;
    let ended = scene.apply(&PROFILE).with(1);
    for words in [
        "lock_timeout, database shop",
        "now   1min (database)",
        "ALTER DATABASE \"shop\" SET lock_timeout = '5s';",
        "ALTER DATABASE \"shop\" SET lock_timeout = '1min';",
        "now   0 (default)",
        "ALTER ROLE \"app\" IN DATABASE \"shop\" SET idle_in_transaction_session_timeout = '30s';",
        "ALTER ROLE \"app\" IN DATABASE \"shop\" RESET idle_in_transaction_session_timeout;",
        "ALTER SYSTEM SET log_lock_waits = 'on';",
        "deadlock_timeout, server\n     so already: 1s (default); left alone",
        "shared_preload_libraries = 'pg_stat_statements'",
        "Nothing was changed.",
    ] {
        assert!(ended.text.contains(words), "{words:?} is not said: {}", ended.text);
    }
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(scene.folder.path()).unwrap().count(), 0, "no journal is begun");
    let json = scene.apply(&[&PROFILE[..], &["--json"]].concat()).with(1);
    let planned: Vec<serde_json::Value> = serde_json::from_str(&json.text).unwrap();
    assert_eq!(planned.iter().filter(|one| one["planned"] == "step").count(), 6, "{planned:#?}");
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_is_refused() {
    let scene = Scene::start().await;
    let before = scene.picture().await;
    scene
        .apply(&[&PROFILE[..], &["--run"]].concat())
        .with(3)
        .says("there is no terminal to ask at: say --yes");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}

/// The command at a terminal of its own, where somebody types this.
fn at_a_terminal(scene: &Scene, arguments: &[&str], typed: &str) -> Ended {
    let command = scene.command(arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line.join(" "), "/dev/null"]).current_dir(scene.folder.path());
    let terminal =
        terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    terminal.stdin.as_ref().unwrap().write_all(typed.as_bytes()).unwrap();
    Ended::of(&terminal.wait_with_output().unwrap())
}

#[tokio::test]
async fn at_a_terminal_each_step_is_asked_about() {
    let scene = Scene::start().await;
    let run = [&PROFILE[..], &["--run"]].concat();
    // No to the first, yes to the second, and enough of it at the third.
    let ended = at_a_terminal(&scene, &run, "n\nwhat?\ny\nq\n").with(1);
    assert!(ended.text.contains("1 done, 0 so already, 1 declined"), "{}", ended.text);
    assert_eq!(scene.shown("app", "idle_in_transaction_session_timeout"), "0");
    assert_eq!(scene.shown("app", "lock_timeout"), "5s");
    assert_eq!(scene.shown("app", "log_lock_waits"), "off");
    // All that is left.
    at_a_terminal(&scene, &run, "a\n").with(1).says("5 done");
    assert_eq!(scene.shown("app", "idle_in_transaction_session_timeout"), "30s");
    assert_eq!(scene.shown("app", "log_lock_waits"), "on");
}

#[tokio::test]
async fn what_has_no_inverse_is_asked_about_in_any_case() {
    let scene = Scene::start().await;
    scene.sql("CREATE TABLE t (id int)").await;
    // A plan as one of a check's remedy would be: it cannot be taken back.
    let path = scene.journal("j");
    let ended =
        scene.apply(&["--profile", "service", "--role", "app", "--yes", "--journal", path.to_str().unwrap()]);
    assert_eq!(ended.status, Some(1), "{}", ended.text);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let mut step = plan["steps"][0].clone();
    step["run"] = serde_json::json!(["DROP TABLE t"]);
    step["undo"] = serde_json::json!([]);
    step["before"] = serde_json::json!({"probe": "sql", "sql": "SELECT to_regclass('public.t') IS NOT NULL"});
    step["after"] = serde_json::json!({"probe": "sql", "sql": "SELECT to_regclass('public.t') IS NULL"});
    step["reading"] = serde_json::json!({"reading": "probe", "probe": step["after"]});
    plan["steps"] = serde_json::json!([step]);
    let path = scene.journal("without");
    std::fs::write(&path, format!("{plan}\n")).unwrap();
    let resume = ["--resume", path.to_str().unwrap(), "--yes"];
    scene.apply(&resume).with(3).says("nothing brings this back").says("--yes-without-inverse");
    at_a_terminal(&scene, &resume, "n\n").with(1).says("NOTHING BRINGS THIS BACK").says("1 declined");
    std::fs::write(&path, format!("{plan}\n")).unwrap();
    scene.apply(&[&resume[..], &["--yes-without-inverse"]].concat()).with(0).says("1 done");
    scene.apply(&["--undo", path.to_str().unwrap(), "--yes"]).with(1).says("nothing brings back");
}
