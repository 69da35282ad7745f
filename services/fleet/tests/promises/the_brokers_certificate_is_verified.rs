//! Through TLS the service speaks with a broker whose certificate is from an authority that it trusts, and with no other; what
//! is wrong is told in the operators' health, without the password.

use crate::mqtt;
use crate::service;
use fleet::boot::mqtt_config::{BrokerSource, BrokerUrl, MqttConfig};
use plimsoll_embedded::Mosquitto;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn by_its_authority_by_mosquitto() {
    let folder = tempfile::Builder::new().permissions(mode(0o755)).tempdir_in("/tmp").unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    for (path, text) in [(&certificate, made.cert.pem()), (&key, made.signing_key.serialize_pem())] {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, mode(0o644)).unwrap();
    }
    let broker = Mosquitto::builder()
        .setting("certfile", certificate.display().to_string())
        .setting("keyfile", key.display().to_string())
        .start()
        .await
        .unwrap();
    let url = BrokerUrl::parse(&broker.url().replace("mqtt://", "mqtts://")).unwrap();
    let with = |authorities: Option<&std::path::Path>| {
        let mut config = MqttConfig::of(BrokerSource::Given(url.clone()));
        config.authorities = authorities.map(Into::into);
        config
    };
    let trusting = service::start_with(|config| config.mqtt = with(Some(&certificate))).await;
    mqtt::until_connected(&trusting).await;

    // One that trusts the authorities of the system alone. A system without any says so at once.
    let (database, data) = (trusting.database, tempfile::tempdir().unwrap());
    trusting.running.stop().await;
    let mut config = service::config(&database.url(), data.path());
    config.mqtt = with(None);
    let running = match fleet::start(config).await {
        Ok(running) => running,
        Err(error) => return assert!(error.to_string().contains("FLEET_MQTT_CA"), "{error}"),
    };
    let demo = running.ready().await.unwrap().demo.unwrap();
    let device = service::Device::of(running.url(), demo);
    service::until("its certificate is refused", async || {
        let health = device.get_as("/operator/system/health", Some(&device.operator)).await;
        let ours = health.body["components"]["mqtt"].to_string();
        assert!(!ours.contains(broker.password()), "{ours}");
        ours.contains("down") && ours.contains("UnknownIssuer")
    })
    .await;
    assert!(!running.shared().mqtt().is_connected());
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_holds_none_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let mut config = service::config("postgresql://a:b@127.0.0.1:1/c", folder.path());
    config.mqtt =
        MqttConfig::of(BrokerSource::Given(BrokerUrl::parse("mqtts://u:hidden@127.0.0.1").unwrap()));
    config.mqtt.authorities = Some(path);
    let error = fleet::start(config).await.err().expect("it cannot be used").to_string();
    assert!(
        error.contains("FLEET_MQTT_CA") && error.contains("none.pem") && !error.contains("hidden"),
        "{error}"
    );
}

fn mode(mode: u32) -> std::fs::Permissions {
    std::fs::Permissions::from_mode(mode)
}
