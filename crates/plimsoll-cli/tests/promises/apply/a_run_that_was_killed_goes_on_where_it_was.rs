//! A run is killed at each message that it sends, before the server hears of it and after the server has done it: `--resume`
//! brings it to its end with no step skipped and no statement run twice. The same for `--undo`.

use super::killer::{At, Killer};
use super::scene::{Ended, Scene, command, differences, url_at};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const STEPS: [&str; 4] = [
    "ALTER DATABASE \"shop\" SET lock_timeout = '5s'",
    "ALTER ROLE \"app\" IN DATABASE \"shop\" SET idle_in_transaction_session_timeout = '30s'",
    "ALTER SYSTEM SET log_lock_waits = 'on'",
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
];

const INVERSES: [&str; 4] = [
    "DROP EXTENSION pg_stat_statements",
    "ALTER SYSTEM SET log_lock_waits = 'off'",
    "ALTER ROLE \"app\" IN DATABASE \"shop\" RESET idle_in_transaction_session_timeout",
    "ALTER DATABASE \"shop\" SET lock_timeout = '1min'",
];

struct Play {
    scene: Scene,
    killer: Killer,
}

impl Play {
    async fn start() -> Self {
        let scene = Scene::with(&[
            ("log_statement", "ddl"),
            ("log_min_duration_statement", "1s"),
            ("log_lock_waits", "off"),
        ])
        .await;
        scene.sql("ALTER DATABASE shop SET idle_in_transaction_session_timeout = '30s'").await;
        scene.sql("ALTER DATABASE shop SET lock_timeout = '1min'").await;
        scene.sql("ALTER SYSTEM SET log_lock_waits = 'off'").await;
        scene.sql("ALTER SYSTEM SET log_autovacuum_min_duration = '7s'").await;
        scene.sql("SELECT pg_reload_conf()").await;
        let until = Instant::now() + Duration::from_secs(30);
        while scene.shown("app", "log_autovacuum_min_duration") != "7s" {
            assert!(Instant::now() < until, "the files are read again");
        }
        let killer = Killer::before(scene.server.port()).await;
        Play { scene, killer }
    }

    /// Runs the command over the wire that kills.
    async fn run(&self, at: Option<At>, arguments: &[&str]) -> Ended {
        self.killer.arm(at);
        let url = url_at(self.scene.server.superuser(), self.killer.port);
        let mut command = command(&url, self.scene.folder.path(), arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.killer.aim(child.id());
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
        Ended::of(&output)
    }

    /// How often each statement was run since the log was so long.
    fn counts(&self, from: usize, statements: &[&str]) -> Vec<usize> {
        let log = std::fs::read(self.scene.server.log_path()).unwrap();
        let log = String::from_utf8_lossy(&log[from..]).into_owned();
        statements.iter().map(|statement| log.matches(statement).count()).collect()
    }

    fn log_length(&self) -> usize {
        std::fs::metadata(self.scene.server.log_path()).unwrap().len() as usize
    }

    /// Kills a run there, lets another one bring it to its end, and counts.
    async fn is_brought_to_its_end(&self, at: At, arguments: &[&str], journal: &Path, statements: &[&str]) {
        let from = self.log_length();
        let killed = self.run(Some(at), arguments).await;
        assert_eq!(killed.status, None, "{at:?}: it was killed: {}", killed.text);
        let journal_text = journal.to_str().unwrap();
        let is_begun = std::fs::read_to_string(journal).is_ok_and(|text| text.ends_with('\n'));
        let ended = if is_begun {
            let _ = std::fs::copy(journal, self.scene.journal("as-killed"));
            self.scene.apply(&["--resume", journal_text, "--yes"])
        } else {
            assert_eq!(self.counts(from, statements), [0; 4], "{at:?}: nothing is done without a journal");
            self.scene.apply(arguments)
        };
        assert!(matches!(ended.status, Some(0 | 1)), "{at:?}: {}", ended.text);
        assert_eq!(
            self.counts(from, statements),
            [1; 4],
            "{at:?}: each statement was run once: {}\n{}\n{}",
            ended.text,
            std::fs::read_to_string(self.scene.journal("as-killed")).unwrap_or_default(),
            std::fs::read_to_string(journal).unwrap()
        );
        let again = self.scene.apply(&["--resume", journal_text, "--yes"]);
        again.with(0).says("nothing is left of it");
    }
}

/// Where a run that goes well can be killed: at each message, and once more where the message changes something.
fn moments(messages: &[bool]) -> Vec<At> {
    let all = messages.iter().enumerate();
    all.flat_map(|(at, changes)| {
        let after = changes.then_some(At::After(at + 1));
        std::iter::once(At::Before(at + 1)).chain(after)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_any_message_in_either_direction() {
    let play = Play::start().await;
    let (forth, back) = (play.scene.journal("forth"), play.scene.journal("back"));
    let apply = ["--profile", "service", "--role", "app", "--yes", "--journal", forth.to_str().unwrap()];
    let undo = ["--undo", forth.to_str().unwrap(), "--yes", "--journal", back.to_str().unwrap()];
    let before = play.scene.picture().await;

    let ended = play.run(None, &apply).await.with(1);
    assert!(ended.text.contains("4 done"), "{}", ended.text);
    let forth_at = moments(&play.killer.messages());
    let after = play.scene.picture().await;
    play.run(None, &undo).await.with(0).says("4 done");
    let back_at = moments(&play.killer.messages());
    assert_eq!(differences(&before, &play.scene.picture().await), Vec::<String>::new());
    assert!(forth_at.len() > 30 && back_at.len() > 25, "{forth_at:?} {back_at:?}");

    // One goes forth while the other is taken back, so each server state is met by both; the longer list sets the end.
    for number in 0..forth_at.len().max(back_at.len()) {
        for file in [&forth, &back] {
            std::fs::remove_file(file).unwrap();
        }
        let at = forth_at[number % forth_at.len()];
        play.is_brought_to_its_end(at, &apply, &forth, &STEPS).await;
        assert_eq!(differences(&after, &play.scene.picture().await), Vec::<String>::new(), "{at:?}");
        let at = back_at[number % back_at.len()];
        play.is_brought_to_its_end(at, &undo, &back, &INVERSES).await;
        assert_eq!(differences(&before, &play.scene.picture().await), Vec::<String>::new(), "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_killed_run_can_be_taken_back_without_being_resumed() {
    let play = Play::start().await;
    let before = play.scene.picture().await;
    let forth = play.scene.journal("forth");
    let apply = ["--profile", "service", "--role", "app", "--yes", "--journal", forth.to_str().unwrap()];
    play.run(None, &apply).await.with(1);
    let changing: Vec<usize> = play
        .killer
        .messages()
        .iter()
        .enumerate()
        .filter(|(_, changes)| **changes)
        .map(|(at, _)| at + 1)
        .collect();
    play.scene.apply(&["--undo", forth.to_str().unwrap(), "--yes"]).with(0);
    for number in changing {
        for at in [At::Before(number), At::After(number)] {
            std::fs::remove_file(&forth).unwrap();
            assert_eq!(play.run(Some(at), &apply).await.status, None, "{at:?}");
            play.scene.apply(&["--undo", forth.to_str().unwrap(), "--yes"]).with(0);
            assert_eq!(differences(&before, &play.scene.picture().await), Vec::<String>::new(), "{at:?}");
        }
    }
}
