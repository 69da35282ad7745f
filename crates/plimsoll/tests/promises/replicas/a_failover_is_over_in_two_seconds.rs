//! A standby takes over while the program writes: writes go on within two seconds of its promotion, nothing that was
//! acknowledged is lost, and no caller is told twice that it wrote to a server that only reads.
//!
//! What a primary acknowledges without waiting for its standby may be lost with it, and no client can change that. So where
//! the primary is killed here, its commits wait for the standby; where it is not, everything is handed over first.

use crate::ledger::end_of;
use crate::server::{self, PATIENCE, until};
use crate::standby::{self, port_of};
use plimsoll::event::Event;
use plimsoll::settings::TargetSessionAttrs;
use plimsoll::{Database, Fault, Isolation, Outcome, ServerRole, Settings, deadline};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, StopMode, Upstream};
use plimsoll_faults::Proxy;
use plimsoll_faults::ledger::{Entry, Verdict};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WORKERS: usize = 8;
const INSERT: &str = "INSERT INTO entry VALUES ($1)";

/// What one caller has met.
#[derive(Default)]
struct Told {
    worker: usize,
    log: Vec<Entry>,
    /// When each acknowledged write was acknowledged, and its id.
    acknowledged: Vec<(Instant, i64)>,
    /// Writes that a server refused because it only reads.
    read_only: u64,
}

/// The callers of one program. Each writes in one of three ways, over and over.
struct Load {
    workers: JoinSet<Told>,
    next: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn begin(db: &Database) -> Self {
        let (next, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            workers.spawn(write(db.clone(), worker, Arc::clone(&next), Arc::clone(&stop)));
        }
        Load { workers, next, stop }
    }

    async fn more(&self, count: i64) {
        let from = self.next.load(Ordering::SeqCst);
        until("writes go on", PATIENCE, async || self.next.load(Ordering::SeqCst) >= from + count).await;
    }

    /// Ends it; gives what each caller was told, and the verdict over all of them.
    async fn end(self, stored_on: &Cluster) -> (Vec<Told>, Verdict) {
        self.stop.store(true, Ordering::SeqCst);
        let told = self.workers.join_all().await;
        let log: Vec<Entry> = told.iter().flat_map(|told| told.log.iter().copied()).collect();
        let attempts = self.next.load(Ordering::SeqCst).cast_unsigned();
        let rows = stored_on.execute("postgres", "SELECT id FROM entry").await.unwrap();
        let stored = rows.iter().filter_map(|row| row["id"].parse().ok());
        let verdict = Verdict::of(attempts, &log, stored);
        (told, verdict)
    }
}

async fn write(db: Database, worker: usize, next: Arc<AtomicI64>, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told { worker, ..Told::default() };
    while !stop.load(Ordering::SeqCst) {
        let id = next.fetch_add(1, Ordering::SeqCst);
        let call = db.named("write");
        let patience = Duration::from_millis(1_000);
        let result = match worker % 3 {
            0 => deadline::within(patience, call.execute(INSERT, &[&id])).await,
            1 => {
                let work = call.transaction(async |tx| tx.execute(INSERT, &[&id]).await);
                deadline::within(patience, work).await
            }
            _ => {
                let work = call.retrying(async |tx| tx.execute(INSERT, &[&id]).await);
                deadline::within(patience, work).await
            }
        };
        told.log.push(Entry { id: id.cast_unsigned(), end: end_of(&result) });
        match result {
            Ok(_) => told.acknowledged.push((Instant::now(), id)),
            Err(error) => {
                if error.sqlstate().is_some_and(|code| code.code() == "25006") {
                    assert_eq!(
                        (error.fault(), error.outcome()),
                        (Fault::ReadOnlyServer, Outcome::RolledBack)
                    );
                    println!("caller {worker} was told: {error}");
                    told.read_only += 1;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    told
}

/// The first write that was stored after that moment on the server that took over.
fn first_after(told: &[Told], moment: Instant) -> Duration {
    let after = told.iter().flat_map(|told| &told.acknowledged).filter(|(at, _)| *at > moment);
    after.map(|(at, _)| *at - moment).min().expect("a write after the promotion")
}

fn assert_true(verdict: &Verdict) {
    println!("{verdict:?}");
    assert!(verdict.is_true(), "{verdict:?}");
    assert!(verdict.acknowledged > 200, "too little was written to show anything: {verdict:?}");
}

/// The hosts of both are known, and reads go to whichever follows the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_killed_primary_whose_commits_wait_for_the_standby() {
    let first = standby::primary().await;
    let second = standby::standby_of(&first).await;
    first.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
    first.reload().await.unwrap();
    let hosts = format!("{},{}", standby::host(&first), standby::host(&second));
    let db = Database::connect(standby::settings(&first, &[&first, &second]).hosts(hosts)).await.unwrap();
    standby::used(&db, 1).await;
    assert_eq!(port_of(db.named("read").read_only()).await, second.port());
    let mut events = db.events();
    let load = Load::begin(&db);
    load.more(300).await;

    first.stop_mode(StopMode::Immediate).await.unwrap();
    second.promote().await.unwrap();
    let promoted = Instant::now();
    let role = server::event("the role has changed", &mut events, |event| match event {
        Event::RoleChanged { server, role, timeline } => Some((server.clone(), *role, *timeline)),
        _ => None,
    });
    assert_eq!(role.await, (standby::host(&second), ServerRole::Primary, 2));
    load.more(300).await;
    let (told, verdict) = load.end(&second).await;
    let first_write = first_after(&told, promoted);
    println!("first write {first_write:?} after the promotion");
    assert_true(&verdict);
    assert!(first_write < Duration::from_secs(2), "{first_write:?}");
    assert!(told.iter().all(|told| told.read_only <= 1), "25006 reaches no caller twice");

    // The old primary comes back as a standby, in its old place, and is read from.
    let third = Cluster::builder().standby_of(&second).port(first.port()).start().await.unwrap();
    standby::used(&db, 1).await;
    until("reads go to the new standby", PATIENCE, async || {
        port_of(db.named("read").read_only()).await == third.port()
    })
    .await;
    assert_eq!(port_of(db.named("write")).await, second.port());
}

/// A name, an address or a balancer leads to the primary, and to the other one after the failover. The old primary goes on
/// and only reads, and its connections stay open.
async fn behind_one_name(settings: impl Fn(Settings) -> Settings) {
    let first = standby::primary().await;
    let second = standby::standby_of(&first).await;
    let name = Proxy::in_front_of((first.host(), first.port())).await.unwrap();
    let url = first.url("postgres").replace(&format!(":{}/", first.port()), &format!(":{}/", name.port()));
    let db = Database::connect(settings(server::settings(&url))).await.unwrap();
    let mut events = db.events();
    let load = Load::begin(&db);
    load.more(300).await;

    // Everything is handed over: no write is taken any more, and the standby has all of them.
    first.execute("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    first.reload().await.unwrap();
    let writes = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL";
    until("no write is under way", PATIENCE, async || standby::ask(&first, writes).await == "0").await;
    standby::caught_up(&first, &second).await;
    second.promote().await.unwrap();
    let promoted = Instant::now();
    let address: SocketAddr = standby::host(&second).parse().unwrap();
    name.lead_to([address]).unwrap();
    let demoted = server::event("the old primary is given up", &mut events, |event| match event {
        Event::Demoted { server, reason } => Some((server.clone(), *reason)),
        _ => None,
    });
    assert_eq!(demoted.await, (format!("127.0.0.1:{}", name.port()), "it refused a write"));
    load.more(500).await;
    let (told, verdict) = load.end(&second).await;
    let first_write = first_after(&told, promoted);
    let refused: Vec<u64> = told.iter().map(|told| told.read_only).collect();
    println!("first write {first_write:?} after the promotion; 25006 for each caller: {refused:?}");
    assert_true(&verdict);
    assert!(first_write < Duration::from_secs(2), "{first_write:?}");
    assert!(refused.iter().all(|count| *count <= 1), "25006 reaches no caller twice: {refused:?}");
    for Told { worker, read_only, .. } in &told {
        assert!(worker % 3 == 1 || *read_only == 0, "what may run again has run again: caller {worker}");
    }
    assert_eq!(port_of(db.named("write")).await, second.port());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_name_whichever_server_is_asked_for() {
    behind_one_name(|settings| settings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_name_where_only_a_primary_will_do() {
    behind_one_name(|settings| settings.target_session_attrs(TargetSessionAttrs::ReadWrite)).await;
}

/// One failure is enough for all connections, and none of them is lent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_write_gives_up_every_connection_of_its_server() {
    let first = standby::primary().await;
    let db = Database::connect(server::settings(&first.url("postgres"))).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(db.acquire().await.unwrap());
    }
    let old: Vec<i32> = all.iter().map(plimsoll::PooledConnection::backend_pid).collect();
    let held = all.pop().unwrap();
    let tx = held.begin().await.unwrap();
    tx.execute(INSERT, &[&1_i64]).await.unwrap();
    drop(all);
    first.execute("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    first.reload().await.unwrap();
    until("the server only reads", PATIENCE, async || {
        standby::ask(&first, "SHOW default_transaction_read_only").await == "on"
    })
    .await;
    let refused = db.named("write").transaction(async |tx| tx.execute(INSERT, &[&2_i64]).await).await;
    assert_eq!(refused.unwrap_err().fault(), Fault::ReadOnlyServer);
    let readiness = db.readiness();
    assert!(!readiness.is_ready, "{readiness:?}");
    assert!(readiness.reason.unwrap().contains("takes no writes any more"));
    tx.commit().await.expect("a transaction that was open goes on, and its COMMIT is taken");
    first.execute("postgres", "ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    first.reload().await.unwrap();
    until("writes are taken again", PATIENCE, async || db.execute(INSERT, &[&3_i64]).await.is_ok()).await;
    assert!(db.readiness().is_ready);
    let mut all = Vec::new();
    for _ in 0..5 {
        let lease = db.acquire().await.unwrap();
        assert!(!old.contains(&lease.backend_pid()), "a connection of before was lent");
        all.push(lease);
    }
}

/// A pooler whose server was replaced by a standby keeps its clients' connections, and BEGIN fails on them. That is told as
/// what it is, once, and what had not begun runs again.
async fn behind_a_pooler_too(version: PgBouncerVersion) {
    let first = standby::primary().await;
    let second = standby::standby_of(&first).await;
    let name = Proxy::in_front_of((first.host(), first.port())).await.unwrap();
    let bouncer = pooler(&first, &name, version).await;
    let db = Database::connect(server::settings(&bouncer.url("postgres"))).await.unwrap();
    db.execute(INSERT, &[&1_i64]).await.unwrap();
    standby::caught_up(&first, &second).await;
    let mut events = db.events();
    let address: SocketAddr = standby::host(&second).parse().unwrap();
    name.lead_to([address]).unwrap();
    bouncer.admin("RECONNECT").await.unwrap();
    let refused =
        async || db.named("write").transaction(async |tx| tx.execute(INSERT, &[&2_i64]).await).await;
    until("a transaction is refused", PATIENCE, async || {
        let Err(error) = refused().await else { return false };
        assert_eq!((error.fault(), error.outcome()), (Fault::ReadOnlyServer, Outcome::NotStarted), "{error}");
        true
    })
    .await;
    let demoted = server::event("the server is given up", &mut events, |event| match event {
        Event::Demoted { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(demoted.await, "it refused a write");
    // A statement waits for a connection that can write, and there is one as soon as the standby has taken over.
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.execute(INSERT, &[&3_i64]).await }
    });
    first.stop_mode(StopMode::Fast).await.unwrap();
    second.promote().await.unwrap();
    waiting.await.unwrap().expect("the statement has run on the new primary");
    assert_eq!(standby::ask(&second, "SELECT count(*) FROM entry WHERE id = 3").await, "1");
}

/// A transaction pooler that leads by a name to this server, or to wherever the name leads.
async fn pooler(first: &Cluster, name: &Proxy, version: PgBouncerVersion) -> PgBouncer {
    let upstream = Upstream::new("127.0.0.1", name.port(), first.superuser(), first.password());
    let bouncer = PgBouncer::in_front_of(upstream).version(version).pool_mode(PoolMode::Transaction);
    bouncer.start().await.unwrap()
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    behind_a_pooler_too
);

/// A pooler whose server was replaced by a standby: the task that asks the servers sees it before any write is refused, and
/// writes go on when the standby has taken over.
async fn a_pooler_that_leads_to_a_standby_is_seen_at_once(version: PgBouncerVersion) {
    let first = standby::primary().await;
    let second = standby::standby_of(&first).await;
    let name = Proxy::in_front_of((first.host(), first.port())).await.unwrap();
    let bouncer = pooler(&first, &name, version).await;
    let settings = server::settings(&bouncer.url("postgres"))
        .replica_hosts(standby::host(&second))
        .replica_check(Duration::from_millis(25));
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    db.execute(INSERT, &[&1_i64]).await.unwrap();
    standby::caught_up(&first, &second).await;
    let mut events = db.events();

    let address: SocketAddr = standby::host(&second).parse().unwrap();
    name.lead_to([address]).unwrap();
    // It exchanges its connections to the server one by one, as they become idle; its clients keep theirs.
    bouncer.admin("RECONNECT").await.unwrap();
    let demoted = server::event("the pooler leads to a standby", &mut events, |event| match event {
        Event::Demoted { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(demoted.await, "it is a standby now");
    first.stop_mode(StopMode::Fast).await.unwrap();
    second.promote().await.unwrap();
    until("writes go on", PATIENCE, async || db.execute(INSERT, &[&2_i64]).await.is_ok()).await;
    assert_eq!(standby::ask(&second, "SELECT count(*) FROM entry WHERE id = 2").await, "1");
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    a_pooler_that_leads_to_a_standby_is_seen_at_once
);

/// A transaction that the program itself had made read only says nothing about the server.
#[tokio::test]
async fn a_program_that_wanted_to_read_only_gives_nothing_up() {
    let first = standby::primary().await;
    let db = Database::connect(server::settings(&first.url("postgres"))).await.unwrap();
    let other = db.acquire().await.unwrap().backend_pid();
    let keeps = db.acquire().await.unwrap();
    assert_eq!(keeps.backend_pid(), other);
    let lease = db.acquire().await.unwrap();
    lease.batch_execute("BEGIN READ ONLY").await.unwrap();
    let error = lease.execute(INSERT, &[&1_i64]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::ReadOnlyServer, "{error}");
    drop((lease, keeps));
    assert_eq!(db.acquire().await.unwrap().backend_pid(), other, "the other connection is as good as before");
}

/// A pool that has always led to a standby has lost nothing: one write too many costs one connection.
#[tokio::test]
async fn a_pool_on_a_standby_gives_nothing_up_either() {
    let first = standby::primary().await;
    let second = standby::standby_of(&first).await;
    let db = Database::connect(server::settings(&second.url("postgres"))).await.unwrap();
    let (one, other) = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    let kept = other.backend_pid();
    let error = one.execute(INSERT, &[&1_i64]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::ReadOnlyServer, Outcome::RolledBack));
    drop((one, other));
    assert_eq!(db.acquire().await.unwrap().backend_pid(), kept);
    assert!(db.readiness().is_ready);
    let serializable = db.named("strict").isolation(Isolation::Serializable);
    let error = serializable.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::ReadOnlyServer, Outcome::NotStarted), "{error}");
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}
