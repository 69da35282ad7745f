//! The words about alerts: what they can be about, and the states they can be in.

use super::Severity;
use serde_json::Value;

/// The state of an alert. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStatus {
    /// Nobody has it yet.
    Open,
    /// Somebody looks at it.
    Acknowledged,
    /// Over.
    Closed,
}

impl AlertStatus {
    /// Every state.
    pub const ALL: [AlertStatus; 3] = [AlertStatus::Open, AlertStatus::Acknowledged, AlertStatus::Closed];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AlertStatus::Open => "OPEN",
            AlertStatus::Acknowledged => "ACKNOWLEDGED",
            AlertStatus::Closed => "CLOSED",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What an alert is about. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertType {
    /// A device is not heard of.
    NoHeartbeat,
    /// A value is beyond a limit.
    Threshold,
    /// A value is unlike those before.
    Anomaly,
    /// A device sends no readings.
    NoTelemetry,
    /// The service itself.
    SystemHealth,
}

impl AlertType {
    /// Every type.
    pub const ALL: [AlertType; 5] = [
        AlertType::NoHeartbeat,
        AlertType::Threshold,
        AlertType::Anomaly,
        AlertType::NoTelemetry,
        AlertType::SystemHealth,
    ];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AlertType::NoHeartbeat => "NO_HEARTBEAT",
            AlertType::Threshold => "THRESHOLD",
            AlertType::Anomaly => "ANOMALY",
            AlertType::NoTelemetry => "NO_TELEMETRY",
            AlertType::SystemHealth => "SYSTEM_HEALTH",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Cause {
    /// What two of them have in common that are one.
    pub fingerprint: String,
    /// What it is about.
    pub kind: AlertType,
    /// How bad it is.
    pub severity: Severity,
    /// At which site.
    pub site: Option<String>,
    /// Of which device.
    pub device: Option<String>,
    /// In a sentence.
    pub summary: String,
    /// The policy that it follows; the tenant's default without.
    pub policy: Option<i64>,
    /// The rule that has found it, if one has.
    pub rule: Option<i64>,
    /// Whatever else there is: a JSON object.
    pub details: Value,
}
