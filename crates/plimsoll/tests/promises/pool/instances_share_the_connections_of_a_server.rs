//! The live instances share the connections that a server, a role or a database allows: no caller is told that there are
//! too many, each instance gets its part, and what an instance gives back the others have.

use crate::server::{self, try_bare};
use plimsoll::event::Event;
use plimsoll::settings::Enforcement;
use plimsoll::{Budget, BudgetStatus, Database, Settings};
use plimsoll_embedded::Cluster;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Where a child process finds its server.
const URL: &str = "PLIMSOLL_TEST_INSTANCE_OF";
const CHILD: &str = "pool::instances_share_the_connections_of_a_server::one_instance_of_several";

/// Within this each of many instances has its share.
const SOON: Duration = Duration::from_secs(10);

/// A server of a hundred connections, of which 97 are for all.
async fn server_of_a_hundred() -> Cluster {
    let cluster = Cluster::builder()
        .setting("max_connections", "100")
        .setting("superuser_reserved_connections", "3")
        .start()
        .await
        .unwrap();
    for role in ["app", "other", "hog"] {
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'");
        cluster.execute("postgres", &sql).await.unwrap();
    }
    cluster
}

fn url(cluster: &Cluster, role: &str, database: &str) -> String {
    format!("postgres://{role}:{role}@{}:{}/{database}", cluster.host(), cluster.port())
}

/// A pool of thirty, as every instance of the service has it; all bear the same name.
fn thirty(cluster: &Cluster, role: &str) -> Settings {
    server::settings(&url(cluster, role, "postgres")).pool_min(2).pool_max(30).application_name("orders")
}

/// An instance under a load that wants all of its connections, until it is told to stop.
struct Instance {
    db: Database,
    is_over: Arc<AtomicBool>,
    load: JoinSet<Vec<String>>,
}

impl Instance {
    async fn start(settings: Settings) -> Self {
        let db = Database::connect(settings).await.expect("a full server gives a handle too");
        let is_over = Arc::new(AtomicBool::new(false));
        let mut load = JoinSet::new();
        for _ in 0..30 {
            let (db, is_over) = (db.clone(), Arc::clone(&is_over));
            load.spawn(async move {
                let mut failures = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    if let Err(error) = db.named("load").query_one("SELECT pg_sleep(0.02)", &[]).await {
                        failures.push(error.to_string());
                    }
                }
                failures
            });
        }
        Instance { db, is_over, load }
    }

    /// Ends the load and the instance; no caller may have met a failure.
    async fn leave(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let failures: Vec<String> = self.load.join_all().await.into_iter().flatten().collect();
        assert!(failures.is_empty(), "{} callers met a failure: {:?}", failures.len(), failures.first());
        self.db.close().await;
    }

    /// Whether it has exactly as many connections as it may have, and these are so many.
    fn has(&self, share: std::ops::RangeInclusive<usize>) -> bool {
        let pool = self.db.pool_status();
        share.contains(&self.db.connection_budget().allowed) && share.contains(&pool.total_connections)
    }
}

fn told(instances: &[Instance]) -> Vec<(usize, BudgetStatus)> {
    instances
        .iter()
        .map(|instance| (instance.db.pool_status().total_connections, instance.db.connection_budget()))
        .collect()
}

/// Waits until each has its share, and knows how many live instances there are; fails with what each had instead.
async fn until_each_has(
    what: &str,
    instances: &[Instance],
    share: std::ops::RangeInclusive<usize>,
    live: usize,
    within: Duration,
) {
    let began = Instant::now();
    let knows = |instance: &Instance| instance.db.connection_budget().instances == Some(live);
    while !instances.iter().all(|instance| instance.has(share.clone()) && knows(instance)) {
        assert!(
            began.elapsed() < within,
            "{what}: not {share:?} each within {within:?}: {:#?}",
            told(instances)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{what}: {share:?} each after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_of_thirty_on_a_hundred_each_get_their_part_and_what_leaves_gives_it_back() {
    let cluster = server_of_a_hundred().await;
    let mut starting = JoinSet::new();
    for _ in 0..10 {
        starting.spawn(Instance::start(thirty(&cluster, "app")));
    }
    let mut instances = starting.join_all().await;
    // 97 without the twentieth that stays free and ten heartbeats are 82. The session that looks on may count as one more.
    until_each_has("ten at once", &instances, 7..=9, 10, SOON).await;
    let status = instances[0].db.connection_budget();
    assert_eq!((status.is_enforced, status.configured), (true, 30), "{status:?}");
    assert_eq!((status.instances, status.limit), (Some(10), Some(97)), "{status:?}");
    assert!(status.reason.as_ref().is_some_and(|why| why.contains("live instances: 10")), "{status:?}");
    let snapshot = serde_json::to_value(instances[0].db.snapshot()).unwrap();
    assert_eq!(snapshot["connection_budget"]["instances"], 10);
    let mut events = instances[9].db.events();
    for gone in instances.drain(..5) {
        gone.leave().await;
    }
    // 97 without 5 and five heartbeats are 87.
    until_each_has("five have left", &instances, 16..=18, 5, SOON).await;
    server::event("it tells that it has grown", &mut events, |event| match event {
        Event::BudgetGrown { to, .. } if *to >= 16 => Some(()),
        _ => None,
    })
    .await;
    let newcomer = Instance::start(thirty(&cluster, "app")).await;
    instances.push(newcomer);
    until_each_has("one has come", &instances, 13..=15, 6, SOON).await;
    server::event("it tells that it has shrunk", &mut events, |event| match event {
        // Before it has shown itself, what the newcomer opens is another program's.
        Event::BudgetShrunk { to, reason, is_dark: false, .. } => {
            ((13..=15).contains(to) && reason.contains("live instances: 6")).then_some(())
        }
        _ => None,
    })
    .await;
    for instance in instances {
        assert_eq!(instance.db.breaker().trips, 0);
        instance.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_programs_use_is_taken_off_and_comes_back_with_them_gone() {
    let cluster = server_of_a_hundred().await;
    let mut hog = Vec::new();
    for _ in 0..50 {
        hog.push(try_bare(&url(&cluster, "hog", "postgres")).await.unwrap());
    }
    // Of two roles, neither of which may see what the other's sessions do.
    let mut starting = JoinSet::new();
    for role in ["app", "other", "app", "other"] {
        starting.spawn(Instance::start(thirty(&cluster, role)));
    }
    let instances = starting.join_all().await;
    // 97 without 5, 50 and four heartbeats are 38.
    until_each_has("a program has fifty", &instances, 8..=10, 4, server::PATIENCE).await;
    let began = Instant::now();
    let knows = |status: &BudgetStatus| status.others.is_some_and(|others| (48..=53).contains(&others));
    while !told(&instances).iter().all(|(_, status)| knows(status)) {
        assert!(began.elapsed() < SOON, "they do not know of it: {:#?}", told(&instances));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_each_has("a program has fifty still", &instances, 8..=10, 4, server::PATIENCE).await;
    drop(hog);
    until_each_has("it has gone", &instances, 21..=23, 4, server::PATIENCE).await;
    for instance in instances {
        instance.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_a_role_and_of_a_database_are_shared_too() {
    let cluster = server_of_a_hundred().await;
    cluster.execute("postgres", "ALTER ROLE app CONNECTION LIMIT 20").await.unwrap();
    cluster.execute("postgres", "CREATE DATABASE narrow CONNECTION LIMIT 13").await.unwrap();
    let mut of_role = JoinSet::new();
    let mut of_database = JoinSet::new();
    for _ in 0..2 {
        of_role.spawn(Instance::start(thirty(&cluster, "app")));
        let narrow = server::settings(&url(&cluster, "other", "narrow")).pool_max(30);
        of_database.spawn(Instance::start(narrow));
    }
    let (of_role, of_database) = (of_role.join_all().await, of_database.join_all().await);
    // 20 without one that stays free and two heartbeats are 17; 13 are 10 in the same way.
    until_each_has("of the role", &of_role, 8..=9, 2, server::PATIENCE).await;
    until_each_has("of the database", &of_database, 5..=5, 2, server::PATIENCE).await;
    for (instance, word) in
        [(&of_role[0], "the role's limit: 20"), (&of_database[0], "the database's limit: 13")]
    {
        let status = instance.db.connection_budget();
        assert!(status.reason.as_ref().is_some_and(|why| why.contains(word)), "{status:?}");
    }
    cluster.execute("postgres", "ALTER ROLE app CONNECTION LIMIT -1").await.unwrap();
    // 97 without 5 and four heartbeats are 88.
    until_each_has("of a role without a limit", &of_role, 21..=23, 4, server::PATIENCE).await;
    for instance in of_role.into_iter().chain(of_database) {
        instance.leave().await;
    }
}

/// Nothing is held back where there is enough, where it is switched off, and in the mode `dark`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_held_back_where_there_is_enough_or_where_it_is_off() {
    let cluster = server_of_a_hundred().await;
    cluster.execute("postgres", "ALTER ROLE other CONNECTION LIMIT 10").await.unwrap();
    let alone = Database::connect(thirty(&cluster, "app")).await.unwrap();
    let mut of_alone = alone.events();
    server::until("it has read", SOON, async || alone.connection_budget().granted.is_some()).await;
    let status = alone.connection_budget();
    assert_eq!((status.allowed, status.granted, status.reason), (30, Some(30), None));
    let off = thirty(&cluster, "other").connection_budget(Enforcement::Off);
    let off = Database::connect(off).await.unwrap();
    let dark = thirty(&cluster, "other").connection_budget(Enforcement::Dark);
    let dark = Database::connect(dark).await.unwrap();
    let mut events = dark.events();
    server::until("it has read", SOON, async || {
        dark.connection_budget().granted.is_some_and(|granted| granted < 30)
    })
    .await;
    let status = dark.connection_budget();
    assert_eq!((status.is_enforced, status.allowed), (false, 30), "{status:?}");
    server::event("it tells what it would do", &mut events, |event| match event {
        Event::BudgetShrunk { is_dark: true, to, .. } => Some(*to),
        _ => None,
    })
    .await;
    let status = off.connection_budget();
    assert_eq!((status.is_enforced, status.allowed, status.granted), (false, 30, None), "{status:?}");
    let marked = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE application_name LIKE 'orders # %(heartbeat)'";
    assert_eq!(
        cluster.execute("postgres", marked).await.unwrap()[0]["n"],
        "1",
        "only the first shows itself"
    );
    while let Ok(event) = of_alone.try_recv() {
        assert!(!matches!(event, Event::BudgetShrunk { .. } | Event::BudgetGrown { .. }), "{event:?}");
    }
}

/// Pools that share a budget are one instance: two of them have together what another has alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pools_of_one_budget_count_as_one_instance() {
    let cluster = server_of_a_hundred().await;
    cluster.execute("postgres", "ALTER ROLE app CONNECTION LIMIT 30").await.unwrap();
    let budget = Budget::new();
    let both = [
        Database::connect_with(thirty(&cluster, "app"), &budget).await.unwrap(),
        Database::connect_with(thirty(&cluster, "app"), &budget).await.unwrap(),
    ];
    let alone = Database::connect(thirty(&cluster, "app")).await.unwrap();
    // 30 without two and three heartbeats are 25; each pool has one of them, and the others are divided between two.
    server::until("they have shared", SOON, async || {
        let [one, two] = both.each_ref().map(|db| db.connection_budget().allowed);
        (12..=13).contains(&(one + two)) && (11..=13).contains(&alone.connection_budget().allowed)
    })
    .await;
    assert_eq!(alone.connection_budget().instances, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_processes_count_and_one_that_is_killed_gives_its_part_back() {
    let cluster = server_of_a_hundred().await;
    let instance = Instance::start(thirty(&cluster, "app").pool_min(90).pool_max(90)).await;
    // 97 without 5 and one heartbeat are 91.
    until_each_has("alone", std::slice::from_ref(&instance), 88..=90, 1, server::PATIENCE).await;
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            tokio::process::Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", CHILD])
                .env(URL, url(&cluster, "app", "postgres"))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap()
        })
        .collect();
    // 97 without 5 and four heartbeats are 88.
    until_each_has("with three others", std::slice::from_ref(&instance), 21..=23, 4, server::PATIENCE).await;
    let all = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE usename = 'app'";
    server::until("the others have theirs", SOON, async || {
        let all: usize = cluster.execute("postgres", all).await.unwrap()[0]["n"].parse().unwrap();
        assert!(all <= 97, "{all}");
        all >= 88
    })
    .await;
    for child in &mut children {
        child.kill().await.unwrap();
    }
    until_each_has("alone again", std::slice::from_ref(&instance), 88..=90, 1, server::PATIENCE).await;
    instance.leave().await;
}

#[tokio::test]
#[ignore = "a child process of other_processes_count_and_one_that_is_killed_gives_its_part_back"]
async fn one_instance_of_several() {
    let url = std::env::var(URL).expect("this is run by another test");
    // It wants all of them at once, and to keep them.
    let settings = server::settings(&url).pool_min(90).pool_max(90);
    let db = Database::connect(settings).await.unwrap();
    // Until the parent has ended, if it does not kill it.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await
        .unwrap()
        .unwrap();
    db.close().await;
}
