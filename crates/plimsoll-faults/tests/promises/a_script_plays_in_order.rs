//! Each step at its time and none twice, on a wire, on a process, or on both; and what a play that is given up has set
//! stays until somebody lifts it.

use std::time::Duration;

use crate::ends;
use crate::family::{self, Family};
use plimsoll_faults::{Play, PlayError, Process, Script};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

fn script(text: &str) -> Script {
    text.parse().unwrap()
}

fn said(steps: &[plimsoll_faults::Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn by_a_rule_that_is_told_the_time() {
    let script = script("3s heal\n 1s cut\n 1s blackhole\n 2s refuse");
    let seconds = Duration::from_secs;
    assert_eq!(said(script.due(0, Duration::from_millis(999))), [""; 0]);
    assert_eq!(said(script.due(0, seconds(1))), ["1s cut", "1s blackhole"], "in the order of the lines");
    assert_eq!(said(script.due(1, seconds(1))), ["1s blackhole"]);
    assert_eq!(said(script.due(2, seconds(1))), [""; 0]);
    assert_eq!(
        said(script.due(1, seconds(9))),
        ["1s blackhole", "2s refuse", "3s heal"],
        "late, and none left out"
    );
    assert_eq!(said(script.due(4, seconds(9))), [""; 0]);
    assert_eq!(said(script.due(7, seconds(9))), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn each_step_at_its_time() {
    let (_listener, wire) = ends::wire().await;
    let play = Play::of(script("1s blackhole\n 1h refuse\n 90min heal\n 90min cut"));
    let began = Instant::now();
    let watch = async {
        let mut times = Vec::new();
        for count in 1..=4 {
            play.until_played(count).await;
            times.push((began.elapsed().as_secs(), play.played().len()));
        }
        times
    };
    let (played, times) = tokio::join!(play.run(&wire, None), watch);
    played.unwrap();
    assert_eq!(times, [(1, 1), (3600, 2), (5400, 4), (5400, 4)]);
    assert_eq!(play.played(), play.script().steps());
    play.run(&wire, None).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5400, "nothing is played twice");
}

#[tokio::test]
async fn on_a_wire_and_a_process() {
    let (listener, wire) = ends::wire().await;
    let family = Family::of("sleep 600 & wait");
    let process = Process::attach_tree(family.pid()).unwrap();
    family::until(|| process.pids().len() == 2).await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;

    script("0s freeze\n 1ms blackhole").play(&wire, &process).await.unwrap();
    assert!(process.is_frozen());
    client.write_all(b"held").await.unwrap();
    assert!(ends::is_silent(&mut server).await);

    script("0s thaw\n 0s heal\n 1ms kill").play(&wire, &process).await.unwrap();
    assert!(!process.is_frozen() && !process.is_alive());
    assert_eq!(ends::read(&mut server, 4).await, b"held");

    let error = script("0s cut\n 0s freeze\n 0s heal").play(&wire, &process).await.unwrap_err();
    assert!(matches!(error, PlayError::Process { .. }));
    assert!(error.to_string().starts_with("`0s freeze` failed: process "), "{error}");
}

#[tokio::test]
async fn and_not_at_all_where_a_part_has_nobody_to_play_it() {
    let (listener, wire) = ends::wire().await;
    let _open = ends::connect_ready(&listener, &wire).await;
    let error = script("0s cut\n 3s freeze").play(&wire, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`3s freeze` needs a process, and the script is played without one; hand over a process"
    );
    assert_eq!(wire.connections(), 1, "nothing was played");
    let family = Family::of("sleep 600");
    let process = Process::attach(family.pid()).unwrap();
    let error = script("0s freeze\n 3s heal").play(None, &process).await.unwrap_err();
    assert!(matches!(error, PlayError::NoWire { .. }) && !process.is_frozen(), "{error}");
}

#[tokio::test]
async fn dropped_it_leaves_what_it_has_set() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    let play = Play::of(script("0s blackhole to-server\n 1h heal"));
    tokio::select! {
        _ = play.run(&wire, None) => unreachable!("an hour has not gone by"),
        () = play.until_played(1) => {}
    }
    assert_eq!(said(play.played()), ["0s blackhole to-server"]);
    client.write_all(b"held").await.unwrap();
    assert!(ends::is_silent(&mut server).await);
    wire.heal();
    assert_eq!(ends::read(&mut server, 4).await, b"held");
}
