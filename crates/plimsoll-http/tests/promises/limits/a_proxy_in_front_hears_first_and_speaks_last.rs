//! nginx with the file of the guide in front of the service: its limit strikes last, what the service says passes through it,
//! it has a sentence of its own where the service says nothing, and a client that leaves it is one that leaves the service.

use super::nginx::{self, Nginx};
use super::scene::{Scene, ms, patient};
use crate::client::{Answer, Leaving, ask, get, raw};
use crate::service::until;
use plimsoll_http::Options;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

async fn scene(options: Options) -> Scene {
    Scene::open(options, |settings| settings).await
}

/// What nginx says by itself has a sentence and advice for a person, and the id to ask by.
fn is_of_the_proxy(answer: &Answer, status: u16) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, "application/problem+json"),
        "{answer:?}"
    );
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["type"]), (&status.into(), &"about:blank".into()));
    assert_eq!(problem["request_id"], answer.header("x-request-id"));
    for sentence in [&problem["title"], &problem["advice"]] {
        assert!(sentence.as_str().unwrap().ends_with('.'), "{problem}");
    }
}

#[tokio::test]
async fn by_nginx_the_file_of_the_guide_is_valid() {
    let checked = nginx::check(SocketAddr::from(([127, 0, 0, 1], 8080))).await;
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.contains("test is successful"), "{said}");
    assert!(!said.contains("[warn]"), "{said}");
}

#[tokio::test]
async fn by_nginx_a_request_that_the_proxy_gives_up() {
    let scene = scene(patient()).await;
    let nginx =
        Nginx::in_front_of(&[scene.service.at], &[("proxy_read_timeout     30s", "proxy_read_timeout 1s")])
            .await;
    let answer = get(nginx.at, "/slow", &[("X-Request-ID", "patient-7")]).await;
    is_of_the_proxy(&answer, 504);
    assert_eq!(answer.header("x-request-id"), "patient-7");
    assert_eq!(scene.service.records.of("/slow").await["request"], "patient-7");
    scene.strike("by_nginx_a_request_that_the_proxy_gives_up", "/slow", Some(&answer)).await;
    until("nginx has logged it", async || !nginx.log().is_empty()).await;
    let line = nginx.log().remove(0);
    assert_eq!((&line["status"], &line["request"]), (&504.into(), &"patient-7".into()), "{line}");
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn by_nginx_a_client_that_hangs_up_on_the_proxy() {
    let scene = scene(patient()).await;
    let nginx = Nginx::in_front_of(&[scene.service.at], &[]).await;
    let asking = ask(Leaving::Http1, nginx.at, "/slow").await;
    scene.service.until_running("pg_sleep(60)", 1).await;
    asking.leave().await;
    scene.strike("by_nginx_a_client_that_hangs_up_on_the_proxy", "/slow", None).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn by_nginx_what_the_service_says_passes_through() {
    let scene = scene(Options::default().deadline(ms(500))).await;
    let nginx = Nginx::in_front_of(&[scene.service.at], &[]).await;
    let answer = get(nginx.at, "/slow", &[]).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("PL-DEA-01")), "{answer:?}");
    let id = answer.header("x-request-id");
    assert!(id.len() == 32 && answer.json()["request_id"] == id, "nginx made the id: {answer:?}");
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn by_nginx_an_id_is_passed_on_or_made() {
    let scene = scene(Options::default().deadline(ms(300))).await;
    let nginx = Nginx::in_front_of(&[scene.service.at], &[]).await;
    let told = async |given: &str| {
        let answer = get(nginx.at, "/short", &[("X-Request-ID", given), ("X-Request-Timeout-Ms", "0")]).await;
        answer.header("x-request-id").to_owned()
    };
    let longest = "x".repeat(64);
    for given in ["req-7", &longest] {
        assert_eq!(told(given).await, given);
    }
    for given in ["two words", "", &"x".repeat(65)] {
        let made = told(given).await;
        assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{given:?}: {made}");
    }
    scene.leaves_nothing().await;
}

/// Reads one request and hangs up; how often it did.
async fn hangs_up() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            let mut some = [0; 4096];
            if wire.read(&mut some).await.is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (at, asked)
}

#[tokio::test]
async fn by_nginx_a_write_that_was_sent_is_not_sent_again() {
    let [(one, of_one), (other, of_other)] = [hangs_up().await, hangs_up().await];
    let asked = || of_one.load(Ordering::SeqCst) + of_other.load(Ordering::SeqCst);
    let nginx = Nginx::in_front_of(&[one, other], &[]).await;
    let post = "POST /devices HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    is_of_the_proxy(&raw(nginx.at, post.as_bytes()).await, 502);
    assert_eq!(asked(), 1, "it may have been stored");
    let nginx = Nginx::in_front_of(&[one, other], &[]).await;
    is_of_the_proxy(&get(nginx.at, "/devices", &[]).await, 502);
    assert_eq!(asked(), 3, "a GET is asked of the other instance too");
}

#[tokio::test]
async fn by_nginx_a_service_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let nginx = Nginx::in_front_of(&[nobody], &[]).await;
    let answer = get(nginx.at, "/devices", &[]).await;
    is_of_the_proxy(&answer, 502);
    assert_eq!(answer.header("retry-after"), "2");
}
