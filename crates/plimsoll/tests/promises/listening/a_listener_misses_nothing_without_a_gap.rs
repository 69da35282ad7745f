//! Whatever breaks between a listener and the server, every notification that it misses is covered by a gap that comes
//! before the next one: a reader that rereads its state at each gap misses nothing.
//!
//! A writer stores numbers and sends each with `pg_notify` in the same transaction. The reader reads the table at each
//! gap. When a notification comes, it must have heard or read every smaller number that is stored, and at the end all of
//! them. Were a gap given before `LISTEN` holds, a number stored between the reading and the `LISTEN` would be missing.
//!
//! `PLIMSOLL_RESTARTS` says how many troubles are played (20).

use super::next;
use crate::server::{self, PATIENCE, bare, number, until};
use plimsoll::listen::{GapCause, Listener, Message};
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Settings};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, StopMode};
use plimsoll_faults::{Cut, Process, Proxy};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const CHANNEL: &str = "Numbers of \"entry\"";
const WRITE: &str = "WITH stored AS (INSERT INTO entry VALUES ($1::int8) RETURNING number) \
                     SELECT pg_notify('Numbers of \"entry\"', number::text) FROM stored";

fn settings(url: &str) -> Settings {
    server::settings(url).pool_timeout(Duration::from_secs(2)).tcp_user_timeout(Duration::from_secs(1))
}

async fn cluster() -> Arc<Cluster> {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE entry (number int8 PRIMARY KEY)").await.unwrap();
    Arc::new(cluster)
}

/// Writes one number after the other until told to stop; says which was the last that is surely stored.
fn writer(db: Database, stop: Arc<AtomicBool>) -> JoinHandle<i64> {
    tokio::spawn(async move {
        let mut number = 0_i64;
        loop {
            number += 1;
            let is_stored = db.query(WRITE, &[&number]).await.is_ok();
            if is_stored && stop.load(Ordering::SeqCst) {
                return number;
            }
        }
    })
}

#[derive(Default)]
struct Seen {
    /// How often the reader was told of a lost connection.
    losses: AtomicU64,
    received: AtomicU64,
}

/// What is stored above this number, read as often as it takes.
async fn stored(db: &Database, above: i64) -> Vec<i64> {
    let read = async {
        loop {
            if let Ok(rows) =
                db.query("SELECT number FROM entry WHERE number > $1 ORDER BY number", &[&above]).await
            {
                return rows.iter().map(|row| row.get(0)).collect();
            }
        }
    };
    timeout(PATIENCE, read).await.expect("the table can be read")
}

/// What the reader has come to know, and when.
#[derive(Default)]
struct History {
    /// At which step a number was first heard, or found in the table.
    known: BTreeMap<i64, usize>,
    /// The notifications in the order in which they came: step and number.
    heard: Vec<(usize, i64)>,
}

impl History {
    /// The numbers that were missing at a later notification.
    fn missed(&self, stored: &[i64]) -> Vec<i64> {
        let never = usize::MAX;
        let at = |number: &i64| self.known.get(number).copied().unwrap_or(never);
        // For each stored number, when the last of those up to it was known.
        let mut latest = 0;
        let all_known: Vec<usize> = stored
            .iter()
            .map(|number| {
                latest = latest.max(at(number));
                latest
            })
            .collect();
        let is_missed = |(step, number): &&(usize, i64)| {
            let smaller = stored.partition_point(|stored| stored < number);
            smaller > 0 && all_known[smaller - 1] > *step
        };
        let mut missed: Vec<i64> = self.heard.iter().filter(is_missed).map(|(_, number)| *number).collect();
        missed.extend(stored.iter().filter(|number| at(number) == never));
        missed
    }
}

/// Reads until this number is known.
async fn reader(
    db: Database,
    mut listener: Listener,
    seen: Arc<Seen>,
    mut last: oneshot::Receiver<i64>,
) -> History {
    let mut history = History::default();
    let mut ends_with: Option<i64> = None;
    for step in 0.. {
        ends_with = ends_with.or_else(|| last.try_recv().ok());
        if ends_with.is_some_and(|last| history.known.contains_key(&last)) {
            break;
        }
        match next(&mut listener).await {
            Message::Gap(gap) => {
                let above = history.known.last_key_value().map_or(0, |(number, _)| number - 1_000);
                for number in stored(&db, above).await {
                    history.known.entry(number).or_insert(step);
                }
                // Told after the reading, so that the next trouble does not come before it.
                if gap.cause == GapCause::Lost {
                    seen.losses.fetch_add(1, Ordering::SeqCst);
                }
            }
            Message::Notification(notification) => {
                assert_eq!(notification.channel, CHANNEL);
                let number = notification.payload.parse().unwrap();
                history.known.entry(number).or_insert(step);
                history.heard.push((step, number));
                seen.received.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }
    history
}

struct Scene {
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
    written: JoinHandle<i64>,
    read: JoinHandle<History>,
    last: oneshot::Sender<i64>,
    plain: Database,
}

impl Scene {
    /// The listener is on `db`; the writer and the reader's readings go straight to the server.
    async fn begin(db: &Database, cluster: &Cluster) -> Scene {
        let plain = Database::connect(settings(&cluster.url("postgres"))).await.unwrap();
        let listener = db.listen([CHANNEL]).await.unwrap();
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
        let (last, is_last) = oneshot::channel();
        let read = tokio::spawn(reader(plain.clone(), listener, Arc::clone(&seen), is_last));
        let written = writer(plain.clone(), Arc::clone(&stop));
        Scene { stop, seen, written, read, last, plain }
    }

    /// Waits until notifications come.
    async fn until_heard(&self, what: &str) {
        let before = self.seen.received.load(Ordering::SeqCst);
        let received = async || self.seen.received.load(Ordering::SeqCst) > before + 100;
        until(&format!("notifications come after {what}"), PATIENCE * 2, received).await;
    }

    /// Waits until the loss of this round was told, and notifications come again.
    async fn until_told(&self, what: &str, round: u64) {
        let told = async || self.seen.losses.load(Ordering::SeqCst) > round;
        until(&format!("a gap is told after {what}"), PATIENCE * 2, told).await;
        self.until_heard(what).await;
    }

    /// Stops the writer, lets the reader come to the last number, and compares.
    async fn end(self, least_losses: u64) {
        self.stop.store(true, Ordering::SeqCst);
        let last = timeout(PATIENCE, self.written).await.expect("the writer stops").unwrap();
        self.last.send(last).unwrap();
        // The reader looks for the last number before each message, so it needs one more message.
        let one_more = "SELECT pg_notify('Numbers of \"entry\"', '0')";
        let read = async {
            let mut read = self.read;
            loop {
                let _ = self.plain.query(one_more, &[]).await;
                if let Ok(read) = timeout(Duration::from_millis(100), &mut read).await {
                    return read.unwrap();
                }
            }
        };
        let history = timeout(PATIENCE, read).await.expect("the reader hears of the last number");
        let stored = stored(&self.plain, 0).await;
        let missed = history.missed(&stored);
        let heard: BTreeSet<i64> = history.heard.iter().map(|(_, number)| *number).collect();
        let unheard = stored.iter().filter(|number| !heard.contains(number)).count();
        let losses = self.seen.losses.load(Ordering::SeqCst);
        println!("{} stored, {} heard, {unheard} found at {losses} gaps alone", stored.len(), heard.len());
        assert!(missed.is_empty(), "missed without a gap, of {}: {missed:?}", stored.len());
        assert!(losses >= least_losses, "told of {losses} losses, and {least_losses} were made");
        assert!(unheard > 0, "no notification was ever missed, so nothing was tried");
    }
}

/// Kills one backend of the server as the system does when memory is short: the server ends all others and recovers.
async fn kill_the_listeners_backend(cluster: &Cluster) {
    let pid = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%(listener)'";
    let rows = cluster.execute("postgres", pid).await.unwrap();
    Process::attach(rows[0]["pid"].parse().unwrap()).unwrap().kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_direct_connection() {
    let cluster = cluster().await;
    let wire = Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let url =
        cluster.url("postgres").replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    let db = Database::connect(settings(&url)).await.unwrap();
    let scene = Scene::begin(&db, &cluster).await;
    scene.until_heard("the beginning").await;
    let rounds = number("PLIMSOLL_RESTARTS", 20);
    for round in 0..rounds {
        let what = match round % 5 {
            0 => {
                let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                                 WHERE application_name LIKE '%(listener)'";
                cluster.execute("postgres", terminate).await.unwrap();
                "an ended session"
            }
            1 => {
                cluster.restart(StopMode::Fast).await.unwrap();
                "a restart"
            }
            2 => {
                wire.end_all(Cut::Close);
                "an end of the wire"
            }
            3 => {
                kill_the_listeners_backend(&cluster).await;
                "a killed session"
            }
            _ => {
                cluster.restart(StopMode::Immediate).await.unwrap();
                "a crash"
            }
        };
        scene.until_told(what, round).await;
    }
    scene.end(rounds).await;
}

async fn through_a_session_pooler(version: PgBouncerVersion) {
    let cluster = cluster().await;
    let bouncer = PgBouncer::in_front_of(&*cluster)
        .version(version)
        .pool_mode(PoolMode::Session)
        .setting("server_login_retry", "1")
        .start()
        .await
        .unwrap();
    let settings = settings(&bouncer.url("postgres")).pooler(PoolerMode::Session);
    let db = Database::connect(settings).await.unwrap();
    let scene = Scene::begin(&db, &cluster).await;
    scene.until_heard("the beginning").await;
    let rounds = number("PLIMSOLL_RESTARTS", 20) / 2;
    for round in 0..rounds {
        let what = match round % 2 {
            0 => {
                bouncer.restart().await.unwrap();
                "a restart of the pooler"
            }
            _ => {
                cluster.restart(StopMode::Immediate).await.unwrap();
                "a crash of the server"
            }
        };
        scene.until_told(what, round).await;
    }
    scene.end(rounds).await;
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    through_a_session_pooler
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_not_told_while_nothing_listens() {
    let cluster = cluster().await;
    let wire = Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let url =
        cluster.url("postgres").replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    let db = Database::connect(settings(&url)).await.unwrap();
    let mut listener = db.listen([CHANNEL]).await.unwrap();
    super::begin(&mut listener).await;
    wire.set(plimsoll_faults::Fault::Refuse);
    wire.cut_all();
    until("the loss is noticed", PATIENCE, async || !listener.is_listening()).await;
    let plain = bare(&cluster.url("postgres")).await;
    for _ in 0..3 {
        plain.batch_execute("SELECT pg_notify('Numbers of \"entry\"', '1')").await.unwrap();
        let early = timeout(Duration::from_millis(300), listener.recv()).await;
        assert!(early.is_err(), "{early:?} while nothing listens");
    }
    wire.heal();
    assert_eq!(super::gap(&mut listener).await.cause, GapCause::Lost);
    plain.batch_execute("SELECT pg_notify('Numbers of \"entry\"', '2')").await.unwrap();
    assert_eq!(super::notification(&mut listener).await.payload, "2");
}
