//! Whether readings are taken, as the operators' health tells of it.

use crate::service::Service;
use plimsoll_http::ComponentHealth;

/// Readings are taken while their pool lends connections.
pub(crate) fn of(service: &Service) -> ComponentHealth {
    let Some(ready) = service.is_ready() else {
        return ComponentHealth::down("the database has not been reached since the service started");
    };
    let readiness = ready.pools.ingest.readiness();
    let told = match readiness.is_ready {
        true => ComponentHealth::healthy(),
        false => {
            ComponentHealth::down(readiness.reason.unwrap_or_else(|| "readings are not taken".to_owned()))
        }
    };
    told.detail("waiting", ready.writer.waiting())
}
