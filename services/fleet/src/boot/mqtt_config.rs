//! What was said about the broker between the devices and the service.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `FLEET_MQTT_URL` | with a database of its own: a broker of its own, if Mosquitto is installed; else none | `mqtt://user:password@host:1883`, `mqtts://..` for TLS, or `off` |
//! | `FLEET_MQTT_CLIENT_ID` | `fleet-<host>-<port>` | the name of this instance at the broker: its own, and the same at each start |
//! | `FLEET_MQTT_GROUP` | `fleet` | instances of one group share what comes |
//! | `FLEET_MQTT_WINDOW` | `32` | messages that may be under way at once |
//! | `FLEET_MQTT_CA` | the system's | a PEM file with the authorities that are trusted, for `mqtts` |

use crate::boot::config::ConfigError;
use plimsoll::secret::Secret;
use std::path::PathBuf;
use url::Url;

/// The group where none was said.
const GROUP: &str = "fleet";

/// The window where none was said: some for each connection of the pool that readings have, so that none of them waits for one in
/// vain and those who come over HTTP find one too.
const WINDOW: u16 = 32;

/// Which broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerSource {
    /// None: nothing comes over MQTT.
    Off,
    /// One of the service's own, in development.
    Own,
    /// One that somebody else looks after.
    Given(BrokerUrl),
}

/// Where a broker is, and what it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to through TLS.
    pub is_encrypted: bool,
    /// Who the service says it is.
    pub user: Option<String>,
    /// What proves that.
    pub password: Option<Secret>,
}

/// What was said about the broker.
#[derive(Clone, Debug)]
pub struct MqttConfig {
    /// Which one.
    pub broker: BrokerSource,
    /// The name of this instance there, where it was said.
    pub client_id: Option<String>,
    /// Those who share what comes.
    pub group: String,
    /// Messages that may be under way at once.
    pub window: u16,
    /// Whom to trust, where that is not the system's.
    pub authorities: Option<PathBuf>,
}

impl MqttConfig {
    /// The defaults, with this broker.
    #[must_use]
    pub fn of(broker: BrokerSource) -> Self {
        MqttConfig { broker, client_id: None, group: GROUP.to_owned(), window: WINDOW, authorities: None }
    }

    /// `is_own`: the database is one of the service's own.
    pub(crate) fn read(said: impl Fn(&str) -> Option<String>, is_own: bool) -> Result<Self, ConfigError> {
        let broker = match said("FLEET_MQTT_URL").as_deref().map(str::trim) {
            None if is_own => BrokerSource::Own,
            None => BrokerSource::Off,
            Some(word) if word.eq_ignore_ascii_case("off") => BrokerSource::Off,
            Some(text) => BrokerSource::Given(BrokerUrl::parse(text)?),
        };
        let mut config = MqttConfig::of(broker);
        config.client_id =
            said("FLEET_MQTT_CLIENT_ID").map(|id| name("FLEET_MQTT_CLIENT_ID", id)).transpose()?;
        if let Some(group) = said("FLEET_MQTT_GROUP") {
            config.group = name("FLEET_MQTT_GROUP", group)?;
        }
        if let Some(value) = said("FLEET_MQTT_WINDOW") {
            let allowed = "a whole number from 1 to 10000";
            let window = value.trim().parse().ok().filter(|window| (1..=10_000).contains(window));
            let wrong = || ConfigError::Value { variable: "FLEET_MQTT_WINDOW", value, allowed };
            config.window = window.ok_or_else(wrong)?;
        }
        config.authorities = said("FLEET_MQTT_CA").map(Into::into);
        Ok(config)
    }
}

/// The name of a group is part of a topic, in which these characters mean something else.
fn name(variable: &'static str, value: String) -> Result<String, ConfigError> {
    let is_one = value.chars().count() <= 128
        && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    let allowed = "up to 128 letters, digits, -, _, . and :";
    if is_one { Ok(value) } else { Err(ConfigError::Value { variable, value, allowed }) }
}

impl BrokerUrl {
    /// Reads a URL. The error does not repeat it, since there may be a password in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let url = Url::parse(text).map_err(|error| ConfigError::Broker(error.to_string()))?;
        let wrong = |why: &str| ConfigError::Broker(why.to_owned());
        let is_encrypted = match url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(wrong("it begins with neither mqtt:// nor mqtts://")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("behind the host there is more than a port"));
        }
        let read = |text: &str| read_percent(text).ok_or_else(|| wrong("its user or password is no UTF-8"));
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(read).transpose()?;
        let password = url.password().map(read).transpose()?.map(Secret::from);
        if user.is_none() && password.is_some() {
            return Err(wrong("it has a password and no user"));
        }
        let port = url.port().unwrap_or(if is_encrypted { 8883 } else { 1883 });
        Ok(BrokerUrl { host: host.to_owned(), port, is_encrypted, user, password })
    }
}

/// A text in which `%xx` stands for a byte.
fn read_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        match (first, more) {
            (b'%', [high, low, more @ ..]) => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high)? * 16 + digit(low)?);
                rest = more;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)], is_own: bool) -> Result<MqttConfig, String> {
        let said = |asked: &str| pairs.iter().find(|(name, _)| *name == asked).map(|(_, v)| (*v).to_owned());
        MqttConfig::read(said, is_own).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_names_the_broker_and_what_it_is_shown() {
        let url = BrokerUrl::parse("mqtt://a%40b:p%2Fw%25@broker.example:1884").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.is_encrypted), ("broker.example", 1884, false));
        assert_eq!(url.user.as_deref(), Some("a@b"));
        assert_eq!(url.password.unwrap().expose(), "p/w%");
        let url = BrokerUrl::parse("mqtts://broker.example/").unwrap();
        assert_eq!((url.port, url.is_encrypted, url.user, url.password), (8883, true, None, None));
        assert_eq!(BrokerUrl::parse("mqtt://localhost").unwrap().port, 1883);
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_password() {
        for text in [
            "broker:1883",
            "http://u:hiddenword@broker",
            "mqtt://u:hiddenword@broker/topic",
            "mqtt://u:hiddenword@broker?client_id=x",
            "mqtt://u:hiddenword@broker:99999",
            "mqtt://u:hiddenword@",
            "mqtt://:hiddenword@broker",
            "mqtt://u:%ff@broker",
        ] {
            let error = read(&[("FLEET_MQTT_URL", text)], true).unwrap_err();
            assert!(error.contains("FLEET_MQTT_URL") && error.contains("mqtt://"), "{error}");
            assert!(!error.contains("hiddenword"), "{error}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(read(&[], true).unwrap().broker, BrokerSource::Own);
        assert_eq!(read(&[], false).unwrap().broker, BrokerSource::Off);
        let off = read(&[("FLEET_MQTT_URL", "off")], true).unwrap();
        assert_eq!((off.broker, off.group.as_str(), off.window), (BrokerSource::Off, "fleet", 32));
        for (name, value) in [
            ("FLEET_MQTT_WINDOW", "0"),
            ("FLEET_MQTT_WINDOW", "many"),
            ("FLEET_MQTT_GROUP", "a/b"),
            ("FLEET_MQTT_GROUP", "+"),
            ("FLEET_MQTT_CLIENT_ID", "a b"),
        ] {
            let error = read(&[(name, value)], true).unwrap_err();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        assert_eq!(read(&[("FLEET_MQTT_WINDOW", " 7 ")], true).unwrap().window, 7);
    }

    #[test]
    fn a_password_is_not_shown() {
        let config = read(&[("FLEET_MQTT_URL", "mqtt://u:hiddenword@broker")], true).unwrap();
        assert!(!format!("{config:?}").contains("hiddenword"));
    }
}
