//! A family of processes stands still as a whole, however it multiplies meanwhile; and whatever happens to the test,
//! it goes on when the handle is dropped.

use crate::family::{self, Family};
use plimsoll_faults::{Process, ProcessError};
use std::time::Duration;

#[tokio::test]
async fn with_its_children_and_theirs() {
    let family = Family::of("sh -c 'sleep 600 & sleep 600 & wait' & sleep 600 & wait");
    let process = Process::attach_tree(family.pid()).unwrap();
    family::until(|| process.pids().len() == 5).await;
    assert_eq!(process.freeze().await.unwrap(), 5);
    assert_eq!(process.freeze().await.unwrap(), 5, "it may be asked for twice");
    assert!(process.pids().iter().all(|pid| family::state(*pid) == Some('T')));
    process.thaw().unwrap();
    family::until(|| process.pids().iter().all(|pid| family::state(*pid) == Some('S'))).await;
}

#[tokio::test]
async fn though_it_forks_all_the_time() {
    let family = Family::of("while :; do (sleep 0.01; :) & (:) ; done");
    let process = Process::attach_tree(family.pid()).unwrap();
    for _ in 0..20 {
        let frozen = process.freeze().await.unwrap();
        let before = process.pids();
        assert!(frozen >= 1 && before.iter().all(|pid| family::state(*pid) == Some('T')));
        // Twice as long as any of them would take to show that it moves.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(process.pids(), before, "nobody is born and nobody dies");
        process.thaw().unwrap();
    }
    process.kill().await.unwrap();
}

#[tokio::test]
async fn alone_its_children_go_on() {
    let family = Family::of("sleep 600 & wait");
    let all = Process::attach_tree(family.pid()).unwrap();
    family::until(|| all.pids().len() == 2).await;
    let alone = Process::attach(family.pid()).unwrap();
    assert_eq!((alone.freeze().await.unwrap(), alone.pids()), (1, vec![family.pid()]));
    family::until(|| family::state(all.pids()[1]) == Some('S')).await;
}

#[tokio::test]
async fn dropped_it_is_thawed() {
    let family = Family::of("sleep 600 & wait");
    let process = Process::attach_tree(family.pid()).unwrap();
    family::until(|| process.pids().len() == 2).await;
    process.freeze().await.unwrap();
    let pids = process.pids();
    let test = tokio::spawn(async move {
        let _held = process;
        panic!("a test that fails while the server is frozen");
    });
    assert!(test.await.unwrap_err().is_panic());
    family::until(|| pids.iter().all(|pid| family::state(*pid) == Some('S'))).await;
}

#[tokio::test]
async fn killed_its_children_are_killed_too() {
    let family = Family::of("sh -c 'sleep 600 & wait' & sleep 600 & wait");
    let process = Process::attach_tree(family.pid()).unwrap();
    family::until(|| process.pids().len() == 4).await;
    let pids = process.pids();
    process.freeze().await.unwrap();
    assert_eq!(process.kill().await.unwrap(), 4, "frozen or not");
    assert!(pids.iter().all(|pid| matches!(family::state(*pid), None | Some('Z'))));
    assert!(!process.is_alive() && !process.is_frozen());
}

#[tokio::test]
async fn within_no_time_it_says_who_is_late_and_thaws_the_others() {
    let family = Family::of("sleep 600 & wait");
    let process = Process::attach_tree(family.pid()).unwrap().within(Duration::ZERO);
    // Whether the kernel is as quick as that is chance; what is promised is the word about it.
    match process.freeze().await {
        Ok(_) => assert!(process.is_frozen()),
        Err(late @ ProcessError::Late { wanted: "stopped", .. }) => {
            assert!(!process.is_frozen(), "{late}");
        }
        Err(other) => panic!("{other}"),
    }
}
