//! The broker between the devices and the service: the one that was said, or, in development, one of the service's own that
//! is started with it and stopped with it.

use crate::boot::config::Config;
use crate::boot::mqtt_config::{BrokerSource, BrokerUrl};
use crate::boot::start::StartError;
use crate::ingest::mqtt::door;
use crate::ingest::mqtt::options::DoorOptions;
use crate::service::Service;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What the task that speaks with the broker has for its end, when all else has ended: a farewell of two seconds.
const FAREWELL: Duration = Duration::from_secs(3);

/// The broker, if there is one.
#[derive(Default)]
pub(crate) struct Broker {
    url: Option<BrokerUrl>,
    /// The service's own.
    #[cfg(feature = "dev")]
    own: Option<plimsoll_embedded::Mosquitto>,
    /// What speaks with it.
    door: Option<JoinHandle<()>>,
}

impl Broker {
    /// The one that was said, or one of the service's own, which is started; and from here on messages are taken. A service
    /// without a broker is one without MQTT, and says so in its log. `addr` is where this instance listens.
    ///
    /// # Errors
    /// Its certificates cannot be used.
    ///
    /// # Cancel safety
    /// Dropped, a broker that was started is stopped.
    pub(crate) async fn open(
        config: &Config,
        service: &Service,
        addr: SocketAddr,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let mqtt = &config.mqtt;
        let mut broker = match &mqtt.broker {
            BrokerSource::Off => return Ok(Broker::default()),
            BrokerSource::Given(url) => Broker { url: Some(url.clone()), ..Broker::default() },
            BrokerSource::Own => Broker::own().await,
        };
        if let Some(url) = &broker.url {
            let own_name =
                || format!("fleet-{}-{}", gethostname::gethostname().to_string_lossy(), addr.port());
            let client_id = mqtt.client_id.clone().unwrap_or_else(own_name);
            let options = DoorOptions::new(mqtt, url, &client_id).map_err(StartError::Broker)?;
            service.mqtt().turn_on();
            let door = door::run(service.clone(), options, config.request_deadline, stop.clone());
            broker.door = Some(tokio::spawn(door));
        }
        Ok(broker)
    }

    #[cfg(feature = "dev")]
    async fn own() -> Self {
        match start_own().await {
            Ok(own) => {
                let url = BrokerUrl {
                    host: own.host().to_owned(),
                    port: own.port(),
                    is_encrypted: false,
                    user: Some(own.user().to_owned()),
                    password: Some(own.password().into()),
                };
                Broker { url: Some(url), own: Some(own), ..Broker::default() }
            }
            Err(error) => {
                tracing::info!("MQTT is off: {error}; or name a broker with FLEET_MQTT_URL");
                Broker::default()
            }
        }
    }

    #[cfg(not(feature = "dev"))]
    async fn own() -> Self {
        tracing::info!("MQTT is off: name a broker with FLEET_MQTT_URL");
        Broker::default()
    }

    /// `mqtt://user:password@host:port` of the service's own.
    pub(crate) fn own_url(&self) -> Option<String> {
        #[cfg(feature = "dev")]
        return self.own.as_ref().map(plimsoll_embedded::Mosquitto::url);
        #[cfg(not(feature = "dev"))]
        None
    }

    /// Lets what speaks with it come to its end, which was told, and stops the service's own.
    ///
    /// # Cancel safety
    /// Dropped, it is stopped all the same.
    pub(crate) async fn stop(self) {
        if let Some(door) = self.door
            && timeout(FAREWELL, door).await.is_err()
        {
            tracing::warn!("the broker was left without a farewell");
        }
        #[cfg(feature = "dev")]
        if let Some(own) = self.own
            && let Err(error) = own.stop().await
        {
            tracing::error!("the service's own broker did not stop as it should: {error}");
        }
    }
}

/// Its password is told to people, by the first screen and in the file for shells.
#[cfg(feature = "dev")]
async fn start_own() -> Result<plimsoll_embedded::Mosquitto, Box<dyn std::error::Error + Send + Sync>> {
    let password = crate::credentials::new_token()?;
    Ok(plimsoll_embedded::Mosquitto::builder().password(password).start().await?)
}
