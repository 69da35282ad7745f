//! What was said about how alerts are told to the outside.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `FLEET_WEBHOOK_ALLOW` | none | networks that webhooks may reach although they are not public, also by http and on any port: `127.0.0.0/8`; for development |
//! | `FLEET_SMTP_URL` | none | the relay for mail: `smtps://user:password@mail.example.com:465`, or `smtp://mail.example.com:587?tls=required` |
//! | `FLEET_MAIL_FROM` | none | who mail is from; needed with a relay |

use crate::boot::config::ConfigError;
use crate::delivery::address::Networks;
use crate::delivery::mail::{Mail, MailError};
use crate::delivery::retry::RetrySettings;
use crate::delivery::sender::Sender;
use crate::delivery::webhook::Webhooks;
use plimsoll::secret::Secret;

/// How alerts are told to the outside.
#[derive(Clone, Debug, Default)]
pub struct DeliveryConfig {
    /// Networks that webhooks may reach although they are not public.
    pub allow: Networks,
    /// The relay for mail, and who mail is from.
    pub relay: Option<(Secret, String)>,
    /// How often and how long a message is tried.
    pub retry: RetrySettings,
}

impl DeliveryConfig {
    pub(crate) fn read(said: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let allow = match said("FLEET_WEBHOOK_ALLOW") {
            None => Networks::default(),
            Some(value) => Networks::parse(&value).ok_or(ConfigError::Value {
                variable: "FLEET_WEBHOOK_ALLOW",
                value,
                allowed: "networks with commas between, such as 127.0.0.0/8",
            })?,
        };
        let relay = match (said("FLEET_SMTP_URL"), said("FLEET_MAIL_FROM")) {
            (None, _) => None,
            (Some(relay), from) => Some((Secret::from(relay), from.unwrap_or_default())),
        };
        let config = DeliveryConfig { allow, relay, retry: RetrySettings::default() };
        config.mail()?;
        Ok(config)
    }

    fn mail(&self) -> Result<Option<Mail>, MailError> {
        let Some((relay, from)) = &self.relay else { return Ok(None) };
        Mail::new(relay, from, self.retry.limit).map(Some)
    }

    /// What sends as was said.
    ///
    /// # Errors
    /// What of the relay cannot be used.
    pub(crate) fn sender(&self) -> Result<Sender, MailError> {
        let webhooks = Webhooks::new(self.allow.clone(), self.retry.limit);
        Ok(Sender::new(webhooks, self.mail()?, self.retry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)]) -> Result<DeliveryConfig, String> {
        let find =
            |name: &str| said.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        DeliveryConfig::read(find).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_let_in_that_was_not_named() {
        assert_eq!(read(&[]).unwrap().allow, Networks::default());
        let allow = read(&[("FLEET_WEBHOOK_ALLOW", "127.0.0.0/8")]).unwrap().allow;
        assert_eq!(allow, Networks::parse("127.0.0.0/8").unwrap());
        let error = read(&[("FLEET_WEBHOOK_ALLOW", "everything")]).unwrap_err();
        assert!(error.contains("FLEET_WEBHOOK_ALLOW") && error.contains("everything"), "{error}");
    }

    #[tokio::test]
    async fn a_relay_is_read_and_its_password_is_not_repeated() {
        let relay = ("FLEET_SMTP_URL", "smtps://user:hunter2@mail.example.com:465");
        let config = read(&[relay, ("FLEET_MAIL_FROM", "fleet@example.com")]).unwrap();
        assert!(config.relay.is_some() && !format!("{config:?}").contains("hunter2"));
        let error = read(&[relay]).unwrap_err();
        assert!(error.contains("FLEET_MAIL_FROM"), "{error}");
        let from = ("FLEET_MAIL_FROM", "fleet@example.com");
        let error = read(&[("FLEET_SMTP_URL", "http://user:hunter2@mail"), from]).unwrap_err();
        assert!(error.contains("FLEET_SMTP_URL") && !error.contains("hunter2"), "{error}");
        for (relay, is_taken) in [
            ("smtp://user:hunter2@mail.example.com:587", false),
            ("smtp://user:hunter2@mail.example.com:587?tls=opportunistic", false),
            ("smtp://user:hunter2@mail.example.com:587?tls=required", true),
            ("smtp://mail.example.com", true),
        ] {
            let read = read(&[("FLEET_SMTP_URL", relay), from]);
            assert_eq!(read.is_ok(), is_taken, "{relay}");
            assert!(
                read.err().is_none_or(|error| error.contains("no encryption") && !error.contains("hunter2"))
            );
        }
        assert!(read(&[from]).unwrap().relay.is_none());
    }
}
