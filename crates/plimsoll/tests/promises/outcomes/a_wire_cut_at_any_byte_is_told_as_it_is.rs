//! A transaction's wire is cut after every single byte, in either direction, one after another: whatever its caller is
//! told then is what the server has.

use crate::ledger;
use crate::server::{self, PATIENCE, until};
use plimsoll::settings::Limit;
use plimsoll::{Database, Phase};
use plimsoll_faults::ledger::{End, Entry, Verdict};
use plimsoll_faults::{At, Cut, Direction, Fault as Broken, Since};

/// Longer than any of these transactions; reached, the test has not looked at what it says.
const TOO_FAR: u64 = 4_000;

async fn cut_everywhere(direction: Direction, how: Cut) {
    let fresh = ledger::ledger().await;
    let (wire, url) = ledger::wire(&fresh).await;
    // The only bytes on the wire are the transaction's.
    let db = Database::connect(server::settings(&url).pool_max(1).heartbeat(Limit::Off)).await.unwrap();
    let mut log = Vec::new();
    let mut lost_commits = 0;
    for at in 0.. {
        assert!(at < TOO_FAR, "it is never over");
        until("a connection that answers", PATIENCE, async || db.query_one("SELECT 1", &[]).await.is_ok())
            .await;
        let id = i32::try_from(at).unwrap();
        // Once before, so that what is cut is the same at every byte.
        let warm = db.transaction(async |tx| tx.query_opt(CHECK, &[&id]).await).await;
        assert!(warm.is_ok(), "{warm:?}");
        let struck = wire.struck();
        wire.set_once(Broken::cut(direction, At::AfterBytes(at)).since(Since::Set).ending(how));
        let told = db
            .transaction(async |tx| {
                tx.execute(ledger::INSERT, &[&id]).await?;
                tx.query_one(CHECK, &[&id]).await
            })
            .await;
        wire.clear();
        if let Err(error) = &told {
            assert!(error.fault().is_connectivity(), "at byte {at}: {error}");
            lost_commits += u64::from(error.phase() == Phase::Commit);
        }
        let end = ledger::end_of(&told);
        log.push(Entry { id: at, end });
        if wire.struck() == struck {
            assert_eq!(end, End::Acknowledged, "nothing was cut: {told:?}");
            break;
        }
    }
    let stored = ledger::entries(&fresh).await.into_iter().map(|id| u64::try_from(id).unwrap());
    let verdict = Verdict::of(log.len() as u64, &log, stored);
    println!("{direction:?}, {how:?}: {verdict:?}");
    assert!(verdict.is_true(), "{direction:?}, {how:?}: {verdict:?}");
    assert!(verdict.attempts > 100 && verdict.failed > 50, "every byte of several messages: {verdict:?}");
    assert!((1..=lost_commits).contains(&verdict.unknown), "only a COMMIT may be unknown: {verdict:?}");
}

const CHECK: &str = "SELECT id FROM entry WHERE id = $1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_way_to_the_server() {
    cut_everywhere(Direction::ToServer, Cut::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_way_back() {
    cut_everywhere(Direction::ToClient, Cut::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_closed_instead_of_reset() {
    cut_everywhere(Direction::ToClient, Cut::Close).await;
}
