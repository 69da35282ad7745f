//! What waiting cannot heal fails at once and says what is wrong; what waiting heals gives a handle that heals. The
//! password is never printed, and one that is asked for is asked for anew when it was rotated.

use crate::server;
use plimsoll::secret::{Password, Secret};
use plimsoll::settings::Limit;
use plimsoll::{Database, Error, Fault, Outcome, Phase, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WRONG: &str = "hunter2-is-wrong";

async fn settings(server: &TestDatabase) -> Settings {
    server::settings_for(server).await
}

/// What `connect` says, which must be at once.
async fn refusal(settings: Settings) -> Error {
    let began = Instant::now();
    let error = Database::connect(settings).await.expect_err("this must fail");
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    assert_eq!(error.phase(), Phase::Connect, "{error}");
    assert_eq!(error.outcome(), Outcome::NotStarted, "{error}");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(WRONG), "the password is printed: {text}");
    }
    error
}

#[tokio::test]
async fn a_wrong_password_user_or_database_fails_at_once() {
    let server = test_server::database().await.unwrap();
    let error = refusal(settings(&server).await.password(WRONG)).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    assert_eq!(error.sqlstate().unwrap().code(), "28P01");
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    assert!(error.to_string().contains("correct the password"), "{error}");

    let error = refusal(settings(&server).await.user("nobody_here")).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    assert!(error.to_string().contains("nobody_here"), "{error}");

    let error = refusal(settings(&server).await.dbname("no_such_database")).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    assert!(error.to_string().contains("database \"no_such_database\" does not exist"), "{error}");

    let error = refusal(settings(&server).await.options("-c no_such_setting=1")).await;
    assert_eq!(error.fault(), Fault::Settings, "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn a_password_that_is_missing_is_called_missing() {
    let server = test_server::database().await.unwrap();
    let url = format!(
        "postgres://{}@{}:{}/{}",
        server.server().superuser(),
        server.server().host(),
        server.server().port(),
        server.name()
    );
    let error = refusal(server::settings(&url)).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    assert!(error.to_string().contains("password missing"), "{error}");
}

async fn a_pooler_that_says_no_is_understood_too(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let through = server::settings(&bouncer.url(server.name()));
    let error = refusal(through.clone().password(WRONG)).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    let error = refusal(through.clone().user("nobody_here")).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    let error = refusal(through.dbname("no_such_database")).await;
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
}

#[tokio::test]
async fn a_host_that_refuses_gives_a_handle_whose_errors_say_so() {
    let server = test_server::database().await.unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refusing = settings(&server)
        .await
        .hosts(format!("127.0.0.1:{closed}"))
        .password(WRONG)
        .pool_timeout(Duration::from_millis(1_200))
        .tcp_user_timeout(Duration::from_secs(1))
        .deadlock_after(Duration::from_millis(500));
    let db = Database::connect(refusing).await.expect("a server that is away gives a handle");
    let error = db.named("first").query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Unreachable, Outcome::NotStarted), "{error}");
    let text = error.to_string();
    for part in ["refused", &format!("127.0.0.1:{closed}"), "first", "check that PostgreSQL runs"] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert!(!text.contains(WRONG), "{text}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_called_unreachable() {
    let server = test_server::database().await.unwrap();
    let elsewhere = settings(&server)
        .await
        .hosts("no-such-host.invalid")
        .pool_timeout(Duration::from_millis(1_500))
        .tcp_user_timeout(Duration::from_secs(1))
        .deadlock_after(Duration::from_millis(500));
    let db = Database::connect(elsewhere).await.expect("a name may come to exist");
    let error = db.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unreachable, "{error}");
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}

#[tokio::test]
async fn something_that_is_no_postgresql_is_not_called_a_wrong_password() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let _web_server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _request = stream.read(&mut [0; 1024]).await;
            let _answer = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for mode in ["disable", "prefer"] {
        let url = format!("postgres://app:{WRONG}@127.0.0.1:{port}/app?sslmode={mode}");
        let settings = server::settings(&url)
            .pool_timeout(Duration::from_secs(2))
            .tcp_user_timeout(Duration::from_secs(1));
        let error = match Database::connect(settings).await {
            Err(error) => error,
            Ok(db) => db.query("SELECT 1", &[]).await.unwrap_err(),
        };
        assert_ne!(error.fault(), Fault::Authentication, "sslmode={mode}: {error}");
        assert!(!error.to_string().contains(WRONG), "{error}");
    }
}

#[tokio::test]
async fn a_password_that_is_asked_for_may_be_rotated() {
    let server = test_server::database().await.unwrap();
    let role = server.name().to_owned();
    server.execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'first'")).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    // The second answer is out of date by one: the password was rotated between asking and using.
    let answers = ["first", "first", "second", "second"];
    let count = Arc::clone(&asked);
    let password = Password::asked_of(move || {
        let answer = answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
        async move { Ok::<_, io::Error>(Secret::from(answer)) }
    });
    let db = Database::connect(
        settings(&server).await.heartbeat(Limit::Off).user(role.as_str()).password(password),
    )
    .await
    .unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    server.execute(&format!("ALTER ROLE \"{role}\" PASSWORD 'second'")).await.unwrap();
    let held = db.acquire().await.unwrap();
    let second = db.acquire().await.expect("asked once more, with the fresh password");
    assert_eq!(asked.load(Ordering::SeqCst), 3, "asked, refused, asked again");
    assert_eq!(db.pool_status().connect_failures, 0, "nobody noticed");
    drop((held, second, db));
    server.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_fails_says_why_and_heals() {
    let server = test_server::database().await.unwrap();
    let right = server.server().password().to_owned();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let password = Password::asked_of(move || {
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let right = right.clone();
        async move {
            if is_first { Err(io::Error::other("the vault is sealed")) } else { Ok(Secret::from(right)) }
        }
    });
    let db =
        Database::connect(settings(&server).await.password(password)).await.expect("a vault may be unsealed");
    db.query_one("SELECT 1", &[]).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) >= 2);
}

plimsoll_embedded::on_each_pgbouncer!(a_pooler_that_says_no_is_understood_too);
