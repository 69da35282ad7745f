//! How the broker is spoken to: MQTT 5, with a session that outlives connections, and a window.
//!
//! MQTT 5, because in it the one who receives says how much may be under way, and the session says how long it is kept.

use super::topic;
use crate::boot::mqtt_config::{BrokerUrl, MqttConfig};
use plimsoll::secret::Secret;
use rumqttc::v5::MqttOptions;
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the broker keeps what has come for an instance that is away.
const SESSION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The largest packet that is read. A message larger than a reading may be is read all the same, to be refused by name; one
/// beyond this the broker drops.
const LARGEST_PACKET: u32 = 64 * 1024;

const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// In seconds.
const CONNECT: u64 = 5;

/// How the broker is spoken to.
#[derive(Clone)]
pub(crate) struct DoorOptions {
    pub(super) mqtt: MqttOptions,
    /// What is subscribed to.
    pub(super) filter: String,
    /// Messages that may be under way.
    pub(super) window: u16,
    /// Where it is, as the log says it.
    pub(super) place: String,
}

impl DoorOptions {
    /// For this broker, under this name.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub(crate) fn new(config: &MqttConfig, broker: &BrokerUrl, client_id: &str) -> Result<Self, String> {
        let window = config.window;
        let mut mqtt = MqttOptions::new(client_id, &broker.host, broker.port);
        let session = u32::try_from(SESSION.as_secs()).unwrap_or(u32::MAX);
        mqtt.set_clean_start(false)
            .set_session_expiry_interval(Some(session))
            .set_receive_maximum(Some(window))
            .set_max_packet_size(Some(LARGEST_PACKET))
            .set_manual_acks(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(CONNECT)
            .set_outgoing_inflight_upper_limit(window);
        if let Some(user) = &broker.user {
            let password = broker.password.as_ref().map(Secret::expose).unwrap_or_default();
            mqtt.set_credentials(user, password);
        }
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        mqtt.set_network_options(network);
        if broker.is_encrypted {
            let tls = encryption(config.authorities.as_deref())?;
            mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
        }
        let place = format!("{}:{}", broker.host, broker.port);
        Ok(DoorOptions { mqtt, filter: topic::filter(&config.group), window, place })
    }

    /// What may wait to be said: for each message that is under way, that it is done with and what its device is told.
    pub(super) fn queue(&self) -> usize {
        usize::from(self.window) * 2 + 16
    }
}

/// TLS with the one provider of this workspace, trusting these authorities, or those of the system.
pub(crate) fn encryption(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err("this system has no root certificates: name a file with FLEET_MQTT_CA".to_owned());
            }
        }
        Some(path) => {
            let wrong = |why: String| format!("FLEET_MQTT_CA, {}: {why}", path.display());
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it holds no certificate".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
