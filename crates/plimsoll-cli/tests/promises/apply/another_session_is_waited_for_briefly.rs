//! A lock that another session holds is waited for briefly and tried for again; what does not get it is told, and can be resumed.

use super::scene::{Ended, Scene};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PROFILE: [&str; 4] = ["--profile", "service", "--role", "app"];

/// A session that lets no other change what is set for databases and roles, for so long.
async fn hold(scene: &Scene, time: &str) -> tokio::task::JoinHandle<()> {
    let url = scene.server.url("shop");
    let text = format!(
        "BEGIN; LOCK TABLE pg_catalog.pg_db_role_setting IN SHARE MODE; SELECT pg_sleep({time}); ROLLBACK"
    );
    let holder = tokio::task::spawn_blocking(move || {
        let mut psql = std::process::Command::new("psql");
        psql.args([&url, "-X", "-q", "-c", &text]).stdout(Stdio::null()).status().unwrap();
    });
    let held = "SELECT count(*) AS n FROM pg_locks WHERE relation = 'pg_db_role_setting'::regclass AND mode = 'ShareLock'";
    let until = Instant::now() + Duration::from_secs(30);
    while scene.sql(held).await[0]["n"] == "0" {
        assert!(Instant::now() < until, "the lock is held");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holder
}

async fn apply(scene: &Scene, arguments: &[&str]) -> Ended {
    let mut command = scene.command(arguments);
    Ended::of(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

#[tokio::test]
async fn a_lock_that_is_let_go_is_had() {
    let scene = Scene::start().await;
    let holder = hold(&scene, "3").await;
    let ended = apply(&scene, &[&PROFILE[..], &["--yes"]].concat()).await.with(1);
    ended.says("no lock within 2s; again in 250 ms (1 of 5)").says("6 done");
    holder.await.unwrap();
}

#[tokio::test]
async fn one_that_is_not_let_go_ends_the_run() {
    let scene = Scene::start().await;
    let holder = hold(&scene, "120").await;
    let run = [&PROFILE[..], &["--yes", "--journal", "j"]].concat();
    let ended = apply(&scene, &run).await.with(2);
    let ended = ended.says("failed: canceling statement due to lock timeout (55P03), tried 5 times");
    ended.says("0 done, 0 so already, 0 declined, 1 failed").says("plimsoll apply --resume j goes on");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)%' AND pid <> pg_backend_pid()";
    scene.sql(end).await;
    holder.await.unwrap();
    apply(&scene, &["--resume", "j", "--yes"]).await.with(0).says("6 done");
    assert_eq!(scene.shown("app", "lock_timeout"), "5s");
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_and_the_run_can_be_resumed() {
    let scene = Scene::start().await;
    let holder = hold(&scene, "121").await;
    let mut command = scene.command(&[&PROFILE[..], &["--yes", "--journal", "j"]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waits =
        "SELECT count(*) AS n FROM pg_locks WHERE relation = 'pg_db_role_setting'::regclass AND NOT granted";
    let until = Instant::now() + Duration::from_secs(30);
    while scene.sql(waits).await[0]["n"] == "0" {
        assert!(Instant::now() < until, "it waits for the lock");
    }
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    Ended::of(&output)
        .with(130)
        .says("Interrupted. plimsoll apply --resume j goes on, --undo takes it back.");
    // Nothing waits any more, long before the lock's own limit would have ended it.
    let until = Instant::now() + Duration::from_secs(1);
    while scene.sql(waits).await[0]["n"] != "0" {
        assert!(Instant::now() < until, "it was cancelled");
    }
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(121)%' AND pid <> pg_backend_pid()";
    scene.sql(end).await;
    holder.await.unwrap();
    apply(&scene, &["--resume", "j"]).await.with(1).says("Nothing was changed.");
    apply(&scene, &["--resume", "j", "--yes"]).await.with(0).says("6 done");
}
