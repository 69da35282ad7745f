//! Topics: `tenant/{tenant}/device/{device}/{type}`. Pure.

use crate::devices::DeviceId;
use crate::ingest::reading::Kind;
use crate::tenants::TenantId;

/// The topic on which devices hear what became of their messages, as its type.
pub(super) const ACK: &str = "ack";

/// What a topic says of its message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// It is a reading of this device, or says that it is there.
    Reading(TenantId, DeviceId, Kind),
    /// It is this service's own.
    Own,
    /// It is this device's, and of a type that is not known.
    UnknownType(TenantId, DeviceId),
    /// It has another form; whose it says it is, where that can be read.
    Malformed(Option<TenantId>),
}

/// Reads a topic.
pub(super) fn parse(topic: &[u8]) -> Topic {
    let Ok(text) = std::str::from_utf8(topic) else { return Topic::Malformed(None) };
    let mut parts = text.split('/');
    let tenant = match (parts.next(), parts.next()) {
        (Some("tenant"), Some(tenant)) => TenantId::parse(tenant),
        _ => None,
    };
    let device = match (parts.next(), parts.next()) {
        (Some("device"), Some(device)) => DeviceId::parse(device),
        _ => None,
    };
    match (tenant, device, parts.next(), parts.next()) {
        (Some(_), Some(_), Some(ACK), None) => Topic::Own,
        (Some(tenant), Some(device), Some(kind), None) => match Kind::parse(kind) {
            Some(kind) => Topic::Reading(tenant, device, kind),
            None => Topic::UnknownType(tenant, device),
        },
        (tenant, ..) => Topic::Malformed(tenant),
    }
}

/// Whether it is one that this service publishes on. Its filter finds those too.
pub(super) fn is_own(topic: &[u8]) -> bool {
    topic.ends_with(ACK.as_bytes()) && parse(topic) == Topic::Own
}

/// Where a device hears what became of its messages.
pub(super) fn of_acks(tenant: &TenantId, device: &DeviceId) -> String {
    format!("tenant/{}/device/{}/{ACK}", tenant.as_str(), device.as_str())
}

/// Which messages are taken, shared by the instances of a group.
pub(super) fn filter(group: &str) -> String {
    format!("$share/{group}/tenant/+/device/+/+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(text: &str) -> TenantId {
        TenantId::parse(text).unwrap()
    }

    fn device(text: &str) -> DeviceId {
        DeviceId::parse(text).unwrap()
    }

    #[test]
    fn a_topic_names_the_tenant_the_device_and_the_type() {
        assert_eq!(
            parse(b"tenant/t-1/device/d:1.a/telemetry"),
            Topic::Reading(tenant("t-1"), device("d:1.a"), Kind::Telemetry)
        );
        assert_eq!(
            parse(b"tenant/t/device/d/heartbeat"),
            Topic::Reading(tenant("t"), device("d"), Kind::Heartbeat)
        );
        assert_eq!(parse(of_acks(&tenant("t"), &device("d")).as_bytes()), Topic::Own);
        assert_eq!(parse(b"tenant/t/device/d/telemetri"), Topic::UnknownType(tenant("t"), device("d")));
        assert_eq!(parse(b"tenant/t/device/d/"), Topic::UnknownType(tenant("t"), device("d")));
    }

    #[test]
    fn of_one_of_another_form_the_tenant_is_kept() {
        for text in [
            "tenant/t/device/d",
            "tenant/t/device/d/telemetry/more",
            "tenant/t/device//telemetry",
            "tenant/t/device/a b/telemetry",
            "tenant/t/devices/d/telemetry",
            "tenant/t",
        ] {
            assert_eq!(parse(text.as_bytes()), Topic::Malformed(Some(tenant("t"))), "{text}");
        }
        for text in [
            "",
            "/",
            "tenant",
            "tenant//device/d/telemetry",
            "tenant/a b/device/d/telemetry",
            "x/t/device/d/telemetry",
        ] {
            assert_eq!(parse(text.as_bytes()), Topic::Malformed(None), "{text}");
        }
        assert_eq!(parse(b"tenant/\xff/device/d/telemetry"), Topic::Malformed(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            parse(&bytes);
        }

        #[test]
        fn what_is_read_is_what_was_written(t in "[a-z0-9][a-z0-9_-]{0,63}", d in "[a-z0-9][a-z0-9._:-]{0,127}") {
            let text = format!("tenant/{t}/device/{d}/telemetry");
            prop_assert_eq!(parse(text.as_bytes()), Topic::Reading(tenant(&t), device(&d), Kind::Telemetry));
        }
    }
}
