//! The schema of the service: numbered files, compiled in, applied when it starts.

use plimsoll::migrate::Migrations;

/// Every file, in order.
pub static MIGRATIONS: Migrations = plimsoll::migrations!(
    "migrations/001_tenants.sql",
    "migrations/002_devices.sql",
    "migrations/003_telemetry.sql",
);
