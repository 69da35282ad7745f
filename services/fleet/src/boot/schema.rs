//! The schema of the service: numbered files, compiled in, applied when it starts.

use plimsoll::migrate::Migrations;

/// The table whose being there tells that there is a schema.
pub const SENTINEL: &str = "telemetry";

/// Every file, in order.
pub static MIGRATIONS: Migrations = plimsoll::migrations!(
    "migrations/001_tenants.sql",
    "migrations/002_devices.sql",
    "migrations/003_telemetry.sql",
    "migrations/004_partition_bounds.sql",
    "migrations/005_quarantine.sql",
    "migrations/007_registry.sql",
    "migrations/008_renewal.sql",
    "migrations/009_oncall.sql",
    "migrations/010_escalation.sql",
    "migrations/011_alerts.sql",
    "migrations/012_integration_routes_severities.sql",
    "migrations/013_device_state.sql",
    "migrations/014_rules_and_delivery.sql",
    "migrations/015_operators.sql",
    "migrations/016_identity.sql",
    "migrations/017_hygiene.sql",
    "migrations/018_start_without_the_owner.sql",
    "migrations/022_policy_secret.sql",
    "migrations/023_retention.sql",
    "migrations/024_person_in_the_record.sql",
);
