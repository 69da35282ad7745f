//! Behind a transaction pooler no client has a session to listen in: a listener is refused there, with what to set, and
//! goes past the pooler where `listen_url` says. A session pooler needs none.

use super::{begin, notification};
use crate::server::{self, PATIENCE, bare, until};
use plimsoll::settings::{PoolerMode, Settings};
use plimsoll::{Database, Fault, Pooler};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, StopMode};

async fn hears(db: &Database, fresh: &TestDatabase) {
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let writer = bare(&fresh.url()).await;
    writer.batch_execute("NOTIFY news, 'past the pooler'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "past the pooler");
}

async fn by_a_url_of_its_own(version: PgBouncerVersion) {
    let fresh = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&fresh)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let url = bouncer.url(fresh.name());
    for pooler in [PoolerMode::Transaction, PoolerMode::Auto] {
        let settings = || server::settings(&url).pooler(pooler);
        let db = Database::connect(settings()).await.unwrap();
        assert_eq!(db.pooler(), Some(Pooler::Transaction));
        let error = db.listen(["news"]).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Usage, "{error}");
        assert!(error.sentence().contains("set listen_url (DATABASE_LISTEN_URL)"), "{error}");

        let db = Database::connect(settings().listen_url(fresh.url())).await.unwrap();
        hears(&db, &fresh).await;

        // Only the address: everything else is as for the pool.
        let server = fresh.server();
        let address = format!("postgres://{}:{}", server.host(), server.port());
        let db = Database::connect(settings().listen_url(address)).await.unwrap();
        hears(&db, &fresh).await;

        let db = Database::connect(settings().listen_url(url.clone())).await.unwrap();
        let error = db.listen(["news"]).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Usage, "{error}");
        assert!(error.sentence().contains("must lead to the server itself"), "{error}");
    }
}

async fn a_session_pooler_needs_none(version: PgBouncerVersion) {
    let fresh = test_server::database().await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&fresh).version(version).pool_mode(PoolMode::Session).start().await.unwrap();
    let settings = server::settings(&bouncer.url(fresh.name())).pooler(PoolerMode::Session);
    hears(&Database::connect(settings).await.unwrap(), &fresh).await;
}

/// What stands between is known only once the server answers, and then it is too late for an error of `listen`.
async fn where_it_is_found_out_later_the_listener_ends_with_the_reason(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    cluster.stop_mode(StopMode::Fast).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("server_login_retry", "1")
        .start()
        .await
        .unwrap();
    let settings =
        server::settings(&bouncer.url("postgres")).connect_timeout(std::time::Duration::from_secs(1));
    let db = Database::connect(settings).await.unwrap();
    match db.listen(["news"]).await {
        // PgBouncer tells by its refusal of start-up options before the server is there.
        Err(error) => assert_eq!(error.fault(), Fault::Usage, "{error}"),
        Ok(mut listener) => {
            cluster.start_again().await.unwrap();
            let error = tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap_err();
            assert_eq!(error.fault(), Fault::Usage, "{error}");
            assert!(error.sentence().contains("set listen_url"), "{error}");
            assert_eq!(listener.recv().await.unwrap(), None);
            until("it listens no more", PATIENCE, async || !listener.is_listening()).await;
        }
    }
}

plimsoll_embedded::on_each_pgbouncer!(by_a_url_of_its_own);
plimsoll_embedded::on_each_pgbouncer!(a_session_pooler_needs_none);
plimsoll_embedded::on_each_pgbouncer!(where_it_is_found_out_later_the_listener_ends_with_the_reason);

#[test]
fn the_url_is_checked_with_the_other_settings_and_never_printed() {
    let base = || Settings::default().hosts("localhost:6432").user("app").pooler(PoolerMode::Transaction);
    base().listen_url("postgres://db1:5432/orders?sslmode=require").check().unwrap();
    for (url, said) in [
        ("postgres://app:hunter2@db1:port/orders", "the port of host 1 of listen_url is not readable"),
        ("postgres://app:hunter2@/orders", "listen_url is without a host"),
        ("mysql://app:hunter2@db1", "the scheme of listen_url is not readable"),
        ("postgres://app:hunter2@db1?hunter2", "a parameter of listen_url is not readable"),
        ("", "listen_url is ***"),
    ] {
        let error = base().listen_url(url).check().unwrap_err();
        assert_eq!(error.problems().len(), 1, "{url}: {error}");
        assert!(error.to_string().contains(said), "{url}: {error}");
        assert!(!format!("{error} {error:?} {:?}", base().listen_url(url)).contains("hunter2"), "{error}");
    }
    let plan = base().listen_url("postgres://app:hunter2@db1:5432/orders").check().unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"), "{plan:?}");
    let of = |key: &str| {
        let variables = [
            ("DATABASE_URL", "postgres://app@localhost:6432/orders"),
            (key, "postgres://app:hunter2@db1:port"),
        ];
        Settings::from_vars(variables.map(|(key, value)| (key.to_owned(), value.to_owned()))).unwrap_err()
    };
    for key in ["DATABASE_LISTEN_URL", "PLIMSOLL_LISTEN_URL"] {
        let error = of(key);
        assert!(
            error.to_string().contains("host 1 of listen_url") && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }
}
