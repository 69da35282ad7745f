//! A connection that leaves this machine is encrypted and held against a certificate unless settings say otherwise,
//! and what does not verify says what to do. Cancels go the same way as the connection.

use crate::server::{self, PATIENCE};
use plimsoll::settings::{ChannelBinding, TlsMode};
use plimsoll::{Database, Error, Fault, Settings, deadline};
use plimsoll_embedded::Cluster;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// An authority, a server that bears its certificate for one name, and the authority's certificate as a file.
struct Encrypted {
    cluster: Cluster,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn encrypted(name: &str) -> Encrypted {
    let authority = authority("the one that is known");
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.crt");
    std::fs::write(&root, authority.pem()).unwrap();
    let cluster = Cluster::builder()
        .tls(certificate.pem(), key.serialize_pem())
        // Everybody must come encrypted, or not at all.
        .hba("hostnossl all all 127.0.0.1/32 reject")
        .start()
        .await
        .unwrap();
    Encrypted { cluster, root, _folder: folder }
}

/// By the name `localhost`, which the certificate may or may not bear.
fn settings(cluster: &Cluster) -> Settings {
    server::settings(&cluster.url("postgres")).hosts(format!("localhost:{}", cluster.port()))
}

async fn is_encrypted(db: &Database) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    db.query_one(sql, &[]).await.unwrap().get(0)
}

async fn refusal(settings: Settings) -> Error {
    let error = Database::connect(settings).await.expect_err("this must fail");
    assert_eq!(error.fault(), Fault::Tls, "{error}");
    error
}

/// A statement that nobody waits for any more is stopped on the server, well before it would end.
async fn assert_cancel_arrives(db: &Database) {
    let began = Instant::now();
    let late = deadline::within(Duration::from_millis(400), db.query("SELECT pg_sleep(30)", &[])).await;
    assert_eq!(late.unwrap_err().fault(), Fault::DeadlinePassed);
    db.query_one("SELECT 1", &[]).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(db.pool_status().opened, 1, "the connection was saved by a cancel");
    assert_eq!(db.pool_status().closed, 0);
}

#[tokio::test]
async fn a_certificate_for_the_right_name_from_a_known_authority_is_accepted() {
    let server = encrypted("localhost").await;
    let settings = settings(&server.cluster).sslrootcert(&server.root).pool_max(1);
    assert_eq!(
        settings.clone().check().unwrap().tls(),
        TlsMode::VerifyFull,
        "a root certificate is there to be used"
    );
    let db = Database::connect(settings).await.unwrap();
    assert!(is_encrypted(&db).await);
    assert_cancel_arrives(&db).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_the_remedy_told() {
    let server = encrypted("db.example.org").await;
    let error = refusal(settings(&server.cluster).sslrootcert(&server.root)).await;
    for part in ["localhost", "sslmode is verify-full", "sslmode=require", "not valid for name"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    // Who only wants a known authority may have that; `require` beside a file of roots is the same.
    for mode in [TlsMode::VerifyCa, TlsMode::Require] {
        let by_authority = settings(&server.cluster).sslmode(mode).sslrootcert(&server.root);
        assert!(is_encrypted(&Database::connect(by_authority).await.unwrap()).await);
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_the_remedy_told() {
    let server = encrypted("localhost").await;
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("stranger.crt");
    std::fs::write(&stranger, authority("a stranger").pem()).unwrap();
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa, TlsMode::Require] {
        let error = refusal(settings(&server.cluster).sslmode(mode).sslrootcert(&stranger)).await;
        for part in ["sslrootcert=<file>", "UnknownIssuer"] {
            assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
        }
    }
    let missing = folder.path().join("missing.crt");
    let error = refusal(settings(&server.cluster).sslrootcert(&missing)).await;
    assert!(error.to_string().contains("missing.crt"), "{error}");
}

#[tokio::test]
async fn encryption_to_whoever_answers_must_be_said() {
    let server = encrypted("db.example.org").await;
    let db =
        Database::connect(settings(&server.cluster).sslmode(TlsMode::Require).pool_max(1)).await.unwrap();
    assert!(is_encrypted(&db).await);
    assert_cancel_arrives(&db).await;
    // On this machine it is used where it is offered.
    let db = Database::connect(settings(&server.cluster)).await.unwrap();
    assert_eq!(db.plan().tls(), TlsMode::Prefer);
    assert!(is_encrypted(&db).await);
    // The server refuses plain connections, and says so.
    let error = Database::connect(settings(&server.cluster).sslmode(TlsMode::Disable)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    assert!(error.to_string().contains("no encryption"), "{error}");
    // Beyond this machine nobody has to ask for it.
    let plan = Settings::from_url("postgres://app@db.example.org/app").unwrap().check().unwrap();
    assert_eq!(plan.tls(), TlsMode::VerifyFull);
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_was_asked_for() {
    let cluster = Cluster::start().await.unwrap();
    let error = refusal(settings(&cluster).sslmode(TlsMode::Require)).await;
    for part in ["does not offer TLS", "sslmode is require"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    for mode in [TlsMode::Prefer, TlsMode::Disable] {
        let db = Database::connect(settings(&cluster).sslmode(mode).pool_max(1)).await.unwrap();
        assert!(!is_encrypted(&db).await);
        assert_cancel_arrives(&db).await;
    }
}

#[tokio::test]
async fn prefer_goes_on_in_the_clear_where_the_server_takes_it_no_other_way() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let cluster = Cluster::builder()
        .tls(certificate, key)
        .hba("hostssl all all 127.0.0.1/32 reject")
        .start()
        .await
        .unwrap();
    let db = Database::connect(settings(&cluster).sslmode(TlsMode::Prefer).pool_max(1)).await.unwrap();
    assert!(!is_encrypted(&db).await);
    assert_cancel_arrives(&db).await;
    // Each word that asks for encryption keeps it, and so does a password that must be bound to it.
    for strict in [
        settings(&cluster).sslmode(TlsMode::Require),
        settings(&cluster).sslmode(TlsMode::Prefer).channel_binding(ChannelBinding::Require),
    ] {
        let error = Database::connect(strict).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Authentication, "{error}");
    }
}

#[tokio::test]
async fn a_password_that_was_refused_is_not_tried_again_in_the_clear() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let cluster = Cluster::builder().tls(certificate, key).start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE retired NOLOGIN PASSWORD 'retired'").await.unwrap();
    let proxy = plimsoll_faults::Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let by_proxy = || {
        settings(&cluster).hosts(format!("localhost:{}", proxy.port())).sslmode(TlsMode::Prefer).pool_max(1)
    };
    for (role, password, code) in [("retired", "retired", "28000"), ("retired", "wrong", "28P01")] {
        let before = proxy.accepted();
        let error = Database::connect(by_proxy().user(role).password(password)).await.unwrap_err();
        assert_eq!(error.sqlstate().map(|code| code.code()), Some(code), "{error}");
        assert_eq!(proxy.accepted() - before, 1, "{error}");
    }
}

#[tokio::test]
async fn the_password_may_be_bound_to_the_encryption() {
    let server = encrypted("localhost").await;
    server.cluster.execute("postgres", "CREATE ROLE binder LOGIN PASSWORD 'binder'").await.unwrap();
    let bound = settings(&server.cluster)
        .user("binder")
        .password("binder")
        .sslrootcert(&server.root)
        .channel_binding(ChannelBinding::Require);
    let db = Database::connect(bound).await.unwrap();
    assert!(is_encrypted(&db).await);

    let plain = Cluster::start().await.unwrap();
    let error =
        Database::connect(settings(&plain).sslmode(TlsMode::Prefer).channel_binding(ChannelBinding::Require))
            .await
            .unwrap_err();
    assert_eq!(error.fault(), Fault::Tls, "{error}");
    assert!(error.to_string().contains("channel binding"), "{error}");
}

#[tokio::test]
async fn a_unix_socket_serves_with_everything_that_tcp_has() {
    let cluster = Cluster::start().await.unwrap();
    let settings = server::settings(&cluster.socket_url("postgres")).pool_max(1);
    let db = Database::connect(settings).await.unwrap();
    let row = db
        .query_one("SELECT inet_server_addr()::text, current_setting('statement_timeout')", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, Option<String>>(0), row.get::<_, String>(1)), (None, "30s".to_owned()));
    assert_cancel_arrives(&db).await;
}

#[tokio::test]
async fn a_wire_that_breaks_while_encryption_is_negotiated_heals() {
    let server = encrypted("localhost").await;
    let proxy =
        plimsoll_faults::Proxy::in_front_of((server.cluster.host(), server.cluster.port())).await.unwrap();
    // The first two connects end in the middle of the TLS handshake.
    for bytes in [1, 100] {
        let cut = plimsoll_faults::Fault::cut(
            plimsoll_faults::Direction::ToClient,
            plimsoll_faults::At::AfterBytes(bytes),
        );
        proxy.add_once(cut.since(plimsoll_faults::Since::Connected));
    }
    let settings =
        settings(&server.cluster).hosts(format!("localhost:{}", proxy.port())).sslrootcert(&server.root);
    let db = Database::connect(settings).await.expect("a broken wire is no broken certificate");
    db.ready_within(PATIENCE).await.expect("healed");
    assert!(is_encrypted(&db).await);
    assert_eq!(proxy.struck(), 2);
}
