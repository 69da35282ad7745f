//! Work that is declared read only runs on a replica, everything else on the primary, and an error tells which server it
//! comes from. Without replicas everything runs on the primary.

use crate::server;
use crate::standby::{self, database, port_of};
use plimsoll::{Database, Fault, Isolation, Outcome, ServerRole, Settings};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_work() {
    let primary = standby::primary().await;
    let (one, two) = (standby::standby_of(&primary).await, standby::standby_of(&primary).await);
    let db = database(&primary, &[&one, &two]).await;
    standby::used(&db, 2).await;
    let read = || db.named("read").read_only();

    let mut hits: BTreeMap<u16, usize> = BTreeMap::new();
    for _ in 0..60 {
        *hits.entry(port_of(read()).await).or_default() += 1;
    }
    assert_eq!(hits.values().sum::<usize>(), 60);
    for replica in [&one, &two] {
        assert!(hits[&replica.port()] > 5, "each replica gets its share: {hits:?}");
    }
    let is_replica = |port: u16| port == one.port() || port == two.port();
    let in_transaction = read().transaction(async |tx| tx.query_one("SELECT inet_server_port()", &[]).await);
    assert!(is_replica(in_transaction.await.unwrap().get::<_, i32>(0).try_into().unwrap()));
    let retried = read().retrying(async |tx| tx.query_one("SELECT inet_server_port()", &[]).await);
    assert!(is_replica(retried.await.unwrap().get::<_, i32>(0).try_into().unwrap()));
    let tx = read().begin().await.unwrap();
    let row = tx.query_one("SELECT inet_server_port()", &[]).await.unwrap();
    assert!(is_replica(row.get::<_, i32>(0).try_into().unwrap()));
    tx.commit().await.unwrap();
    let lease = read().acquire().await.unwrap();
    let row = lease.query_one("SELECT inet_server_port()", &[]).await.unwrap();
    assert!(is_replica(row.get::<_, i32>(0).try_into().unwrap()));
    drop(lease);
    let repeatable = read().isolation(Isolation::RepeatableRead);
    assert!(is_replica(port_of(repeatable).await));

    let home = primary.port();
    assert_eq!(port_of(db.named("plain")).await, home);
    assert_eq!(port_of(read().on_primary()).await, home);
    assert_eq!(port_of(read().isolation(Isolation::Serializable)).await, home, "a standby takes none");
    assert_eq!(port_of(read().resolvable()).await, home, "a standby gives no transaction ids");
    db.execute("INSERT INTO entry VALUES (1)", &[]).await.unwrap();
    db.transaction(async |tx| tx.execute("INSERT INTO entry VALUES (2)", &[]).await).await.unwrap();

    let routing = db.routing().unwrap();
    assert_eq!((routing.fell_back, routing.refused, routing.timeline), (0, 0, Some(1)));
    assert_eq!(routing.replicas.iter().map(|replica| replica.served).sum::<u64>(), 65);
    server::until("no read is under way", server::PATIENCE, async || {
        db.routing().unwrap().replicas.iter().all(|replica| replica.reads == 0)
    })
    .await;
    for replica in &routing.replicas {
        assert_eq!((replica.role, &replica.reason), (Some(ServerRole::Replica), &None));
        assert!(replica.lag.unwrap() < Duration::from_secs(5), "{replica:?}");
    }
    db.close().await;
    for replica in db.routing().unwrap().replicas {
        assert_eq!(replica.pool.total_connections, 0, "all pools are closed");
    }
}

/// The sentence names the server, and the error its role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_tells_where_it_comes_from() {
    let primary = standby::primary().await;
    let replica = standby::standby_of(&primary).await;
    let settings =
        standby::settings(&primary, &[&replica]).pool_max(1).pool_timeout(Duration::from_millis(1_200));
    let db = Database::connect(settings).await.unwrap();
    standby::used(&db, 1).await;
    let read = || db.named("read").read_only();
    let says = |error: &plimsoll::Error, role: ServerRole| {
        let server = match role {
            ServerRole::Replica => format!("server: replica {}", standby::host(&replica)),
            _ => format!("server: primary {}", standby::host(&primary)),
        };
        assert_eq!(error.server_role(), Some(role), "{error}");
        assert_eq!(error.to_string().matches("server: ").count(), 1, "{error}");
        assert!(error.to_string().contains(&server), "{server:?} is missing: {error}");
    };

    says(&read().query("SELECT 1 / 0", &[]).await.unwrap_err(), ServerRole::Replica);
    says(&db.query("SELECT 1 / 0", &[]).await.unwrap_err(), ServerRole::Primary);
    let broken = read().transaction(async |tx| tx.query("SELECT 1 / 0", &[]).await).await;
    says(&broken.unwrap_err(), ServerRole::Replica);
    let held = (read().acquire().await.unwrap(), db.acquire().await.unwrap());
    let exhausted = read().query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(exhausted.fault(), Fault::PoolExhausted);
    says(&exhausted, ServerRole::Replica);
    let exhausted = db.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(exhausted.fault(), Fault::PoolExhausted);
    says(&exhausted, ServerRole::Primary);
    drop(held);

    let wrote = read().execute("INSERT INTO entry VALUES (1)", &[]).await.unwrap_err();
    assert_eq!((wrote.fault(), wrote.outcome()), (Fault::Usage, Outcome::RolledBack), "{wrote}");
    says(&wrote, ServerRole::Replica);
    let lease = read().acquire().await.unwrap();
    let wrote = lease.execute("INSERT INTO entry VALUES (1)", &[]).await.unwrap_err();
    assert_eq!(wrote.fault(), Fault::Usage, "{wrote}");
    drop(lease);
    assert_eq!(port_of(read()).await, replica.port(), "the replica is none the worse for it");
    let own = db.transaction(async |_| Err::<(), _>(plimsoll::Error::abort("no"))).await.unwrap_err();
    assert_eq!(own.server_role(), None, "the program's own reason comes from no server");
}

#[tokio::test]
async fn without_replicas_everything_runs_where_it_did() {
    let primary = standby::primary().await;
    let db = Database::connect(server::settings(&primary.url("postgres"))).await.unwrap();
    assert_eq!(db.routing(), None);
    let read = db.named("read").read_only().max_lag(Duration::ZERO);
    assert_eq!(port_of(read.after("9-ffff".parse().unwrap())).await, primary.port());
    let error = db.named("read").read_only().query("SELECT 1 / 0", &[]).await.unwrap_err();
    assert_eq!(error.server_role(), None);
    assert!(!error.to_string().contains("server: "), "{error}");
}

#[test]
fn with_replicas_the_primary_must_take_writes() {
    use plimsoll::settings::TargetSessionAttrs;
    let base = || Settings::default().hosts("db1").user("app").replica_hosts("db2,db3:5433");
    let plan = base().port(6000).check().unwrap();
    assert_eq!(plan.target_session_attrs(), TargetSessionAttrs::ReadWrite);
    let replicas: Vec<String> = plan.replica_hosts().iter().map(ToString::to_string).collect();
    assert_eq!(replicas, ["db2:6000", "db3:5433"]);
    assert_eq!((plan.pool_total(), plan.replica_fallback_cap()), (30, 7));
    let any = base().target_session_attrs(TargetSessionAttrs::Any).check().unwrap();
    assert_eq!(any.target_session_attrs(), TargetSessionAttrs::Any, "what was set stays");
    let problems = base().heartbeat(None).check().unwrap_err().to_string();
    assert!(problems.contains("heartbeat is off"), "{problems}");
    let many = vec!["db"; 65].join(",");
    let problems = base().replica_hosts(many).check().unwrap_err().to_string();
    assert!(problems.contains("65 hosts"), "{problems}");
    assert_eq!(base().replica_fallback_share(0.0).check().unwrap().replica_fallback_cap(), 0);
    assert_eq!(base().replica_fallback_share(0.01).check().unwrap().replica_fallback_cap(), 1);
    let local = Settings::default().hosts("localhost").user("app").replica_hosts("db2").check().unwrap();
    assert_eq!(local.tls(), plimsoll::settings::TlsMode::VerifyFull, "a replica may be far away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_does_not_wait_goes_to_a_server_that_has_a_connection_idle() {
    let primary = standby::primary().await;
    let (one, two) = (standby::standby_of(&primary).await, standby::standby_of(&primary).await);
    let db = Database::connect(standby::settings(&primary, &[&one, &two]).pool_max(1)).await.unwrap();
    db.execute("INSERT INTO entry VALUES (1)", &[]).await.unwrap();
    standby::used(&db, 2).await;
    let read = || db.named("read").read_only();
    let open = [read().acquire().await.unwrap(), read().acquire().await.unwrap()];
    drop(open);
    let mut held = Vec::new();
    server::until("each server has lent one", server::PATIENCE, async || {
        held.extend(read().try_acquire().await.unwrap());
        held.len() == 3
    })
    .await;
    let mut ports = Vec::new();
    for lease in &held {
        let row = lease.query_one("SELECT inet_server_port()", &[]).await.unwrap();
        ports.push(u16::try_from(row.get::<_, i32>(0)).unwrap());
    }
    ports.sort_unstable();
    let mut servers = vec![primary.port(), one.port(), two.port()];
    servers.sort_unstable();
    assert_eq!(ports, servers);
    assert!(read().try_acquire().await.unwrap().is_none(), "none is idle anywhere");
    drop(held);
    db.isolate();
    db.close().await;
    let refused = [read().try_acquire().await.map(drop), read().query("SELECT 1", &[]).await.map(drop)];
    for error in refused.map(Result::unwrap_err) {
        assert_eq!(error.fault(), Fault::PoolClosed, "{error}");
    }
}
