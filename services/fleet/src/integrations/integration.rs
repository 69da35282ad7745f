//! An integration as people write it: a place outside where alerts are told.
//!
//! The secret of a webhook goes in and does not come out: answers show stars in its place. So what is read and written back
//! keeps it: a secret that is left out, or is those stars, stays.

use super::refusal::IntegrationRefusal;
use crate::delivery::address::{Networks, Target};
use crate::delivery::mail;
use crate::text;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is shown in the place of a secret.
pub const STARS: &str = "********";

/// The most receivers of a mail.
const MOST_RECEIVERS: usize = 20;

/// An integration as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegrationBody {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    enabled: Option<bool>,
    config: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookBody {
    url: String,
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MailBody {
    to: Vec<String>,
}

/// What becomes of the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretChange {
    /// What is there stays.
    Stays,
    /// It becomes this.
    Becomes(String),
    /// There is none any more.
    Goes,
}

/// An integration that can be stored.
#[derive(Clone)]
pub struct IntegrationDraft {
    /// What it is called.
    pub name: String,
    /// `webhook` or `email`.
    pub kind: &'static str,
    /// Whether it is used.
    pub enabled: bool,
    /// Where to, as JSON, without the secret.
    pub config: String,
    /// The secret of a webhook.
    pub secret: SecretChange,
}

impl IntegrationBody {
    /// The same, checked; `networks` are those that a webhook may reach beside the public ones.
    ///
    /// # Errors
    /// What cannot be.
    pub fn checked(self, networks: &Networks) -> Result<IntegrationDraft, IntegrationRefusal> {
        let invalid = IntegrationRefusal::Invalid;
        let name = text::line(&self.name, 200).ok_or(invalid("name has 1 to 200 characters"))?;
        let (kind, config, secret) = match self.kind.as_str() {
            "webhook" => webhook(self.config, networks)?,
            "email" => email(self.config)?,
            _ => return Err(invalid("type is webhook or email")),
        };
        Ok(IntegrationDraft { name, kind, enabled: self.enabled.unwrap_or(true), config, secret })
    }
}

type Checked = (&'static str, String, SecretChange);

fn webhook(config: Value, networks: &Networks) -> Result<Checked, IntegrationRefusal> {
    let form = "config of a webhook is {\"url\": \"https://example.com/alerts\", \"secret\": \"16 to 256 characters\"}; the \
                secret may be left out";
    let WebhookBody { url, secret } =
        serde_json::from_value(config).map_err(|_| IntegrationRefusal::Invalid(form))?;
    Target::parse(&url, networks).map_err(|why| IntegrationRefusal::Invalid(why.why()))?;
    let secret = match secret {
        None => SecretChange::Stays,
        Some(said) if said == STARS => SecretChange::Stays,
        Some(said) if said.is_empty() => SecretChange::Goes,
        Some(said) if text::line(&said, 256).is_some() && said.chars().nth(15).is_some() => {
            SecretChange::Becomes(said)
        }
        Some(_) => {
            return Err(IntegrationRefusal::Invalid(
                "secret has 16 to 256 characters, or none to take it away",
            ));
        }
    };
    Ok(("webhook", json!({ "url": url }).to_string(), secret))
}

fn email(config: Value) -> Result<Checked, IntegrationRefusal> {
    let form = "config of an email is {\"to\": [\"team@example.com\"]} with 1 to 20 mail addresses";
    let MailBody { to } = serde_json::from_value(config).map_err(|_| IntegrationRefusal::Invalid(form))?;
    if !(1..=MOST_RECEIVERS).contains(&to.len()) || !to.iter().all(|one| mail::is_address(one)) {
        return Err(IntegrationRefusal::Invalid(form));
    }
    Ok(("email", json!({ "to": to }).to_string(), SecretChange::Goes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, config: Value) -> Result<IntegrationDraft, IntegrationRefusal> {
        let body = json!({ "name": "n", "type": kind, "config": config });
        serde_json::from_value::<IntegrationBody>(body).unwrap().checked(&Networks::default())
    }

    #[test]
    fn a_secret_is_apart_from_what_is_shown() {
        let with =
            |secret: Value| read("webhook", json!({ "url": "https://example.com/a", "secret": secret }));
        let made = with("0123456789abcdef".into()).unwrap();
        assert!(made.secret == SecretChange::Becomes("0123456789abcdef".into()));
        assert_eq!(made.config, r#"{"url":"https://example.com/a"}"#);
        for stays in [Value::Null, STARS.into()] {
            assert!(with(stays).unwrap().secret == SecretChange::Stays);
        }
        assert!(with("".into()).unwrap().secret == SecretChange::Goes);
        for bad in ["short".into(), "a".repeat(257).into(), "0123456789abcde\n".into(), 7.into()] {
            assert!(with(bad).is_err());
        }
    }

    #[test]
    fn only_what_can_be_reached_is_taken() {
        for bad in [
            "http://example.com/",
            "https://10.0.0.1/",
            "https://localhost:22/",
            "https://a:b@example.com/",
            "",
        ] {
            assert!(read("webhook", json!({ "url": bad })).is_err(), "{bad}");
        }
        assert!(read("email", json!({ "to": ["a@b.c", "d@e.f"] })).is_ok());
        for bad in [
            json!([]),
            json!(["a@b.c\r\nBcc: x@y.z"]),
            json!(["ann"]),
            json!(vec!["a@b.c"; 21]),
            json!("a@b.c"),
        ] {
            assert!(read("email", json!({ "to": bad })).is_err());
        }
        for kind in ["snmp", "mqtt", "", "Webhook"] {
            assert!(read(kind, json!({ "url": "https://example.com/" })).is_err(), "{kind}");
        }
    }
}
