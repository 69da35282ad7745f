//! Each request is one line of the log: its route and never its path, whose it was, how it ended, and what its statements took.

use crate::log::Log;
use crate::service;

/// The only line of the access log for this route and status.
async fn line(log: &Log, route: &str, status: u16) -> String {
    let parts = ["plimsoll::access", &format!("route=\"{route}\""), &format!("status={status}")];
    service::until("it is logged", async || !log.lines(&parts).is_empty()).await;
    let lines = log.lines(&parts);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[tokio::test]
async fn or_with_the_operator() {
    let (log, _guard) = Log::start();
    let fleet = service::start().await;
    let device = &fleet.device;
    // No id of a request holds this by chance, as it may hold two hexadecimal digits.
    device.send("pump", r#"{"t": 1}"#).await.accepted();
    let taken = line(&log, "/ingest/tenant/{tenant}/device/{device}/telemetry", 202).await;
    assert!(taken.contains("user=\"test\"") && !taken.contains("pump"), "{taken}");

    assert_eq!(device.get("/customer/devices?limit=5").await.status, 200);
    let listed = line(&log, "/customer/devices", 200).await;
    assert!(
        listed.contains("user=\"test\"") && listed.contains("rows=") && !listed.contains("limit"),
        "{listed}"
    );
    assert!(!listed.contains("statements=0"), "{listed}");

    // Whose it is was proved, though it was refused.
    device.get("/customer/devices?limit=0").await.refused(400, "BAD_LIMIT");
    let refused = line(&log, "/customer/devices", 400).await;
    assert!(refused.contains("user=\"test\"") && refused.contains("code=\"BAD_LIMIT\""), "{refused}");

    device.get_as("/customer/devices", Some("test.wrong")).await.refused(401, "TOKEN_INVALID");
    let unproved = line(&log, "/customer/devices", 401).await;
    assert!(!unproved.contains("user="), "{unproved}");

    assert_eq!(device.get_as("/operator/system/health", Some(&device.operator)).await.status, 200);
    let health = line(&log, "/operator/system/health", 200).await;
    assert!(health.contains("user=\"operator\""), "{health}");
}
