//! Whatever breaks, and by whichever kind of call: what was acknowledged is stored once, what was told to have failed is
//! not stored, what nobody knew can be settled afterwards, and calls go well again once everything is whole.
//!
//! One seed and a second of each trouble here, through Plimsoll alone; `make ledger` plays every fault with many, beside
//! its peers. A play that fails prints its ids; `make ledger ARGS="--ours --fault wire-cut" SEED=7 SEEDS=1` is that one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails the test")]

use ledger::{Fault, Lane, Play, Way};
use plimsoll_embedded::{PgBouncerVersion, on_each_pgbouncer};
use std::time::Duration;

/// How much later than its patience a call may come back. The promise is a tenth of a second; the rest is for a machine
/// that is busy with other things.
const LATE: Duration = Duration::from_millis(500);
const SEED: u64 = 7;

async fn plays(fault: Fault, way: Way) {
    let play = Play {
        fault,
        way,
        lanes: vec![Lane::Plimsoll, Lane::PlimsollRetries],
        span: Duration::from_millis(1_200),
        program: Some(env!("CARGO_BIN_EXE_ledger").into()),
    };
    for (lane, played) in play.once(SEED).await.unwrap() {
        let count = played.total();
        let told = format!("{} {}, {}: {count:?}, {:?}", way.name(), fault.id(), lane.name(), played.lies);
        assert!(count.is_true(), "{told}");
        assert!(count.is_settled(), "{told}");
        assert!(played.has_mended, "calls did not go well again: {told}");
        assert!(count.acknowledged > 20, "too little was done to show anything: {told}");
        // With other tries it is no lateness, and a program that is killed tells nobody.
        assert!(lane != Lane::Plimsoll || played.latest < LATE, "{:?} late: {told}", played.latest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nothing_breaks_and_deadlines_are_short() {
    plays(Fault::Calm, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_connections_are_cut_anywhere() {
    plays(Fault::WireCut, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_answers_of_commits_are_lost() {
    plays(Fault::AnswerLost, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_sessions_are_cancelled_and_ended() {
    plays(Fault::EndedAtRandom, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_callers_leave_at_any_await() {
    plays(Fault::CallerLeaves, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_connections_are_given_back_in_a_transaction() {
    plays(Fault::Poisoned, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_tables_change_under_load() {
    plays(Fault::SchemaChange, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_program_is_killed() {
    plays(Fault::ProgramKilled, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_standby_takes_over() {
    plays(Fault::Failover, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_half_of_all_connections_lead_to_a_standby_that_is_behind() {
    plays(Fault::ReplicaLag, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_address_and_password_change() {
    plays(Fault::AddressAndPassword, Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_program_is_stopped_and_goes_on() {
    plays(Fault::ClockJump, Way::Direct).await;
}

async fn when_cancels_come_to_another_pooler(version: PgBouncerVersion) {
    plays(Fault::CancelsAstray, way(version)).await;
}

async fn when_the_pooler_is_restarted(version: PgBouncerVersion) {
    plays(Fault::PoolerRestarted, way(version)).await;
}

async fn when_nothing_breaks_behind_a_pooler(version: PgBouncerVersion) {
    plays(Fault::Calm, way(version)).await;
}

fn way(version: PgBouncerVersion) -> Way {
    match version {
        PgBouncerVersion::V1_18 => Way::PgBouncer118,
        _ => Way::PgBouncer124,
    }
}

on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    when_the_pooler_is_restarted
);
on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    when_nothing_breaks_behind_a_pooler
);
on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    when_cancels_come_to_another_pooler
);
