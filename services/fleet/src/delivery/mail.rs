//! One try of a mail, through the relay that the operator has named (`FLEET_SMTP_URL`).
//!
//! Each header is made by a library of typed values: an address is parsed, a subject is encoded. What was written by people has
//! no way to become a header of its own: control characters are taken out first, and the library would refuse them.

use super::Outcome;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use plimsoll::secret::Secret;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// Answers of a relay that are about this service's login and not about the message: they may be put right.
const ABOUT_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// The longest line that is made of a text.
const LONGEST: usize = 200;

/// Why mail cannot be sent with what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The relay's address. It is not repeated here, as a password may be in it.
    #[error(
        "FLEET_SMTP_URL is no address such as smtps://user:password@mail.example.com:465 or \
             smtp://mail.example.com:587?tls=required"
    )]
    Relay,
    /// It would send its password for all to read.
    #[error("FLEET_SMTP_URL has a password and no encryption: say smtps://, or end it with ?tls=required")]
    Unencrypted,
    /// Who it is from.
    #[error("FLEET_MAIL_FROM is no mail address such as fleet@example.com")]
    From,
}

/// Sends mail.
#[derive(Clone)]
pub struct Mail {
    transport: Arc<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
    limit: Duration,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mail {
    /// Through this relay, from this address; a try may take so long.
    ///
    /// # Errors
    /// What of them cannot be used.
    pub fn new(relay: &Secret, from: &str, limit: Duration) -> Result<Self, MailError> {
        let from = from.parse().map_err(|_| MailError::From)?;
        let said = Url::parse(relay.expose()).map_err(|_| MailError::Relay)?;
        let is_encrypted = said.scheme() == "smtps"
            || said.query_pairs().any(|(name, how)| name == "tls" && how == "required");
        if said.password().is_some() && !is_encrypted {
            return Err(MailError::Unencrypted);
        }
        let transport =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(relay.expose()).map_err(|_| MailError::Relay)?;
        Ok(Mail { transport: Arc::new(transport.timeout(Some(limit)).build()), from, limit })
    }

    /// Tries once to hand a message to the relay, never longer than the limit.
    ///
    /// # Cancel safety
    /// Dropped, the relay may have it or not.
    pub async fn send(&self, to: &[String], key: &str, body: &str) -> Outcome {
        let message = match message(&self.from, to, key, body) {
            Ok(message) => message,
            Err(why) => return Outcome::dead(why),
        };
        match timeout(self.limit, self.transport.send(message)).await {
            Ok(Ok(answer)) => Outcome::Sent { status: answer.code().into() },
            Ok(Err(error)) => failed(&error),
            Err(_) => {
                Outcome::retry(format!("the mail relay gave no answer within {} ms", self.limit.as_millis()))
            }
        }
    }
}

/// Whether it is a mail address to which can be sent.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.len() <= 254 && text.parse::<Address>().is_ok()
}

fn failed(error: &lettre::transport::smtp::Error) -> Outcome {
    let status: Option<u16> = error.status().map(u16::from);
    // A relay may repeat what it was sent, so its words are not.
    let why = match status {
        Some(status) => format!("the mail relay answered {status}"),
        None if error.is_timeout() => "the mail relay gave no answer in time".to_owned(),
        None if error.is_tls() => "the TLS handshake with the mail relay failed".to_owned(),
        None => "the mail relay could not be reached, or broke off".to_owned(),
    };
    match status {
        Some(code) if error.is_permanent() && !ABOUT_LOGIN.contains(&code) => Outcome::Dead { status, why },
        _ => Outcome::Retry { status, why, after: None },
    }
}

/// The mail of a message. The same key makes the same `Message-ID`.
fn message(from: &Mailbox, to: &[String], key: &str, body: &str) -> Result<Message, String> {
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    let mut builder: MessageBuilder = Message::builder()
        .from(from.clone())
        .message_id(Some(format!("<{key}@{}>", from.email.domain())))
        .subject(subject(&said));
    for one in to {
        let address: Address = one.parse().map_err(|_| "the receiver is no mail address".to_owned())?;
        builder = builder.to(Mailbox::new(None, address));
    }
    let made = builder.header(ContentType::TEXT_PLAIN).body(text(&said));
    made.map_err(|_| "there is no one to send the mail to".to_owned())
}

/// Without control characters, and not longer than a line.
fn line(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST).collect()
}

fn subject(said: &Value) -> String {
    let alert = &said["alert"];
    format!("[{}] {}: {}", line(&alert["severity_name"]), line(&said["event"]), line(&alert["summary"]))
}

fn text(said: &Value) -> String {
    let alert = &said["alert"];
    let mut text = format!("{}\n\n", line(&alert["summary"]));
    for (name, value) in [
        ("Alert", &alert["alert_id"]),
        ("What happened", &said["event"]),
        ("Severity", &alert["severity_name"]),
        ("Type", &alert["alert_type"]),
        ("Site", &alert["site_id"]),
        ("Device", &alert["device_id"]),
        ("Since", &alert["created_at"]),
        ("Tenant", &said["tenant_id"]),
        ("Level of the escalation", &said["level"]),
        ("On call", &said["responder"]),
    ] {
        if !value.is_null() {
            text += &format!("{name}: {}\n", line(value));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(summary: &str, to: &[String]) -> Result<String, String> {
        let body =
            serde_json::json!({ "event": "OPEN", "alert": { "summary": summary, "severity_name": "high" } });
        let message = message(&"fleet@example.com".parse().unwrap(), to, "key", &body.to_string())?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    fn names(mail: &str) -> Vec<&str> {
        let head = mail.split("\r\n\r\n").next().unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        let mut names: Vec<&str> = lines.map(|line| line.split(':').next().unwrap()).collect();
        names.sort_unstable();
        names
    }

    const NAMES: [&str; 7] =
        ["Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-ID", "Subject", "To"];

    #[test]
    fn a_summary_makes_no_header() {
        let to = ["team@example.com".to_owned()];
        let mail = sent("hot\r\nBcc: everyone@example.com\r\n\r\nbody", &to).unwrap();
        assert!(names(&mail).iter().all(|name| NAMES.contains(name)), "{mail}");
        assert!(mail.contains("Message-ID: <key@example.com>"), "{mail}");
        for bad in ["team@example.com\r\nBcc: a@b.c", "a@b.c, d@e.f", "ann", "", "a b@c.d"] {
            assert!(!is_address(bad) && sent("hot", &[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(is_address("team@example.com") && sent("hot", &[]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_it_says(summary in any::<String>()) {
            let mail = sent(&summary, &["team@example.com".to_owned()]).unwrap();
            prop_assert!(names(&mail).iter().all(|name| NAMES.contains(name)), "{mail}");
            prop_assert_eq!(names(&mail).iter().filter(|name| **name == "Subject").count(), 1);
        }
    }
}
