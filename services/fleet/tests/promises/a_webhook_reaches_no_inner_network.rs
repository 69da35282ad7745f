//! A webhook goes to addresses that were checked, and to no others: whatever its host is written as, whatever its name leads to
//! at the next question, and wherever an answer sends it.

use crate::alerts::{cause, open};
use crate::deliveries::{self, listed, until_there_are, webhook};
use crate::receiver::{Receiver, Reply};
use crate::service;
use fleet::alerts::Severity;
use fleet::delivery::Outcome;
use fleet::delivery::address::Networks;
use fleet::delivery::webhook::{Message, Resolver, Webhooks};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const MESSAGE: Message<'static> = Message { key: "k", event: "OPEN", body: "{}", secret: None };

fn webhooks(networks: &str) -> Webhooks {
    Webhooks::new(Networks::parse(networks).unwrap(), Duration::from_secs(2))
}

/// A resolver that gives these answers one after the other, and says how often it was asked.
fn leads_to(answers: Vec<Vec<&'static str>>) -> (Resolver, Arc<AtomicUsize>) {
    let (asked, answers) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(answers)));
    let counted = Arc::clone(&asked);
    let resolver: Resolver = Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let answer: Vec<IpAddr> =
            answers.lock().unwrap().remove(0).iter().map(|one| one.parse().unwrap()).collect();
        Box::pin(std::future::ready(Ok(answer)))
    });
    (resolver, asked)
}

#[track_caller]
fn is_refused(outcome: Outcome) {
    let Outcome::Dead { status: None, why } = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("public internet"), "{why}");
}

/// A redirect is not followed, wherever it leads.
#[tokio::test]
async fn by_a_redirect() {
    let fleet = deliveries::start().await;
    let inner = Receiver::start(|_| Reply::Status(200, "")).await;
    let location: &'static str = Box::leak(format!("Location: {}\r\n", inner.url()).into_boxed_str());
    let outer = Receiver::start(move |_| Reply::Status(302, location)).await;
    webhook(&fleet, &outer.url()).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    until_there_are(&fleet, 1, "DEAD").await;
    assert_eq!((outer.received().len(), inner.received().len()), (1, 0));
    assert!(listed(&fleet, "").await[0]["last_error"].as_str().unwrap().contains("redirect"));
}

/// One that was written into the table by another hand is judged when it is sent.
#[tokio::test]
async fn nor_one_that_was_written_by_hand() {
    let fleet = service::start().await;
    let receiver = Receiver::start(|_| Reply::Status(200, "")).await;
    webhook(&fleet, "https://example.com/").await;
    for url in [
        receiver.url(),
        receiver.url().replace("http:", "https:"),
        format!("https://localhost:{}/", receiver.addr.port()),
    ] {
        let sql = format!("UPDATE integrations SET config = '{{\"url\": \"{url}\"}}'");
        fleet.database.execute(&sql).await.unwrap();
        open(&fleet, "test", &cause(&url, Severity::High)).await;
    }
    until_there_are(&fleet, 3, "DEAD").await;
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn by_a_name_that_leads_inside() {
    for inner in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.1.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "0.0.0.0",
        "::",
    ] {
        let (resolver, asked) = leads_to(vec![vec![inner]]);
        is_refused(webhooks("").resolver(resolver).post("https://example.com/", MESSAGE).await);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    // The system's own names too.
    is_refused(webhooks("").post("https://localhost/", MESSAGE).await);
}

/// A name is looked up once for a try: the addresses that were checked are those that are connected to. With several of them
/// those that are not allowed are passed over.
#[tokio::test]
async fn by_a_name_that_leads_elsewhere_the_second_time() {
    let receiver = Receiver::start(|_| Reply::Status(200, "")).await;
    let url = format!("http://example.com:{}/", receiver.addr.port());
    let (resolver, asked) = leads_to(vec![vec!["10.0.0.1", "::1", "127.0.0.1"], vec!["127.0.0.2"]]);
    let webhooks = webhooks("127.0.0.1").resolver(resolver);
    assert_eq!(webhooks.post(&url, MESSAGE).await, Outcome::Sent { status: 200 });
    assert_eq!((asked.load(Ordering::SeqCst), receiver.received().len()), (1, 1));
    assert_eq!(receiver.received()[0].headers["host"], format!("example.com:{}", receiver.addr.port()));
    // The next try asks again, and judges again.
    is_refused(webhooks.post(&url, MESSAGE).await);
    assert_eq!((asked.load(Ordering::SeqCst), receiver.received().len()), (2, 1));
}

/// What the environment says of proxies leads nowhere either; there is no code that reads it.
#[tokio::test]
async fn a_receiver_is_who_its_certificate_says() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["alerts.example.com".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            let Ok(mut wire) = acceptor.accept(wire).await else { continue };
            let _ = wire.read(&mut [0; 4096]).await;
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let known = |answers| webhooks("127.0.0.1").roots(roots.clone()).resolver(leads_to(answers).0);
    let here = || vec![vec!["127.0.0.1"]];
    let named = format!("https://alerts.example.com:{port}/");
    assert_eq!(known(here()).post(&named, MESSAGE).await, Outcome::Sent { status: 200 });
    let is_untrusted = |outcome: Outcome| {
        let Outcome::Retry { why, .. } = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("TLS handshake"), "{why}");
    };
    is_untrusted(known(here()).post(&format!("https://other.example.com:{port}/"), MESSAGE).await);
    // With the roots of the system it is nobody's.
    is_untrusted(webhooks("127.0.0.1").resolver(leads_to(here()).0).post(&named, MESSAGE).await);
}
