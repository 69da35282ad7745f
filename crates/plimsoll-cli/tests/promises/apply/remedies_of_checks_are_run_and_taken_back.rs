//! `--check` runs the SQL remedies of what the checks find now, and nothing where they find nothing; undo brings the finding back.

use super::scene::{Scene, differences};

#[tokio::test]
async fn once_and_only_where_something_is_found() {
    let scene = Scene::start().await;
    let before = scene.picture().await;
    let check = ["--check", "g01", "--role", "app"];
    scene.apply(&check).with(1).says("client_connection_check_interval is 0").says("1 to change");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
    let ended = scene.apply(&[&check[..], &["--yes", "--journal", "j"]].concat()).with(0);
    ended.says("read back on a new connection: check G01 finds it no more").says("1 done");
    assert_eq!(scene.shown("app", "client_connection_check_interval"), "2s");
    scene.apply(&[&check[..], &["--yes"]].concat()).with(0).says("0 to change, 1 so already");
    // A journal that does not tell whether it was done: the check tells.
    let text = std::fs::read_to_string(scene.journal("j")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let begun = lines.iter().position(|line| line.contains("\"line\":\"begin\"")).unwrap();
    std::fs::write(scene.journal("in-doubt"), format!("{}\n", lines[..=begun].join("\n"))).unwrap();
    scene.apply(&["--resume", "in-doubt", "--yes"]).with(0).says("1 of 1 steps are left").says("1 done");
    let resumed = std::fs::read_to_string(scene.journal("in-doubt")).unwrap();
    assert!(resumed.contains("\"found\":true"), "{resumed}");
    scene.apply(&["--undo", "j", "--yes"]).with(0).says("check G01 finds it");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}

/// Several checks at once, among them one whose remedy is several statements.
#[tokio::test]
async fn of_several_checks() {
    let scene = Scene::start().await;
    scene.sql("ALTER ROLE app SET lock_timeout = '10min'").await;
    let before = scene.picture().await;
    let check = ["--check", "G01,G02,G03,G04,G12", "--role", "app"];
    let ended = scene.apply(&[&check[..], &["--yes", "--journal", "j"]].concat()).with(0);
    ended.says("ALTER ROLE \"app\" SET statement_timeout").says("0 failed; 0 not what a new session shows");
    assert_ne!(scene.shown("app", "statement_timeout"), "0");
    assert_ne!(scene.shown("app", "tcp_user_timeout"), "");
    assert_ne!(scene.shown("app", "idle_in_transaction_session_timeout"), "0");
    scene.apply(&check).with(0).says("0 to change");
    scene.apply(&["--undo", "j", "--yes"]).with(0).says("0 failed; 0 not what");
    assert_eq!(differences(&before, &scene.picture().await), Vec::<String>::new());
}
