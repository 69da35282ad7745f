//! Mail is handed to the relay that was named: again after an answer that says "later", and no more after one that says "never".

use crate::alerts::{cause, open};
use crate::deliveries::{self, integration, listed, quick, route, until_there_are};
use crate::service::{self, Fleet};
use fleet::alerts::Severity;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A mail, as it came.
#[derive(Clone, Debug)]
struct Mail {
    commands: Vec<String>,
    text: String,
}

/// A relay that speaks as much SMTP as is needed, and answers the end of its nth mail with this line.
async fn relay(
    answer: impl Fn(usize) -> &'static str + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<Mail>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, mails) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Mail>>>::default());
    let (kept, answer) = (Arc::clone(&mails), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            tokio::spawn(serve(wire, Arc::clone(&kept), Arc::clone(&answer)));
        }
    });
    (addr, mails)
}

async fn serve(wire: TcpStream, mails: Arc<Mutex<Vec<Mail>>>, answer: Arc<impl Fn(usize) -> &'static str>) {
    let mut wire = BufReader::new(wire);
    let (mut commands, mut line) = (Vec::new(), String::new());
    wire.write_all(b"220 relay ESMTP\r\n").await.unwrap();
    loop {
        line.clear();
        if wire.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        commands.push(line.trim_end().to_owned());
        let reply = match line.split([' ', '\r']).next().unwrap() {
            "EHLO" => "250-relay\r\n250 8BITMIME\r\n",
            "DATA" => {
                wire.write_all(b"354 go on\r\n").await.unwrap();
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    if wire.read_line(&mut text).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let number = {
                    let mut mails = mails.lock().unwrap();
                    mails.push(Mail { commands: commands.clone(), text });
                    mails.len() - 1
                };
                answer(number)
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        if wire.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn start(relay: SocketAddr) -> Fleet {
    let fleet = service::start_with(|config| {
        config.delivery = quick();
        config.delivery.relay = Some((format!("smtp://{relay}").into(), "fleet@example.com".to_owned()));
    })
    .await;
    let id =
        integration(&fleet, "email", serde_json::json!({ "to": ["team@example.com", "boss@example.com"] }))
            .await;
    route(&fleet, &id, serde_json::json!({})).await;
    fleet
}

#[tokio::test]
async fn again_after_an_answer_that_says_later() {
    let (addr, mails) = relay(|number| if number == 0 { "451 later\r\n" } else { "250 taken\r\n" }).await;
    let fleet = start(addr).await;
    let mut hot = cause("f", Severity::Critical);
    hot.summary = "pump 7 is hot\u{1f525}: 90 \u{b0}C".to_owned();
    open(&fleet, "test", &hot).await;
    until_there_are(&fleet, 1, "SENT").await;
    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 2);
    for receiver in
        ["MAIL FROM:<fleet@example.com>", "RCPT TO:<team@example.com>", "RCPT TO:<boss@example.com>"]
    {
        assert!(mails[1].commands.iter().any(|one| one.starts_with(receiver)), "{:?}", mails[1].commands);
    }
    let ids: BTreeSet<&str> = mails
        .iter()
        .map(|mail| mail.text.lines().find(|line| line.starts_with("Message-ID:")).unwrap())
        .collect();
    assert_eq!(ids.len(), 1, "by which a receiver tells a repetition");
    let message = &listed(&fleet, "").await[0];
    assert!(ids.first().unwrap().contains(message["idempotency_key"].as_str().unwrap()), "{ids:?}");
    assert_eq!(
        (&message["log"][0]["outcome"], &message["log"][0]["status_code"]),
        (&"RETRY".into(), &451.into())
    );
}

#[tokio::test]
async fn and_no_more_after_one_that_says_never() {
    let (addr, mails) = relay(|_| "550 no such user\r\n").await;
    let fleet = start(addr).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    until_there_are(&fleet, 1, "DEAD").await;
    assert_eq!(mails.lock().unwrap().len(), 1);
    let message = &listed(&fleet, "").await[0];
    assert_eq!(
        (&message["last_error"], &message["attempts"]),
        (&"the mail relay answered 550".into(), &1.into())
    );
}

/// A relay that refuses the login, or is not there, may be put right.
#[tokio::test]
async fn and_a_relay_that_is_away_is_tried_until_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let fleet = start(addr).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    until_there_are(&fleet, 1, "DEAD").await;
    let message = &listed(&fleet, "").await[0];
    assert_eq!(message["attempts"], 4);
    assert!(message["last_error"].as_str().unwrap().contains("could not be reached"), "{message}");
}

#[tokio::test]
async fn and_without_a_relay_it_says_so() {
    let fleet = deliveries::start().await;
    let id = integration(&fleet, "email", serde_json::json!({ "to": ["team@example.com"] })).await;
    route(&fleet, &id, serde_json::json!({})).await;
    open(&fleet, "test", &cause("f", Severity::High)).await;
    until_there_are(&fleet, 1, "DEAD").await;
    let message = &listed(&fleet, "").await[0];
    assert!(message["last_error"].as_str().unwrap().contains("FLEET_SMTP_URL"), "{message}");
}

/// What was written by people becomes no header and no command.
#[tokio::test]
async fn and_a_summary_is_a_summary() {
    let (addr, mails) = relay(|_| "250 taken\r\n").await;
    let fleet = start(addr).await;
    let mut sly = cause("f", Severity::High);
    sly.summary = "hot\r\nBcc: everyone@example.com\r\n.\r\nMAIL FROM:<x@y.z>".to_owned();
    open(&fleet, "test", &sly).await;
    until_there_are(&fleet, 1, "SENT").await;
    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 1);
    assert!(
        !mails[0].text.lines().any(|line| line.starts_with("Bcc") || line.starts_with("MAIL")),
        "{}",
        mails[0].text
    );
}
